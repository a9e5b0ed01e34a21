//! The pool of workers: what they share, and how it is made.

mod duty;
mod gate;
mod injected;
mod look;
mod permit;
mod posts;
mod runs;
mod sleeps;
mod sweeps;
mod threads;
mod watchdog;

use std::ptr::{self, NonNull};
use std::sync::Arc;

use dagwood_fibers::{Fiber, Mechanism, Resumed, StackDepot, StackSettings};

use self::injected::Injected;
use self::look::Looks;
pub(crate) use self::look::{Answer, Look, SeenWait};
use self::permit::Permits;
pub(crate) use self::runs::RunningRun;
use self::runs::Runs;
use self::sweeps::Sweep;
pub(crate) use self::threads::{Member, Threads};
use super::attention::Attention;
use super::idle::Idle;
use super::limits;
use super::posted::Posted;
use super::queue::{Deque, Injector, Stealer};
use super::ready::{Inbox, SharedReady};
use super::seeded::Seeded;
use super::slab::Depot;
use super::standing::Standing;
use super::stats::{Counters, Statistics};
pub(crate) use super::worker::Worker;
use crate::error::Error;
use crate::hooks::Hooks;
use crate::make::Jobserver;
use crate::schedule::Schedule;
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use crate::waiters::Watching;

/// How a pool is made.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) workers: usize,
    pub(crate) mechanism: Mechanism,
    pub(crate) stacks: StackSettings,
    /// The cap, if the user has said one.
    pub(crate) fibers_max: Option<usize>,
    pub(crate) reports_overflows: bool,
    pub(crate) statistics: bool,
    pub(crate) schedule: Schedule,
    pub(crate) watching: Watching,
    /// Whether any worker may resume a ready fiber (moving.md).
    pub(crate) moves_fibers: bool,
    pub(crate) hooks: Hooks,
    /// With whom the pool shares permits (tokens.md).
    pub(crate) jobserver: Option<Jobserver>,
    /// For tests: how many threads a worker's fibers may be (`Builder::limit_threads`).
    pub(crate) threads_max: Option<usize>,
    /// Whether somebody puts another interface on it (`raw.rs`), and workers do as rayon's threads do
    /// ([`Worker::embedded`]).
    pub(crate) is_embedded: bool,
}

/// What others see of a worker. Aligned, so that workers do not share cache lines.
#[repr(align(128))]
pub(crate) struct Seat {
    pub(crate) stealer: Stealer,
    pub(crate) inbox: Inbox,
    /// The worker's ready fibers that others may take (moving.md M3).
    pub(crate) shared: SharedReady,
    /// How many fibers that wait others have taken.
    pub(crate) taken: AtomicUsize,
    /// Jobs that only this worker starts.
    pub(crate) own_jobs: Injector,
    pub(crate) attention: Attention,
    /// Whether who raised it is content with what there is to show at the next scheduling point.
    pub(crate) is_modestly_asked: AtomicBool,
    /// Whether somebody has taken a job since the worker last asked (idle.md I10).
    pub(crate) was_stolen_from: AtomicBool,
    pub(crate) counters: Counters,
    /// A job of this worker: to end what was cancelled.
    sweep: Sweep,
}

impl Seat {
    /// Whether there is something for this worker alone.
    fn has_own(&self) -> bool {
        !self.inbox.is_empty() || !self.own_jobs.is_empty()
    }
}

/// What the workers share.
pub(crate) struct Pool {
    seats: Box<[Seat]>,
    injected: Injected,
    /// Under a schedule: whether sweeps wait to be let in.
    sweeps_outside: Posted,
    runs: Runs,
    pub(crate) idle: Idle,
    pub(crate) depot: Depot,
    pub(crate) standing: Standing,
    stacks: StackDepot,
    is_stopping: AtomicBool,
    fibers: AtomicUsize,
    fibers_max: usize,
    /// How many workers start jobs. Changes are told by fences (idle.md I9).
    on_duty: AtomicUsize,
    has_statistics: bool,
    /// Whether there are statistics, a schedule or hooks: one look for all.
    is_watched: bool,
    /// Says who runs, if one at a time does.
    seeded: Option<Seeded>,
    watches_own_stacks: bool,
    moves_fibers: bool,
    has_own_stacks: bool,
    times_waits: bool,
    has_watchdog: bool,
    hooks: Hooks,
    looks: Looks,
    /// With statistics: how many threads are between showing a job and having woken somebody for it.
    posting: AtomicUsize,
    /// What the pool belongs to, if who made it has said so: only the address.
    owner: AtomicPtr<()>,
    permits: Option<Permits>,
}

