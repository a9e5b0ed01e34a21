//! Packages that Cargo's registry has: where they lie, and a copy of one that is built with our `rayon-core`.
//!
//! Used by `rayon_suite.rs` and `rayon_crates.rs`, which say what is tested. Nothing of a package is kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository.
pub(crate) fn root() -> std::io::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
}

/// Copies the package `from` to `place`, and patches it as a user would. With `features` (or without any, if that is empty)
/// it is built with our `rayon-core`, and with no other.
pub(crate) fn patched(
    root: &Path,
    from: &Path,
    place: &Path,
    features: &str,
) -> std::io::Result<()> {
    start_anew(place)?;
    copy(from, place)?;
    // It names the published rayon-core, and the patch would not be used.
    fs::remove_file(place.join("Cargo.lock")).or_else(ignore_missing)?;
    let core = root.join("executor/rayon-core");
    append(
        &place.join("Cargo.toml"),
        &format!("\n[patch.crates-io]\nrayon-core = {{ path = {core:?} }}\n\n[workspace]\n"),
    )?;
    let found: Vec<PathBuf> = packages(place, features)?
        .into_iter()
        .filter(|folder| is_called(folder, "rayon-core"))
        .collect();
    if found == [core.as_path()] {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "built with {found:?}, and not with {core:?} alone"
        )))
    }
}

fn is_called(folder: &Path, start: &str) -> bool {
    let last = folder.file_name();
    last.is_some_and(|last| last.to_string_lossy().starts_with(start))
}

/// Where Cargo has put a published package that the one at `user` uses; `name` begins as its folder does.
pub(crate) fn package(user: &Path, name: &str) -> std::io::Result<PathBuf> {
    let mut all = packages(user, "")?.into_iter();
    all.find(|folder| is_called(folder, name))
        .ok_or_else(|| std::io::Error::other(format!("no package {name}* in {}", user.display())))
}

/// The folders of all packages that the one at `place` is built with.
fn packages(place: &Path, features: &str) -> std::io::Result<Vec<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--features", features])
        .current_dir(place)
        .stderr(Stdio::inherit())
        .output()?;
    let metadata = String::from_utf8_lossy(&output.stdout);
    let manifests = metadata.split(r#""manifest_path":""#).skip(1);
    Ok(manifests
        .filter_map(|rest| {
            Path::new(rest.split('"').next()?)
                .parent()
                .map(Path::to_owned)
        })
        .collect())
}

/// An empty folder.
pub(crate) fn start_anew(place: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(place).or_else(ignore_missing)?;
    fs::create_dir_all(place)
}

/// What is not there need not be removed.
pub(crate) fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// Adds to a file.
pub(crate) fn append(path: &Path, more: &str) -> std::io::Result<()> {
    fs::write(path, fs::read_to_string(path)? + more)
}

/// All files below a folder.
pub(crate) fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    walk(from, &mut files)?;
    for file in files {
        let place = to.join(file.strip_prefix(from).expect("below it"));
        fs::create_dir_all(place.parent().expect("in a folder"))?;
        // Not the registry's permissions.
        fs::write(place, fs::read(&file)?)?;
    }
    Ok(())
}
