//! A worker: its queues, and what its fibers do between jobs.
//!
//! How its fibers are made, switched and resumed stands in `worker/fibers.rs`, how it looks for work
//! elsewhere in `worker/search.rs`. Knows nothing of queries.

mod allowance;
mod aside;
mod embedded;
mod fibers;
mod hooked;
mod linger;
mod moving;
mod neglect;
mod overdue;
mod points;
mod probe;
mod records;
mod search;
mod show;
mod stand;
mod sweep;
#[cfg(test)]
mod testing;

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dagwood_fibers::{Segment, SegmentPool, StackPool};

use self::allowance::Allowance;
use self::aside::Aside;
use self::fibers::WorkerFiber;
use self::neglect::Neglect;
use self::overdue::Overdue;
use self::records::Records;
use self::search::{Appetite, Patience};
use super::fiber::{FiberRecord, Left};
use super::graph;
use super::job::JobRef;
use super::point::Point;
use super::pool::{Pool, Seat};
use super::queue::Deque;
use super::ready::ReadyList;
use super::room;
use super::slab::{Chunk, Slab};
use super::stats::{Counter, Counters};
use crate::error::Error;
use crate::plant;

/// Every so many jobs a worker looks at the injector first, so that outside jobs do not starve.
const INJECTOR_PERIOD: u32 = 61;

/// Every so many yields a job is started though fibers are ready, so that fibers that yield until
/// something is done do not keep it from being begun.
const JOB_PERIOD: i32 = 64;

/// One worker. Its fibers use it one at a time; other threads read `pool` and `index` only.
#[repr(C)]
pub(crate) struct Worker {
    // What wakers read, apart from what the worker itself writes all the time.
    pool: NonNull<Pool>,
    index: usize,
    /// Its own, in the pool.
    seat: NonNull<Seat>,
    /// On a cache line of its own.
    ready: ReadyList,
    /// Those of other levels.
    aside: Aside,
    /// Whether another goes before the first on `ready`, or may.
    is_diverted: Cell<bool>,
    deque: Deque,
    records: Records<WorkerFiber>,
    spares: RefCell<Vec<NonNull<WorkerFiber>>>,
    last_resumed: Cell<Option<NonNull<WorkerFiber>>>,
    /// Why the last fiber could not be made.
    shortage: RefCell<Option<Error>>,
    stacks: RefCell<StackPool>,
    segments: RefCell<SegmentPool>,
    slab: Slab,
    /// Whether the pool has no other worker, and no schedule. Here, and not asked of the pool, whose lines all write.
    is_alone: bool,
    /// Whether nobody raises its attention word, so that it may store (attention.md A5): it is alone, and has run nothing
    /// yet that can be cancelled, or that has waited.
    stores_limits: Cell<bool>,
    /// Whether a schedule says who runs. Here for the same reason.
    has_schedule: bool,
    /// Whether it does what it holds before the jobs that are for it alone.
    posts_last: bool,
    /// Whether it shows a part of what it has stolen at once, however small jobs are: where a leaf may last until others
    /// have found something (rayon's `find_last`).
    shares_stolen: bool,
    /// Whether its thread wants to have its base back, as a guest does once its job is done (worker/embedded.rs).
    is_leaving: Cell<bool>,
    /// Whether its fibers may move (moving.md).
    moves_fibers: bool,
    /// Whether one of those that it shares is on its own list, and not resumed yet.
    has_shared_one: Cell<bool>,
    /// How many fibers it has made that have not ended.
    made: Cell<usize>,
    /// How many of its fibers wait, with those that others have taken: see [`waiting`](Self::waiting).
    suspended: Cell<usize>,
    /// A job that a yielding fiber found: it goes before ready fibers.
    next_job: Cell<Option<JobRef>>,
    jobs_taken: Cell<u32>,
    /// How many jobs it has run, and how many of these were sweeps.
    jobs_run: Cell<u32>,
    sweeps_run: Cell<u32>,
    /// How many yields may come before one that looks for a job though fibers are ready; less by the period, and so always below
    /// zero, if there are hooks: its sign says whether a yield has anything to look at.
    quick_yields: Cell<i32>,
    /// Whether something is done around each switch away.
    has_hooks: bool,
    /// To raise its own attention word.
    allowance: Allowance,
    overdue: Overdue,
    neglect: Neglect,
    patience: Patience,
    appetite: Appetite,
    random: Cell<u32>,
    /// Since when it has its permit, if it needs one (tokens.md N6).
    turn_began: Cell<Instant>,
}

