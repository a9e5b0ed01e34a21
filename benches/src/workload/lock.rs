//! `lock`: a counter behind one lock, to which every worker adds in turn.
//!
//! With one worker nobody else wants the lock: what it costs to take it and give it back. With more all want it all the
//! time. The peer is parking_lot's mutex between OS threads.

use std::hint::black_box;
use std::thread;

use dagwood::locks::Mutex;
use dagwood::{Cx, Database};

use super::job::cannot_run;
use super::meeting::Meeting;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

struct Lock {
    rounds: u64,
}

/// Nothing to read: the input is the number of rounds.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Lock {
        rounds: request.size,
    }))
}

impl Loaded for Lock {
    fn size(&self) -> u64 {
        self.rounds
    }

    fn ops(&self) -> u64 {
        self.rounds
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.rounds.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let (rounds, workers) = (self.rounds, setup.workers);
        let answer = |value| Number {
            label: "rounds".to_owned(),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                // There one comes after the other.
                let at_once = match setup.engine {
                    Engine::Sequential => 1,
                    _ => workers,
                };
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    executor
                        .run(&db, |cx| ours(cx, rounds, workers, at_once))
                        .map(answer)
                })
            }
            Engine::ParkingLot => Ok(Job::other(move || answer(by_threads(rounds, workers)))),
            other => Err(cannot_run(other)),
        }
    }
}

/// How many rounds one of the workers does.
fn share(rounds: u64, workers: usize, worker: usize) -> u64 {
    let (worker, workers) = (worker as u64, workers as u64);
    rounds / workers + u64::from(worker < rounds % workers)
}

/// `at_once` of the workers meet before they begin.
fn ours(cx: &Cx<'_, ()>, rounds: u64, workers: usize, at_once: usize) -> u64 {
    let (mutex, meeting) = (Mutex::new(0), Meeting::new(at_once));
    let (mutex, meeting) = (&mutex, &meeting);
    let work = move |cx: &Cx<'_, ()>, worker: usize| {
        meeting.arrive();
        for _ in 0..share(rounds, workers, worker) {
            *black_box(mutex).lock(cx) += 1;
        }
    };
    cx.scope(|cx, scope| {
        for worker in 1..workers {
            scope.spawn(cx, move |cx| work(cx, worker));
        }
        work(cx, 0);
    });
    *mutex.lock(cx)
}

fn by_threads(rounds: u64, workers: usize) -> u64 {
    let (mutex, meeting) = (parking_lot::Mutex::new(0), Meeting::new(workers));
    let work = |worker| {
        meeting.arrive();
        for _ in 0..share(rounds, workers, worker) {
            *black_box(&mutex).lock() += 1;
        }
    };
    thread::scope(|scope| {
        let work = &work;
        for worker in 1..workers {
            scope.spawn(move || work(worker));
        }
        work(0);
    });
    mutex.into_inner()
}
