#![doc = include_str!("seeded.md")]
//!
//! Used by the pool and its workers, at their points. Knows no fiber's work: what it needs of the pool is [`Sleepers`].

mod chooser;
mod delivery;
mod report;

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::time::Duration;

use self::chooser::Chooser;
pub(crate) use self::delivery::Post;
use super::point::Point;
use crate::error::Error;
use crate::schedule::{Schedule, ScheduleLog};
use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering};

/// What the pool lends to its schedule.
pub(crate) trait Sleepers {
    /// Whether a worker that rests was woken.
    fn is_notified(&self, worker: usize) -> bool;
    /// Hands in what came from outside.
    fn deliver(&self, post: Post);
    /// Whether there is something that a worker could do.
    fn has_work(&self) -> bool;
}

/// How long a worker waits for the turn before it looks whether anything goes on at all. No choice depends on it.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many looks, yields and the like without anything else in between, and what waits outside is let in (T5); more,
/// where workers that come to rest look more often in all.
const POLLS_MAX: u32 = 64;

/// The schedule of a pool whose workers run one at a time.
pub(crate) struct Seeded {
    schedule: Schedule,
    turns: Mutex<Turns>,
    /// Where each worker waits for its turn.
    places: Box<[Condvar]>,
    /// Told when nobody can go on, and when something comes from outside.
    still: Condvar,
    /// As the phase says: for who must not take the lock.
    is_over: AtomicBool,
}

/// Whose turn it is, and who can have the next.
struct Turns {
    phase: Phase,
    /// Who runs; nobody: no worker can go on.
    running: Option<usize>,
    /// Those that sleep, unless they were woken.
    is_resting: Box<[bool]>,
    chooser: Chooser,
    /// What came from outside and was not let in yet.
    outside: VecDeque<Post>,
    /// Polls without anything else in between.
    polls: u32,
    /// Runs in progress.
    runs: usize,
    /// Whether it was told how to see a failure again.
    is_failure_told: bool,
    /// After how many choices it was told that nothing moves.
    told_after: Option<usize>,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Phase {
    /// So many workers have not come yet: nobody runs.
    Gathering(usize),
    /// One at a time.
    Turns,
    /// The pool stops: all run.
    Over,
}

thread_local! {
    /// The schedule that this OS thread is the base of a worker of, or acts as the base for.
    static BASE_OF: Cell<*const Seeded> = const { Cell::new(ptr::null()) };
}

/// Never inlined: the thread-local's address must not be kept over a switch.
#[inline(never)]
fn base_of() -> *const Seeded {
    BASE_OF.with(Cell::get)
}

/// Says what [`base_of`] gives. Gives what it gave.
#[inline(never)]
fn set_base_of(seeded: *const Seeded) -> *const Seeded {
    BASE_OF.with(|base| base.replace(seeded))
}

impl Seeded {
    /// `None`: workers run as they like.
    ///
    /// # Errors
    ///
    /// The log is of another number of workers.
    pub(crate) fn new(schedule: &Schedule, workers: usize) -> Result<Option<Self>, Error> {
        if !schedule.is_chosen() {
            return Ok(None);
        }
        let logged = schedule.log().map_or(0, ScheduleLog::workers);
        if logged != 0 && logged != workers {
            return Err(Error::setup(format!(
                "the log of the schedule is of {logged} workers, the executor has {workers}"
            )));
        }
        Ok(Some(Seeded {
            turns: Mutex::new(Turns {
                phase: Phase::Gathering(workers),
                running: None,
                is_resting: vec![false; workers].into(),
                chooser: Chooser::new(schedule, workers),
                outside: VecDeque::new(),
                polls: 0,
                runs: 0,
                is_failure_told: false,
                told_after: None,
            }),
            schedule: schedule.clone(),
            places: (0..workers).map(|_| Condvar::new()).collect(),
            still: Condvar::new(),
            is_over: AtomicBool::new(false),
        }))
    }

