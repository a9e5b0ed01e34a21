//! A worker: an OS thread that runs fibers, and what those fibers do between jobs.
//!
//! The thread itself (the *base*) only resumes fibers: ready ones first, else a spare one. Each fiber runs a loop over
//! jobs, one after another on one stack; when a job suspends, the base goes on with another fiber.
//! Knows nothing of queries.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use dagwood_fibers::{Fiber, Resumed, StackPool, Suspender};

use super::fiber::{FiberRecord, current, set_current};
use super::graph;
use super::job::{Job, JobRef};
use super::pool::Pool;
use super::queue::Deque;
use super::ready::ReadyList;
use super::stats::{Counter, Counters};
use crate::error::Error;
use crate::sync::Ordering;

/// A worker keeps at most this many spare fibers; the others give their stacks back.
const SPARES_MAX: usize = 64;

/// Every so many jobs a worker looks at the injector first, so that outside jobs do not starve.
const INJECTOR_PERIOD: u32 = 61;

/// Searches (each a look at every queue) before a worker goes to sleep: a few microseconds.
const SEARCHES_MAX: u32 = 32;

/// One worker. Its fibers use it one at a time; other threads read `pool` and `index` only.
pub(crate) struct Worker {
    pool: NonNull<Pool>,
    index: usize,
    deque: Deque,
    ready: ReadyList,
    spares: RefCell<Vec<NonNull<WorkerFiber>>>,
    stacks: RefCell<StackPool>,
    /// How many of its fibers wait.
    suspended: Cell<usize>,
    jobs_taken: Cell<u32>,
    random: Cell<u32>,
}

/// Why a fiber went back to the base.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Left {
    /// It waits; whoever wakes it puts it on the ready queue.
    Waiting,
    /// It has no job, and a ready fiber goes first.
    Spare,
}

/// A fiber of a worker: the holder of its record.
struct WorkerFiber {
    record: FiberRecord,
    left: Cell<Left>,
    suspender: Cell<*const Suspender>,
    /// Taken by the base only.
    fiber: UnsafeCell<Option<Fiber>>,
}

/// A worker's address on its way into its fibers' bodies.
struct Home(*const Worker, *const WorkerFiber);

// SAFETY: a fiber's body runs on the worker's thread, or (threads backend) on a thread of its own while the worker's
// thread waits for it: one at a time, ordered by the hand-over.
unsafe impl Send for Home {}

impl Worker {
    /// A worker of `pool`, to be [`run`](Self::run) on its own thread.
    pub(crate) fn new(pool: &Arc<Pool>, index: usize, deque: Deque, stacks: StackPool) -> Worker {
        Worker {
            pool: NonNull::from(&**pool),
            index,
            deque,
            ready: ReadyList::new(),
            spares: RefCell::new(Vec::new()),
            stacks: RefCell::new(stacks),
            suspended: Cell::new(0),
            jobs_taken: Cell::new(0),
            random: Cell::new((index as u32).wrapping_mul(0x9E37_79B9) | 1),
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        // SAFETY: the worker's thread holds the pool until the worker has ended.
        unsafe { self.pool.as_ref() }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.pool().seat(self.index).counters
    }

    fn count(&self, counter: impl FnOnce(&Counters) -> &Counter) {
        if self.pool().has_statistics() {
            counter(self.counters()).add();
        }
    }

    /// Makes the first fiber, so that a worker that cannot run is known before anybody relies on it.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.pool().reserve_fiber()?;
        self.add_spare()
    }

    /// The life of the worker's thread, until the pool stops. The base: resumes one fiber after another.
    pub(crate) fn run(&self) {
        while let Some(fiber) = self.next_fiber().or_else(|| self.wait_for_ready()) {
            // SAFETY: on the ready queue or spare: suspended, alive, and nobody else resumes it.
            let worker_fiber = unsafe { fiber.as_ref() };
            // SAFETY: only the base touches the field, and the base is here.
            let handle = unsafe { &mut *worker_fiber.fiber.get() };
            match handle
                .as_mut()
                .expect("an unfinished fiber has its handle")
                .resume()
            {
                Resumed::Suspended if worker_fiber.left.get() == Left::Spare => {
                    self.spares.borrow_mut().push(fiber)
                }
                Resumed::Suspended => (),
                Resumed::Finished(result) => {
                    result.expect("jobs carry their panics as values");
                    let done = handle.take().expect("just resumed");
                    done.recycle(&mut self.stacks.borrow_mut());
                    self.forget(fiber);
                }
            }
        }
    }

    fn next_fiber(&self) -> Option<NonNull<WorkerFiber>> {
        self.collect_ready();
        // SAFETY: a listed fiber is suspended until its owner, here, takes it off.
        let ready = self
            .ready
            .pop()
            .map(|record| unsafe { &*record }.holder().cast::<WorkerFiber>());
        ready.or_else(|| self.spares.borrow_mut().pop())
    }

