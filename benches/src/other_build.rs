//! This program compiled with other features, as a child of this one: where it lies, how Cargo makes it, and which engines are its.
//!
//! Used by the comparisons that need one (`vintage`, `mechanisms`) and by what starts children. What the comparisons are
//! about is theirs to know.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::bare_switch;
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::workload::Workload;

/// Another build of this program.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherBuild {
    /// Without a backend.
    Sequential,
    /// With the feature `context`: its fibers are switched by that crate.
    Context,
}

/// The folder of this harness's sources.
const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// Where another binary is: in a target directory of its own, inside ours.
struct Place {
    target: PathBuf,
    /// The name of the profile's folder, of this binary and of the other.
    folder: String,
    program: PathBuf,
}

impl OtherBuild {
    /// Its target directory, and its name in messages.
    fn name(self) -> &'static str {
        match self {
            OtherBuild::Sequential => "sequential-build",
            OtherBuild::Context => "context-build",
        }
    }

    /// Cargo's arguments for its features.
    fn features(self) -> &'static [&'static str] {
        match self {
            OtherBuild::Sequential => &["--no-default-features"],
            OtherBuild::Context => &["--features", "context"],
        }
    }

    /// Builds it with the profile of this binary, or brings it up to date: an old one would be compared with what we are
    /// now. Cargo says on stderr what it does.
    ///
    /// # Errors
    ///
    /// It cannot be built; the message has the command that was tried.
    pub(crate) fn build(self) -> Result<(), Failure> {
        let place = self
            .place()
            .ok_or_else(|| Failure::Work("where is this program?".to_owned()))?;
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(["build", "-p", "dagwood-bench"])
            .args(self.features())
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
            "the {} cannot be made: {why}. In {SOURCES} was tried:\n  {command:?}",
            self.name()
        )))
    }

    /// The binary.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub(crate) fn program(self) -> std::io::Result<PathBuf> {
        let place = self.place();
        let program = place.map(|place| place.program);
        program
            .filter(|program| program.is_file())
            .ok_or_else(|| std::io::Error::other(format!("the {} is gone", self.name())))
    }

    fn place(self) -> Option<Place> {
        let here = env::current_exe().ok()?;
        let (profile, name) = (here.parent()?, here.file_name()?);
        let target = profile.parent()?.join(self.name());
        let folder = profile.file_name()?;
        Some(Place {
            folder: folder.to_str()?.to_owned(),
            program: target.join(folder).join(name),
            target,
        })
    }
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

/// The other build that has an engine which this one lacks, and what the engine is called there.
pub(crate) fn home(engine: Engine) -> Option<(OtherBuild, Engine)> {
    match engine {
        Engine::SequentialBuild => Some((OtherBuild::Sequential, Engine::Sequential)),
        Engine::FibersOnContext => Some((OtherBuild::Context, Engine::Fibers)),
        Engine::Context | Engine::ContextMxcsr if !bare_switch::has_context() => {
            Some((OtherBuild::Context, engine))
        }
        _ => None,
    }
}

/// Whether a comparison has engines of another build, which was made beforehand. Then each engine runs in processes of its
/// own, so that all are served alike.
pub(crate) fn takes_part(workload: &Workload) -> bool {
    let is_other = |engine: &Engine| engine.kind() == Kind::OtherBuild;
    workload.engines.iter().any(is_other)
}

/// The size that a child must be told: its own default is another.
pub(crate) fn size(workload: &Workload) -> Option<u64> {
    takes_part(workload).then_some(workload.default_size)
}
