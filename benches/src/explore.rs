//! The command `explore`: one workload under many schedules. One answer, or the first seed that differs.

use std::io::{self, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{self, ExploreArgs};
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::run::chosen_engine;
use crate::workload::{Interleaving, Loaded, Setup, Workload};

/// Lines of `rust-source`, unless it is told: each line is asked about under each seed.
const RUST_SOURCE_LINES: u64 = 20_000;

/// Runs the workload under each seed.
pub(crate) fn explore(args: &ExploreArgs) -> Result<ExitCode, Failure> {
    let workload = args.workload;
    let engine = seeded_engine(workload, args.engine)?;
    cli::check_input(&args.scale, &[workload])?;
    let size = args.scale.size.or_else(|| default_size(workload, args));
    let loaded = workload.load(size, args.scale.input.clone())?;
    if let Some(input) = loaded.input_text() {
        eprintln!("input: {input}");
    }
    let mut expected = expected_answer(workload, &*loaded)?;
    let progress = progress_bar(args.seeds);
    for seed in args.first..args.first.saturating_add(args.seeds) {
        let interleaving = match args.preemptions {
            None => Interleaving::Random(seed),
            Some(preemptions) => Interleaving::Pct { seed, preemptions },
        };
        let setup = Setup {
            engine,
            workers: args.workers,
            statistics: false,
            interleaving,
        };
        let found = answer(&*loaded, setup);
        let differs = match (&found, &expected) {
            (Ok(found), Some((_, expected))) => found != expected,
            (Ok(_), None) => false,
            (Err(_), _) => true,
        };
        if differs {
            progress.finish_and_clear();
            return tell_difference(args, &*loaded, setup, &found, expected.as_ref());
        }
        if let (Ok(found), None) = (found, &expected) {
            expected = Some((format!("seed {seed}"), found));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let (_, hash) = expected.expect("there is a seed");
    writeln!(
        io::stdout(),
        "{} on {engine}, {} workers: {hash} under all {} seeds",
        workload.name,
        args.workers,
        args.seeds
    )?;
    Ok(ExitCode::SUCCESS)
}

fn seeded_engine(workload: &Workload, named: Option<Engine>) -> Result<Engine, Failure> {
    let engine = chosen_engine(workload, named)?;
    match engine {
        Engine::Fibers | Engine::Threads => Ok(engine),
        other => Err(Failure::Usage(format!(
            "{other} has one order only, or one that is not ours; explore takes fibers or threads"
        ))),
    }
}

fn default_size(workload: &Workload, args: &ExploreArgs) -> Option<u64> {
    let is_rust_source = workload.name == Workload::main().name;
    (is_rust_source && args.scale.input.is_none()).then_some(RUST_SOURCE_LINES)
}

/// What program order gives, and who says so: our own sequential engine, or the workload.
fn expected_answer(
    workload: &Workload,
    loaded: &dyn Loaded,
) -> Result<Option<(String, String)>, Failure> {
    if let Some(known) = loaded.known_checksum() {
        return Ok(Some(("the workload".to_owned(), known)));
    }
    let sequential = workload
        .compiled_in()
        .find(|engine| *engine == Engine::Sequential && matches!(engine.kind(), Kind::Ours(_)));
    let Some(engine) = sequential else {
        return Ok(None);
    };
    let setup = Setup {
        engine,
        workers: 1,
        statistics: false,
        interleaving: Interleaving::Free,
    };
    let hash = answer(loaded, setup).map_err(Failure::Work)?;
    Ok(Some(("program order".to_owned(), hash)))
}

/// The checksum of one run, on an executor of its own.
fn answer(loaded: &dyn Loaded, setup: Setup) -> Result<String, String> {
    let mut job = loaded.job(setup)?;
    let answer = job.run().map_err(|trouble| trouble.to_string())?;
    Ok(answer.checksum())
}

fn tell_difference(
    args: &ExploreArgs,
    loaded: &dyn Loaded,
    setup: Setup,
    found: &Result<String, String>,
    expected: Option<&(String, String)>,
) -> Result<ExitCode, Failure> {
    let found = match found {
        Ok(hash) => hash.clone(),
        Err(error) => format!("an error ({error})"),
    };
    let expected = expected.map_or(String::new(), |(who, hash)| {
        format!(" where {who} gives {hash}")
    });
    let schedule = setup.interleaving.schedule().expect("a seed has one");
    let input = match &args.scale.input {
        Some(path) => format!("--input {}", path.display()),
        None => format!("--size {}", loaded.size()),
    };
    writeln!(
        io::stdout(),
        "{schedule} gives {found}{expected}\nsee it again: DAGWOOD_SCHEDULE={schedule} dagwood run {} --engine {} --workers {} {input}",
        args.workload.name,
        setup.engine,
        args.workers,
    )?;
    Ok(ExitCode::FAILURE)
}

fn progress_bar(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} seed {pos} of {len}, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(seeds).with_style(style)
}
