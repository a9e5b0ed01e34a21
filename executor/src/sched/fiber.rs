//! The record of a fiber: who runs it, what it waits for, what it holds.
//!
//! Everything that can wait has one: a worker's fiber, and an OS thread that runs a sequential job
//! or waits for a `run`. Knows nothing of queries; frames are opaque links.

mod current;
mod deaf;
mod ending;
mod holding;
mod nested;
mod no_suspend;
mod shares;

use std::cell::{Cell, UnsafeCell};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::AtomicU8;

use dagwood_fibers::RawSuspender;

#[cfg(any(feature = "fibers", feature = "threads"))]
pub(crate) use self::current::current_place;
pub(crate) use self::current::{current, set_current, without_runs};
pub(crate) use self::deaf::Deaf;
use self::shares::Shares;
use super::attention::Attention;
use super::cancel::{NEVER, Region};
use super::fork::ForkList;
use super::graph::{Ask, Awaited, Frame, GivenUpFor, WaitKind, settle};
use super::latch::Latch;
use super::pool::Worker;
use super::rest::Rest;
use super::stance::Stance;
use super::wanted::LOOKERS;
use crate::error::Error;
use crate::priority::Priority;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// What somebody keeps with a fiber: only an address here.
pub(crate) type Lent = *const ();

/// How a fiber is resumed.
pub(crate) enum Wake {
    /// By its owner, from the ready queue.
    Worker,
    /// The same; any worker of the pool may become its owner while it is ready (moving.md).
    Movable,
    /// It is an OS thread that parks.
    Thread(Latch),
    /// It is a sequential run inside a job of another executor: with that job's fiber, which
    /// outlives it.
    Outer(*const FiberRecord),
}

/// Why a fiber went back to its worker's base.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// It waits or has yielded: it is, or will be put, on the ready queue of this worker.
    Waiting,
    /// It has no job, and a ready fiber goes first.
    Spare,
    /// It waits, and may be resumed by another worker.
    Movable,
}

/// Takes no place; what follows it begins on a cache line.
#[repr(align(64))]
struct LineStart;

