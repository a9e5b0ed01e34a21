//! The pool of workers: what they share, how they start and stop.

mod gate;
mod look;
mod runs;
mod sweeps;
mod watchdog;

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use dagwood_fibers::{FaultStack, Fiber, Mechanism, Resumed, StackDepot, StackPool, StackSettings};

use self::look::Looks;
pub(crate) use self::look::{Answer, Look, SeenWait};
pub(crate) use self::runs::RunningRun;
use self::runs::Runs;
use self::sweeps::Sweep;
use self::watchdog::Watchdog;
use super::attention::Attention;
use super::fiber::FiberRecord;
use super::idle::Idle;
use super::idle::SleepGuard;
use super::job::{JobRef, without_unwinding};
use super::limits;
use super::point::Point;
use super::posted::Posted;
use super::queue::{Deque, Injector, Stealer};
use super::ready::Inbox;
use super::seeded::Seeded;
use super::slab::Depot;
use super::standing::Standing;
use super::stats::{Counters, Statistics};
pub(crate) use super::worker::Worker;
use crate::error::Error;
use crate::plant;
use crate::schedule::Schedule;
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Condvar, MutexGuard, Ordering};
use crate::waiters::Watching;

/// How long a worker sleeps, with statistics on, before it looks whether it should.
const AUDIT_PERIOD: Duration = Duration::from_millis(10);

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
    /// Jobs that only this worker starts.
    pub(crate) own_jobs: Injector,
    pub(crate) attention: Attention,
    /// Whether who raised it is content with what there is to show at the next scheduling point.
    pub(crate) is_modestly_asked: AtomicBool,
    pub(crate) counters: Counters,
    /// A job of this worker: to end what was cancelled.
    sweep: Sweep,
}

/// What the workers share.
pub(crate) struct Pool {
    seats: Box<[Seat]>,
    injector: Injector,
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
    has_statistics: bool,
    /// Whether there are statistics or a schedule: one look for both.
    is_watched: bool,
    /// Says who runs, if one at a time does.
    seeded: Option<Seeded>,
    watches_own_stacks: bool,
    times_waits: bool,
    has_watchdog: bool,
    looks: Looks,
    /// With statistics: how many threads are between showing a job and having woken somebody for it.
    posting: AtomicUsize,
    /// What the pool belongs to, if who made it has said so: only the address.
    owner: AtomicPtr<()>,
}

/// A worker to be, on its way to the thread that it runs on.
pub(crate) struct Member {
    pool: Arc<Pool>,
    index: usize,
    deque: Deque,
    stacks: StackPool,
    has_fault_stack: bool,
    is_embedded: bool,
}

/// The running threads of a pool. Dropping it stops them and waits for them.
pub(crate) struct Threads {
    /// Ends first.
    watchdog: Option<Watchdog>,
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the workers, on threads of their own.
    pub(crate) fn start(settings: &Settings) -> Result<Threads, Error> {
        let (pool, members) = Pool::make(settings)?;
        // From here on an early return drops `threads`, which stops those that have started.
        let mut threads = Threads {
            watchdog: None,
            pool: Arc::clone(&pool),
            threads: Vec::new(),
        };
        let (started, starts) = mpsc::channel();
        for member in members {
            let started = started.clone();
            let tell = move |prepared| {
                // The starter is gone if another worker could not start; then the pool is
                // stopping.
                let _ = started.send(prepared);
            };
            let thread = std::thread::Builder::new()
                .name(format!("dagwood {}", member.index))
                .spawn(move || member.live(tell));
            threads
                .threads
                .push(thread.map_err(|error| Error::no_thread(&error))?);
        }
        drop(started);
        let begun = starts.into_iter().collect::<Result<Vec<()>, Error>>()?;
        if begun.len() < pool.seats.len() {
            return Err(Error::setup("a worker ended at its start"));
        }
        if let Some(period) = settings.watching.period {
            threads.watchdog = Some(Watchdog::start(&pool, period, settings.watching.clone())?);
        }
        Ok(threads)
    }

