//! The scheduler without contexts: what a crate needs that puts another interface on it. Used by `rayon-core`
//! (`executor/rayon-core`), and not meant for anybody else: it may change at any time.
//!
//! Knows nothing of queries, save what [`lent`] keeps for those who ask for a context.

mod join;
mod lent;

#[cfg(any(feature = "fibers", feature = "threads"))]
mod pool;
#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "raw/pool_none.rs"]
mod pool;

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

pub use self::lent::with_current;
pub use self::pool::{Guest, Member, Pool};
use crate::executor::Backend;
use crate::part::{Given, Work};
use crate::sched::fiber::{self, FiberRecord};
use crate::sched::graph::{self, Awaited};
use crate::sched::job::{self, JobKind, JobRef};
use crate::sched::wait::Outcome;

/// No pool has more workers: some words count them in 16 bits.
pub const WORKERS_MAX: usize = (1 << 16) - 1;

/// How a [`Pool`] is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// At least one.
    pub workers: usize,
    /// By default the first of this build.
    pub backend: Option<Backend>,
    /// Of each fiber; by default as of an [`Executor`](crate::Executor).
    pub stack_bytes: Option<usize>,
}

/// The fiber that runs the caller.
#[derive(Copy, Clone)]
pub struct Fiber<'f> {
    record: &'f FiberRecord,
    not_send: PhantomData<*const ()>,
}

/// The fiber that runs the caller, if it is in a job.
///
/// # Safety
///
/// `'f` ends before that job does.
#[inline]
pub unsafe fn current<'f>() -> Option<Fiber<'f>> {
    // SAFETY: null, or the record of the fiber that runs this, which lives as long as its job.
    let record = unsafe { fiber::current().as_ref() }?;
    Some(Fiber {
        record,
        not_send: PhantomData,
    })
}

impl Fiber<'_> {
    /// The [identity](Pool::identity) of its pool.
    #[inline]
    pub fn pool(self) -> usize {
        self.record.executor()
    }

    /// What its pool was told that it belongs to, or null.
    pub fn owner(self) -> *const () {
        let worker = self.record.worker();
        worker.map_or(ptr::null(), pool::owner)
    }

    /// Which worker it belongs to.
    pub fn index(self) -> usize {
        self.record.worker().map_or(0, pool::index)
    }

    /// Its pool; `None` where jobs run at once.
    pub fn home(self) -> Option<Pool> {
        self.record.worker().and_then(pool::home)
    }

    /// How many workers its pool has.
    pub fn workers(self) -> usize {
        self.record.worker().map_or(1, |worker| worker.workers())
    }

    /// Gives a job to the pool: on top of what its worker holds. Where jobs run at once, and in a destructor that runs
    /// during an unwind (in which nothing can be waited for), it is run here.
    pub fn push(self, job: Job) {
        match self.record.worker() {
            Some(worker) if !std::thread::panicking() => worker.publish(job.0),
            _ => job.0.run(self.record),
        }
    }

    /// Gives a job to one worker of the pool alone.
    pub fn post(self, worker: usize, job: Job) {
        match self.record.worker() {
            Some(here) => here.post_to(worker, job.0),
            None => job.0.run(self.record),
        }
    }

    /// Whether anything has not started that its worker, or itself, holds.
    pub fn has_jobs(self) -> bool {
        let worker = self.record.worker();
        worker.is_some_and(|worker| worker.has_jobs_of(self.record))
    }

    /// Lets other work of its worker, or else of the pool, go first. Whether there was any.
    pub fn yield_now(self) -> bool {
        self.yield_to_work(true)
    }

    /// Lets other work of its worker go first. Whether there was any.
    pub fn yield_local(self) -> bool {
        self.yield_to_work(false)
    }

    fn yield_to_work(self, is_everywhere: bool) -> bool {
        let worker = self.record.worker();
        let can_wait = !std::thread::panicking();
        can_wait && worker.is_some_and(|worker| worker.yield_to_work(self.record, is_everywhere))
    }
}

impl fmt::Debug for Fiber<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fiber").finish_non_exhaustive()
    }
}

