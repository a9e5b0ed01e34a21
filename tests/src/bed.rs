//! What a scenario runs on, and the watchdog that tells which one hangs.

use std::io::Write;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use dagwood::{Backend, Builder, Executor, Jobserver, Schedule};

use crate::child::is_emulated;

/// How long a scenario may take on one backend with one worker count before it counts as hanging: so many seconds, unless
/// `DAGWOOD_TEST_WATCHDOG_S` says otherwise.
const PATIENCE_S: u64 = if is_emulated() { 600 } else { 60 };

/// The sequential backend runs on its caller's stack.
const STACK_BYTES: usize = 64 << 20;

/// One backend and worker count, on which a scenario runs.
#[derive(Clone, Debug)]
pub struct Bed {
    backend: Backend,
    workers: usize,
    seed: Option<u64>,
}

impl Bed {
    /// The builder of an executor of this kind.
    pub fn builder(&self) -> Builder {
        let builder = Executor::builder()
            .backend(self.backend)
            .workers(self.workers);
        let builder = match std::env::var_os("DAGWOOD_TEST_MIGRATE") {
            Some(_) => with_moving_fibers(builder),
            None => builder,
        };
        let builder = match std::env::var("DAGWOOD_TEST_PERMITS") {
            Ok(limit) => builder.jobserver(&with_permits(&limit)),
            Err(_) => builder,
        };
        match self.schedule() {
            Some(schedule) => builder.schedule(schedule),
            None => builder,
        }
    }

    /// An executor of this kind.
    pub fn executor(&self) -> Executor {
        self.builder().build().expect("an executor can be made")
    }

    /// An executor of this kind whose fibers may move.
    pub fn moving_executor(&self) -> Executor {
        let builder = with_moving_fibers(self.builder());
        builder.build().expect("an executor can be made")
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The schedule of its executors, if a seed says it.
    pub fn schedule(&self) -> Option<Schedule> {
        self.seed.map(Schedule::Seeded)
    }

    /// Whether workers run one at a time, and sizes are cut.
    pub fn is_seeded(&self) -> bool {
        self.seed.is_some()
    }

    /// Whether nothing else runs while a job waits.
    pub fn is_sequential(&self) -> bool {
        self.backend == Backend::Sequential
    }

    /// A number of rounds, or a size: a fiftieth under seeds, where other seeds do more, and a turn takes microseconds,
    /// and under an emulator; a quarter in a build that is not optimised, where each takes long: the gate has both.
    pub fn scaled(&self, count: usize) -> usize {
        if self.seed.is_some() || is_emulated() {
            count.div_ceil(50)
        } else if cfg!(debug_assertions) {
            count.div_ceil(4)
        } else {
            count
        }
    }

    /// So many numbers to make random things from: fewer under seeds, and others under each.
    pub fn numbers(&self, count: usize) -> Range<u64> {
        let count = self.scaled(count) as u64;
        let first = self.seed.unwrap_or(0) * count;
        first..first + count
    }

    /// What to go through: all of it; under seeds one, another under each.
    pub fn cases<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut cases = Vec::from_iter(all);
        if let Some(seed) = self.seed {
            // Mixed: the number of workers goes by the seed as well.
            let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            let chosen = mixed as usize % cases.len();
            cases = cases.drain(chosen..=chosen).collect();
        }
        cases
    }

    /// A size: at most `few` under seeds, where most of what is done is a turn.
    pub fn at_most_seeded(&self, few: usize, full: usize) -> usize {
        if self.is_seeded() {
            few.min(full)
        } else {
            full
        }
    }

    /// `full`, but `few` where each waiting job holds an OS thread, or one worker at a time runs; and no more than
    /// 1,023 where their stacks must lie in 32-bit addresses.
    pub fn at_most_on_threads(&self, few: usize, full: usize) -> usize {
        if self.backend == Backend::Threads || self.seed.is_some() {
            few.min(full)
        } else {
            full.min(usize::MAX >> 22)
        }
    }
}

/// No more than so many workers run at once.
fn with_permits(limit: &str) -> Jobserver {
    Jobserver::with_limit(limit.parse().expect("DAGWOOD_TEST_PERMITS is a number"))
}

