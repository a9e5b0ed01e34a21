//! `suspended`: many fibers wait at once, each on a stack of 64 KiB; then all go on.
//!
//! The opener, the scope's own fiber, lets the children come by yielding. Once all wait, or no more come (the cap is
//! reached: the workers wait in place), it takes the figures and opens the gate; what has not come yet runs then. The
//! answer is the same in either case.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dagwood::{Backend, Cx, Database, Error, Event, Executor};
use dagwood_fibers::{Fiber, Mechanism, StackPool};

use super::job::cannot_run;
use super::{Answer, Figures, Job, Loaded, Request, Setup};
use crate::engine::Kind;
use crate::failure::Failure;
use crate::footprint::Footprint;

const STACK_BYTES: usize = 64 << 10;

/// The times of creation are taken over so many, and the least is told.
const BATCH: u64 = 1000;

/// The cap on fibers that is asked for beyond those that wait: running and spare ones.
const SPARE: usize = 1000;

/// What a process of this system can have of threads, about: four mappings each.
const THREADS_MAX: usize = 12_000;

/// When nobody has come for so long, no more do.
const PATIENCE: Duration = Duration::from_millis(500);

struct Suspended {
    waiters: u64,
}

/// Nothing to read: the input is the number of waiters.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Suspended {
        waiters: request.size,
    }))
}

impl Loaded for Suspended {
    fn size(&self) -> u64 {
        self.waiters
    }

    fn ops(&self) -> u64 {
        self.waiters
    }

    fn known_checksum(&self) -> Option<String> {
        Some((self.waiters * (self.waiters + 1) / 2).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let Kind::Ours(backend) = setup.engine.kind() else {
            return Err(cannot_run(setup.engine));
        };
        let waiters = self.waiters;
        let fibers = usize::try_from(waiters).map_err(|error| error.to_string())? + SPARE;
        let (mechanism, fibers_max) = match backend {
            Backend::Threads => (Mechanism::Thread, fibers.min(THREADS_MAX)),
            _ => (Mechanism::Switch, fibers),
        };
        let figures = Figures::default();
        let told = Figures::clone(&figures);
        let configure =
            |builder: dagwood::Builder| builder.stack_bytes(STACK_BYTES).max_fibers(fibers_max);
        let job = Job::on_built(setup, configure, move |executor| {
            let (sum, found) = all_wait(executor, waiters)?;
            let reuse_ns_min = reuse_ns_min(mechanism);
            let mut told = told.borrow_mut();
            told.clear();
            told.extend(
                found
                    .each(setup.workers as u64)
                    .map(|(name, value)| (name.to_owned(), value)),
            );
            told.insert("reuse_ns_min".to_owned(), reuse_ns_min);
            told.insert("waited_at_once".to_owned(), found.waiting);
            Ok(Sum {
                sum,
                figures: told
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}\n"))
                    .collect(),
            })
        })?;
        Ok(job.with_figures(figures))
    }
}

/// The sum of the waiters' numbers, and in words what was measured.
struct Sum {
    sum: u64,
    figures: String,
}

impl Answer for Sum {
    fn checksum(&self) -> String {
        self.sum.to_string()
    }

    fn text(&self) -> String {
        format!("sum = {}\n{}", self.sum, self.figures)
    }
}

/// What was found when all waited.
#[derive(Copy, Clone, Default)]
struct Found {
    waiting: u64,
    before: Footprint,
    at_once: Footprint,
    /// The least time that a batch took to come.
    batch_ns_min: u64,
}

impl Found {
    fn each(&self, workers: u64) -> impl Iterator<Item = (&'static str, u64)> {
        let waiting = self.waiting.max(1);
        let added = |of: fn(&Footprint) -> u64| of(&self.at_once).saturating_sub(of(&self.before));
        [
            // As many come at once as there are workers.
            ("create_ns_min", self.batch_ns_min * workers / BATCH),
            (
                "resident_bytes_each",
                added(|now| now.resident_bytes) / waiting,
            ),
            (
                "page_table_bytes_each",
                added(|now| now.page_table_bytes) / waiting,
            ),
            ("mappings_added", added(|now| now.mappings)),
        ]
        .into_iter()
    }
}

/// What the waiters share.
struct Hall {
    gate: Event<u64>,
    arrived: AtomicU64,
    sum: AtomicU64,
    /// When each batch was complete.
    times: Mutex<Vec<Instant>>,
}

impl Hall {
    fn new() -> Self {
        Hall {
            gate: Event::named("the gate"),
            arrived: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            times: Mutex::default(),
        }
    }

    fn wait(&self, cx: &Cx<'_, ()>, number: u64) {
        // Relaxed: counts; the scope's end orders the sum.
        let arrived = self.arrived.fetch_add(1, Ordering::Relaxed);
        if arrived.is_multiple_of(BATCH) {
            self.times
                .lock()
                .expect("nobody panics")
                .push(Instant::now());
        }
        let factor = *self.gate.wait(cx);
        self.sum.fetch_add(number * factor, Ordering::Relaxed);
    }

    /// Lets the others come until `waiters` have, or nobody does any more.
    fn wait_for_all(&self, cx: &Cx<'_, ()>, waiters: u64) -> u64 {
        let (mut last, mut since) = (0, None);
        loop {
            let arrived = self.arrived.load(Ordering::Relaxed);
            if arrived == waiters {
                return arrived;
            }
            if arrived != last {
                (last, since) = (arrived, None);
            } else if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return arrived;
            }
            cx.yield_now();
        }
    }

    fn batch_ns_min(&self) -> u64 {
        let times = self.times.lock().expect("nobody panics");
        let least = times
            .windows(2)
            .map(|two| two[1].saturating_duration_since(two[0]))
            .min();
        least.map_or(0, |least| least.as_nanos() as u64)
    }
}

fn all_wait(executor: &Executor, waiters: u64) -> Result<(u64, Found), Error> {
    let hall = Hall::new();
    let found = executor.run(&Database::new(()), |cx| {
        cx.scope(|cx, scope| {
            for number in 1..=waiters {
                let hall = &hall;
                scope.spawn(cx, move |cx| hall.wait(cx, number));
            }
            let before = Footprint::now().unwrap_or_default();
            let waiting = hall.wait_for_all(cx, waiters);
            let at_once = Footprint::now().unwrap_or_default();
            let batch_ns_min = hall.batch_ns_min();
            hall.gate.set(1).expect("set once");
            Found {
                waiting,
                before,
                at_once,
                batch_ns_min,
            }
        })
    })?;
    Ok((hall.sum.into_inner(), found))
}

/// A fiber that is made on a used stack, runs to its end and gives the stack back: the least over batches.
fn reuse_ns_min(mechanism: Mechanism) -> u64 {
    let batches = match mechanism {
        Mechanism::Switch => 1000,
        Mechanism::Thread => 2,
    };
    let Ok(mut pool) = StackPool::new(mechanism, STACK_BYTES) else {
        return 0;
    };
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..BATCH {
            let Ok(mut fiber) = Fiber::new(&mut pool, |_| ()) else {
                return u64::MAX;
            };
            drop(fiber.resume());
            fiber.recycle(&mut pool);
        }
        start.elapsed().as_nanos() as u64 / BATCH
    };
    (0..batches).map(|_| batch()).min().unwrap_or(0)
}
