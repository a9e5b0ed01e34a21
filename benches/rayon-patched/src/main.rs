//! Loops of `rayon` and bare joins, timed: on the `rayon-core` that this package was built with.
//!
//! `rayon-patched WORKLOAD SIZE WORKERS REPEATS` prints a checksum, and the time of each run in nanoseconds, all in one line.
//! Both twins give the same checksum.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use rayon::prelude::*;

/// A workload: its name, and what one run of it gives.
type Workload = (&'static str, fn(u64) -> u64);

const WORKLOADS: [Workload; 7] = [
    ("fork-join", fork_join),
    ("par-sum", par_sum),
    ("par-sort", par_sort),
    ("par-collect", par_collect),
    ("par-flat-map", par_flat_map),
    ("par-bridge", par_bridge),
    ("scope", scope),
];

/// fib(n) by a join at every node.
fn fork_join(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fork_join(n - 1), || fork_join(n - 2));
    a + b
}

/// A step of a generator: some work that no compiler sees through.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn par_sum(size: u64) -> u64 {
    (0..size).into_par_iter().map(mix).reduce(|| 0, u64::wrapping_add)
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
    (0..size).into_par_iter().flat_map(part).reduce(|| 0, u64::wrapping_add)
}

fn par_bridge(size: u64) -> u64 {
    (0..size).par_bridge().map(mix).reduce(|| 0, u64::wrapping_add)
}

fn scope(size: u64) -> u64 {
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|word| word.parse::<u64>().ok());
    let known = WORKLOADS.iter().find(|(name, _)| arguments.first().is_some_and(|word| word == name));
    let (Some((_, run)), Some(size), Some(workers), Some(repeats)) =
        (known, number(1), number(2), number(3))
    else {
        let names: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: WORKLOAD SIZE WORKERS REPEATS; workloads: {}", names.join(", "));
        return ExitCode::from(2);
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers as usize).build();
    let pool = pool.expect("a pool can be made");
    // Warm: threads, stacks, memory.
    let sum = pool.install(|| run(size));
    print!("{sum}");
    for _ in 0..repeats {
        let start = Instant::now();
        let again = pool.install(|| run(black_box(size)));
        print!(" {}", start.elapsed().as_nanos());
        assert_eq!(again, sum, "two runs differ");
    }
    println!();
    ExitCode::SUCCESS
}
