//! Peers that may hang: they give right answers, and a hang of theirs is a row like any other.

mod common;

use common::{dagwood, dagwood_with_child, row};
use serde_json::Value;

/// Small sizes of what the peers run.
const FORTE: [(&str, u64); 10] = [
    ("fork-join", 12),
    ("tree-sum", 20),
    ("tree-sum-large", 63),
    ("nqueens", 6),
    ("integrate", 4),
    ("skynet", 3),
    ("uts-t1", 4),
    ("uts-t3", 20),
    ("matmul", 75),
    ("spawn", 30),
];
const RAYON_BLOCKING: [(&str, u64); 4] = [
    ("grid-hashed", 12),
    ("shared", 6),
    ("wavefront-asked", 5),
    ("coarse", 2),
];

/// Wrong answers end with another exit code. With one worker there is nothing that could hang.
fn answers(engine: &str, workloads: &[(&str, u64)]) {
    for (workload, size) in workloads {
        let line = format!(
            "compare {workload} --size {size} --engines {engine} --workers 1,2,3 --repeats 1 --json -"
        );
        let finished = dagwood(&line);
        assert_eq!(finished.code, 0, "{workload}: {}", finished.stderr);
        let rows = finished.rows();
        assert_eq!(rows.len(), 3, "{workload}");
        for row in &rows {
            let is_answered = row["error"] == Value::Null && row["checksum"] != "";
            let error = row["error"].as_str().unwrap_or_default();
            let has_hung = row["workers"] != 1 && error.starts_with("hung: ");
            assert!(is_answered || has_hung, "{row}");
        }
    }
}

#[test]
fn forte_gives_the_known_answers() {
    answers("forte", &FORTE);
}

#[test]
fn rayon_blocking_gives_the_known_answers() {
    answers("rayon-blocking", &RAYON_BLOCKING);
}

/// What a workload may crash runs in a child there, and answers if it does not.
#[test]
fn peers_that_deep_joins_may_crash_give_the_known_answers() {
    for engine in ["rayon", "chili"] {
        answers(engine, &[("uts-t3", 20)]);
    }
}

/// The tables above are complete.
#[test]
fn all_that_they_can_run_is_tested() {
    for (engine, workloads) in [("forte", &FORTE[..]), ("rayon-blocking", &RAYON_BLOCKING)] {
        let (mut can, mut cannot) = (0, 0);
        for name in names_of_workloads() {
            let line = format!("run {name} --size 1000000000000 --engine {engine}");
            let finished = dagwood(&line);
            assert_eq!(finished.code, 2, "{name}: {}", finished.stderr);
            match finished.stderr.contains("out of range") {
                true => can += 1,
                false => cannot += 1,
            }
        }
        assert_eq!(can, workloads.len(), "{engine}");
        assert!(cannot > 0, "{engine}");
    }
}

/// The first column of the first table.
fn names_of_workloads() -> Vec<String> {
    let list = dagwood("list").stdout;
    let table = list.split("\n\n").next().expect("a table");
    table
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

#[test]
fn a_peer_that_hangs_in_the_rounds_is_killed_and_shown_as_hung() {
    let line = "compare fork-join --engines calls,forte,rayon --size 8 --repeats 2 --workers 2 --time-limit 2 --json -";
    let finished = dagwood_with_child(line, "forte:hang-in-rounds");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    let hung = row(&rows, "forte", 2);
    let expected = "hung: in round 1: no answer within 2 s: killed";
    assert_eq!(hung["error"], expected);
    assert_eq!(hung["samples_ns"], Value::Array(Vec::new()));
    for (engine, workers) in [("calls", 1), ("rayon", 2)] {
        let row = row(&rows, engine, workers);
        assert_eq!(row["samples_ns"].as_array().unwrap().len(), 2, "{row}");
    }
    let table = &finished.stderr;
    let cells: Vec<&str> = table
        .lines()
        .map(str::trim_start)
        .find(|line| line.starts_with("forte"))
        .expect("a row of forte")
        .split_whitespace()
        .collect();
    assert_eq!(cells[..4], ["forte", "2", "hung", "-"]);
    for said in [
        "hung in forte (2 workers): in round 1: no answer within 2 s: killed",
        "note: the peer forte (2 workers) hung; the comparison stands without it",
    ] {
        assert!(table.contains(said), "{table}");
    }
}
