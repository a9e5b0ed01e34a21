//! `switch`: two fibers of one worker take turns, each by a yield to the other.
//!
//! A yield suspends the fiber and resumes the next that is ready, one round trip of a bare switch,
//! which is the baseline. Whose turn it is stands in a shared word, so that a yield that lets
//! nobody else run is found out. With more workers the others are kept busy meanwhile, or one of
//! them would take the second fiber. On the threads backend a turn is a hand-over between OS threads,
//! thousands of times slower: the size is one at which that ends, and the others are well above the clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dagwood::{Cx, Database, Event};

use super::job::cannot_run;
use super::meeting::{Meeting, OwnLine, spin_until};
use super::{Job, Loaded, Number, Request, Setup};
use crate::bare_switch::{ROUND_TRIPS, round_trips_by_contract};
use crate::engine::Engine;
use crate::failure::Failure;

/// Yields in a row without getting the turn: there is only one other fiber to run.
const VAIN_YIELDS_MAX: u32 = 1000;

struct Switch {
    turns: u64,
}

/// Nothing to read: the input is the number of turns.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Switch {
        turns: request.size,
    }))
}

impl Loaded for Switch {
    fn size(&self) -> u64 {
        self.turns
    }

    fn ops(&self) -> u64 {
        self.turns
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.turns.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let turns = self.turns;
        let apart = setup.engine == Engine::ContextMxcsr;
        let answer = |value| Number {
            label: "turns".to_owned(),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads => Job::on_executor(setup, None, move |executor| {
                let db = Database::new(());
                executor
                    .run(&db, |cx| ours(cx, turns, setup.workers))
                    .map(answer)
            }),
            Engine::Corosensei => {
                let round_trips = ROUND_TRIPS.ok_or_else(|| cannot_run(setup.engine))?;
                Ok(Job::other(move || answer(round_trips(turns))))
            }
            Engine::Context | Engine::ContextMxcsr => Ok(Job::fallible(move || {
                let round_trips = round_trips_by_contract(turns, apart);
                round_trips
                    .map(answer)
                    .map_err(|error| error.to_string().into())
            })),
            other => Err(cannot_run(other)),
        }
    }
}

/// Ends the others' work when it is dropped, also by a panic.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        // Relaxed: there is nothing to see but the flag.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The turns that were taken, while all workers but this one are busy.
fn ours(cx: &Cx<'_, ()>, turns: u64, workers: usize) -> u64 {
    let meeting = Meeting::new(workers);
    // Apart from what the turns write, which the others do not touch.
    let is_over = OwnLine(AtomicBool::new(false));
    cx.scope(|cx, scope| {
        for _ in 1..workers {
            scope.spawn(cx, |_| {
                meeting.arrive();
                spin_until(|| is_over.0.load(Ordering::Relaxed));
            });
        }
        let _end = EndOnDrop(&is_over.0);
        meeting.arrive();
        take_turns(cx, turns)
    })
}

fn take_turns(cx: &Cx<'_, ()>, turns: u64) -> u64 {
    let turn = AtomicU64::new(0);
    let second_is_there = Event::named("the second fiber is there");
    let of_second = AtomicU64::new(0);
    let of_first = cx.scope(|cx, scope| {
        scope.spawn(cx, |cx| {
            second_is_there.set(()).expect("set once");
            of_second.store(side(cx, &turn, 1, turns), Ordering::Relaxed);
        });
        second_is_there.wait(cx);
        side(cx, &turn, 0, turns)
    });
    // Relaxed: the end of the scope orders it.
    of_first + of_second.load(Ordering::Relaxed)
}

/// Takes every other turn, beginning with turn `first`, and gives their number.
fn side(cx: &Cx<'_, ()>, turn: &AtomicU64, first: u64, turns: u64) -> u64 {
    let mut next = first;
    while next < turns {
        let mut vain_yields = 0;
        // Relaxed: both sides run on one thread.
        while turn.load(Ordering::Relaxed) != next {
            vain_yields += 1;
            assert!(
                vain_yields < VAIN_YIELDS_MAX,
                "a yield lets nobody else run"
            );
            cx.yield_now();
        }
        turn.store(next + 1, Ordering::Relaxed);
        next += 2;
        cx.yield_now();
    }
    (next - first) / 2
}