fn permits(settings: &Settings) -> Option<Permits> {
    let jobserver = settings.jobserver.as_ref();
    jobserver.map(|jobserver| Permits::new(jobserver, settings.workers))
}

impl Pool {
    /// A pool whose workers have no threads yet.
    pub(crate) fn make(settings: &Settings) -> Result<(Arc<Pool>, Vec<Member>), Error> {
        let stacks = StackDepot::new(settings.mechanism, settings.stacks)
            .map_err(|error| Error::setup(format!("stacks cannot be made like this: {error}")))?;
        let seeded = Seeded::new(&settings.schedule, settings.workers)?;
        let deques: Vec<Deque> = (0..settings.workers).map(|_| Deque::new()).collect();
        let seat = |deque: &Deque| Seat {
            stealer: deque.stealer(),
            inbox: Inbox::new(),
            shared: SharedReady::new(),
            taken: AtomicUsize::new(0),
            own_jobs: Injector::new(),
            attention: Attention::raised(),
            is_modestly_asked: AtomicBool::new(false),
            was_stolen_from: AtomicBool::new(false),
            counters: Counters::default(),
            sweep: Sweep::new(),
        };
        let pool = Arc::new(Pool {
            seats: deques.iter().map(seat).collect(),
            injected: Injected::new(),
            sweeps_outside: Posted::new(),
            runs: Runs::new(),
            idle: Idle::new(settings.workers),
            depot: Depot::new(),
            standing: Standing::new(settings.workers),
            is_stopping: AtomicBool::new(false),
            fibers: AtomicUsize::new(0),
            fibers_max: limits::fibers_max(settings, stacks.splits_mappings()),
            stacks,
            on_duty: AtomicUsize::new(settings.workers),
            has_statistics: settings.statistics,
            is_watched: settings.statistics || seeded.is_some() || !settings.hooks.is_empty(),
            seeded,
            watches_own_stacks: settings.reports_overflows
                && settings.mechanism == Mechanism::Thread,
            moves_fibers: settings.moves_fibers && !settings.is_embedded && settings.workers > 1,
            has_own_stacks: settings.mechanism == Mechanism::Switch,
            times_waits: settings.statistics || settings.watching.period.is_some(),
            has_watchdog: settings.watching.period.is_some(),
            hooks: settings.hooks.clone(),
            looks: Looks::default(),
            posting: AtomicUsize::new(0),
            owner: AtomicPtr::new(ptr::null_mut()),
            permits: permits(settings),
        });
        let member = |(index, deque)| {
            let mut stacks = pool.stacks.pool();
            if let Some(max) = settings.threads_max {
                stacks.limit_threads(max);
            }
            Member {
                pool: Arc::clone(&pool),
                index,
                deque,
                stacks,
                has_fault_stack: settings.reports_overflows
                    && settings.mechanism == Mechanism::Switch,
                is_embedded: settings.is_embedded,
            }
        };
        let members = deques.into_iter().enumerate().map(member).collect();
        Ok((pool, members))
    }

    /// Makes a stack, and gives it back: whether there can be any, known before somebody relies on it.
    pub(crate) fn try_stack(&self) -> Result<(), Error> {
        let mut stacks = self.stacks.pool();
        let mut fiber = Fiber::new(&mut stacks, |_| ()).map_err(|error| Error::no_stack(&error))?;
        let left = fiber.resume();
        debug_assert!(matches!(left, Resumed::Finished(Ok(()))));
        fiber.recycle(&mut stacks);
        Ok(())
    }