    /// The thread of `worker` has come, and gets its first turn (T1).
    pub(crate) fn begin(&self, worker: usize, pool: &impl Sleepers) {
        set_base_of(self);
        let mut turns = self.turns.lock();
        if let Phase::Gathering(missing) = turns.phase {
            turns.phase = Phase::Gathering(missing - 1);
            if missing == 1 {
                turns.phase = Phase::Turns;
                self.pass_on(&mut turns, Point::Rest, None, pool);
            }
        }
        self.wait_for_turn(&mut turns, worker, pool);
    }

    /// A scheduling point of `worker`, which runs: perhaps another one goes on first (T2).
    pub(crate) fn point(&self, at: Point, worker: usize, pool: &impl Sleepers) {
        let mut turns = self.turns.lock();
        if turns.phase != Phase::Turns {
            return;
        }
        debug_assert_eq!(turns.running, Some(worker), "at {at:?}");
        if at.is_poll() {
            self.poll(&mut turns, pool);
        } else {
            turns.polls = 0;
        }
        self.pass_on(&mut turns, at, Some(worker), pool);
        self.wait_for_turn(&mut turns, worker, pool);
    }

    /// `worker` sleeps until it is notified (T3), or the schedule is over.
    pub(crate) fn rest(&self, worker: usize, pool: &impl Sleepers) {
        let mut turns = self.turns.lock();
        if turns.phase != Phase::Turns {
            return;
        }
        turns.is_resting[worker] = true;
        self.pass_on(&mut turns, Point::Rest, None, pool);
        self.wait_for_turn(&mut turns, worker, pool);
        turns.is_resting[worker] = false;
    }

    /// Whether all run: workers sleep by themselves.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// One of so many ways to go on, for the worker that runs.
    pub(crate) fn way(&self, at: Point, options: usize) -> usize {
        self.turns.lock().chooser.way(at, options)
    }

    /// Takes what a thread hands in that runs no worker of the pool (T4).
    pub(crate) fn post_from_outside(&self, post: Post, pool: &impl Sleepers) {
        let mut turns = self.turns.lock();
        if turns.phase == Phase::Over {
            return pool.deliver(post);
        }
        turns.outside.push_back(post);
        self.still.notify_all();
        if turns.phase == Phase::Turns && turns.running.is_none() {
            self.pass_on(&mut turns, Point::Rest, None, pool);
        }
    }

    /// A worker was woken, perhaps by somebody who runs no worker of the pool, and at once: if nobody can go on, that one does.
    pub(crate) fn told_from_outside(&self, pool: &impl Sleepers) {
        let mut turns = self.turns.lock();
        if turns.phase == Phase::Turns && turns.running.is_none() {
            self.pass_on(&mut turns, Point::Rest, None, pool);
        }
    }

    /// Whether the calling thread, which runs no fiber of the pool, is a worker's base.
    pub(crate) fn is_base_here(&self) -> bool {
        ptr::eq(base_of(), self)
    }

    /// Runs `body`, which does not suspend, on the thread of a fiber that runs, though not as that fiber: as the base would.
    pub(crate) fn as_base(&self, body: impl FnOnce()) {
        let before = set_base_of(self);
        body();
        set_base_of(before);
    }

    /// The pool stops: from now on all run. `is_inside`: a worker says so, and holds the turn (T6).
    pub(crate) fn stop(&self, is_inside: bool) {
        let mut turns = self.turns.lock();
        if !is_inside {
            self.wait_until_still(&mut turns);
        }
        turns.phase = Phase::Over;
        // Release: pairs with the Acquire in `is_over`; it stays.
        self.is_over.store(true, Ordering::Release);
        self.places.iter().for_each(|place| {
            place.notify_all();
        });
        self.still.notify_all();
    }

    /// What was chosen so far; `is_inside`: for who holds the turn.
    pub(crate) fn log(&self, is_inside: bool) -> ScheduleLog {
        let mut turns = self.turns.lock();
        if !is_inside {
            self.wait_until_still(&mut turns);
        }
        turns.chooser.log()
    }

