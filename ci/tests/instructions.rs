//! What is counted and not timed: what hits and misses cost (claim.md C6 and C8), what the parallel build costs over
//! the sequential one, and that schedules cost nothing when they are off (seeded.md), by callgrind: instructions, reads,
//! writes and atomic read-modify-writes.
//!
//! Ignored by default: it needs valgrind, and x86-64 (elsewhere an atomic is not one instruction). The gate's step
//! `instructions` builds the harness in each of the ways and runs this.

#![cfg(target_arch = "x86_64")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Events, of a run or of an operation.
#[derive(Clone, Copy, Debug)]
struct Events {
    instructions: f64,
    reads: f64,
    writes: f64,
    atomics: f64,
}

impl Events {
    fn zip(self, other: Events, with: impl Fn(f64, f64) -> f64) -> Events {
        Events {
            instructions: with(self.instructions, other.instructions),
            reads: with(self.reads, other.reads),
            writes: with(self.writes, other.writes),
            atomics: with(self.atomics, other.atomics),
        }
    }

    fn without(self, base: Events) -> Events {
        self.zip(base, |all, base| all - base)
    }

    fn per(self, operations: f64) -> Events {
        self.zip(self, |all, _| all / operations)
    }
}

/// The harness, as it is built with backends, without, and without schedules.
#[derive(Clone, Copy)]
enum Build {
    Parallel,
    Sequential,
    NoSchedule,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Build {
    fn program(self) -> PathBuf {
        root().join(match self {
            Build::Parallel => "target/release/dagwood",
            Build::Sequential => "target/sequential-build/release/dagwood",
            Build::NoSchedule => "target/no-schedule/release/dagwood",
        })
    }
}

/// The events of a process that loads the workload, and runs it so often.
fn count_runs(build: Build, workload: &str, engine: &str, size: u32, runs: usize) -> Events {
    let folder = std::env::temp_dir().join(format!("dagwood-instructions-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let out = folder.join("callgrind");
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=yes", "--collect-bus=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(build.program())
        .args(["__child", workload, "--engine", engine, "--workers", "1"])
        .args(["--size", &size.to_string(), "--serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind can be started (Debian: the package valgrind)");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    // The end of it is the end of the work.
    stdin
        .write_all("\n".repeat(runs).as_bytes())
        .expect("the child reads");
    drop(stdin);
    let run = child.wait_with_output().expect("valgrind ends");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{workload} on {engine}: {stderr}");
    let done = stdout.matches("checksum").count();
    assert_eq!(done, runs, "{workload} on {engine}: {stdout}");
    let text = fs::read_to_string(&out).expect("callgrind has written its file");
    fs::remove_dir_all(&folder).expect("nobody else uses it");
    parse(&text)
}

/// What a file of callgrind's sums up.
fn parse(text: &str) -> Events {
    let last = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("callgrind writes a line {name:?}"))
    };
    let names: Vec<&str> = last("events:").split_whitespace().collect();
    let numbers: Vec<f64> = last("totals:")
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let event = |name: &str| {
        let place = names.iter().position(|known| *known == name);
        // Zeros at the end of a line are left out.
        let number = numbers.get(place.expect("it was asked for"));
        number.copied().unwrap_or(0.0)
    };
    Events {
        instructions: event("Ir"),
        reads: event("Dr"),
        writes: event("Dw"),
        atomics: event("Ge"),
    }
}

/// The events of one run, in a process that has run it before: without its start, and without its input.
fn one_run(build: Build, workload: &str, engine: &str, size: u32) -> Events {
    let of = |runs| count_runs(build, workload, engine, size, runs);
    of(2).without(of(1))
}

fn show(workload: &str, engine: &str, events: Events) -> Events {
    let Events {
        instructions,
        reads,
        writes,
        atomics,
    } = events;
    println!(
        "{workload} on {engine}: {instructions:.2} instructions, {reads:.2} reads, {writes:.2} writes, {atomics:.3} atomics"
    );
    events
}

/// The asks of a run of the workloads of hits, whatever the number of keys.
const HITS: f64 = (1 << 22) as f64;

/// What a hit costs, with its part of the loop around it.
fn hits(workload: &str, engine: &str) -> Events {
    let events = one_run(Build::Parallel, workload, engine, 1024);
    show(workload, engine, events.per(HITS))
}

/// What a first ask costs: of a run with many, less one with few.
fn misses(workload: &str, engine: &str) -> Events {
    let (few, many) = (100_000, 300_000);
    let of = |size| one_run(Build::Parallel, workload, engine, size);
    let events = of(many).without(of(few)).per(f64::from(many - few));
    show(workload, engine, events)
}

#[test]
#[ignore = "needs valgrind, and a built harness"]
fn a_hit_writes_nothing() {
    for workload in [
        "hit-dense",
        "hit-hashed",
        "hit-dense-chain",
        "hit-hashed-chain",
        "hot-key",
    ] {
        let hit = hits(workload, "fibers");
        hits(workload, "plain");
        assert!(
            hit.writes < 0.1 && hit.atomics < 0.001,
            "{workload}: {hit:?}"
        );
    }
}

/// With records on, a hit writes to its asker's own record, and to nothing that is shared. Off, they cost nothing: the
/// same ask is the hit above.
#[test]
#[ignore = "needs valgrind, and a built harness"]
fn a_recorded_hit_writes_to_its_own_record_only() {
    let on = hits("hit-recorded", "fibers");
    assert!(on.writes > 1.0 && on.atomics < 0.001, "{on:?}");
    assert!(on.instructions < 120.0, "{on:?}");
}

#[test]
#[ignore = "needs valgrind, and a built harness"]
fn a_miss_is_a_claim_and_a_close() {
    let dense = misses("miss-dense", "fibers");
    misses("miss-dense", "plain");
    assert!(dense.atomics < 2.1, "{dense:?}");
    // A lone inserter closes no gaps.
    let hashed = misses("miss-hashed", "fibers");
    misses("miss-hashed", "plain");
    assert!(hashed.atomics < 2.1, "{hashed:?}");
}

/// The vintage question, where it can be counted: the parallel build with one worker may cost two in a hundred
/// instructions more than the sequential one.
#[test]
#[ignore = "needs valgrind, and the harness built in both ways"]
fn the_parallel_build_costs_no_more_than_the_sequential_one() {
    for (workload, size) in [
        ("rust-source", 20_000),
        ("grid-hashed", 200),
        ("provider-1us", 2_000),
    ] {
        let of = |build, engine| one_run(build, workload, engine, size);
        let sequential = show(
            workload,
            "sequential-build",
            of(Build::Sequential, "sequential"),
        );
        let parallel = show(workload, "fibers", of(Build::Parallel, "fibers"));
        let ratio = parallel.instructions / sequential.instructions;
        println!("{workload}: {ratio:.4} x the instructions of the sequential build");
        let is_free = workload == "grid-hashed" || ratio <= 1.02;
        assert!(is_free, "{workload}: {ratio:.4}");
    }
}

/// Schedules are compiled in, and off: the same run in a build without them.
#[test]
#[ignore = "needs valgrind, and the harness built with and without schedules"]
fn a_schedule_that_is_off_costs_nothing() {
    for (workload, size) in [
        ("fork-join", 28),
        ("miss-dense", 30_000),
        ("miss-hashed", 30_000),
        ("grid-hashed", 100),
        ("hit-dense", 1024),
        ("hit-hashed", 1024),
    ] {
        let of = |build| one_run(build, workload, "fibers", size).instructions;
        let (with, without) = (of(Build::Parallel), of(Build::NoSchedule));
        let ratio = with / without;
        println!("{workload}: {ratio:.4} x the instructions of a build without schedules");
        assert!((ratio - 1.0).abs() < 0.005, "{workload}: {ratio:.4}");
    }
}
