//! `wake` and `wake-late`: two fibers on two workers take turns, each let go on by the other, while
//! its worker spins.
//!
//! A round trip is two events: one side sets the first and waits for the second. Events are set
//! once, so there is one for each turn, all made before the clock runs. With one worker both fibers
//! share it, and a wait is a switch to the other.
//!
//! In `wake` a turn comes at once, so that who waits is still looking for it before it suspends.
//! In `wake-late` each side is busy before it answers, for so long that the other is suspended, and
//! its worker searches: what more it takes than its baseline is the price of two such wakes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dagwood::{Cx, Database, Event};

use super::job::cannot_run;
use super::meeting::{Meeting, OwnLine, spin_until};
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// How long each side of `wake-late` is busy: several times as long as anybody looks before a wait.
const BUSY: Duration = Duration::from_micros(5);

struct Wake {
    trips: usize,
    is_late: bool,
}

/// The two turns of a round trip; each carries the number of the trip.
#[derive(Default)]
struct Trip {
    out: Turn,
    back: Turn,
}

struct Turn(OwnLine<Event<u64>>);

impl Default for Turn {
    fn default() -> Self {
        Turn(OwnLine(Event::named("a turn")))
    }
}

impl Turn {
    fn set(&self, value: u64) {
        self.0.0.set(value).expect("each turn is taken once");
    }

    fn wait(&self, cx: &Cx<'_, ()>) -> u64 {
        *self.0.0.wait(cx)
    }
}

/// Nothing to read: the input is the number of round trips.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    wake(request, false)
}

/// With turns that come late.
pub(super) fn load_late(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    wake(request, true)
}

fn wake(request: &Request, is_late: bool) -> Result<Box<dyn Loaded>, Failure> {
    let trips = usize::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Wake { trips, is_late }))
}

/// What each side does between getting the turn and giving it to the other.
fn answer_after(is_late: bool) {
    if is_late {
        let start = Instant::now();
        while start.elapsed() < BUSY {}
    }
}

impl Loaded for Wake {
    fn size(&self) -> u64 {
        self.trips as u64
    }

    fn ops(&self) -> u64 {
        self.trips as u64
    }

    fn known_checksum(&self) -> Option<String> {
        let trips = self.trips as u64;
        Some((trips * (trips + 1) / 2).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let Wake { trips, is_late } = *self;
        let answer = move |value| Number {
            label: format!("sum over {trips} round trips"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::MovingFibers | Engine::Threads => {
                let sides = setup.workers.min(2);
                let events = Rc::new(RefCell::new(Vec::new()));
                let fresh = Rc::clone(&events);
                let job = Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    let trips: &[Trip] = &events.borrow();
                    executor.run(&db, |cx| answer(ours(cx, trips, is_late, sides)))
                })?;
                Ok(job.prepared_by(move || {
                    // In place: the memory stays where the run before had it.
                    let mut events = fresh.borrow_mut();
                    events.clear();
                    events.resize_with(trips, Trip::default);
                }))
            }
            Engine::CacheLine => {
                let pair = Rc::new(RefCell::new(None::<Pair>));
                let next = Rc::clone(&pair);
                let job = Job::other(move || {
                    let pair = pair.borrow();
                    let pair = pair.as_ref().expect("made before each run");
                    let sum = pair.trips(trips as u64);
                    pair.dismiss();
                    answer(sum)
                });
                // The one before ends meanwhile.
                Ok(job.prepared_by(move || *next.borrow_mut() = Some(Pair::new(is_late))))
            }
            Engine::Park => Ok(Job::other(move || answer(park(trips as u64, is_late)))),
            other => Err(cannot_run(other)),
        }
    }
}

/// `sides` is 2 where the two fibers are to have a worker each.
fn ours(cx: &Cx<'_, ()>, trips: &[Trip], is_late: bool, sides: usize) -> u64 {
    let meeting = Meeting::new(sides);
    cx.scope(|cx, scope| {
        scope.spawn(cx, |cx| {
            meeting_of(sides, &meeting);
            for trip in trips {
                let number = trip.out.wait(cx);
                answer_after(is_late);
                trip.back.set(number + 1);
            }
        });
        meeting_of(sides, &meeting);
        let mut sum = 0;
        for (number, trip) in trips.iter().enumerate() {
            trip.out.set(number as u64);
            sum += trip.back.wait(cx);
            answer_after(is_late);
        }
        sum
    })
}

