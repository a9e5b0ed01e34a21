//! `trickle-100` and `trickle-1000`: an outside thread hands over a tiny job so many times a
//! second, and sleeps in between.
//!
//! What counts is the CPU time: how much of the machine an executor takes that has next to nothing
//! to do. The thread that hands over sleeps until absolute deadlines, so that a slow answer does
//! not stretch the rest.

use std::thread;
use std::time::{Duration, Instant};

use dagwood::Database;

use super::divide::{dagwood_rayon_pool, rayon_pool};
use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

#[derive(Copy, Clone)]
struct Trickle {
    jobs: u32,
    period: Duration,
}

/// 100 jobs a second.
pub(super) fn load_100(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load(request, Duration::from_millis(10))
}

/// 1,000 jobs a second.
pub(super) fn load_1000(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load(request, Duration::from_millis(1))
}

fn load(request: &Request, period: Duration) -> Result<Box<dyn Loaded>, Failure> {
    let jobs = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Trickle { jobs, period }))
}

impl Loaded for Trickle {
    fn size(&self) -> u64 {
        self.jobs.into()
    }

    fn ops(&self) -> u64 {
        self.jobs.into()
    }

    fn known_checksum(&self) -> Option<String> {
        let results = (0..self.jobs).map(|number| u64::from(tiny(number)));
        Some(results.sum::<u64>().to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let trickle = *self;
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    trickle.give(|number| executor.run(&db, |_| tiny(number)))
                })
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                // What waits for the answer as `run` does, and the cheapest that rayon has for it.
                let give = move |number| Ok(pool.install(|| tiny(number)));
                Ok(Job::fallible(move || trickle.give(&give)))
            }
            Engine::DagwoodRayonCore => {
                let pool = dagwood_rayon_pool(setup)?;
                let give = move |number| Ok(pool.install(|| tiny(number)));
                Ok(Job::fallible(move || trickle.give(&give)))
            }
            Engine::Plain => Ok(Job::fallible(move || {
                trickle.give(|number| Ok(plain(number)))
            })),
            other => Err(cannot_run(other)),
        }
    }
}

impl Trickle {
    /// Hands over all jobs, each when its time has come, and waits for each answer.
    fn give<E>(&self, give: impl Fn(u32) -> Result<u32, E>) -> Result<Number, E> {
        let start = Instant::now();
        let mut value = 0;
        for number in 0..self.jobs {
            // Nothing where we are late.
            thread::sleep((start + self.period * number).saturating_duration_since(Instant::now()));
            value += u64::from(give(number)?);
        }
        Ok(Number {
            label: format!("sum over {} jobs", self.jobs),
            value,
        })
    }
}

/// The job: a few instructions.
fn tiny(number: u32) -> u32 {
    (number ^ number >> 16).wrapping_mul(0x85eb_ca6b)
}

/// The baseline: the job, called by the thread that has it.
#[inline(never)]
fn plain(number: u32) -> u32 {
    tiny(number)
}
