//! The input of the workload: which files there are, read once into memory, with a digest of them.
//!
//! Used by the harness (outside the clock: what is measured is computing, not the disk) and by the tests. Knows no
//! query.

use std::{fmt, path::Path};

use super::{
    digest::Digest,
    registry,
    sources::{Skipped, Sources},
    walk::{self, FILE_LIMIT_BYTES, Found},
};

/// Files read and ready to be analysed.
pub(crate) struct Input {
    sources: Sources,
    lines: u64,
    bytes: u64,
    digest: String,
}

/// Why there is nothing to analyse; the text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputError(pub(super) String);

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InputError {}

impl Input {
    /// Reads the input: a directory or a single file, or by default whole packages of the dependencies of the
    /// workspace around the current directory.
    ///
    /// The default input is the same wherever the same `Cargo.lock` is used on the same platform: packages by name
    /// and version, each whole with all its `.rs` files; one that would lead past `target_lines` is passed over.
    /// Files above 16 MiB, unreadable ones and links to directories are skipped and become diagnostics.
    ///
    /// # Errors
    ///
    /// The path does not exist or has no `.rs` file; or there is no workspace here, or Cargo cannot list its
    /// dependencies.
    pub(crate) fn discover(path: Option<&Path>, target_lines: usize) -> Result<Input, InputError> {
        let found = match path {
            None => registry::default_input(target_lines)?,
            Some(path) => read_path(path)?,
        };
        if found.files.is_empty() {
            return Err(nothing_found(path, &found.skipped));
        }
        Ok(Input::of(found))
    }

    /// Counts, digests and numbers what was found.
    pub(super) fn of(found: Found) -> Input {
        let lines = found
            .files
            .iter()
            .map(|(_, bytes)| count_lines(bytes))
            .sum();
        let bytes = found
            .files
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum();
        let sources = Sources::new(found.files, found.manifests, found.skipped);
        let digest = digest(&sources);
        Input {
            sources,
            lines,
            bytes,
            digest,
        }
    }

    /// Lines of all files together.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Files that were read.
    pub(crate) fn files(&self) -> usize {
        self.sources.tree().files.len()
    }

    /// Bytes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A hash, in hexadecimal digits, of all labels and contents, manifests included, and of what was skipped.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }
}

fn read_path(path: &Path) -> Result<Found, InputError> {
    let error = |text: String| InputError(format!("{}: {text}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|io| error(io.to_string()))?;
    if metadata.is_dir() {
        return Ok(walk::walk(path, ""));
    }
    let bytes = walk::read_limited(path, FILE_LIMIT_BYTES).map_err(error)?;
    let label = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    Ok(Found {
        files: vec![(label, bytes)],
        ..Found::default()
    })
}

fn nothing_found(path: Option<&Path>, skipped: &[Skipped]) -> InputError {
    let place = path.map_or_else(
        || "the dependencies".to_owned(),
        |path| path.display().to_string(),
    );
    let mut text = format!("{place}: no .rs file to read");
    for Skipped { label, reason } in skipped.iter().take(10) {
        text.push_str(&format!("\n  {label}: {reason}"));
    }
    InputError(text)
}

fn digest(sources: &Sources) -> String {
    let tree = sources.tree();
    let mut digest = Digest::new();
    for file in &tree.files {
        digest.part(file.label.as_bytes()).part(&file.bytes);
    }
    for package in &tree.packages {
        digest
            .part(package.directory.as_bytes())
            .part(package.manifest.as_deref().unwrap_or_default());
    }
    for skipped in &tree.skipped {
        digest
            .part(skipped.label.as_bytes())
            .part(skipped.reason.as_bytes());
    }
    digest.finish()
}

/// Line feeds, and the last line if it has none.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    feeds + u64::from(bytes.last().is_some_and(|&last| last != b'\n'))
}
