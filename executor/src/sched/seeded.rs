#![doc = include_str!("seeded.md")]
//!
//! Used by the pool and its workers, at their points. Knows no fiber's work: what it needs of the pool is [`Sleepers`].

mod chooser;
mod delivery;

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::time::Duration;

use self::chooser::Chooser;
pub(crate) use self::delivery::Post;
use crate::error::Error;
use crate::schedule::{Schedule, ScheduleLog};
use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering};

/// Where a choice is made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A scheduling point of a job: a miss, a join, a loop item, a spawn.
    Attend,
    /// What is to be awaited was not done; the fiber is not listed yet.
    Before,
    /// The fiber is listed, and still on its stack.
    Listed,
    /// A job or a fiber was pushed where others find it; who sleeps was not woken yet.
    Posted,
    /// The same, and who sleeps was woken.
    Woken,
    /// A published job is about to be taken back.
    TakeBack,
    /// A look for work found nothing.
    Look,
    /// A job was stolen, and has not begun.
    Stolen,
    /// The worker is counted as a sleeper, and has not looked once more.
    Sleepy,
    /// The worker sleeps, or has begun: somebody else goes on.
    Rest,
    /// A fiber yields, and no other is ready.
    Yield,
    /// A worker stands (stand.md), or tries to.
    Stand,
    /// How many jobs are shown.
    Share,
    /// At whom a thief begins.
    Victim,
    /// Whether something from outside is let in.
    Outside,
}

impl Point {
    /// What it is in a log.
    fn letter(self) -> u8 {
        match self {
            Point::Attend => b'a',
            Point::Before => b'b',
            Point::Listed => b'w',
            Point::Posted => b'p',
            Point::Woken => b'q',
            Point::TakeBack => b't',
            Point::Look => b'l',
            Point::Stolen => b's',
            Point::Sleepy => b'z',
            Point::Rest => b'r',
            Point::Yield => b'y',
            Point::Stand => b'd',
            Point::Share => b'h',
            Point::Victim => b'v',
            Point::Outside => crate::schedule::OUTSIDE,
        }
    }

    /// Whether who comes here may come again and again, until somebody else has done something.
    fn is_poll(self) -> bool {
        matches!(self, Point::Look | Point::Yield | Point::Stand)
    }
}

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

/// So many looks, yields and the like without anything else in between, and what waits outside is let in (T5).
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
    is_reported: bool,
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
    /// The schedule that this OS thread is the base of a worker of.
    static BASE_OF: Cell<*const Seeded> = const { Cell::new(ptr::null()) };
}

/// Never inlined: the thread-local's address must not be kept over a switch.
#[inline(never)]
fn base_of() -> *const Seeded {
    BASE_OF.with(Cell::get)
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
                is_reported: false,
            }),
            schedule: schedule.clone(),
            places: (0..workers).map(|_| Condvar::new()).collect(),
            still: Condvar::new(),
            is_over: AtomicBool::new(false),
        }))
    }

    /// The thread of `worker` has come, and gets its first turn (T1).
    pub(crate) fn begin(&self, worker: usize, pool: &impl Sleepers) {
        BASE_OF.with(|base| base.set(self));
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

    /// Whether the calling thread, which runs no fiber of the pool, is a worker's base.
    pub(crate) fn is_base_here(&self) -> bool {
        ptr::eq(base_of(), self)
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

    /// Says how to come here again, once.
    pub(crate) fn report(&self, what: &str) {
        let mut turns = self.turns.lock();
        if !std::mem::replace(&mut turns.is_reported, true) {
            let steps = turns.chooser.choices();
            drop(turns);
            eprintln!("dagwood: {what}, {}", self.how_to_repeat(steps));
        }
    }

    fn how_to_repeat(&self, choices: usize) -> String {
        let workers = self.places.len();
        let schedule = match &self.schedule {
            Schedule::Replay(_) => "the log that it replays".to_owned(),
            Schedule::Prefix(_) => "the log that it begins with".to_owned(),
            seeded => format!("DAGWOOD_SCHEDULE={seeded} (or `Builder::schedule`)"),
        };
        format!(
            "after {choices} choices of the schedule; to see it again: {schedule}, with {workers} workers"
        )
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

    /// Nothing but polls for long: what waits outside may be what they wait for (T5).
    fn poll(&self, turns: &mut MutexGuard<'_, Turns>, pool: &impl Sleepers) {
        turns.polls += 1;
        if !turns.polls.is_multiple_of(POLLS_MAX) {
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

    /// Nothing has moved for long.
    fn report_standstill(&self, turns: &mut Turns, pool: &impl Sleepers) {
        if turns.is_reported || turns.runs == 0 {
            return;
        }
        turns.is_reported = true;
        let why = match turns.running {
            Some(worker) => format!(
                "worker {worker} comes to no scheduling point: its closure computes for long, or waits for what \
                 another one would do"
            ),
            None if pool.has_work() => {
                "STUCK: all workers sleep while there is work: a bug of dagwood".to_owned()
            }
            None => "STUCK: all workers sleep while a `run` waits: if nobody outside is about to do something, this \
                     is a deadlock"
                .to_owned(),
        };
        eprintln!(
            "dagwood: {why}; {}",
            self.how_to_repeat(turns.chooser.choices())
        );
    }

    fn wait_until_still(&self, turns: &mut MutexGuard<'_, Turns>) {
        let is_moving = |turns: &Turns| {
            let is_polling = turns.polls >= POLLS_MAX;
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
