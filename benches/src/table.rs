//! The table of a comparison and the lines under it, for people.
//!
//! Used by `compare`. It computes nothing that JSON does not say as well, except the shares of the capacity and intervals.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::engine::Engine;
use crate::format;
use crate::measure::median;
use crate::ratio;
use crate::rounds::Lane;
use crate::trouble::Trouble;
use crate::workload::{Counters, Loaded, Measure, Workload};

/// Writes all there is to say about one workload.
pub(crate) fn write(
    out: &mut dyn Write,
    workload: &Workload,
    loaded: &dyn Loaded,
    lanes: &[Lane],
) -> io::Result<()> {
    writeln!(
        out,
        "{}, size {}: {} {}s a run",
        workload.name,
        format::count(loaded.size()),
        format::count(loaded.ops()),
        workload.unit
    )?;
    if let Some(input) = loaded.input_text() {
        writeln!(out, "input: {input}")?;
    }
    writeln!(out, "{}", rows(workload, lanes).trim_fmt())?;
    writeln!(
        out,
        "{1} / {0}: median over the rounds of this {1} / that of {0} (1 worker) in the same round; below 1 is {2}",
        workload.baseline,
        figure(workload),
        match workload.measure {
            Measure::Wall => "faster",
            Measure::Cpu => "less",
        }
    )?;
    write_shares(out, lanes)?;
    write_counters(out, lanes)?;
    for lane in lanes {
        if let Some(trouble) = &lane.trouble {
            let (word, text) = (trouble.word(), trouble.text());
            writeln!(
                out,
                "{word} in {}: {text}{}",
                name(lane),
                longer_than(workload, lane, lanes)
            )?;
        }
    }
    Ok(())
}

/// Of a lane that was stopped: how many times as long as each other one it takes at least.
fn longer_than(workload: &Workload, stopped: &Lane, lanes: &[Lane]) -> String {
    let times = lanes.iter().filter_map(|other| {
        let times = ratio::at_least(workload, stopped, other)?;
        Some(format!("; at least {times:.1} x {}", name(other)))
    });
    times.collect()
}

/// For below a table: the ratios to the baseline with their intervals; to that with as many workers, if there is one.
pub(crate) fn write_intervals(
    out: &mut dyn Write,
    workload: &Workload,
    lanes: &[Lane],
) -> io::Result<()> {
    for lane in lanes
        .iter()
        .filter(|lane| lane.subject.engine != workload.baseline)
    {
        let workers = lane.subject.workers;
        let alike = ratio::find(lanes, workload.baseline, workers)
            .or_else(|| ratio::baseline(workload, lanes));
        if let Some(interval) = alike.and_then(|alike| ratio::interval(lane, alike)) {
            writeln!(
                out,
                "{} / {}, {}: {:.3}, 95 % interval of the median {:.3} to {:.3}",
                lane.subject.engine,
                workload.baseline,
                format::workers(workers),
                interval.median,
                interval.low,
                interval.high
            )?;
        }
    }
    Ok(())
}

/// A table with the look of all our tables.
pub(crate) fn plain_table() -> Table {
    let rule = LineStyle::none().fill('-').junction('-');
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn rows(workload: &Workload, lanes: &[Lane]) -> Table {
    let baseline = ratio::baseline(workload, lanes);
    let mut table = plain_table();
    table.set_header(vec![
        "engine".to_owned(),
        "workers".to_owned(),
        "median".to_owned(),
        "min".to_owned(),
        format!("per {}", workload.unit),
        format!("CPU per {}", workload.unit),
        format!("{} / {}", figure(workload), workload.baseline),
        "peak memory".to_owned(),
    ]);
    for lane in lanes {
        let ratio = baseline.and_then(|baseline| {
            let ratio =
                ratio::to_baseline(workload, lane, baseline).map(|ratio| format!("{ratio:.3}"));
            let least =
                || ratio::at_least(workload, lane, baseline).map(|least| format!(">= {least:.1}"));
            ratio.or_else(least)
        });
        let walls = || lane.samples.iter().map(|sample| sample.wall_ns as f64);
        let median_wall = match lane.samples.is_empty() {
            true => lane
                .trouble
                .as_ref()
                .map_or("error", Trouble::word)
                .to_owned(),
            false => or_dash(median(walls()).map(format::time)),
        };
        table.add_row(vec![
            lane.subject.engine.name().to_owned(),
            lane.subject.workers.to_string(),
            median_wall,
            or_dash(walls().min_by(f64::total_cmp).map(format::time)),
            or_dash(median(lane.ns_per_op()).map(format::time)),
            or_dash(median(lane.cpu_ns_per_op()).map(format::time)),
            or_dash(ratio),
            or_dash(lane.peak_rss_bytes.map(format::bytes)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What the ratios compare, in words.
fn figure(workload: &Workload) -> &'static str {
    match workload.measure {
        Measure::Wall => "time",
        Measure::Cpu => "CPU time",
    }
}

/// A cell that is a mark or nothing.
pub(crate) fn mark(is_set: bool) -> Cell {
    Cell::new(if is_set { "x" } else { "" }).set_alignment(CellAlignment::Center)
}

fn write_shares(out: &mut dyn Write, lanes: &[Lane]) -> io::Result<()> {
    for lane in lanes {
        if let Some(share) = ratio::share(lane, lanes) {
            writeln!(
                out,
                "speed-up of {} over sequential {:.2} x, capacity of the machine {:.2} x, share {:.3} (medians over the rounds)",
                name(lane),
                share.speed_up,
                share.capacity,
                share.share
            )?;
        }
    }
    Ok(())
}

fn write_counters(out: &mut dyn Write, lanes: &[Lane]) -> io::Result<()> {
    for lane in lanes {
        if let Some(counters) = &lane.counters {
            writeln!(out, "counted in {}: {}", name(lane), counted(counters))?;
        }
    }
    Ok(())
}

fn counted(counters: &Counters) -> String {
    let count = format::count;
    format!(
        "{} queries, {} hits, {} waits; {} fibers (peak {}, suspended {}); {} steals, {} wakes, {} sleeps with work",
        count(counters.queries),
        count(counters.hits),
        count(counters.waits),
        count(counters.fibers_created),
        count(counters.fibers_peak),
        count(counters.suspended_peak),
        count(counters.steals),
        count(counters.wakes),
        count(counters.sleeps_with_work),
    )
}

/// Engine and workers of a lane in words.
pub(crate) fn name(lane: &Lane) -> String {
    let subject = lane.subject;
    match subject.engine {
        Engine::Capacity => format!("capacity ({} processes)", subject.workers),
        engine if engine.is_parallel() => {
            format!("{engine} ({})", format::workers(subject.workers))
        }
        engine => engine.name().to_owned(),
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
