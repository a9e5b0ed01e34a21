//! What hits and misses cost, counted by callgrind: instructions, writes and atomic read-modify-writes (claim.md C6 and C8).
//!
//! Ignored by default: it needs valgrind, and x86-64 (elsewhere an atomic is not one instruction). The gate's step
//! `instructions`, which runs only when it is named, builds the harness and runs this.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Events of one run.
#[derive(Clone, Copy, Debug)]
struct Events {
    instructions: f64,
    writes: f64,
    atomics: f64,
}

/// By operation.
impl Events {
    fn per(self, operations: f64) -> Events {
        Events {
            instructions: self.instructions / operations,
            writes: self.writes / operations,
            atomics: self.atomics / operations,
        }
    }

    fn without(self, base: Events) -> Events {
        Events {
            instructions: self.instructions - base.instructions,
            writes: self.writes - base.writes,
            atomics: self.atomics - base.atomics,
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The harness of a plain build, and of one with `--cfg no_schedule`.
const PLAIN: &str = "target/release/dagwood";
const NO_SCHEDULE: &str = "target/no-schedule/release/dagwood";

/// Runs a workload once under callgrind.
fn count(workload: &str, engine: &str, size: u32) -> Events {
    count_with(PLAIN, workload, engine, size)
}

fn count_with(program: &str, workload: &str, engine: &str, size: u32) -> Events {
    let out = root().join(format!("target/callgrind-{workload}-{engine}-{size}"));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=yes", "--collect-bus=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(root().join(program))
        .args(["run", workload, "--engine", engine, "--workers", "1"])
        .args(["--size", &size.to_string()])
        .output()
        .expect("valgrind can be started (Debian: the package valgrind)");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{workload} on {engine}: {stderr}");
    let text = fs::read_to_string(&out).expect("callgrind has written its file");
    let line = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no line {name:?} in {}", out.display()))
    };
    let names: Vec<&str> = line("events:").split_whitespace().collect();
    let totals = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals:"));
    let totals = totals.unwrap_or_else(|| line("summary:"));
    let numbers: Vec<f64> = totals
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let event = |name: &str| {
        let place = names.iter().position(|known| *known == name);
        // Zeros at the end of a line are left out.
        numbers
            .get(place.expect("it was asked for"))
            .copied()
            .unwrap_or(0.0)
    };
    Events {
        instructions: event("Ir"),
        writes: event("Dw"),
        atomics: event("Ge"),
    }
}

/// The asks of a run of the workloads of hits, whatever the number of keys.
const HITS: f64 = (1 << 22) as f64;

fn hits(workload: &str, engine: &str) -> Events {
    // The start of the process is in it: less than half an event a hit.
    let events = count(workload, engine, 1024).per(HITS);
    show(workload, engine, events);
    events
}

fn misses(workload: &str, engine: &str) -> Events {
    let (few, many) = (100_000, 300_000);
    let difference = count(workload, engine, many).without(count(workload, engine, few));
    let events = difference.per(f64::from(many - few));
    show(workload, engine, events);
    events
}

fn show(workload: &str, engine: &str, events: Events) {
    let Events {
        instructions,
        writes,
        atomics,
    } = events;
    println!(
        "{workload} on {engine}: {instructions:.1} instructions, {writes:.2} writes, {atomics:.3} atomics"
    );
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
            hit.writes < 0.6 && hit.atomics < 0.001,
            "{workload}: {hit:?}"
        );
    }
    // It writes to its own record, and to nothing that is shared.
    let recorded = hits("hit-recorded", "fibers");
    assert!(
        recorded.writes > 1.0 && recorded.atomics < 0.01,
        "{recorded:?}"
    );
}

#[test]
#[ignore = "needs valgrind, and a built harness"]
fn a_miss_is_a_claim_and_a_close() {
    let dense = misses("miss-dense", "fibers");
    misses("miss-dense", "plain");
    assert!(dense.atomics < 2.1, "{dense:?}");
    // With what growth closes of old arrays: one for each gap.
    let hashed = misses("miss-hashed", "fibers");
    misses("miss-hashed", "plain");
    assert!(hashed.atomics < 4.1, "{hashed:?}");
}

/// Instructions of one operation of a workload: the difference of two sizes, so that the start of the process is not in it.
fn instructions(program: &str, workload: &str, sizes: [u32; 2], operations: f64) -> f64 {
    let [few, many] = sizes.map(|size| count_with(program, workload, "fibers", size));
    many.without(few).per(operations).instructions
}

#[test]
#[ignore = "needs valgrind, and two built harnesses"]
fn a_schedule_that_is_off_costs_nothing() {
    // Joins of a Fibonacci tree: fib(n + 1) - 1. Many, beside which the start and the idle moments are little.
    let cases = [
        ("fork-join", [20, 26], f64::from(196_417 - 10_945)),
        ("miss-dense", [20_000, 60_000], 40_000.0),
        ("miss-hashed", [20_000, 60_000], 40_000.0),
        ("grid-hashed", [50, 150], 20_000.0),
    ];
    for (workload, sizes, operations) in cases {
        let with = instructions(PLAIN, workload, sizes, operations);
        let without = instructions(NO_SCHEDULE, workload, sizes, operations);
        println!("{workload}: {with:.2} instructions, {without:.2} without schedules");
        assert!(
            (with - without).abs() < 0.5,
            "{workload}: {with} and {without}"
        );
    }
    for workload in ["hit-dense", "hit-hashed"] {
        let of = |program| {
            count_with(program, workload, "fibers", 1024)
                .per(HITS)
                .instructions
        };
        let (with, without) = (of(PLAIN), of(NO_SCHEDULE));
        println!("{workload}: {with:.2} instructions, {without:.2} without schedules");
        assert!(
            (with - without).abs() < 0.5,
            "{workload}: {with} and {without}"
        );
    }
}
