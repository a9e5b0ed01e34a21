//! `compare par-sum` and kin: loops of rayon on our `rayon-core` and on rayon's own.
//!
//! One binary cannot hold both: to Cargo ours *is* `rayon-core`. So there are two, of one source, outside of the workspace:
//! `benches/rayon-patched`, with the patch that a user would write, and its twin `benches/rayon-stock`. Each engine runs in
//! processes of its own, in turns. Used by `compare`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::other_build::{self, OtherBuild};
use crate::workload::Workload;

/// The engines.
pub(crate) const ENGINES: &[Engine] = &[Engine::RayonPatched, Engine::RayonStock];

/// Whether this is a comparison of the twins.
pub(crate) fn are_in(workload: &Workload) -> bool {
    workload.baseline == Engine::RayonStock
}

/// Builds both, and looks which `rayon-core` each is built with.
///
/// # Errors
///
/// One cannot be built, or is built with another `rayon-core` than it says.
pub(crate) fn build() -> Result<(), Failure> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/rayon-core/Cargo.toml");
    let ours = ours.canonicalize()?;
    for (build, is_patched) in [
        (OtherBuild::RayonPatched, true),
        (OtherBuild::RayonStock, false),
    ] {
        build.build()?;
        let cores = cores_of(build)?;
        let is_ours = |core: &String| Path::new(core) == ours;
        if cores.len() != 1 || cores.iter().all(is_ours) != is_patched {
            return Err(Failure::Work(format!(
                "the {build} is built with {cores:?}; ours is {}",
                ours.display()
            )));
        }
    }
    Ok(())
}

/// The manifests of all packages called `rayon-core` that it is built with.
fn cores_of(build: OtherBuild) -> Result<Vec<String>, Failure> {
    let output = Command::new(other_build::cargo())
        .args(["metadata", "--format-version", "1"])
        .current_dir(build.sources())
        .stderr(Stdio::inherit())
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::Work(format!("cargo metadata of the {build}: {error}")))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter(|package| package["name"] == "rayon-core")
        .filter_map(|package| package["manifest_path"].as_str().map(str::to_owned))
        .collect())
}
