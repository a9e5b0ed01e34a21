//! `idle`: an executor that has worked once and now has nothing to do: its threads must not run at
//! all.
//!
//! The answer is the number of voluntary context switches of the engine's own threads in that time,
//! and the known one is none. A peer's count is its own affair: one that is not zero is an error of
//! the peer, which fails no comparison. The system itself wakes a sleeping thread now and then (seen on
//! virtual machines, with every engine), so of a few rests the quietest counts: who polls is never quiet.

use std::thread;
use std::time::Duration;

use dagwood::{Database, Executor};

use super::divide::{dagwood_rayon_pool, rayon_pool};
use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::context_switches::{Threads, threads, voluntary};
use crate::engine::{Engine, Kind};
use crate::failure::Failure;

/// How long the threads must have been asleep before the rest begins.
const SETTLED: Duration = Duration::from_millis(100);

/// How often that is tried: threads that do not come to rest are counted as they are.
const TRIES: u32 = 20;

/// So many rests at most, until there is a quiet one.
const RESTS: u32 = 5;

struct Idle {
    milliseconds: u64,
}

/// Nothing to read: the input is the length of the rest.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Idle {
        milliseconds: request.size,
    }))
}

impl Loaded for Idle {
    fn size(&self) -> u64 {
        self.milliseconds
    }

    fn ops(&self) -> u64 {
        self.milliseconds
    }

    fn known_checksum(&self) -> Option<String> {
        Some("0".to_owned())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let rest = Duration::from_millis(self.milliseconds);
        match setup.engine.kind() {
            Kind::Ours(backend) => {
                let make = || {
                    // Without statistics, whatever the setup says: with them sleepers wake to audit
                    // their sleep.
                    let executor = Executor::builder().backend(backend).workers(setup.workers);
                    executor.build().map_err(|error| error.to_string())
                };
                let warm_up = |executor: &Executor| {
                    let ran = executor.run(&Database::new(()), |cx| cx.join(|_| (), |_| ()));
                    ran.map(drop).map_err(|error| error.to_string())
                };
                watched(setup, rest, make, warm_up)
            }
            _ if setup.engine == Engine::Rayon => watched(
                setup,
                rest,
                || rayon_pool(setup),
                |pool| {
                    pool.install(|| rayon_core::join(|| (), || ()));
                    Ok(())
                },
            ),
            _ if setup.engine == Engine::DagwoodRayonCore => watched(
                setup,
                rest,
                || dagwood_rayon_pool(setup),
                |pool| {
                    pool.install(|| dagwood_rayon_core::join(|| (), || ()));
                    Ok(())
                },
            ),
            _ => Err(cannot_run(setup.engine)),
        }
    }
}

/// The job: `warm_up`, then the rest. The engine's threads are those that `make` and a first
/// `warm_up` started.
fn watched<'a, T: 'a>(
    setup: Setup,
    rest: Duration,
    make: impl FnOnce() -> Result<T, String>,
    warm_up: impl Fn(&T) -> Result<(), String> + 'a,
) -> Result<Job<'a>, String> {
    let others = threads()?;
    let subject = make()?;
    warm_up(&subject)?;
    let own: Threads = threads()?.difference(&others).cloned().collect();
    let engine = setup.engine;
    if engine != Engine::Sequential && own.len() < setup.workers {
        return Err(format!("only {} threads to watch: {own:?}", own.len()));
    }
    Ok(Job::fallible(move || {
        warm_up(&subject)?;
        let mut value = u64::MAX;
        for _ in 0..RESTS {
            let before = settle(&own)?;
            thread::sleep(rest);
            value = value.min(voluntary(&own)? - before);
            if value == 0 {
                break;
            }
        }
        if engine.kind() == Kind::Peer && value > 0 {
            return Err(format!("{value} voluntary context switches").into());
        }
        Ok(Number {
            label: format!("voluntary context switches of {} idle threads", own.len()),
            value,
        })
    }))
}

/// The count of threads that have gone to sleep after the job.
fn settle(own: &Threads) -> Result<u64, String> {
    let mut count = voluntary(own)?;
    for _ in 0..TRIES {
        let before = count;
        thread::sleep(SETTLED);
        count = voluntary(own)?;
        if count == before {
            break;
        }
    }
    Ok(count)
}