impl Worker {
    /// A worker of `pool`, to be [`run`](Self::run) on its own thread.
    pub(crate) fn new(pool: &Arc<Pool>, index: usize, deque: Deque, stacks: StackPool) -> Worker {
        let segment_bytes = room::segment_bytes(stacks.stack_bytes());
        let has_hooks = !pool.hooks().is_empty();
        Worker {
            pool: NonNull::new(Arc::as_ptr(pool).cast_mut()).expect("an Arc is not null"),
            index,
            seat: NonNull::from(pool.seat(index)),
            deque,
            ready: ReadyList::new(),
            aside: Aside::new(),
            is_diverted: Cell::new(false),
            records: Records::new(),
            spares: RefCell::new(Vec::new()),
            last_resumed: Cell::new(None),
            shortage: RefCell::new(None),
            stacks: RefCell::new(stacks),
            segments: RefCell::new(SegmentPool::new(segment_bytes)),
            slab: Slab::new(),
            has_schedule: pool.seeded().is_some(),
            has_hooks,
            posts_last: false,
            shares_stolen: false,
            is_leaving: Cell::new(false),
            is_alone: pool.seats().len() == 1 && pool.seeded().is_none(),
            stores_limits: Cell::new(pool.seats().len() == 1 && pool.seeded().is_none()),
            moves_fibers: pool.moves_fibers(),
            has_shared_one: Cell::new(false),
            made: Cell::new(0),
            suspended: Cell::new(0),
            next_job: Cell::new(None),
            jobs_taken: Cell::new(0),
            jobs_run: Cell::new(0),
            sweeps_run: Cell::new(0),
            quick_yields: Cell::new(match has_hooks {
                true => -1,
                false => JOB_PERIOD - 1,
            }),
            allowance: Allowance::new(),
            overdue: Overdue::new(),
            neglect: Neglect::new(),
            patience: Patience::new(pool.seeded().is_some()),
            appetite: Appetite::new(),
            random: Cell::new((index as u32).wrapping_mul(0x9E37_79B9) | 1),
            turn_began: Cell::new(Instant::now()),
        }
    }

    /// The same worker; `is_embedded`: whether it does what it holds before the jobs that are for it alone, and shows a
    /// part of what it has stolen at once.
    pub(crate) fn embedded(mut self, is_embedded: bool) -> Self {
        self.posts_last = is_embedded;
        self.shares_stolen = is_embedded;
        self
    }

    pub(crate) fn pool(&self) -> &Pool {
        // SAFETY: the worker's thread holds the pool until the worker has ended.
        unsafe { self.pool.as_ref() }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.seat().counters
    }

    pub(super) fn count(&self, counter: impl FnOnce(&Counters) -> &Counter) {
        if self.pool().has_statistics() {
            counter(self.counters()).add();
        }
    }

