//! Comparisons from outside: rows, table, verdict, and engines that misbehave.

mod common;

use std::fs;

use common::{dagwood, dagwood_with_child, row};
use serde_json::Value;

/// The keys of a row, in their order.
const KEYS: [&str; 20] = [
    "workload",
    "engine",
    "workers",
    "size",
    "ops",
    "unit",
    "min_ns_per_op",
    "median_ns_per_op",
    "cpu_ns_per_op",
    "samples_ns",
    "baseline",
    "ratio_to_baseline",
    "ratio_at_least",
    "ratio_of",
    "repeats",
    "checksum",
    "input_digest",
    "peak_rss_bytes",
    "counters",
    "error",
];

const COUNTERS: [&str; 9] = [
    "queries",
    "hits",
    "waits",
    "fibers_created",
    "fibers_peak",
    "suspended_peak",
    "steals",
    "wakes",
    "sleeps_with_work",
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn sorted<const N: usize>(mut keys: [&str; N]) -> Vec<&str> {
    keys.sort_unstable();
    keys.to_vec()
}

#[test]
fn rows_have_all_keys_and_one_sample_a_round() {
    let finished = dagwood("compare fork-join --size 12 --repeats 2 --workers 1,2 --json -");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    for row in &rows {
        assert_eq!(keys(row), sorted(KEYS));
        assert_eq!(row["samples_ns"].as_array().unwrap().len(), 2, "{row}");
        assert_eq!(row["checksum"], "144");
        assert_eq!(row["ops"], 232);
        assert_eq!(row["repeats"], 2);
        assert_eq!(row["error"], Value::Null);
        assert_eq!(row["input_digest"], Value::Null);
        assert!(row["ratio_to_baseline"].is_number(), "{row}");
        let median = row["median_ns_per_op"].as_f64().unwrap();
        assert!(row["min_ns_per_op"].as_f64().unwrap() <= median);
    }
    assert_eq!(row(&rows, "calls", 1)["ratio_to_baseline"], 1.0);
    let sequential = row(&rows, "sequential", 1);
    assert_eq!(keys(&sequential["counters"]), sorted(COUNTERS));
    assert_eq!(row(&rows, "rayon", 2)["counters"], Value::Null);
    assert_eq!(
        rows.iter().filter(|row| row["engine"] == "calls").count(),
        1
    );
    assert_eq!(
        rows.iter().filter(|row| row["engine"] == "chili").count(),
        2
    );
    if cfg!(target_os = "linux") {
        assert!(sequential["peak_rss_bytes"].as_u64().unwrap() > 0);
    }
    // The table goes where it does not disturb the rows.
    assert!(
        finished.stderr.contains("time / calls"),
        "{}",
        finished.stderr
    );
}

#[test]
fn without_the_baseline_there_is_no_ratio() {
    let finished =
        dagwood("compare fork-join --size 8 --repeats 1 --engines rayon --workers 1 --json -");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["baseline"], "calls");
    assert_eq!(rows[0]["ratio_to_baseline"], Value::Null);
}

#[test]
fn several_workloads_go_to_a_file_and_the_tables_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let line = format!(
        "compare grid-hashed shared --engines sequential --size 8 --repeats 1 --json {}",
        file.display()
    );
    let finished = dagwood(&line);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(
        finished.stdout.contains("grid-hashed, size 8: 64 cells"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stdout.contains("shared, size 8: 32 nodes"),
        "{}",
        finished.stdout
    );
    let text = fs::read_to_string(file).unwrap();
    let workloads: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["workload"].clone())
        .collect();
    assert_eq!(workloads, ["grid-hashed", "shared"]);
}

#[test]
fn no_escape_codes_and_no_progress_reach_a_pipe() {
    let finished = dagwood("compare fork-join --size 8 --repeats 1 --engines calls");
    assert!(!finished.stdout.contains('\x1b'));
    assert_eq!(finished.stderr, "");
}

#[test]
fn capacity_runs_processes_of_its_own_and_gives_shares() {
    let engines = if cfg!(any(feature = "fibers", feature = "threads")) {
        if cfg!(feature = "fibers") {
            "sequential,fibers,capacity"
        } else {
            "sequential,threads,capacity"
        }
    } else {
        "sequential,capacity"
    };
    let line =
        format!("compare shared --engines {engines} --workers 2 --size 4 --repeats 2 --json -");
    let finished = dagwood(&line);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    let capacity = row(&rows, "capacity", 2);
    assert_eq!(capacity["ops"], 32);
    assert_eq!(
        capacity["checksum"],
        row(&rows, "sequential", 1)["checksum"]
    );
    assert_eq!(capacity["samples_ns"].as_array().unwrap().len(), 2);
    let parallel = engines != "sequential,capacity";
    assert_eq!(
        finished.stderr.contains("capacity of the machine"),
        parallel,
        "{}",
        finished.stderr
    );
}

