//! The record of a fiber: who runs it, what it waits for, what it holds.
//!
//! Everything that can wait has one: a worker's fiber, and an OS thread that runs a sequential job
//! or waits for a `run`. Knows nothing of queries; frames are opaque links.

use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, NonNull};

use dagwood_fibers::RawSuspender;

use super::attention::Attention;
use super::fork::ForkList;
use super::graph::{Awaited, Frame, WaitKind};
use super::latch::Latch;
use super::pool::Worker;
use crate::error::Error;
use crate::sync::AtomicUsize;

/// How a fiber is resumed.
pub(crate) enum Wake {
    /// By its owner, from the ready queue. The worker outlives its fibers.
    Worker(*const Worker),
    /// It is an OS thread that parks.
    Thread(Latch),
    /// It is a sequential run inside a job of another executor: with that job's fiber, which
    /// outlives it.
    Outer(*const FiberRecord),
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
    /// Link of the list that the fiber is on: of those who wait for the same thing, or of the ready
    /// ones of its owner.
    pub(crate) next: Cell<*const FiberRecord>,
    /// The executor it works for (an identity, for comparison only; zero: none).
    executor: usize,
    /// Its worker's, or a sequential run's own (attention.md).
    attention: *const Attention,
    /// How it goes back to its worker's base; set when its body begins.
    pub(super) suspender: Cell<Option<RawSuspender>>,
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
    /// For its worker: whether it went back to the base without a job.
    pub(super) is_spare: Cell<bool>,
    /// Whether its worker has given its wait up (stand.md S3).
    pub(super) is_given_up: Cell<bool>,
    /// Whether user code runs at a place where a nested `run` would see what must not be seen.
    refuses_runs: Cell<bool>,
    /// While it is suspended in a wait that can be given up: for what, and behind whom it was listed
    /// (wait.md W7). Its own and its worker's.
    pub(super) ask: Cell<(*const Awaited, *const FiberRecord)>,
    /// The size of the segments that it goes on on.
    segment_bytes: usize,
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
    ) -> Self {
        Self::new(Wake::Worker(worker), executor, attention, segment_bytes)
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
            executor,
            attention,
            suspender: Cell::new(None),
            limit: Cell::new(0),
            segment_bytes,
            own: LineStart,
            forks: ForkList::new(),
            frames: Cell::new(ptr::null()),
            edge: Cell::new(ptr::null()),
            wait_kind: Cell::new(WaitKind::Child),
            is_spare: Cell::new(false),
            is_given_up: Cell::new(false),
            ask: Cell::new((ptr::null(), ptr::null())),
            refuses_runs: Cell::new(false),
            cycle: UnsafeCell::new(None),
            next: Cell::new(ptr::null()),
        }
    }

    /// The worker that owns this fiber and runs its jobs; `None` for an OS thread and a sequential
    /// run.
    pub(crate) fn worker(&self) -> Option<&Worker> {
        match self.wake {
            // SAFETY: a worker outlives its fibers (it ends them before it ends).
            Wake::Worker(worker) => Some(unsafe { &*worker }),
            Wake::Thread(_) | Wake::Outer(_) => None,
        }
    }

    /// The executor it works for, as a number.
    pub(crate) fn executor(&self) -> usize {
        self.executor
    }

    /// Whether others can run while it waits, though it is the record of a run of its own.
    pub(crate) fn is_on_worker(&self) -> bool {
        self.outermost().worker().is_some()
    }

    /// The fiber whose stack this is.
    fn outermost(&self) -> &FiberRecord {
        match self.wake {
            // SAFETY: the outer fiber runs us, so it is alive.
            Wake::Outer(outer) => unsafe { &*outer }.outermost(),
            Wake::Worker(_) | Wake::Thread(_) => self,
        }
    }

    /// Why its wait was given up.
    pub(super) fn shortage(&self) -> Error {
        let worker = self.outermost().worker();
        worker.expect("only a worker gives up waits").shortage()
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
        unsafe { &*self.attention }
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
        self.segment_bytes
    }

    /// From now on the fiber, the current one, runs on a stack with this limit (attention.md A4).
    /// Gives the one before.
    pub(crate) fn change_stack(&self, limit: usize) -> usize {
        let before = self.limit.replace(limit);
        match self.worker() {
            Some(worker) => worker.change_stack(limit),
            None => self.attention().set(limit),
        }
        before
    }

    /// Gives the thread back until [`wake`](Self::wake). Called by the fiber itself, once it is
    /// listed (wait.md W2).
    pub(crate) fn suspend(&self) {
        match &self.wake {
            Wake::Worker(_) => self.worker().expect("checked by the match").suspend(self),
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
            // SAFETY: a worker outlives its fibers.
            Wake::Worker(worker) => unsafe { &**worker }.make_ready(record),
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

    /// Whether `inner` is the record of a sequential run on this fiber.
    pub(super) fn is_outer_of(&self, inner: *const FiberRecord) -> bool {
        // SAFETY: the caller knows of `inner` as the owner of something open, under the graph's
        // lock (graph.md G4).
        let inner = unsafe { inner.as_ref() };
        inner.is_some_and(|inner| matches!(inner.wake, Wake::Outer(outer) if ptr::eq(outer, self)))
    }
}

thread_local! {
    /// The fiber that runs on this OS thread, if any.
    static CURRENT: Cell<*const FiberRecord> = const { Cell::new(ptr::null()) };
}

/// The fiber that runs on this OS thread; null outside. Never inlined: the thread-local's address
/// must not be kept over a switch.
#[inline(never)]
pub(crate) fn current() -> *const FiberRecord {
    CURRENT.with(Cell::get)
}

/// Where this OS thread says which fiber runs on it: for a thread that says so often. Good as long
/// as the thread runs.
#[inline(never)]
pub(crate) fn current_place() -> NonNull<Cell<*const FiberRecord>> {
    CURRENT.with(|current| NonNull::from(current))
}

/// Says which fiber runs on this OS thread from now on, and gives the one before.
#[inline(never)]
pub(crate) fn set_current(fiber: *const FiberRecord) -> *const FiberRecord {
    CURRENT.with(|current| current.replace(fiber))
}

/// Runs user code (a `Debug`, a destructor) that must not call `run`: while a failure is reported, something is open
/// whose frame is gone already, or a cycle stands still and must stay so.
pub(crate) fn without_runs<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: null, or the fiber that runs this, which outlives the call.
    let Some(fiber) = (unsafe { current().as_ref() }) else {
        return body();
    };
    let before = fiber.refuses_runs.replace(true);
    let result = body();
    fiber.refuses_runs.set(before);
    result
}
