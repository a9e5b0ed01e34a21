//! The default input: packages among the dependencies of the workspace around the current directory, by Cargo.
//!
//! Used by `input`. Knows how to ask Cargo and which packages to take; reading is `walk`'s.

use std::{path::PathBuf, process::Command};

use cargo_metadata::{Metadata, MetadataCommand};

use super::{
    input::{InputError, count_lines},
    walk::{Found, walk},
};

/// One package from a registry, unpacked.
struct Unpacked {
    name: String,
    version: cargo_metadata::semver::Version,
    directory: PathBuf,
}

/// Reads whole packages in the order of names, then versions; one that would lead past `target_lines` is passed over.
/// If none is small enough, the first alone.
pub(super) fn default_input(target_lines: usize) -> Result<Found, InputError> {
    let mut taken = Found::default();
    let mut first = None;
    let mut lines = 0;
    for package in packages()? {
        let prefix = format!("{}-{}", package.name, package.version);
        let found = walk(&package.directory, &prefix);
        let more: u64 = found
            .files
            .iter()
            .map(|(_, bytes)| count_lines(bytes))
            .sum();
        if lines + more <= target_lines as u64 {
            lines += more;
            taken.add(found);
        } else if first.is_none() && lines == 0 {
            first = Some(found);
        }
    }
    Ok(if lines > 0 {
        taken
    } else {
        first.unwrap_or_default()
    })
}

fn packages() -> Result<Vec<Unpacked>, InputError> {
    let host = host_platform()?;
    // Building one member does not download what only others need, so Cargo may have to be let onto the network.
    let metadata = metadata(&host, true).or_else(|_| metadata(&host, false))?;
    let mut packages: Vec<Unpacked> = resolved(metadata);
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

/// Registry packages in the resolve for this platform; path and git dependencies may differ between two checkouts.
fn resolved(metadata: Metadata) -> Vec<Unpacked> {
    let Some(resolve) = metadata.resolve else {
        return Vec::new();
    };
    let used: std::collections::HashSet<_> =
        resolve.nodes.into_iter().map(|node| node.id).collect();
    let from_registry = |source: &cargo_metadata::Source| source.repr.starts_with("registry+");
    (metadata.packages.into_iter())
        .filter(|package| {
            used.contains(&package.id) && package.source.as_ref().is_some_and(from_registry)
        })
        .filter_map(|package| {
            let directory = package.manifest_path.parent()?.as_std_path().to_owned();
            Some(Unpacked {
                name: package.name.to_string(),
                version: package.version,
                directory,
            })
        })
        .collect()
}

fn metadata(host: &str, offline: bool) -> Result<Metadata, InputError> {
    let mut options = vec![
        "--locked".to_owned(),
        "--filter-platform".to_owned(),
        host.to_owned(),
    ];
    if offline {
        options.push("--offline".to_owned());
    }
    MetadataCommand::new().other_options(options).exec().map_err(|error| {
        InputError(format!(
            "no default input: Cargo cannot list the dependencies of a workspace here; pass --input DIR\n{}",
            error.to_string().trim_end()
        ))
    })
}

fn host_platform() -> Result<String, InputError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let host = text
        .as_ref()
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("host: ")));
    host.map(str::to_owned).ok_or_else(|| {
        let rustc = rustc.to_string_lossy();
        InputError(format!(
            "no default input: `{rustc} -vV` names no host; pass --input DIR"
        ))
    })
}