#[test]
fn a_peer_that_hangs_is_killed_and_the_others_are_compared() {
    let line = "compare fork-join --engines calls,rayon --size 8 --repeats 1 --workers 1 --time-limit 3 --json -";
    let finished = dagwood_with_child(line, "rayon:hang");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    let hung = row(&rows, "rayon", 1);
    assert_eq!(hung["error"], "hung: no answer within 3 s: killed");
    assert_eq!(hung["samples_ns"], Value::Array(Vec::new()));
    assert_eq!(hung["median_ns_per_op"], Value::Null);
    assert_eq!(hung["checksum"], "");
    assert_eq!(row(&rows, "calls", 1)["error"], Value::Null);
    assert!(
        finished.stderr.contains("note: the peer rayon"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_peer_that_takes_too_long_is_stopped_and_has_a_bound() {
    let line = "compare fork-join --engines calls,rayon --size 8 --repeats 1 --workers 1 --time-limit 2 --json -";
    let finished = dagwood_with_child(line, "rayon:slow");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    let (stopped, calls) = (row(&rows, "rayon", 1), row(&rows, "calls", 1));
    assert_eq!(stopped["error"], "stopped after 2 s");
    assert_eq!(stopped["ratio_to_baseline"], Value::Null);
    assert_eq!(calls["ratio_at_least"], Value::Null);
    let ns = calls["samples_ns"][0].as_f64().unwrap();
    let least = stopped["ratio_at_least"].as_f64().unwrap();
    assert!((least * ns / 2e9 - 1.0).abs() < 1e-9, "{least} x {ns}");
    let table = &finished.stderr;
    for said in [
        format!(">= {least:.1}"),
        format!("stopped in rayon (1 worker): after 2 s; at least {least:.1} x calls"),
        "note: the peer rayon (1 worker) was stopped; the comparison stands without it".to_owned(),
    ] {
        assert!(table.contains(&said), "{said}: {table}");
    }
}

#[test]
fn a_peer_that_dies_gets_an_error_row() {
    for (how, said) in [
        ("abort", "ended early"),
        ("panic", "told to panic"),
        ("silent", "ended early"),
        ("nonsense", "strange: nonsense"),
    ] {
        let line =
            "compare fork-join --engines calls,chili --size 8 --repeats 1 --workers 1 --json -";
        let finished = dagwood_with_child(line, &format!("chili:{how}"));
        assert_eq!(finished.code, 0, "{how}: {}", finished.stderr);
        let rows = finished.rows();
        let error = row(&rows, "chili", 1)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(said), "{how}: {error}");
        assert_eq!(row(&rows, "calls", 1)["error"], Value::Null);
    }
}

#[test]
fn an_engine_of_ours_that_dies_fails_the_comparison() {
    let line = "compare fork-join --engines calls,sequential --size 8 --repeats 1 --json -";
    let finished = dagwood_with_child(line, "sequential:abort");
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(row(&finished.rows(), "sequential", 1)["error"].is_string());
}

#[test]
fn a_wrong_answer_fails_the_comparison_and_is_said() {
    let line = "compare shared --engines sequential --size 4 --repeats 1";
    let finished = dagwood_with_child(line, "sequential:wrong");
    assert_eq!(finished.code, 1, "{}", finished.stdout);
    assert!(
        finished
            .stdout
            .contains("CHECKSUMS DIFFER: wrong from sequential"),
        "{}",
        finished.stdout
    );
}

#[test]
fn rust_source_takes_a_directory_and_counts_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("lib.rs"),
        "mod inner;\npub use inner::f;\n",
    )
    .unwrap();
    fs::write(folder.path().join("inner.rs"), "pub fn f() {}\n").unwrap();
    let line = format!(
        "compare --input {} --engines sequential --repeats 1 --json -",
        folder.path().display()
    );
    let finished = dagwood(&line);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    assert_eq!(rows[0]["workload"], "rust-source");
    assert_eq!(rows[0]["ops"], 3);
    assert_eq!(rows[0]["size"], 3);
    assert!(rows[0]["input_digest"].is_string());
}
