//! `compare vintage`: can the parallel build be always on, or does it slow the single thread down?
//!
//! Three workloads on the *sequential build* (the engine `sequential-build`: this program, compiled without a backend, which
//! Cargo does when it is asked for), on the parallel build with one worker, and on `plain` where it can. Each engine runs
//! in processes of its own, so that all are served alike. Used by `compare` and by what starts children.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::ratio;
use crate::rounds::Lane;
use crate::workload::{self, Workload};

/// The name on the command line.
pub(crate) const NAME: &str = "vintage";

/// One line for `--help`.
pub(crate) const ABOUT: &str = "rust-source, grid-hashed and provider-1us on the sequential build, the parallel one with 1 worker, and plain";

/// What it compares, and at which size unless another is given: each engine starts in each round anew, so that many
/// rounds tell more than long ones.
const WORKLOADS: [(&str, u64); 3] = [
    ("rust-source", 50_000),
    ("grid-hashed", 400),
    ("provider-1us", 30_000),
];

/// The folder of this harness's sources.
const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// The workloads, with the sequential build as their baseline. Builds it first, or brings it up to date: an old one would
/// be compared with what we are now.
///
/// # Errors
///
/// It cannot be built.
pub(crate) fn workloads() -> Result<Vec<&'static Workload>, Failure> {
    build()?;
    let against = |(name, default_size): (&str, u64)| {
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
        let mut workload = workload.against(Engine::SequentialBuild, engines.leak());
        workload.default_size = default_size;
        &*Box::leak(Box::new(workload))
    };
    Ok(WORKLOADS.into_iter().map(against).collect())
}

/// Builds the other binary with the profile of this one. Cargo says on stderr what it does.
fn build() -> Result<(), Failure> {
    let place = place().ok_or_else(|| Failure::Work("where is this program?".to_owned()))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "-p", "dagwood-bench", "--no-default-features"])
        .args(["--profile", place.profile()])
        .arg("--target-dir")
        .arg(&place.target)
        .current_dir(SOURCES)
        .stdout(Stdio::null());
    let why = match command.status() {
        Ok(status) if status.success() && place.program.is_file() => return Ok(()),
        Ok(status) if status.success() => format!("there is no {}", place.program.display()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::Work(format!(
        "the sequential build cannot be made: {why}. In {SOURCES} was tried:\n  {command:?}"
    )))
}

/// Where the other binary is: in a target directory of its own, inside ours.
struct Place {
    target: PathBuf,
    /// The name of the profile's folder, of this binary and of the other.
    folder: String,
    program: PathBuf,
}

fn place() -> Option<Place> {
    let here = env::current_exe().ok()?;
    let (profile, name) = (here.parent()?, here.file_name()?);
    let target = profile.parent()?.join("sequential-build");
    let folder = profile.file_name()?;
    Some(Place {
        folder: folder.to_str()?.to_owned(),
        program: target.join(folder).join(name),
        target,
    })
}

impl Place {
    /// The profile whose folder it is.
    fn profile(&self) -> &str {
        match self.folder.as_str() {
            "debug" => "dev",
            other => other,
        }
    }
}

/// Whether a workload is compared with the sequential build.
pub(crate) fn is_vintage(workload: &Workload) -> bool {
    workload.baseline == Engine::SequentialBuild
}

/// The size that a child must be told: its own default is another.
pub(crate) fn size(workload: &Workload) -> Option<u64> {
    is_vintage(workload).then_some(workload.default_size)
}

/// The other binary, if it is there.
pub(crate) fn program() -> Option<PathBuf> {
    let program = place()?.program;
    program.is_file().then_some(program)
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