/// What the runtime knows of one fiber.
///
/// Shared: `wake` and `next` belong to the fiber until it has listed itself as a waiter, then to
/// whoever wakes it (one at a time, wait.md W3);
/// `edge`, `frames` and `cycle` of a *waiting* fiber are read and written under the graph's lock
/// (graph.md). All else is the fiber's own.
#[repr(C, align(64))]
pub(crate) struct FiberRecord {
    // What wakers read, apart from what the fiber itself writes all the time.
    wake: Wake,
    /// The worker that owns it, which outlives its fibers; null if none does. Beside `wake`, and not in it: who yields asks,
    /// and what it is would be one more question.
    worker: AtomicPtr<Worker>,
    /// Link of the list that the fiber is on: of those who wait for the same thing, or of the ready
    /// ones of its owner.
    pub(crate) next: Cell<*const FiberRecord>,
    /// Who does what it waits for, as far as its list tells (wait.md W8).
    pub(super) owner: AtomicPtr<FiberRecord>,
    /// The executor it works for (an identity, for comparison only; zero: none).
    executor: usize,
    /// Its worker's, or a sequential run's own (attention.md).
    attention: Cell<*const Attention>,
    /// How it goes back to its worker's base; set when its body begins.
    pub(super) suspender: Cell<Option<RawSuspender>>,
    /// The address of who was first on its worker's ready queue when it was resumed, and still is (wait.md W4); or zero.
    /// Here, since each load on the way from one fiber to the next waits for the one before, and the queue is one further
    /// away.
    pub(super) successor: Cell<usize>,
    /// Changes with `region`: points to a byte that is zero as long as that is certainly not to stop. Read by the fiber itself,
    /// or under the graph's lock while it waits. Here, since a yield has this line at hand.
    brake: Cell<*const AtomicU8>,
    /// The locks that it holds, and others may hold with it. Its own, and here since there is room.
    shares: Shares,
    /// What the fiber itself writes begins on another cache line.
    own: LineStart,
    /// The forked jobs that nobody else can see yet.
    pub(crate) forks: ForkList,
    /// The innermost provider or job that runs on this fiber.
    pub(crate) frames: Cell<*const Frame>,
    /// What the fiber waits for.
    pub(crate) edge: Cell<*const Awaited>,
    /// What that wait is.
    pub(super) wait_kind: Cell<WaitKind>,
    /// For its worker: why it went back to the base. `Waiting` while it runs, and looked at where it has not said who goes
    /// next.
    pub(super) left: Cell<Left>,
    /// Whether only its owner resumes it from this wait (moving.md M7).
    pub(super) is_bound: Cell<bool>,
    /// Whether its worker has given its wait up (graph.md G8).
    pub(super) given_up: Cell<GivenUpFor>,
    /// Whether user code runs at a place where a nested `run` would see what must not be seen.
    refuses_runs: Cell<bool>,
    /// Whether what runs cannot be cancelled (cancel.md X6).
    is_deaf: Cell<bool>,
    /// How often its job was told that the executor shuts down.
    refusals: Cell<u16>,
    /// How many locks' words name it (lock.md K1). Touched by itself alone.
    locks: Cell<u32>,
    /// The size of the segments that it goes on on, in KiB.
    segment_kib: u32,
    /// While it rests in a wait: which (rest.md).
    rest: Rest<Ask>,
    /// What it works for, to see whether that is cancelled; null for a thread outside. Written by the fiber, read by
    /// others under the graph's lock while it waits (who compares addresses only may read it any time).
    region: AtomicPtr<Region>,
    /// What the running job has lent to code without a context (`raw/lent.rs`), or null. Its own.
    pub(crate) lent: Cell<Lent>,
    /// Whether it is that of an iteration on its outer fiber, which it is one with as far as cancellation goes
    /// (cancel.md X9).
    is_inner: Cell<bool>,
    /// That of the run that it works for. Read by who makes it ready.
    priority: Cell<Priority>,
    /// Where it stands, if it may move.
    pub(super) stance: Stance,
    /// The record of the iteration that runs on it, or null. Written by the fiber, and looked through under the graph's
    /// lock, or by its worker.
    inner: AtomicPtr<FiberRecord>,
    /// Where it was said that it does not wait (`fiber/no_suspend.rs`), or null.
    no_suspend: Cell<*const Location<'static>>,
    /// Below this address little is left of the stack that it runs on now.
    limit: Cell<usize>,
    /// Why it is called back from its wait: a cycle. Read and written under the graph's lock.
    pub(crate) cycle: UnsafeCell<Option<Error>>,
}

// SAFETY: the fields that other threads touch are handed over as the type's documentation says: by
// wait.md W3 or under the graph's lock.
unsafe impl Send for FiberRecord {}
// SAFETY: as above.
unsafe impl Sync for FiberRecord {}

/// The attention word of OS threads that run no jobs.
static CALM: Attention = Attention(AtomicUsize::new(0));

impl FiberRecord {
    /// The record of a worker's fiber, which says where its stack is when it begins
    /// ([`change_stack`](Self::change_stack)).
    pub(crate) fn of_worker(
        worker: *const Worker,
        executor: usize,
        attention: *const Attention,
        segment_bytes: usize,
        is_movable: bool,
    ) -> Self {
        let wake = if is_movable {
            Wake::Movable
        } else {
            Wake::Worker
        };
        FiberRecord {
            worker: AtomicPtr::new(worker.cast_mut()),
            ..Self::new(wake, executor, attention, segment_bytes)
        }
    }

    /// The record of the calling OS thread, which runs no jobs.
    pub(crate) fn of_thread() -> Self {
        Self::new(Wake::Thread(Latch::here()), 0, &raw const CALM, 0)
    }

    /// The record of a sequential run on the calling OS thread, or on `outer`, the current fiber.
    /// `attention` outlives it.
    pub(crate) fn sequential(
        outer: Option<&FiberRecord>,
        executor: usize,
        attention: *const Attention,
        segment_bytes: usize,
    ) -> Self {
        let wake = match outer {
            Some(outer) => Wake::Outer(outer),
            None => Wake::Thread(Latch::here()),
        };
        Self::new(wake, executor, attention, segment_bytes)
    }