    /// There was no memory for another fiber: the base can only resume what becomes ready. `None`: the pool stops.
    fn wait_for_ready(&self) -> Option<NonNull<WorkerFiber>> {
        let pool = self.pool();
        while self.suspended.get() > 0 {
            if let Some(fiber) = self.next_fiber() {
                return Some(fiber);
            }
            pool.idle.start_search();
            pool.sleep_for_fibers(self.index);
            pool.idle.end_search(|| pool.has_jobs());
        }
        None
    }

    /// Makes a fiber, for which the caller has reserved a place.
    fn add_spare(&self) -> Result<(), Error> {
        let attention = &raw const self.pool().seat(self.index).attention;
        let worker_fiber = Box::new(WorkerFiber {
            record: FiberRecord::of_worker(self, self.pool().identity(), attention),
            left: Cell::new(Left::Spare),
            suspender: Cell::new(ptr::null()),
            fiber: UnsafeCell::new(None),
        });
        let worker_fiber = NonNull::from(Box::leak(worker_fiber));
        // SAFETY: just made, and not shared yet.
        unsafe { worker_fiber.as_ref() }
            .record
            .set_holder(worker_fiber.cast());
        let home = Home(self, worker_fiber.as_ptr());
        let body = move |suspender: &Suspender| {
            let home = home;
            // SAFETY: the worker outlives its fibers.
            let worker = unsafe { &*home.0 };
            // SAFETY: a fiber's record is freed after the fiber has finished.
            let worker_fiber = unsafe { &*home.1 };
            worker_fiber.suspender.set(suspender);
            set_current(&raw const worker_fiber.record);
            worker.run_jobs(worker_fiber);
        };
        match Fiber::new(&mut self.stacks.borrow_mut(), body) {
            Ok(fiber) => {
                // SAFETY: alive: just made.
                let place = unsafe { worker_fiber.as_ref() }.fiber.get();
                // SAFETY: the fiber has not run, and the base, which touches the field later, is not here.
                unsafe { *place = Some(fiber) };
                self.spares.borrow_mut().push(worker_fiber);
                if self.pool().has_statistics() {
                    let counters = self.counters();
                    counters.fibers_created.add();
                    counters.fibers.add();
                    counters.fibers_peak.raise_to(counters.fibers.get());
                }
                Ok(())
            }
            Err(error) => {
                self.forget(worker_fiber);
                Err(Error::no_stack(&error))
            }
        }
    }

    /// Frees the record of a fiber that has finished or never was.
    fn forget(&self, fiber: NonNull<WorkerFiber>) {
        // SAFETY: made by `Box::leak` in `add_spare`, and on no list any more.
        let fiber = unsafe { Box::from_raw(fiber.as_ptr()) };
        graph::retire(fiber);
        self.pool().release_fiber();
        if self.pool().has_statistics() && self.counters().fibers.get() > 0 {
            self.counters().fibers.sub();
        }
    }

    /// The body of each fiber: jobs, until this fiber is one too many or the pool stops.
    fn run_jobs(&self, fiber: &WorkerFiber) {
        loop {
            self.collect_ready();
            if !self.ready.is_empty() {
                if self.spares.borrow().len() >= SPARES_MAX {
                    return;
                }
                self.switch_to_base(fiber, Left::Spare);
            } else if let Some(job) = self.take_job() {
                job.run(&fiber.record);
                debug_assert!(
                    fiber.record.jobs.take_oldest().is_none(),
                    "a job takes back what it forked"
                );
            } else if self.search(&fiber.record) {
                return;
            }
        }
    }

    fn switch_to_base(&self, fiber: &WorkerFiber, left: Left) {
        fiber.left.set(left);
        // SAFETY: set by the body of this very fiber, which is running; a suspender lives as long as the body.
        let suspender = unsafe { &*fiber.suspender.get() };
        suspender.suspend();
        set_current(&raw const fiber.record);
    }

    /// Makes sure that there is a fiber to go on with when the current one suspends.
    pub(crate) fn prepare_suspension(&self) -> Result<(), Error> {
        if !self.spares.borrow().is_empty() {
            return Ok(());
        }
        self.pool().reserve_fiber()?;
        self.add_spare()
    }

    /// The same for a wait that cannot be refused: over the cap, and in the worst case without a fiber to go on with
    /// but the ready ones.
    pub(crate) fn prepare_child_wait(&self) {
        if self.spares.borrow().is_empty() {
            self.pool().reserve_fiber_over_cap();
            // Without a spare the base waits for ready fibers (`wait_for_ready`).
            let _ = self.add_spare();
        }
    }

    /// Suspends the current fiber, which is listed as a waiter, until it is woken.
    pub(crate) fn suspend(&self, record: &FiberRecord) {
        self.publish_all(record);
        // SAFETY: what holds a worker's record is a `WorkerFiber`, and this one is running (`add_spare` is the only maker).
        let fiber = unsafe { record.holder().cast::<WorkerFiber>().as_ref() };
        let suspended = self.suspended.get() + 1;
        self.suspended.set(suspended);
        if self.pool().has_statistics() {
            self.counters().waits.add();
            self.counters().suspended_peak.raise_to(suspended as u64);
        }
        self.switch_to_base(fiber, Left::Waiting);
        self.suspended.set(self.suspended.get() - 1);
    }