/// With one worker there is nobody to spin for: the other side gets it when this one waits.
fn meeting_of(sides: usize, meeting: &Meeting) {
    if sides > 1 {
        meeting.arrive();
    }
}

/// The word that two threads hand to and fro.
#[derive(Default)]
struct Line(OwnLine<AtomicU64>);

impl Line {
    /// Release and Acquire: as a hand-over of data between two cores needs them.
    fn set(&self, value: u64) {
        self.0.0.store(value, Ordering::Release);
    }

    fn get(&self) -> u64 {
        self.0.0.load(Ordering::Acquire)
    }

    fn is(&self, value: u64) -> bool {
        self.get() == value
    }
}

/// The baseline: two OS threads that spin on one cache line, as fast as two cores can answer each
/// other. This one goes first; it has the other answer from before the clock runs, or the system might put that one on the
/// core of this one, which spins, and leave it there for a while.
struct Pair {
    shared: Arc<Shared>,
    other: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Odd: the turn of the other, who adds one; [`Pair::OVER`] is its last.
    line: Line,
    /// Whether turns are long.
    is_late: AtomicBool,
}

impl Pair {
    const OVER: u64 = u64::MAX;

    /// So many trips say whether the two have a core each, if a trip takes less than that on an average.
    const TRIAL: u64 = 1000;
    const TRIP_MAX: Duration = Duration::from_micros(4);

    /// After that long there is no second core to be had.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Two that have met.
    fn new(is_late: bool) -> Pair {
        let shared = Arc::new(Shared::default());
        let others = Arc::clone(&shared);
        let pair = Pair {
            shared,
            other: Some(thread::spawn(move || others.answer())),
        };
        let start = Instant::now();
        let mut before = start;
        loop {
            pair.trips(Self::TRIAL);
            let now = Instant::now();
            let is_quick = now - before < Self::TRIP_MAX * Self::TRIAL as u32;
            if is_quick || now - start > Self::PATIENCE {
                break;
            }
            before = now;
        }
        // Relaxed: a turn on the line orders it.
        pair.shared.is_late.store(is_late, Ordering::Relaxed);
        pair
    }

    fn trips(&self, trips: u64) -> u64 {
        let mut sum = 0;
        for trip in 0..trips {
            self.shared.line.set(2 * trip + 1);
            spin_until(|| self.shared.line.is(2 * trip + 2));
            self.shared.take_turn();
            sum += trip + 1;
        }
        sum
    }

    /// The other ends.
    fn dismiss(&self) {
        self.shared.line.set(Self::OVER);
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.dismiss();
        let ended = self.other.take().map(JoinHandle::join);
        ended.expect("joined once").expect("it answers only");
    }
}

impl Shared {
    fn answer(&self) {
        loop {
            spin_until(|| !self.line.get().is_multiple_of(2));
            let turn = self.line.get();
            if turn == Pair::OVER {
                return;
            }
            self.take_turn();
            self.line.set(turn + 1);
        }
    }

    fn take_turn(&self) {
        answer_after(self.is_late.load(Ordering::Relaxed));
    }
}

/// The same two threads, but each sleeps until the other wakes it.
fn park(trips: u64, is_late: bool) -> u64 {
    let line = Line::default();
    let here = thread::current();
    let sleep_until = |value| {
        while !line.is(value) {
            thread::park();
        }
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for trip in 0..trips {
                sleep_until(2 * trip + 1);
                answer_after(is_late);
                line.set(2 * trip + 2);
                here.unpark();
            }
        });
        let mut sum = 0;
        for trip in 0..trips {
            line.set(2 * trip + 1);
            other.thread().unpark();
            sleep_until(2 * trip + 2);
            answer_after(is_late);
            sum += trip + 1;
        }
        sum
    })
}