/// Something to be done by a worker, once.
#[derive(Debug)]
#[must_use = "a job that is given to nobody is never done, and its memory is lost"]
pub struct Job(JobRef);

/// A job on the heap. Begins with its head.
#[repr(C)]
struct Boxed<F> {
    job: job::Job,
    body: F,
}

impl Job {
    /// A job that calls `body`, which must not unwind: the process would be aborted.
    ///
    /// # Safety
    ///
    /// What `body` borrows lives until it has been called.
    pub unsafe fn new<F: FnOnce() + Send>(body: F) -> Job {
        let boxed = Box::leak(Box::new(Boxed {
            job: job::Job::new(Boxed::<F>::KIND),
            body,
        }));
        // SAFETY: on the heap until it is started, and `Send`; `Job` is neither `Copy` nor `Clone`, so it goes to one
        // queue.
        Job(unsafe { JobRef::new(ptr::NonNull::from(boxed).cast()) })
    }
}

impl<F: FnOnce()> Boxed<F> {
    const KIND: &'static JobKind = &JobKind::whole(Self::start);

    /// # Safety
    ///
    /// `job` is the head of a living job of this type that nobody else starts.
    unsafe fn start(job: ptr::NonNull<job::Job>, _: &FiberRecord) {
        // SAFETY: leaked by `Job::new`, with the head as the first field of a `repr(C)` struct; started once.
        let boxed = unsafe { Box::from_raw(job.cast::<Self>().as_ptr()) };
        (boxed.body)();
    }
}

/// What is waited for until somebody closes it.
pub struct Latch(Awaited);

impl Latch {
    /// An open one.
    pub fn new() -> Self {
        Latch(Awaited::new(ptr::null()))
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.0.list.outcome().is_some()
    }

    /// Ends all waits. The caller touches the latch no more: who waits may free it.
    pub fn close(&self) {
        self.0.list.close(Outcome::READY).wake();
    }

    /// Waits until it is closed: a fiber by suspending, a thread by blocking.
    ///
    /// # Panics
    ///
    /// If the wait was part of a cycle: then it is closed, too.
    pub fn wait(&self) {
        if let Some(error) = wait_for(&self.0) {
            error.raise();
        }
    }
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Waits on the current fiber, or as a thread. Gives the error of a cycle that the wait was part of.
fn wait_for(awaited: &Awaited) -> Option<crate::error::Error> {
    on_this_fiber(|fiber| graph::wait_for_child(fiber, awaited))
}

/// Calls `body` with what waits here: the current fiber, or the thread. During an unwind the thread: another fiber must
/// not run on it.
fn on_this_fiber<R>(body: impl FnOnce(&FiberRecord) -> R) -> R {
    // SAFETY: null, or the fiber that runs this, which outlives the call.
    let here = unsafe { fiber::current().as_ref() };
    match here.filter(|_| !std::thread::panicking()) {
        Some(fiber) => body(fiber),
        None => body(&FiberRecord::of_thread()),
    }
}

/// A closure that is run elsewhere, for its result.
struct Call<F> {
    body: F,
    /// Whether its worker leaves its thread afterwards.
    is_visit: bool,
}

impl<F: FnOnce() -> R, R> Work for Call<F> {
    type Done = std::thread::Result<R>;
    const IS_DIVISIBLE: bool = false;

    fn run(self, fiber: &FiberRecord) -> Self::Done {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(self.body));
        if self.is_visit {
            fiber.worker().into_iter().for_each(pool::leave);
        }
        result
    }
}

/// Runs `body` as a job, which `give` gives to a pool, and waits for it. Gives what it panicked with.
fn call<R: Send>(
    body: impl FnOnce() -> R + Send,
    is_visit: bool,
    give: impl FnOnce(JobRef),
) -> std::thread::Result<R> {
    let (result, cycle) = on_this_fiber(|fiber| {
        // SAFETY: body and result are `Send`, and it is waited for below, by this fiber or thread.
        let (given, job) = unsafe { Given::new(Call { body, is_visit }, fiber) };
        give(job);
        given.wait(fiber)
    });
    match cycle {
        Some(error) => {
            crate::error::discard(result);
            Err(error.into_payload())
        }
        None => result,
    }
}