    /// Makes the first fiber, so that a worker that cannot run is known before anybody relies on
    /// it.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.pool().reserve_fiber()?;
        self.add_spare()
    }

    /// The body of each fiber: jobs, until this fiber is one too many or the pool stops.
    fn run_jobs(fiber: &WorkerFiber) {
        // Read each time: a job that has waited may have ended on another worker.
        let here = || fiber.record.worker().expect("a worker's fiber");
        while !here().is_done_after_next(fiber) {}
    }

    /// One job, or what there is to do instead. Whether the fiber is to end. Another worker may own it afterwards.
    #[inline]
    fn is_done_after_next(&self, fiber: &WorkerFiber) -> bool {
        self.collect_ready();
        let record = &fiber.record;
        if !ptr::eq(fiber.made_by, self) || self.may_leave() {
            self.switch_to_base(record, Left::Spare);
        } else if let Some(job) = self.next_job.take() {
            self.note_diversions();
            self.run_job(job, record);
        } else if self.has_ready() {
            if self.has_spares_enough() {
                return true;
            }
            self.switch_to_base(record, Left::Spare);
        } else if self.is_off_duty() {
            self.rest_off_duty(record);
        } else if let Some(job) = self.take_job() {
            self.run_job(job, record);
        } else {
            return self.search(record);
        }
        false
    }

    /// Whether it starts no job that others may start.
    #[inline]
    fn is_off_duty(&self) -> bool {
        self.pool().is_off_duty(self.index)
    }

    /// Does what is for it alone, or sleeps until there is something of the kind.
    #[cold]
    fn rest_off_duty(&self, record: &FiberRecord) {
        match self.take_own_job() {
            Some(job) => self.run_job(job, record),
            None => self.pool().sleep_off_duty(self),
        }
    }

    /// Runs a job; another worker may own the fiber afterwards, if that may move.
    fn run_job(&self, job: JobRef, record: &FiberRecord) {
        self.jobs_run.set(self.jobs_run.get().wrapping_add(1));
        job.run(record);
        record.leave_region();
        let here = record.worker().expect("a worker's fiber");
        here.job_ended();
        debug_assert!(
            record.forks.take_oldest().is_none(),
            "a job takes back what it forked"
        );
    }

    #[inline]
    pub(super) fn collect_ready(&self) {
        if !self.seat().inbox.is_empty() {
            self.drain_inbox();
        }
    }

    /// Under the graph's lock if a watchdog looks at inboxes.
    #[cold]
    fn drain_inbox(&self) {
        if self.drains_bell() {
            self.pool().heed_call(self);
            self.answer_bell();
        }
    }

    /// The same in the middle of a job, where no call is heeded (tokens.md N4). `true`: there may be one, for later.
    pub(super) fn collect_in_job(&self) -> bool {
        let is_rung = !self.seat().inbox.is_empty() && self.drains_bell();
        let is_called = is_rung && self.pool().puts_call_off(self.index);
        if is_rung {
            self.answer_bell();
        }
        is_called
    }

    /// Takes what is in the inbox. Whether the bell was rung.
    fn drains_bell(&self) -> bool {
        let drain = || self.seat().inbox.drain(|fiber| self.add_ready(fiber));
        if self.pool().has_watchdog() {
            graph::undisturbed_by_looks(drain)
        } else {
            drain()
        }
    }

    /// It has got a permit.
    pub(super) fn begin_turn(&self) {
        self.turn_began.set(Instant::now());
    }

    /// How long it has its permit.
    pub(super) fn turn(&self) -> Duration {
        self.turn_began.get().elapsed()
    }

    fn seat(&self) -> &Seat {
        // SAFETY: the pool, which the seat lies in, outlives the worker (`pool`), and does not
        // move.
        unsafe { self.seat.as_ref() }
    }

    /// The next job of its own, or one from outside.
    fn take_job(&self) -> Option<JobRef> {
        let taken = self.jobs_taken.get().wrapping_add(1);
        self.jobs_taken.set(taken);
        let outside = || self.pool().take_injected();
        let is_outsiders_turn = taken.is_multiple_of(INJECTOR_PERIOD);
        let early = || if is_outsiders_turn { outside() } else { None };
        if self.posts_last {
            return early()
                .or_else(|| self.deque.pop())
                .or_else(|| self.take_own_job())
                .or_else(outside);
        }
        self.take_own_job()
            .or_else(early)
            .or_else(|| self.deque.pop())
            .or_else(outside)
    }

    /// Whether a ready fiber goes on when the current fiber yields, and there is nothing else to look at.
    #[inline]
    fn has_quick_successor(&self) -> bool {
        let remaining = self.quick_yields.get().wrapping_sub(1);
        self.quick_yields.set(remaining);
        (remaining >= 0 || plant::is("starved_job")) && self.has_ready_fiber()
    }

    /// Whether a yield is one that looks for a job though fibers are ready: then the next is so after a period. Called once for
    /// each that was not quick.
    fn ends_period(&self) -> bool {
        let remaining = self.quick_yields.get();
        let is_over = (remaining + 1) % JOB_PERIOD == 0;
        if is_over {
            self.quick_yields.set(remaining + JOB_PERIOD);
        }
        is_over
    }

    /// Whether a fiber is ready here, or was woken for it.
    // Always: a call in a yield would be a twentieth of it.
    #[inline(always)]
    fn has_ready_fiber(&self) -> bool {
        self.has_ready() || !self.seat().inbox.is_empty()
    }

    /// Whether another goes on when the current fiber yields: a ready fiber, or, if there is none
    /// and every so often, a job that has not started.
    fn has_successor(&self) -> bool {
        let looks = self.ends_period();
        let has_ready = self.has_ready_fiber();
        if has_ready && !looks {
            return true;
        }
        let has_job = self.find_job_for_other_fiber();
        has_job || has_ready
    }

    /// Whether something is done around each switch away.
    fn has_hooks(&self) -> bool {
        self.has_hooks && !plant::is("unhooked")
    }

    fn find_job_for_other_fiber(&self) -> bool {
        self.point(Point::Yield);
        // It must not run on this stack (invariant 3).
        if self.has_spare_or_makes_one() {
            self.next_job.set(match self.is_off_duty() {
                true => self.take_own_job(),
                false => self.take_job().or_else(|| self.take_orphan()),
            });
            self.note_diversions();
        }
        self.has_next_job()
    }

    /// A job of another worker, if some are off duty, or may be without a permit: theirs are begun by nobody while all others
    /// yield (idle.md I8).
    fn take_orphan(&self) -> Option<JobRef> {
        let pool = self.pool();
        let has_orphans = pool.on_duty() < self.workers() || pool.has_permits();
        has_orphans.then(|| self.steal()).flatten()
    }

    fn has_next_job(&self) -> bool {
        self.next_job.get().is_some()
    }

    /// The next job that is for this worker alone.
    fn take_own_job(&self) -> Option<JobRef> {
        let jobs = &self.seat().own_jobs;
        if jobs.is_empty() { None } else { jobs.steal() }
    }

    fn has_own_jobs(&self) -> bool {
        !self.seat().own_jobs.is_empty()
    }

    /// Whether others run while it does.
    pub(crate) fn has_company(&self) -> bool {
        !self.is_alone && !self.has_schedule
    }

    /// Whether of its pool's workers one at a time runs (seeded.md), and `other` is one of them.
    pub(crate) fn takes_turns_with(&self, other: &Worker) -> bool {
        self.has_schedule && self.pool == other.pool
    }

    /// How many workers its pool has.
    pub(crate) fn workers(&self) -> usize {
        self.pool().seats().len()
    }

    /// Gives a job to one worker of the pool alone.
    pub(crate) fn post_to(&self, worker: usize, job: JobRef) {
        self.pool().post_job(worker, job, self);
    }

    /// Memory for spawned closures.
    pub(crate) fn take_chunk(&self) -> Chunk {
        self.slab.take(&self.pool().depot)
    }

    pub(crate) fn give_chunk(&self, chunk: Chunk) {
        self.slab.give(chunk, &self.pool().depot);
    }

    /// Another stack is about to run here, with this limit (attention.md A4).
    #[inline]
    pub(crate) fn change_stack(&self, limit: usize) {
        let attention = &self.seat().attention;
        if self.stores_limits.get() {
            attention.set(limit);
        } else {
            attention.change_stack(limit);
        }
    }

    /// More stack for the current fiber.
    pub(crate) fn take_segment(&self) -> std::io::Result<Segment> {
        self.segments.borrow_mut().take()
    }

    pub(crate) fn give_segment(&self, segment: Segment) {
        self.segments.borrow_mut().give(segment);
    }

    /// A scheduling point with the attention word raised: what others want of the fiber, the current one.
    /// `may_wait`: whether it is one at which a job may wait, so that a ready fiber may go first. Another worker may
    /// run it afterwards, if it may move.
    #[cold]
    pub(crate) fn attend(&self, fiber: &FiberRecord, may_wait: bool) {
        if self.is_alone {
            return self.seat().attention.lower(fiber.limit());
        }
        if self.has_schedule {
            return self.attend_schedule(fiber, may_wait);
        }
        self.show(fiber);
        // After the word was lowered: who becomes ready later raises it (attention.md A6).
        if self.has_ready_fiber() {
            self.attend_ready(fiber, may_wait);
        }
    }
}