    fn new(wake: Wake, executor: usize, attention: *const Attention, segment_bytes: usize) -> Self {
        FiberRecord {
            wake,
            worker: AtomicPtr::new(ptr::null_mut()),
            executor,
            attention: Cell::new(attention),
            suspender: Cell::new(None),
            limit: Cell::new(0),
            segment_kib: u32::try_from(segment_bytes >> 10).expect("less than four TiB"),
            own: LineStart,
            forks: ForkList::new(),
            frames: Cell::new(ptr::null()),
            edge: Cell::new(ptr::null()),
            wait_kind: Cell::new(WaitKind::Child),
            successor: Cell::new(0),
            left: Cell::new(Left::Waiting),
            is_bound: Cell::new(false),
            priority: Cell::new(Priority::Normal),
            stance: Stance::new(),
            given_up: Cell::new(GivenUpFor::Nothing),
            rest: Rest::new(),
            region: AtomicPtr::new(ptr::null_mut()),
            brake: Cell::new(&raw const NEVER),
            is_inner: Cell::new(false),
            inner: AtomicPtr::new(ptr::null_mut()),
            refuses_runs: Cell::new(false),
            is_deaf: Cell::new(false),
            refusals: Cell::new(0),
            locks: Cell::new(0),
            no_suspend: Cell::new(ptr::null()),
            lent: Cell::new(ptr::null()),
            shares: Shares::default(),
            cycle: UnsafeCell::new(None),
            next: Cell::new(ptr::null()),
            owner: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The worker that owns this fiber and runs its jobs; `None` for an OS thread and a sequential
    /// run. Not to be kept over a wait (moving.md M8).
    // Always: who yields asks, and a call there costs more than what it does (see `Cx::yield_now`).
    #[inline(always)]
    pub(crate) fn worker(&self) -> Option<&Worker> {
        // Relaxed: written before it is made to run there. Others ask only what is the same for all of a pool.
        let worker = self.worker.load(Ordering::Relaxed);
        // SAFETY: null, or a worker, which outlives its fibers, and those that wait on it (it ends them before it ends).
        unsafe { worker.as_ref() }
    }

    /// How urgent the run is that it works for. Asked by itself, or by who has made it ready and resumes it, or hands it on.
    pub(super) fn priority(&self) -> Priority {
        self.priority.get()
    }

    /// Whether it is a worker's.
    #[inline]
    pub(crate) fn has_worker(&self) -> bool {
        self.worker().is_some()
    }

    /// Whether any worker of its pool may resume it.
    pub(super) fn is_movable(&self) -> bool {
        matches!(self.wake, Wake::Movable)
    }

    /// `worker`, whose attention word that is, owns it from now on. Called by whoever resumes it, or hands it on.
    pub(super) fn move_to(&self, worker: *const Worker, attention: *const Attention) {
        if self.is_movable() {
            // Relaxed: as in `worker`.
            self.worker.store(worker.cast_mut(), Ordering::Relaxed);
            self.attention.set(attention);
        }
    }

    /// The identity of the executor that it works for.
    pub(crate) fn executor(&self) -> usize {
        self.executor
    }

    /// Why its wait was given up.
    pub(super) fn shortage(&self) -> Error {
        let worker = self.outermost().worker();
        worker.expect("only a worker gives up waits").shortage()
    }

    /// It, the current one, looks at its next scheduling point.
    pub(crate) fn raise_attention(&self) {
        // The word of threads outside is shared, and nobody is to look.
        if !ptr::eq(self.attention.get(), &raw const CALM) {
            self.attention().raise();
        }
        self.around().inspect(|outer| outer.raise_attention());
    }

    /// The wait that it rests in; null if it does not. For its worker, while another fiber of that runs, and for who
    /// [looks at it](super::rest) under the graph's lock.
    pub(super) fn ask(&self) -> *const Ask {
        self.rest.what()
    }

    /// It is about to suspend in this wait.
    pub(super) fn begin_rest(&self, ask: &Ask) {
        self.rest.begin(ask);
    }

    /// It goes on: as soon as nobody looks at its frames.
    pub(super) fn end_rest(&self) {
        if self.rest.end(&LOOKERS) {
            settle();
        }
    }

    /// Whether a nested `run` is refused now.
    pub(crate) fn refuses_runs(&self) -> bool {
        self.refuses_runs.get()
    }

    /// Whether it works for this executor, or is inside a job of it.
    pub(crate) fn is_of(&self, executor: usize) -> bool {
        let is_inside = |outer: *const FiberRecord| {
            // SAFETY: the outer fiber runs us, so it is alive.
            unsafe { &*outer }.is_of(executor)
        };
        self.executor == executor || matches!(self.wake, Wake::Outer(outer) if is_inside(outer))
    }

    #[inline]
    fn attention(&self) -> &Attention {
        // SAFETY: the word belongs to the worker, which outlives its fibers, or to what made the
        // record (`sequential`), or is static.
        unsafe { &*self.attention.get() }
    }

    /// Whether somebody wants the fiber to look.
    #[inline]
    pub(crate) fn must_attend(&self) -> bool {
        self.attention().is_raised()
    }

    /// Whether the fiber, which runs with its stack pointer just below `here`, must look who wants
    /// it, and whether little stack is left: the one compare of a scheduling point.
    #[inline]
    pub(crate) fn has_attention<T>(&self, here: *const T) -> bool {
        self.attention().is_due_at(here.addr())
    }

    /// Below this address little is left of the stack that it runs on now.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.get()
    }

    /// The size of the segments that it goes on on.
    pub(crate) fn segment_bytes(&self) -> usize {
        (self.segment_kib as usize) << 10
    }

    /// From now on the fiber, the current one, runs on a stack with this limit (attention.md A4).
    /// Gives the one before.
    pub(crate) fn change_stack(&self, limit: usize) -> usize {
        let before = self.limit.replace(limit);
        match self.worker() {
            Some(worker) => worker.change_stack(limit),
            // SAFETY: null, or that of the job that runs here.
            None if unsafe { self.region().as_ref() }.is_some_and(Region::is_polled) => (),
            None => self.attention().set(limit),
        }
        before
    }

    /// Gives the thread back until [`wake`](Self::wake). Called by the fiber itself, once it is
    /// listed (wait.md W2).
    pub(crate) fn suspend(&self) {
        match &self.wake {
            Wake::Worker => self.worker().expect("a worker's fiber").suspend(self),
            Wake::Movable => Worker::suspend_movable(self),
            Wake::Outer(_) => {
                self.outermost().suspend();
                set_current(self);
            }
            Wake::Thread(latch) => latch.wait(),
        }
    }

    /// Makes the fiber ready to be resumed.
    ///
    /// # Safety
    ///
    /// `fiber` is listed as a waiter and not woken yet; the caller is the one that wakes it
    /// (wait.md W3). From here on the caller touches the fiber no more.
    pub(crate) unsafe fn wake(fiber: *const FiberRecord) {
        // SAFETY: alive, since it waits for this very call.
        let record = unsafe { &*fiber };
        match &record.wake {
            Wake::Worker => {
                let worker = record.worker().expect("a worker's fiber");
                worker.make_ready(record);
            }
            Wake::Movable => Worker::wake_movable(record),
            // SAFETY: it waits with us, so it is woken once, too.
            Wake::Outer(outer) => unsafe { FiberRecord::wake(*outer) },
            // SAFETY: alive, and set once for this wait, by us. The record may be gone afterwards
            // (latch.md L2).
            Wake::Thread(latch) => unsafe { Latch::set(latch) },
        }
    }

    /// Whether it was called back from its wait and has not left it yet. The graph's lock is held.
    pub(super) fn is_called_back(&self) -> bool {
        // SAFETY: the field is read and written under the lock.
        unsafe { &*self.cycle.get() }.is_some()
    }
}