/// What the suite does in jobs keeps to the rules of `migrate_fibers`.
fn with_moving_fibers(builder: Builder) -> Builder {
    // SAFETY: no scenario keeps a guard of an OS lock, or a thread-local, over a wait.
    unsafe { builder.migrate_fibers() }
}

/// Runs `body` with each of the worker counts. A hang ends the process with a message, since nothing else can.
///
/// On a target without a switch the feature `fibers` brings the threads backend, so that is what runs then.
pub fn run_scenario(name: &str, backend: Backend, workers: &[usize], body: fn(&Bed)) {
    let backend = this_or_first(backend);
    for &workers in workers {
        let bed = Bed {
            backend,
            workers,
            seed: None,
        };
        watch(
            &format!("{name} on {backend}, workers: {workers}"),
            bed,
            body,
        );
    }
}

/// The same under seeds: as many as `DAGWOOD_SEEDS` says, else two; with each of the worker counts in turn.
pub fn run_under_seeds(name: &str, backend: Backend, workers: &[usize], body: fn(&Bed)) {
    let backend = this_or_first(backend);
    for seed in seeds() {
        let turn = usize::try_from(seed).expect("seeds are few") % workers.len();
        let bed = Bed {
            backend,
            workers: workers[turn],
            seed: Some(seed),
        };
        watch(
            &format!(
                "{name} on {backend}, workers: {}, seed {seed} (again: DAGWOOD_SEEDS={seed}..{})",
                workers[turn],
                seed + 1
            ),
            bed,
            body,
        );
    }
}

fn seeds() -> Range<u64> {
    numbers_by_environment("DAGWOOD_SEEDS", 0..2)
}

/// Runs `body` on each backend with workers, of which there are four, with the numbers that the environment variable says,
/// else with a hundred thousand: in batches that end within the watchdog's time.
pub fn run_in_batches(name: &str, variable: &str, body: fn(&Bed, Range<u64>)) {
    const AT_ONCE: u64 = 500;
    let all = numbers_by_environment(variable, 0..100_000);
    let backends = Executor::backends().iter().copied();
    for backend in backends.filter(|one| *one != Backend::Sequential) {
        for first in all.clone().step_by(AT_ONCE as usize) {
            let batch = first..all.end.min(first + AT_ONCE);
            let bed = Bed {
                backend,
                workers: 4,
                seed: None,
            };
            let label = format!("{name}, {batch:?}, on {backend}");
            watch(&label, bed, move |bed| body(bed, batch));
        }
    }
}

/// What the environment variable says: so many numbers from zero on, or `FIRST..END`; else `usual`.
fn numbers_by_environment(variable: &str, usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var(variable) else {
        return usual;
    };
    let number = |text: &str| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{variable} is N or FIRST..END"))
    };
    match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&text),
    }
}

fn patience() -> Duration {
    let text = std::env::var("DAGWOOD_TEST_WATCHDOG_S");
    let seconds = text.map_or(PATIENCE_S, |text| {
        text.parse().expect("DAGWOOD_TEST_WATCHDOG_S is a number")
    });
    Duration::from_secs(seconds)
}

fn this_or_first(backend: Backend) -> Backend {
    *Executor::backends()
        .iter()
        .find(|here| **here == backend)
        .unwrap_or(&Executor::backends()[0])
}

fn watch(label: &str, bed: Bed, body: impl FnOnce(&Bed) + Send + 'static) {
    let (ended, end) = mpsc::channel::<()>();
    let thread = thread::Builder::new()
        .name(label.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Dropped at the end, however it comes.
            let _ended = ended;
            body(&bed);
        })
        .expect("a thread can be started");
    let patience = patience();
    if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        // Not by a macro: the output of those is kept back until the test ends.
        let _ = writeln!(
            std::io::stderr(),
            "\nHANGS: {label} (after {patience:?}); the process ends here"
        );
        std::process::abort();
    }
    if let Err(payload) = thread.join() {
        eprintln!("FAILED: {label}");
        resume_unwind(payload);
    }
}
