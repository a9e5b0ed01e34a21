//! Loops of `rayon` and bare joins, timed: on the `rayon-core` that this package was built with.
//!
//! The child of `dagwood compare par-sum` and the like, which it speaks with as the harness's own children do
//! (`benches/src/child.rs`, `probe.rs`): `__child WORKLOAD --engine E --workers N --size S` runs once and says so, in JSON;
//! with `--serve` it runs once for each line on stdin. Both twins give the same checksum.

#[path = "../../src/peak.rs"]
mod peak;

use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

use cpu_time::ProcessTime;
use rayon::ThreadPool;
use rayon::prelude::*;

/// A workload: its name, and what one run of it gives.
type Workload = (&'static str, fn(u64) -> u64);

const WORKLOADS: [Workload; 7] = [
    ("par-sum", par_sum),
    ("par-sort", par_sort),
    ("par-collect", par_collect),
    ("par-flat-map", par_flat_map),
    ("par-bridge", par_bridge),
    ("par-join", par_join),
    ("par-scope", par_scope),
];

/// fib(n) by a join at every node.
fn par_join(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| par_join(n - 1), || par_join(n - 2));
    a + b
}

/// A step of a generator: some work that no compiler sees through.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn par_sum(size: u64) -> u64 {
    (0..size)
        .into_par_iter()
        .map(mix)
        .reduce(|| 0, u64::wrapping_add)
}

fn par_sort(size: u64) -> u64 {
    let mut numbers: Vec<u64> = (0..size).map(mix).collect();
    numbers.par_sort_unstable();
    numbers.iter().step_by(1000).fold(0, |sum, n| mix(sum ^ n))
}

fn par_collect(size: u64) -> u64 {
    let numbers: Vec<u64> = (0..size).into_par_iter().map(mix).collect();
    numbers[numbers.len() / 2]
}

fn par_flat_map(size: u64) -> u64 {
    let part = |n: u64| (0..n % 8).into_par_iter().map(move |i| mix(n ^ i));
    (0..size)
        .into_par_iter()
        .flat_map(part)
        .reduce(|| 0, u64::wrapping_add)
}

fn par_bridge(size: u64) -> u64 {
    (0..size)
        .par_bridge()
        .map(mix)
        .reduce(|| 0, u64::wrapping_add)
}

fn par_scope(size: u64) -> u64 {
    let sum = std::sync::atomic::AtomicU64::new(0);
    rayon::scope(|scope| {
        for n in 0..size {
            let sum = &sum;
            scope.spawn(move |_| {
                sum.fetch_add(mix(n), std::sync::atomic::Ordering::Relaxed);
            });
        }
    });
    sum.into_inner()
}

/// What the command line asks for.
struct Errand {
    run: fn(u64) -> u64,
    size: u64,
    workers: usize,
    is_served: bool,
}

impl Errand {
    fn read() -> Option<Errand> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [child, name, rest @ ..] = &*words else {
            return None;
        };
        let (_, run) = *WORKLOADS.iter().find(|(known, _)| known == name)?;
        let value = |flag: &str| {
            let at = rest.iter().position(|word| word == flag)?;
            rest.get(at + 1)?.parse::<u64>().ok()
        };
        (child == "__child").then_some(())?;
        Some(Errand {
            run,
            size: value("--size")?,
            workers: usize::try_from(value("--workers")?).ok()?,
            is_served: rest.iter().any(|word| word == "--serve"),
        })
    }

    /// One run, and what it took.
    fn run_in(&self, pool: &ThreadPool) -> io::Result<()> {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let sum = pool.install(|| (self.run)(black_box(self.size)));
        let (wall_ns, cpu_ns) = (wall.elapsed().as_nanos(), cpu.elapsed().as_nanos());
        if self.is_served {
            say("\"Over\"")?;
        }
        let peak = peak::resident_bytes().map_or("null".to_owned(), |bytes| bytes.to_string());
        say(&format!(
            r#"{{"Done":{{"checksum":"{sum}","wall_ns":{wall_ns},"cpu_ns":{cpu_ns},"peak_rss_bytes":{peak},"counters":null}}}}"#
        ))
    }
}

fn say(message: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{message}")?;
    stdout.flush()
}

fn main() -> io::Result<ExitCode> {
    let Some(errand) = Errand::read() else {
        let names: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "usage: __child WORKLOAD --workers N --size S [--serve]; workloads: {}",
            names.join(", ")
        );
        return Ok(ExitCode::from(2));
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(errand.workers)
        .build();
    let pool = pool.map_err(io::Error::other)?;
    say("\"Ready\"")?;
    if !errand.is_served {
        errand.run_in(&pool)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in io::stdin().lock().lines() {
        line?;
        errand.run_in(&pool)?;
    }
    Ok(ExitCode::SUCCESS)
}
