//! `wake`: two fibers on two workers take turns, each made ready by the other's worker, whose
//! search for work spins.
//!
//! A round trip is two events: one side sets the first and waits for the second. Events are set
//! once, so there is one for each turn, all made before the clock runs. With one worker both fibers
//! share it, and a wait is a switch to the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use dagwood::{Cx, Database, Event};

use super::job::cannot_run;
use super::meeting::{Meeting, OwnLine, spin_until};
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

struct Wake {
    trips: usize,
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
    let trips = usize::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Wake { trips }))
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
        let trips = self.trips;
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
                    executor.run(&db, |cx| answer(ours(cx, trips, sides)))
                })?;
                Ok(job.prepared_by(move || {
                    // In place: the memory stays where the run before had it.
                    let mut events = fresh.borrow_mut();
                    events.clear();
                    events.resize_with(trips, Trip::default);
                }))
            }
            Engine::CacheLine => Ok(Job::other(move || answer(cache_line(trips as u64)))),
            Engine::Park => Ok(Job::other(move || answer(park(trips as u64)))),
            other => Err(cannot_run(other)),
        }
    }
}

/// `sides` is 2 where the two fibers are to have a worker each.
fn ours(cx: &Cx<'_, ()>, trips: &[Trip], sides: usize) -> u64 {
    let meeting = Meeting::new(sides);
    cx.scope(|cx, scope| {
        scope.spawn(cx, |cx| {
            meeting_of(sides, &meeting);
            for trip in trips {
                trip.back.set(trip.out.wait(cx) + 1);
            }
        });
        meeting_of(sides, &meeting);
        let mut sum = 0;
        for (number, trip) in trips.iter().enumerate() {
            trip.out.set(number as u64);
            sum += trip.back.wait(cx);
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

    fn is(&self, value: u64) -> bool {
        self.0.0.load(Ordering::Acquire) == value
    }
}

/// The baseline: two OS threads that spin on one cache line, as fast as two cores can answer each
/// other.
fn cache_line(trips: u64) -> u64 {
    let line = Line::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            for trip in 0..trips {
                spin_until(|| line.is(2 * trip + 1));
                line.set(2 * trip + 2);
            }
        });
        let mut sum = 0;
        for trip in 0..trips {
            line.set(2 * trip + 1);
            spin_until(|| line.is(2 * trip + 2));
            sum += trip + 1;
        }
        sum
    })
}

/// The same two threads, but each sleeps until the other wakes it.
fn park(trips: u64) -> u64 {
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
                line.set(2 * trip + 2);
                here.unpark();
            }
        });
        let mut sum = 0;
        for trip in 0..trips {
            line.set(2 * trip + 1);
            other.thread().unpark();
            sleep_until(2 * trip + 2);
            sum += trip + 1;
        }
        sum
    })
}