    /// Whether inboxes are looked at by others.
    pub(crate) fn has_watchdog(&self) -> bool {
        self.has_watchdog
    }

    /// What is done around each suspension.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The questions that are open.
    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Whether waits are to note when they began.
    pub(crate) fn times_waits(&self) -> bool {
        self.times_waits
    }

    /// The runs that are going on.
    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Another hold of the pool that `pool` points at.
    ///
    /// # Safety
    ///
    /// The pool is alive.
    pub(crate) unsafe fn hold(pool: NonNull<Pool>) -> Arc<Pool> {
        let pool = pool.as_ptr().cast_const();
        // SAFETY: alive by contract, and every pool lies in an `Arc` (`start` is the only maker).
        unsafe { Arc::increment_strong_count(pool) };
        // SAFETY: the count was raised for this one.
        unsafe { Arc::from_raw(pool) }
    }

    /// A number that no other living pool has.
    pub(crate) fn identity(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    pub(crate) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    pub(crate) fn seat(&self, worker: usize) -> &Seat {
        &self.seats[worker]
    }

    pub(crate) fn fibers_max(&self) -> usize {
        self.fibers_max
    }

    pub(crate) fn has_statistics(&self) -> bool {
        self.has_statistics
    }

    /// Whether there are statistics, a schedule or hooks.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// What says who runs, if workers run one at a time (seeded.md).
    #[inline]
    pub(crate) fn seeded(&self) -> Option<&Seeded> {
        self.seeded.as_ref()
    }

    /// Whether fibers run on OS threads' own stacks, whose overflows are to be reported.
    pub(crate) fn watches_own_stacks(&self) -> bool {
        self.watches_own_stacks
    }

    /// Whether any worker may resume a ready fiber (moving.md).
    pub(crate) fn moves_fibers(&self) -> bool {
        self.moves_fibers
    }

    /// Whether fibers run on their workers' threads.
    pub(crate) fn has_own_stacks(&self) -> bool {
        self.has_own_stacks
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // Acquire: pairs with `stop`: what the workers are to do before they end is visible.
        self.is_stopping.load(Ordering::Acquire)
    }

    /// How many stacks have been made; zero where they are the system's.
    pub(crate) fn stacks_made(&self) -> usize {
        self.stacks.made()
    }

    /// How many fibers there are.
    pub(crate) fn fibers(&self) -> usize {
        self.fibers.load(Ordering::Relaxed)
    }

    /// Whether any worker has been posted a fiber that it has not taken yet.
    pub(crate) fn has_fiber_posted(&self) -> bool {
        // A bell alone is none, and wakes nobody who stands (tokens.md N6).
        let has_fiber = |seat: &Seat| seat.inbox.has_fibers() || !seat.shared.is_empty();
        self.seats.iter().any(has_fiber)
    }

    /// Takes one off the number of fibers that may still be made.
    pub(crate) fn reserve_fiber(&self) -> Result<(), Error> {
        let more = |fibers: usize| (fibers < self.fibers_max).then_some(fibers + 1);
        self.fibers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map(|_| ())
            .map_err(|_| Error::fibers_exhausted(self.fibers_max))
    }

    /// The same for a fiber that must be made.
    pub(crate) fn reserve_fiber_over_cap(&self) {
        self.fibers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn release_fiber(&self) {
        self.fibers.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut sum = Statistics::default();
        self.seats
            .iter()
            .for_each(|seat| seat.counters.add_to(&mut sum));
        sum
    }
}

impl Pool {
    /// The workers end as soon as they find nothing to do.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.idle.wake_all();
    }

    /// What the pool belongs to; null if nobody has said.
    pub(crate) fn owner(&self) -> *const () {
        // Acquire: pairs with the Release in `set_owner`.
        self.owner.load(Ordering::Acquire)
    }

    pub(crate) fn set_owner(&self, owner: *const ()) {
        // Release: pairs with the Acquire in `owner`.
        self.owner.store(owner.cast_mut(), Ordering::Release);
    }
}