    /// Puts a fiber of this worker that was just woken on its ready queue. Any thread.
    pub(crate) fn make_ready(&self, fiber: &FiberRecord) {
        // SAFETY: the current fiber is alive, since it runs this.
        let waker = unsafe { current().as_ref() }.and_then(FiberRecord::worker);
        match waker {
            Some(waker) if ptr::eq(waker, self) => self.ready.push(fiber),
            Some(waker) if waker.pool == self.pool => self.pool().post_fiber(self.index, fiber),
            _ => {
                // SAFETY: the pool lives while `fiber` is suspended, and lies in an `Arc` (`Pool::start`).
                let pool = unsafe { Pool::hold(self.pool) };
                // Once pushed, the fiber may run and the executor may end: only our own hold keeps the pool.
                pool.post_fiber(self.index, fiber);
            }
        }
    }

    fn collect_ready(&self) {
        self.pool().seat(self.index).inbox.drain_into(&self.ready);
    }

    /// The next job of its own, or one from outside.
    fn take_job(&self) -> Option<JobRef> {
        let taken = self.jobs_taken.get().wrapping_add(1);
        self.jobs_taken.set(taken);
        let is_outsiders_turn = taken.is_multiple_of(INJECTOR_PERIOD);
        let outside = if is_outsiders_turn {
            self.pool().take_injected()
        } else {
            None
        };
        outside
            .or_else(|| self.deque.pop())
            .or_else(|| self.pool().take_injected())
    }

    /// Looks for work until there is some, sleeping in between. `true`: the pool stops.
    fn search(&self, record: &FiberRecord) -> bool {
        let pool = self.pool();
        pool.idle.start_search();
        let mut searches = 0;
        let job = loop {
            if pool.is_stopping() || !pool.seat(self.index).inbox.is_empty() {
                break None;
            }
            if let Some(job) = pool.take_injected().or_else(|| self.steal()) {
                break Some(job);
            }
            searches += 1;
            if searches < SEARCHES_MAX {
                std::hint::spin_loop();
            } else {
                searches = 0;
                pool.sleep(self.index);
            }
        };
        if pool.idle.end_search(|| pool.has_jobs()) {
            self.count(|counters| &counters.wakes);
        }
        if let Some(job) = job {
            job.run(record);
        }
        pool.is_stopping() && self.ready.is_empty() && pool.seat(self.index).inbox.is_empty()
    }

    /// Takes a job from another worker, beginning with a random one.
    fn steal(&self) -> Option<JobRef> {
        let workers = self.pool().seats().len();
        let start = self.next_random() as usize % workers;
        let job = (0..workers)
            .map(|i| (start + i) % workers)
            .filter(|&victim| victim != self.index)
            .find_map(|victim| {
                let seat = self.pool().seat(victim);
                let job = seat.stealer.steal();
                // Either it has given its last job, or it has none to see: it should show more (idle.md I6).
                if seat.stealer.is_empty() {
                    seat.attention.store(true, Ordering::Relaxed);
                }
                job
            })?;
        self.count(|counters| &counters.steals);
        Some(job)
    }

    /// A xorshift: cheap, and good enough to spread thieves.
    fn next_random(&self) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }

    /// Puts a job where any worker may take it.
    pub(crate) fn publish(&self, job: JobRef) {
        self.deque.push(job);
        if self.pool().idle.job_posted() {
            self.count(|counters| &counters.wakes);
        }
    }

    fn publish_all(&self, fiber: &FiberRecord) {
        while let Some(job) = fiber.jobs.take_oldest() {
            self.publish(job);
        }
    }

    /// A scheduling point with the attention word raised: shows as many of the fiber's oldest jobs as thieves want.
    #[cold]
    pub(crate) fn attend(&self, fiber: &FiberRecord) {
        let pool = self.pool();
        let attention = &pool.seat(self.index).attention;
        // Lowered before the count: a word that is raised meanwhile stays (idle.md I6).
        attention.store(false, Ordering::SeqCst);
        if pool.seats().len() == 1 {
            return;
        }
        if std::thread::panicking() {
            // A destructor that forks during an unwind must not wait: its jobs stay where they are.
            attention.store(true, Ordering::Relaxed);
            return;
        }
        let wanted = (pool.idle.hungry() + 1).max(2);
        while self.deque.len() < wanted {
            let Some(job) = fiber.jobs.take_oldest() else {
                attention.store(true, Ordering::Relaxed);
                return;
            };
            self.publish(job);
        }
    }

    /// Takes a published job back, if it is on top of the deque.
    pub(crate) fn take_back(&self, job: &Job) -> bool {
        let Some(top) = self.deque.pop() else {
            return false;
        };
        let is_it = top.is(job);
        if is_it {
            // One less to see: show another at the next scheduling point.
            self.pool()
                .seat(self.index)
                .attention
                .store(true, Ordering::Relaxed);
        } else {
            // Somebody else's: it must not run on this stack (invariant 3).
            self.deque.push(top);
        }
        is_it
    }
}
