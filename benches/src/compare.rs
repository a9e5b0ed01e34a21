//! The command `compare`: several engines side by side.
//!
//! For each workload: an untimed run of each engine in a process of its own, the timed rounds, the table and the rows, the
//! verdict. Measuring, arithmetic and looks are in other files.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::capacity::Capacity;
use crate::cli::{self, CompareArgs};
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::json;
use crate::mechanisms;
use crate::other_build;
use crate::plan::{self, Subject};
use crate::probe::{self, Errand};
use crate::rounds::{Lane, Runner, interleave};
use crate::served::Served;
use crate::table;
use crate::trouble::Trouble;
use crate::twins;
use crate::vintage;
use crate::workload::{Loaded, Workload};

/// Compares all named workloads; the exit code says whether the answers agree.
pub(crate) fn compare(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let workloads = named_or_main(&args.workloads)?;
    let workers = args.workers.clone();
    let workers_of = |workload: &Workload| match &workers {
        Some(workers) => workers.clone(),
        None if other_build::takes_part(workload) && !twins::are_in(workload) => vec![1],
        None => vec![1, cli::cores()],
    };
    cli::check_input(&args.scale, &workloads)?;
    let plans = workloads
        .iter()
        .map(|workload| plan::subjects(workload, args.engines.as_deref(), &workers_of(workload)))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut text, mut rows) = outputs(args.json.as_deref())?;
    let mut all_well = true;
    for (workload, subjects) in workloads.into_iter().zip(plans) {
        let loaded = workload.load(args.scale.size, args.scale.input.clone())?;
        let lanes = measure(args, workload, &*loaded, &subjects);
        table::write(&mut *text, workload, &*loaded, &lanes)?;
        if other_build::takes_part(workload) {
            table::write_intervals(&mut *text, workload, &lanes)?;
        }
        all_well &= write_verdict(&mut *text, &*loaded, &lanes)?;
        text.flush()?;
        if let Some(rows) = &mut rows {
            for lane in &lanes {
                let row = json::row(workload, &*loaded, args.repeats, lane, &lanes);
                let line = serde_json::to_string(&row).map_err(io::Error::from)?;
                writeln!(rows, "{line}")?;
            }
            rows.flush()?;
        }
    }
    Ok(ExitCode::from(u8::from(!all_well)))
}