    /// A pool whose workers have no threads yet.
    pub(crate) fn make(settings: &Settings) -> Result<(Arc<Pool>, Vec<Member>), Error> {
        let stacks = StackDepot::new(settings.mechanism, settings.stacks)
            .map_err(|error| Error::setup(format!("stacks cannot be made like this: {error}")))?;
        let seeded = Seeded::new(&settings.schedule, settings.workers)?;
        let deques: Vec<Deque> = (0..settings.workers).map(|_| Deque::new()).collect();
        let seat = |deque: &Deque| Seat {
            stealer: deque.stealer(),
            inbox: Inbox::new(),
            own_jobs: Injector::new(),
            attention: Attention::raised(),
            is_modestly_asked: AtomicBool::new(false),
            counters: Counters::default(),
            sweep: Sweep::new(),
        };
        let pool = Arc::new(Pool {
            seats: deques.iter().map(seat).collect(),
            injector: Injector::new(),
            sweeps_outside: Posted::new(),
            runs: Runs::new(),
            idle: Idle::new(settings.workers),
            depot: Depot::new(),
            standing: Standing::new(settings.workers),
            is_stopping: AtomicBool::new(false),
            fibers: AtomicUsize::new(0),
            fibers_max: limits::fibers_max(settings, stacks.splits_mappings()),
            stacks,
            has_statistics: settings.statistics,
            is_watched: settings.statistics || seeded.is_some(),
            seeded,
            watches_own_stacks: settings.reports_overflows
                && settings.mechanism == Mechanism::Thread,
            times_waits: settings.statistics || settings.watching.period.is_some(),
            has_watchdog: settings.watching.period.is_some(),
            looks: Looks::default(),
            posting: AtomicUsize::new(0),
            owner: AtomicPtr::new(ptr::null_mut()),
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

    /// Whether there are statistics or a schedule.
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

    pub(crate) fn is_stopping(&self) -> bool {
        // Acquire: pairs with `stop`: what the workers are to do before they end is visible.
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Puts a job where any worker finds it, whoever calls.
    pub(super) fn push_injected(&self, job: JobRef) {
        let push = || self.injector.push(job);
        self.posting(None, push, || {
            !plant::is("unannounced_job") && self.idle.job_posted()
        });
    }

    pub(crate) fn take_injected(&self) -> Option<JobRef> {
        if self.injector.is_empty() {
            None
        } else {
            self.injector.steal()
        }
    }

    /// Puts a woken fiber into its owner's inbox, whoever calls. `waker`: the worker of the pool that does so.
    pub(super) fn push_fiber(&self, owner: usize, fiber: &FiberRecord, waker: Option<&Worker>) {
        // Once pushed, `fiber` may be gone.
        self.post_to(owner, waker, |seat| seat.inbox.push(fiber));
    }

    /// Gives a job to one worker alone.
    pub(crate) fn post_job(&self, worker: usize, job: JobRef, poster: &Worker) {
        self.post_to(worker, Some(poster), |seat| seat.own_jobs.push(job));
    }

    /// The same from a thread that is no worker of the pool's.
    pub(crate) fn post_job_as_outsider(&self, worker: usize, job: JobRef) {
        self.post_to(worker, None, |seat| seat.own_jobs.push(job));
    }

    /// Pushes what only `worker` takes, and wakes it (idle.md I4).
    #[inline]
    fn post_to(&self, worker: usize, poster: Option<&Worker>, push: impl FnOnce(&Seat)) {
        let seat = &self.seats[worker];
        let wake = || self.idle.fiber_posted(worker);
        let is_woken = self.posting(poster, || push(seat), wake);
        if is_woken && self.has_statistics {
            seat.counters.wakes.add();
        }
    }

    /// Whether there is a job that any worker may take.
    pub(crate) fn has_jobs(&self) -> bool {
        !self.injector.is_empty() || self.seats.iter().any(|seat| !seat.stealer.is_empty())
    }

    /// Lets a worker sleep until there is something for it.
    pub(crate) fn sleep(&self, worker: usize, sleeper: &Worker) {
        let seat = self.seat(worker);
        let has_own =
            || !plant::is("lost_wake") && (!seat.inbox.is_empty() || !seat.own_jobs.is_empty());
        let is_work_there = || self.is_stopping() || has_own() || self.has_jobs();
        // Nobody asks for a sleeper, so it asks once more, in earnest, when it is counted (idle.md I6).
        let ask = || {
            let others = self.seats.iter().filter(|other| !ptr::eq(*other, seat));
            others
                .filter(|other| !other.attention.is_raised())
                .for_each(|other| other.attention.raise());
        };
        // Work that nobody is about to take: no searcher, and nobody on the way to wake one.
        let is_left = || {
            is_work_there()
                && !self.idle.has_searchers()
                && self.posting.load(Ordering::SeqCst) == 0
        };
        if self.idle.hungry() == self.seats.len() {
            self.depot.trim();
        }
        let mut found_in_a_row = 0;
        let second_look = || {
            sleeper.point(Point::Sleepy);
            ask();
            is_work_there()
        };
        self.idle.sleep(worker, second_look, |wake, guard| {
            if !self.has_statistics || self.seeded.is_some() {
                return self.wait(worker, wake, guard);
            }
            let is_audit = wake.wait_for(guard, AUDIT_PERIOD).timed_out();
            found_in_a_row = if is_audit && is_left() {
                found_in_a_row + 1
            } else {
                0
            };
            if found_in_a_row == 2 {
                seat.counters.sleeps_with_work.add();
            }
        });
    }

    /// Shows work, by `push`, and wakes somebody for it, by `wake`: noted for the audit of sleepers, and with points of a
    /// schedule for `worker`, if it is one of the pool that does so. Whether somebody was woken.
    #[inline]
    pub(crate) fn posting(
        &self,
        worker: Option<&Worker>,
        push: impl FnOnce(),
        wake: impl FnOnce() -> bool,
    ) -> bool {
        if self.is_watched {
            return self.posting_watched(worker, push, wake);
        }
        push();
        wake()
    }

    #[cold]
    fn posting_watched(
        &self,
        worker: Option<&Worker>,
        push: impl FnOnce(),
        wake: impl FnOnce() -> bool,
    ) -> bool {
        self.posting.fetch_add(1, Ordering::SeqCst);
        push();
        worker.inspect(|worker| worker.point(Point::Posted));
        let is_woken = wake();
        self.posting.fetch_sub(1, Ordering::SeqCst);
        worker.inspect(|worker| worker.point(Point::Woken));
        is_woken
    }

    /// Lets a worker sleep that can start no job, until one of its fibers is ready, or it has a job of its own.
    pub(crate) fn block(&self, worker: usize) {
        let seat = self.seat(worker);
        let has_own = || !seat.inbox.is_empty() || !seat.own_jobs.is_empty();
        self.idle.block(worker, has_own, |wake, guard| {
            self.wait(worker, wake, guard)
        });
    }

    /// Blocks on the condition variable of a worker that sleeps, or until a schedule lets it go on.
    fn wait(&self, worker: usize, wake: &Condvar, guard: &mut SleepGuard<'_>) {
        match self.seeded() {
            // If it is over by now it comes back at once, and who called looks again.
            Some(seeded) if !seeded.is_over() => {
                MutexGuard::unlocked(guard, || seeded.rest(worker, self));
            }
            _ => wake.wait(guard),
        }
    }

    /// Wakes a worker that sleeps so.
    pub(crate) fn unblock(&self, worker: usize) -> bool {
        self.idle.fiber_posted(worker)
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
        self.seats.iter().any(|seat| !seat.inbox.is_empty())
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

impl Member {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The worker. It must not move once it has begun.
    pub(crate) fn into_worker(self) -> (Arc<Pool>, Worker) {
        let worker = Worker::new(&self.pool, self.index, self.deque, self.stacks);
        (self.pool, worker.embedded(self.is_embedded))
    }

    /// The life of a worker's thread, until the pool stops. `begun` is told whether the worker can run.
    pub(crate) fn live(self, begun: impl FnOnce(Result<(), Error>)) {
        let index = self.index;
        let has_fault_stack = self.has_fault_stack;
        let (pool, worker) = self.into_worker();
        let fault_stack = has_fault_stack.then(FaultStack::install).transpose();
        let prepared = worker.prepare().and(match &fault_stack {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::no_stack(error)),
        });
        let is_prepared = prepared.is_ok();
        begun(prepared);
        if is_prepared {
            without_unwinding(|| {
                if let Some(seeded) = pool.seeded() {
                    seeded.begin(index, &*pool);
                }
                worker.run();
            });
        }
    }
}

impl Threads {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.watchdog = None;
        self.pool.stop_schedule();
        self.pool.stop();
        let here = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // A worker that drops the last handle itself ends after its job.
            if thread.thread().id() != here {
                thread.join().expect("workers carry panics as values");
            }
        }
    }
}
