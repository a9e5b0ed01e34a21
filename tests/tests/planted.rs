//! Seeds find planted bugs of the library, and the printed seed shows them again (tests/PLANTS.md).
//!
//! In a normal build nothing is found: then this says that the same programs run well under the same seeds. With
//! `RUSTFLAGS='--cfg plant="any"' DAGWOOD_PLANT=NAME` the bug must be found within a thousand seeds, and be the same twice.
#![cfg(any(feature = "fibers", feature = "threads"))]

use std::env;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use dagwood::{Backend, Cx, Database, Event, Executor, Schedule};
use dagwood_tests::child_process;

/// Names the backend and the first and last seed to the child; without seeds the environment says the schedule.
const CHILD: &str = "DAGWOOD_TESTS_PLANTED";

/// With what the library says how to see a failure again.
const SIGN: &str = "to see it again: DAGWOOD_SCHEDULE=";

const SEEDS: u64 = if IS_PLANTED { 1000 } else { 50 };

const IS_PLANTED: bool = cfg!(plant = "any");

/// Two that wake each other, in turn, beside a third that has nothing to do with them.
fn wake_each_other(cx: &Cx<'_, ()>) {
    let gates: [[Event<usize>; 2]; 3] = Default::default();
    let gates = &gates;
    let left = |cx: &Cx<'_, ()>| {
        for (round, [left, right]) in gates.iter().enumerate() {
            left.set(round).expect("set once");
            assert_eq!(*right.wait(cx), round);
        }
    };
    let right = |cx: &Cx<'_, ()>| {
        for (round, [left, right]) in gates.iter().enumerate() {
            assert_eq!(*left.wait(cx), round);
            right.set(round).expect("set once");
        }
    };
    cx.join(|cx| cx.join(left, right), |cx| cx.yield_now());
}

/// What runs in a process of its own, which may hang; does nothing in any other.
#[test]
#[ignore = "may hang; another test starts it"]
fn planted_child_process() {
    let Ok(order) = env::var(CHILD) else { return };
    let mut words = order.split(' ');
    let backend: Backend = words.next().expect("a backend").parse().expect("a backend");
    let mut seed = || {
        words
            .next()
            .map(|seed| seed.parse::<u64>().expect("a seed"))
    };
    let build = |schedule: Option<u64>| {
        let builder = Executor::builder().backend(backend).workers(3);
        let builder =
            if env::var("DAGWOOD_PLANT").is_ok_and(|plant| plant == "resumed_on_its_stack") {
                // SAFETY: the jobs keep nothing that belongs to a thread.
                unsafe { builder.migrate_fibers() }
            } else {
                builder
            };
        let builder = match schedule {
            Some(seed) => builder.schedule(Schedule::Seeded(seed)),
            None => builder,
        };
        builder.build().expect("an executor can be made")
    };
    let db = Database::new(());
    let run = |schedule| {
        build(schedule)
            .run(&db, wake_each_other)
            .expect("nothing fails")
    };
    match (seed(), seed()) {
        (Some(first), Some(last)) => (first..last).for_each(|seed| run(Some(seed))),
        _ => run(None),
    }
    eprintln!("all is well");
}

/// What the library says of the first failure, if there is one: the line, which tells after how many choices, if it stands still.
fn first_failure(order: &str, schedule: Option<&str>) -> Option<String> {
    let mut command = child_process(module_path!(), "planted_child_process");
    command
        .env(CHILD, order)
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    if let Some(schedule) = schedule {
        command.env("DAGWOOD_SCHEDULE", schedule);
    }
    let mut child = command.spawn().expect("this program can be started");
    let stderr = BufReader::new(child.stderr.take().expect("asked for"));
    let sign = |line: &String| line.contains(SIGN) || line.contains("all is well");
    let told = stderr.lines().map_while(Result::ok).find(sign);
    // It may hang.
    child.kill().expect("it can be ended");
    child.wait().expect("it has ended");
    let told = told.expect("it says what came of it");
    told.contains(SIGN).then_some(told)
}

fn search(backend: Backend) {
    let found = first_failure(&format!("{backend} 0 {SEEDS}"), None);
    if !IS_PLANTED {
        assert_eq!(found, None, "on {backend}");
        return;
    }
    let found =
        found.unwrap_or_else(|| panic!("no seed below {SEEDS} finds the plant on {backend}"));
    println!("on {backend}: {found}");
    let (_, schedule) = found.split_once(SIGN).expect("the sign is there");
    let schedule = schedule.split(' ').next();
    for _ in 0..2 {
        let again = first_failure(&backend.to_string(), schedule);
        assert_eq!(again.as_ref(), Some(&found), "on {backend}");
    }
}

#[test]
#[cfg(feature = "fibers")]
fn planted_bugs_are_found_on_fibers() {
    search(Executor::backends()[0]);
}

#[test]
#[cfg(feature = "threads")]
fn planted_bugs_are_found_on_threads() {
    search(Backend::Threads);
}