/// Each workload once, in the order named; `vintage` stands for several, `mechanisms` for one with other engines. What
/// runs in other programs is built first.
fn named_or_main(named: &[&'static Workload]) -> Result<Vec<&'static Workload>, Failure> {
    let mut workloads: Vec<&'static Workload> = Vec::new();
    for &workload in named {
        if workload.name == vintage::NAME {
            workloads.extend(vintage::workloads()?);
            continue;
        }
        if workload.name == mechanisms::NAME {
            workloads.push(mechanisms::workload()?);
            continue;
        }
        if twins::are_in(workload) {
            twins::build()?;
        }
        if !workloads.iter().any(|known| known.name == workload.name) {
            workloads.push(workload);
        }
    }
    if workloads.is_empty() {
        workloads.push(Workload::main());
    }
    Ok(workloads)
}

type Output = Box<dyn Write>;

/// Where the tables go, and the rows, if anybody wants them.
fn outputs(json: Option<&Path>) -> Result<(Output, Option<Output>), Failure> {
    match json {
        None => Ok((Box::new(io::stdout()), None)),
        Some(path) if path == "-" => Ok((Box::new(io::stderr()), Some(Box::new(io::stdout())))),
        Some(path) => {
            let file = File::create(path).map_err(|error| {
                Failure::Usage(format!("cannot write {}: {error}", path.display()))
            })?;
            Ok((Box::new(io::stdout()), Some(Box::new(file))))
        }
    }
}

/// Finds out everything about the subjects.
fn measure(
    args: &CompareArgs,
    workload: &Workload,
    loaded: &dyn Loaded,
    subjects: &[Subject],
) -> Vec<Lane> {
    let runs = subjects.len() as u64 * (u64::from(args.repeats) + 1);
    let bar = progress_bar(workload, runs);
    let mut lanes: Vec<Lane> = subjects
        .iter()
        .map(|&subject| {
            bar.set_message(format!("{} alone", subject.engine));
            let lane = alone(args, workload, loaded, subject);
            bar.inc(1);
            lane
        })
        .collect();
    let mut able: Vec<(&mut Lane, Box<dyn Runner + '_>)> = Vec::new();
    for lane in lanes.iter_mut().filter(|lane| lane.trouble.is_none()) {
        match runner(args, workload, lane.subject) {
            Ok(runner) => able.push((lane, runner)),
            Err(trouble) => lane.fail(trouble),
        }
    }
    interleave(&mut able, args.repeats, |subject| {
        bar.set_message(subject.engine.name());
        bar.inc(1);
    });
    drop(able);
    bar.finish_and_clear();
    lanes
}

/// The lane after the untimed run in a child. `capacity` consists of children and needs none.
fn alone(args: &CompareArgs, workload: &Workload, loaded: &dyn Loaded, subject: Subject) -> Lane {
    if subject.engine == Engine::Capacity {
        return Lane::new(subject, loaded.ops() * subject.workers as u64);
    }
    let mut lane = Lane::new(subject, loaded.ops());
    let errand = Errand {
        workload,
        subject,
        scale: &args.scale,
        serve: false,
    };
    match probe::once(&errand, limit(args, subject.engine)) {
        Err(trouble) => lane.fail(trouble),
        Ok(report) => {
            lane.answered(report.checksum);
            lane.peak_rss_bytes = report.peak_rss_bytes;
            lane.counters = report.counters;
        }
    }
    lane
}

/// How long a run of that engine in a child may take.
fn limit(args: &CompareArgs, engine: Engine) -> Duration {
    let seconds = args.time_limit.unwrap_or(match engine.may_hang() {
        false => cli::TIME_LIMIT_S,
        true => cli::TIME_LIMIT_MAY_HANG_S,
    });
    Duration::from_secs(seconds)
}

fn runner<'a>(
    args: &'a CompareArgs,
    workload: &'a Workload,
    subject: Subject,
) -> Result<Box<dyn Runner + 'a>, Trouble> {
    let limit = limit(args, subject.engine);
    if subject.engine == Engine::Capacity {
        let capacity = Capacity::start(workload, &args.scale, subject.workers, limit)?;
        return Ok(Box::new(capacity));
    }
    let stays = !subject.engine.may_hang() && !other_build::takes_part(workload);
    let served = Served::new(workload, &args.scale, subject, limit, stays);
    Ok(Box::new(served))
}

/// Says what is wrong, if anything is, and returns whether all is well. A peer's failure is said but forgiven.
fn write_verdict(out: &mut dyn Write, loaded: &dyn Loaded, lanes: &[Lane]) -> io::Result<bool> {
    let mut all_well = true;
    let mut expected = loaded
        .known_checksum()
        .map(|known| (known, "the known answer".to_owned()));
    for lane in lanes {
        let Some(checksum) = &lane.checksum else {
            continue;
        };
        match &expected {
            None => expected = Some((checksum.clone(), table::name(lane))),
            Some((known, _)) if known == checksum => {}
            Some((known, whose)) => {
                all_well = false;
                let who = table::name(lane);
                writeln!(
                    out,
                    "CHECKSUMS DIFFER: {checksum} from {who}, {known} from {whose}"
                )?;
            }
        }
    }
    for lane in lanes.iter().filter(|lane| lane.trouble.is_some()) {
        let has_answers = lane.checksum.is_some();
        if lane.subject.engine.kind() == Kind::Peer && !has_answers {
            writeln!(
                out,
                "note: the peer {} {}; the comparison stands without it",
                table::name(lane),
                match lane.trouble {
                    Some(Trouble::Hung(_)) => "hung",
                    Some(Trouble::Stopped(_)) => "was stopped",
                    _ => "failed",
                }
            )?;
        } else {
            all_well = false;
        }
    }
    Ok(all_well)
}

/// A bar on a terminal's stderr, nothing elsewhere. It is drawn between the runs only.
fn progress_bar(workload: &Workload, runs: u64) -> ProgressBar {
    let bar = ProgressBar::new(runs);
    let template = "{prefix} [{bar:30}] {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(workload.name);
    bar
}