    /// A run begins, from outside.
    pub(crate) fn run_begins(&self) {
        self.turns.lock().runs += 1;
    }

    /// It has ended.
    ///
    /// # Errors
    ///
    /// The choices were not those of the log.
    pub(crate) fn run_ends(&self) -> Result<(), Error> {
        let mut turns = self.turns.lock();
        turns.runs -= 1;
        turns
            .chooser
            .divergence()
            .map_or(Ok(()), |told| Err(Error::setup(told.to_owned())))
    }

    /// Chooses who goes on, and tells it. Whoever runs is `running`, if it can go on.
    fn pass_on(&self, turns: &mut Turns, at: Point, running: Option<usize>, pool: &impl Sleepers) {
        loop {
            let candidates = turns.candidates(at, running, pool);
            if !candidates.is_empty() {
                let next = turns.chooser.worker(at, running, &candidates);
                turns.running = Some(next);
                if running != Some(next) {
                    self.places[next].notify_one();
                }
                return;
            }
            turns.running = None;
            let Some(post) = turns.outside.pop_front() else {
                self.still.notify_all();
                return;
            };
            pool.deliver(post);
        }
    }

    /// A job has ended: polls are counted anew.
    pub(crate) fn job_ended(&self) {
        self.turns.lock().polls = 0;
    }

    fn polls_max(&self) -> u32 {
        // Workers are fewer than memory has places for.
        POLLS_MAX.max(4 * self.places.len() as u32)
    }

    /// Nothing but polls for long: what waits outside may be what they wait for (T5).
    fn poll(&self, turns: &mut MutexGuard<'_, Turns>, pool: &impl Sleepers) {
        turns.polls += 1;
        if !turns.polls.is_multiple_of(self.polls_max()) {
            return;
        }
        self.still.notify_all();
        let is_there = !turns.outside.is_empty();
        if !turns.chooser.lets_in(is_there) {
            return;
        }
        while turns.phase == Phase::Turns {
            if let Some(post) = turns.outside.pop_front() {
                return pool.deliver(post);
            }
            self.still.wait(turns);
        }
    }

    fn wait_for_turn(
        &self,
        turns: &mut MutexGuard<'_, Turns>,
        worker: usize,
        pool: &impl Sleepers,
    ) {
        while turns.phase != Phase::Over && turns.running != Some(worker) {
            let before = (turns.running, turns.chooser.choices());
            let is_late = self.places[worker].wait_for(turns, PATIENCE).timed_out();
            let is_same = before == (turns.running, turns.chooser.choices());
            if is_late && is_same && matches!(turns.phase, Phase::Turns) {
                self.report_standstill(turns, pool);
            }
        }
    }

    fn wait_until_still(&self, turns: &mut MutexGuard<'_, Turns>) {
        let is_moving = |turns: &Turns| {
            // Without a run no user's code polls: workers come to rest.
            let is_polling = turns.runs > 0 && turns.polls >= self.polls_max();
            let is_still = turns.running.is_none() && turns.outside.is_empty();
            turns.phase == Phase::Turns && !is_still && !is_polling
        };
        while is_moving(turns) {
            self.still.wait(turns);
        }
    }
}

impl Turns {
    /// Who can go on, beginning with who does if nobody minds: who runs, unless it polls; then the others in turn.
    fn candidates(&self, at: Point, running: Option<usize>, pool: &impl Sleepers) -> Vec<usize> {
        let workers = self.is_resting.len();
        let first = match running {
            Some(running) if at.is_poll() => running + 1,
            Some(running) => running,
            None => 0,
        };
        (0..workers)
            .map(|place| (first + place) % workers)
            .filter(|worker| {
                let is_resting = self.is_resting[*worker];
                !is_resting || pool.is_notified(*worker)
            })
            .collect()
    }
}
