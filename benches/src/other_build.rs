//! Programs that run as children of this one: this one compiled with other features, and the twins of rayon (`twins.rs`). Where
//! they lie, how Cargo makes them, and which engines are theirs.
//!
//! Used by the comparisons that need one (`vintage`, `mechanisms`, `par-*`) and by what starts children. What the comparisons are
//! about is theirs to know.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bare_switch;
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::workload::Workload;

/// Another build of this program, or another program that speaks as it does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherBuild {
    /// Without a backend.
    Sequential,
    /// With the feature `context`: its fibers are switched by that crate.
    Context,
    /// `rayon` on our `rayon-core`.
    RayonPatched,
    /// `rayon` on its own.
    RayonStock,
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
            OtherBuild::RayonPatched => "rayon-patched",
            OtherBuild::RayonStock => "rayon-stock",
        }
    }

    /// Cargo's arguments for its features.
    fn features(self) -> &'static [&'static str] {
        match self {
            OtherBuild::Sequential => &["--no-default-features"],
            OtherBuild::Context => &["--features", "context"],
            OtherBuild::RayonPatched | OtherBuild::RayonStock => &[],
        }
    }

    /// If it is another program: the folder of its package, inside [`SOURCES`], and its package's name.
    fn program_of_its_own(self) -> Option<&'static str> {
        matches!(self, OtherBuild::RayonPatched | OtherBuild::RayonStock).then(|| self.name())
    }

    /// The folder of its sources.
    pub(crate) fn sources(self) -> PathBuf {
        Path::new(SOURCES).join(self.program_of_its_own().unwrap_or_default())
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
        let sources = self.sources();
        let package = self.program_of_its_own().unwrap_or("dagwood-bench");
        let mut command = Command::new(cargo());
        command
            .args(["build", "-p", package])
            .args(self.features())
            .args(["--profile", place.profile()])
            .arg("--target-dir")
            .arg(&place.target)
            .current_dir(&sources)
            .stdout(Stdio::null());
        let why = match command.status() {
            Ok(status) if status.success() && place.program.is_file() => return Ok(()),
            Ok(status) if status.success() => format!("there is no {}", place.program.display()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Failure::Work(format!(
            "the {self} cannot be made: {why}. In {} was tried:\n  {command:?}",
            sources.display()
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
            .ok_or_else(|| std::io::Error::other(format!("the {self} is gone")))
    }

    fn place(self) -> Option<Place> {
        let here = env::current_exe().ok()?;
        let (profile, name) = (here.parent()?, here.file_name()?);
        let target = profile.parent()?.join(self.name());
        let folder = profile.file_name()?;
        let name = self.program_of_its_own().map_or_else(
            || name.to_owned(),
            |name| format!("{name}{}", env::consts::EXE_SUFFIX).into(),
        );
        Some(Place {
            folder: folder.to_str()?.to_owned(),
            program: target.join(folder).join(name),
            target,
        })
    }
}

impl fmt::Display for OtherBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The Cargo that built us, or that is there.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
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
        Engine::RayonPatched => Some((OtherBuild::RayonPatched, engine)),
        Engine::RayonStock => Some((OtherBuild::RayonStock, engine)),
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
