//! `compare vintage`: can the parallel build be always on, or does it slow the single thread down?
//!
//! Three workloads on the *sequential build* (the engine `sequential-build`: this program, compiled without a backend), on
//! the parallel build with one worker, and on `plain` where it can. Each engine runs in processes of its own, so that all
//! are served alike. Used by `compare` and by what starts children.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::engine::Engine;
use crate::failure::Failure;
use crate::ratio;
use crate::rounds::Lane;
use crate::workload::{self, Workload};

/// The name on the command line.
pub(crate) const NAME: &str = "vintage";

/// One line for `--help`.
pub(crate) const ABOUT: &str = "rust-source, grid-hashed and provider-1us on the sequential build, the parallel one with 1 worker, and plain";

/// What it compares.
const WORKLOADS: [&str; 3] = ["rust-source", "grid-hashed", "provider-1us"];

/// How the other binary is made.
const COMMAND: &str = "cargo build --release -p dagwood-bench --no-default-features --target-dir target/sequential-build";

/// The workloads, with the sequential build as their baseline.
///
/// # Errors
///
/// The other binary is not there.
pub(crate) fn workloads() -> Result<Vec<&'static Workload>, Failure> {
    if program().is_none() {
        return Err(Failure::Usage(format!(
            "the sequential build is not there: build it beside this one, by\n  {COMMAND}"
        )));
    }
    let against = |name: &str| {
        let workload = workload::find(name).expect("named in the table");
        let able = |engine: &Engine| workload.engines.contains(engine);
        let engines: Vec<Engine> = [
            Engine::SequentialBuild,
            Engine::Fibers,
            Engine::Threads,
            Engine::Plain,
        ]
        .into_iter()
        .filter(|engine| *engine == Engine::SequentialBuild || able(engine))
        .filter(|engine| *engine != Engine::Threads || !Engine::Fibers.is_compiled_in())
        .collect();
        // Made once a process, and needed to its end.
        &*Box::leak(Box::new(
            workload.against(Engine::SequentialBuild, engines.leak()),
        ))
    };
    Ok(WORKLOADS.into_iter().map(against).collect())
}

/// Whether a workload is compared with the sequential build.
pub(crate) fn is_vintage(workload: &Workload) -> bool {
    workload.baseline == Engine::SequentialBuild
}

/// This program as the sequential build: in a target directory of its own, inside ours.
pub(crate) fn program() -> Option<PathBuf> {
    let here = env::current_exe().ok()?;
    let (profile, name) = (here.parent()?, here.file_name()?);
    let target = profile.parent()?;
    let there = target
        .join("sequential-build")
        .join(profile.file_name()?)
        .join(name);
    there.is_file().then_some(there)
}

/// The lines under a table: the ratios to the sequential build with their intervals.
pub(crate) fn write(out: &mut dyn Write, workload: &Workload, lanes: &[Lane]) -> io::Result<()> {
    let Some(baseline) = ratio::baseline(workload, lanes) else {
        return Ok(());
    };
    for lane in lanes {
        if let Some(interval) =
            ratio::interval(lane, baseline).filter(|_| lane.subject != baseline.subject)
        {
            writeln!(
                out,
                "{} / sequential-build: {:.3}, 95 % interval of the median {:.3} to {:.3}",
                lane.subject.engine, interval.median, interval.low, interval.high
            )?;
        }
    }
    Ok(())
}
