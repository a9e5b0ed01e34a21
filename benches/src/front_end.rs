//! `run rust-source` in depth: the front end as a program to work with.
//!
//! Used by `run` where one of its options is given. The analysis is `rust_source::deep`'s; here are the command line's
//! part of it, exit codes, and who looks on.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;
use dagwood::Executor;

use crate::cli::RunArgs;
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::format;
use crate::jobserver;
use crate::peak;
use crate::rust_source::Input;
use crate::rust_source::deep::{self, Level, Levels, Lint, Progress, Wanted};
use crate::watch;

/// What goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Counts, then a line for each finding
    Text,
    /// One object: sums, crates with modules and functions, findings
    Json,
}

/// The level of a lint, or of all (`None`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LintLevel {
    lint: Option<Lint>,
    level: Level,
}

/// Reads `NAME=LEVEL`.
pub(crate) fn lint_level(text: &str) -> Result<LintLevel, String> {
    let (name, level) = text
        .split_once('=')
        .ok_or("a level is given as NAME=LEVEL, as in unused-import=deny")?;
    let level = match level {
        "allow" => Level::Allow,
        "warn" => Level::Warn,
        "deny" => Level::Deny,
        other => return Err(format!("{other} is no level: allow, warn or deny")),
    };
    let lint = match name {
        "all" => None,
        name => Some(Lint::find(name).ok_or_else(|| unknown(name))?),
    };
    Ok(LintLevel { lint, level })
}

fn unknown(name: &str) -> String {
    let mut text = format!("there is no lint {name}; there are:");
    for lint in Lint::ALL {
        text.push_str(&format!("\n  {lint}: {}", lint.about()));
    }
    text
}

fn levels(settings: &[LintLevel]) -> Levels {
    let mut levels = Levels::default();
    for setting in settings {
        match setting.lint {
            Some(lint) => levels.set(lint, setting.level),
            None => Lint::ALL
                .iter()
                .for_each(|&lint| levels.set(lint, setting.level)),
        }
    }
    levels
}

/// Analyses in depth; findings go to stdout, everything about the run to stderr.
pub(crate) fn run(args: &RunArgs, engine: Engine, workers: usize) -> Result<ExitCode, Failure> {
    let workload = args.workload;
    let Kind::Ours(backend) = engine.kind() else {
        return Err(Failure::Usage(format!("{engine} cannot run it")));
    };
    if workload.name != "rust-source" && workload.name != "rust-deep" {
        return Err(Failure::Usage(format!(
            "--deep, --lint, --format, --out and --progress mean nothing to {}",
            workload.name
        )));
    }
    let start = Instant::now();
    let lines = args.scale.size.unwrap_or(workload.default_size);
    let input = Input::discover(
        args.scale.input.as_deref(),
        usize::try_from(lines).unwrap_or(usize::MAX),
    )
    .map_err(|error| Failure::Usage(error.to_string()))?;
    if let Some(out) = &args.depth.out {
        // Before the work, not after it.
        let error = |error: io::Error| Failure::Usage(format!("{}: {error}", out.display()));
        fs::create_dir_all(out).map_err(error)?;
    }
    let read = start.elapsed();
    let builder = Executor::builder()
        .backend(backend)
        .workers(workers)
        .statistics(args.depth.progress);
    let executor = jobserver::with_shared(builder)
        .build()
        .map_err(|error| Failure::Work(error.to_string()))?;
    let wanted = Wanted {
        levels: levels(&args.depth.lint),
        is_json: args.depth.format == Some(Format::Json),
        has_query_graph: true,
        out: args.depth.out.clone(),
    };
    let progress = Progress::default();
    let deep = if args.depth.progress {
        watch::watched(&executor, &progress, input.files() as u64, || {
            deep::analyse(&executor, &input, &wanted, &progress)
        })
    } else {
        deep::analyse(&executor, &input, &wanted, &progress)
    }
    .map_err(|error| Failure::Work(error.to_string()))?;
    if let Some(error) = &deep.write_error {
        return Err(Failure::Work(format!("cannot write the pages: {error}")));
    }
    let took = start.elapsed() - read;
    let mut stdout = io::stdout().lock();
    stdout.write_all(deep.text.as_bytes())?;
    stdout.flush()?;
    let pages = progress.done().pages;
    eprintln!(
        "{} lines in {} files on {engine}, {}: read in {}, analysed in {}{}{}",
        format::count(input.lines()),
        format::count(input.files() as u64),
        format::workers(workers),
        format::time(read.as_nanos() as f64),
        format::time(took.as_nanos() as f64),
        if pages > 0 {
            format!(", {} pages", format::count(pages))
        } else {
            String::new()
        },
        peak::resident_bytes()
            .map(|peak| format!(", peak memory {}", format::bytes(peak)))
            .unwrap_or_default(),
    );
    Ok(if deep.is_denied {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
