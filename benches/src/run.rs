//! The command `run`: one workload once, for its own output.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{self, RunArgs};
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::format;
use crate::front_end;
use crate::jobserver;
use crate::measure::timed;
use crate::peak;
use crate::plan;
use crate::workload::{Interleaving, Setup, Workload};

/// Runs the workload; its output goes to stdout, everything about the run to stderr.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let workload = args.workload;
    let engine = chosen_engine(workload, args.engine)?;
    let workers = match args.workers {
        Some(n) if n > 1 && !engine.is_parallel() => {
            eprintln!("note: {engine} is single-threaded; --workers {n} changes nothing");
            1
        }
        Some(n) => jobserver::allowed(engine, n),
        None if engine.is_parallel() => jobserver::allowed(engine, cli::cores()),
        None => 1,
    };
    cli::check_input(&args.scale, &[workload])?;
    if args.depth.is_asked() {
        return front_end::run(args, engine, workers);
    }
    let loaded = workload.load(args.scale.size, args.scale.input.clone())?;
    if let Some(input) = loaded.input_text() {
        eprintln!("input: {input}");
    }
    let setup = Setup {
        engine,
        workers,
        statistics: false,
        interleaving: Interleaving::Free,
    };
    let mut job = loaded.job(setup).map_err(Failure::Work)?;
    let (sample, answer) = timed(&mut job).map_err(|trouble| Failure::Work(trouble.to_string()))?;
    let peak = peak::resident_bytes();
    let mut stdout = io::stdout().lock();
    stdout.write_all(answer.text().as_bytes())?;
    stdout.flush()?;
    let ops = loaded.ops();
    eprintln!(
        "{} on {engine}, {}: {} for {} {}s, {} a {}, CPU time {}{}",
        workload.name,
        format::workers(workers),
        format::time(sample.wall_ns as f64),
        format::count(ops),
        workload.unit,
        format::time(sample.wall_ns as f64 / ops.max(1) as f64),
        workload.unit,
        format::time(sample.cpu_ns as f64),
        peak.map(|peak| format!(", peak memory {}", format::bytes(peak)))
            .unwrap_or_default()
    );
    match loaded.known_checksum() {
        Some(known) if known != answer.checksum() => Err(Failure::Work(format!(
            "wrong answer: {}, not {known}",
            answer.checksum()
        ))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The engine named, if it can run the workload, else the first backend of ours that can.
pub(crate) fn chosen_engine(workload: &Workload, named: Option<Engine>) -> Result<Engine, Failure> {
    match named {
        Some(Engine::Capacity) => Err(Failure::Usage(
            "capacity is a measure of the machine and has no output; it is for compare".to_owned(),
        )),
        Some(engine) => plan::check(workload, engine).map(|()| engine),
        None => workload
            .compiled_in()
            .find(|engine| matches!(engine.kind(), Kind::Ours(_)))
            .ok_or_else(|| Failure::Usage(format!("no engine can run {}", workload.name))),
    }
}
