//! The rows as JSON: the format that other programs read, kept stable.
//!
//! Used by `compare`. One object a line; every key in every row. The error of an engine that hung
//! begins with `hung: `, that of one that was stopped is `stopped after N s`: `ratio_at_least` then says how many times as
//! long as the baseline it takes at least.

use serde::Serialize;

use crate::measure::median;
use crate::ratio;
use crate::rounds::Lane;
use crate::trouble::Trouble;
use crate::workload::{Counters, Loaded, Measure, Workload};

/// One row: a workload on an engine with a number of workers.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    workload: &'static str,
    engine: &'static str,
    workers: usize,
    size: u64,
    ops: u64,
    unit: &'static str,
    min_ns_per_op: Option<f64>,
    median_ns_per_op: Option<f64>,
    cpu_ns_per_op: Option<f64>,
    samples_ns: Vec<u64>,
    baseline: &'static str,
    ratio_to_baseline: Option<f64>,
    ratio_at_least: Option<f64>,
    ratio_of: &'static str,
    repeats: u32,
    checksum: &'a str,
    input_digest: Option<&'a str>,
    peak_rss_bytes: Option<u64>,
    counters: Option<&'a Counters>,
    error: Option<String>,
}

/// The row of one lane among `lanes`.
pub(crate) fn row<'a>(
    workload: &Workload,
    loaded: &'a dyn Loaded,
    repeats: u32,
    lane: &'a Lane,
    lanes: &[Lane],
) -> Row<'a> {
    let baseline = ratio::baseline(workload, lanes);
    Row {
        workload: workload.name,
        engine: lane.subject.engine.name(),
        workers: lane.subject.workers,
        size: loaded.size(),
        ops: lane.ops,
        unit: workload.unit,
        min_ns_per_op: lane.ns_per_op().min_by(f64::total_cmp),
        median_ns_per_op: median(lane.ns_per_op()),
        cpu_ns_per_op: median(lane.cpu_ns_per_op()),
        samples_ns: lane.samples.iter().map(|sample| sample.wall_ns).collect(),
        baseline: workload.baseline.name(),
        ratio_to_baseline: baseline
            .and_then(|baseline| ratio::to_baseline(workload, lane, baseline)),
        ratio_at_least: baseline.and_then(|baseline| ratio::at_least(workload, lane, baseline)),
        ratio_of: match workload.measure {
            Measure::Wall => "wall",
            Measure::Cpu => "cpu",
        },
        repeats,
        checksum: lane.checksum.as_deref().unwrap_or(""),
        input_digest: loaded.input_digest(),
        peak_rss_bytes: lane.peak_rss_bytes,
        counters: lane.counters.as_ref(),
        error: lane.trouble.as_ref().map(Trouble::to_string),
    }
}
