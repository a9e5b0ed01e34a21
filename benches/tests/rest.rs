//! The workloads whose figure is not the wall time: CPU time and context switches.

mod common;

use common::{dagwood, row};

#[test]
fn trickles_are_compared_by_cpu_time() {
    let line = "compare trickle-1000 fork-join --size 3 --engines sequential --repeats 1 --json -";
    let finished = dagwood(line);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let of: Vec<_> = finished
        .rows()
        .iter()
        .map(|row| row["ratio_of"].clone())
        .collect();
    assert_eq!(of, ["cpu", "wall"]);
    for header in ["CPU time / plain", " time / calls"] {
        assert!(finished.stderr.contains(header), "{}", finished.stderr);
    }
}

/// In processes of their own, where nobody else starts threads.
#[cfg(target_os = "linux")]
#[test]
fn idle_threads_of_ours_do_not_run() {
    let line = "compare idle --size 100 --workers 2 --repeats 1 --json -";
    let finished = dagwood(line);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let rows = finished.rows();
    assert_eq!(row(&rows, "sequential", 1)["checksum"], "0");
    for row in rows.iter().filter(|row| row["engine"] != "rayon") {
        assert_eq!(row["checksum"], "0", "{row}");
        assert_eq!(row["ops"], 100);
    }
}

#[cfg(not(target_os = "linux"))]
#[test]
fn where_nothing_is_counted_idle_says_so() {
    let finished = dagwood("run idle --size 1 --engine sequential");
    assert_eq!(finished.code, 1);
    assert!(
        finished.stderr.contains("on Linux only"),
        "{}",
        finished.stderr
    );
}
