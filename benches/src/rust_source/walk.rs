//! Finds and reads the `.rs` files and `Cargo.toml`s below a directory, within stated limits.
//!
//! Used by `input` for `--input` and for each package of the default input. What cannot be read is listed with a
//! reason and never ends the walk. Knows no Rust.

use std::{fs, io::Read, path::Path};

use walkdir::{DirEntry, WalkDir};

use super::sources::Skipped;

/// Larger files are skipped unread: no source written by hand comes near, and a tree takes many times its text.
pub(super) const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// What a walk has found; labels are relative to `prefix`.
#[derive(Default)]
pub(super) struct Found {
    /// (label, contents)
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// (label of the directory, contents of its `Cargo.toml`)
    pub(super) manifests: Vec<(String, Vec<u8>)>,
    pub(super) skipped: Vec<Skipped>,
}

/// Reads everything below `root`; labels begin with `prefix` (empty, or a name without `/` at its end).
///
/// Links to files are followed, links to directories are not, so that no walk is endless and nothing outside the
/// input is read by the back door. Cargo's `target` folders and hidden ones are left out.
pub(super) fn walk(root: &Path, prefix: &str) -> Found {
    let mut found = Found::default();
    let walker = WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in walker.filter_entry(|entry| entry.depth() == 0 || !is_left_out(entry)) {
        match entry {
            Ok(entry) => found.take(root, prefix, &entry),
            Err(error) => {
                let label = label(root, prefix, error.path().unwrap_or(root));
                let reason = error
                    .io_error()
                    .map_or_else(|| error.to_string(), |error| error.to_string());
                found.skipped.push(Skipped {
                    label,
                    reason: format!("cannot be read: {reason}"),
                });
            }
        }
    }
    found
}

impl Found {
    pub(super) fn add(&mut self, other: Found) {
        self.files.extend(other.files);
        self.manifests.extend(other.manifests);
        self.skipped.extend(other.skipped);
    }

    fn take(&mut self, root: &Path, prefix: &str, entry: &DirEntry) {
        let path = entry.path();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        let is_manifest = entry.file_name() == "Cargo.toml";
        let label = label(root, prefix, path);
        if entry.path_is_symlink() && entry.depth() > 0 && path.is_dir() {
            self.skipped.push(Skipped {
                label,
                reason: "a link to a directory: not followed".to_owned(),
            });
        } else if (is_source || is_manifest) && !entry.file_type().is_dir() {
            match read_limited(path, FILE_LIMIT_BYTES) {
                Ok(bytes) if is_manifest => {
                    self.manifests
                        .push((super::sources::directory_of(&label).to_owned(), bytes));
                }
                Ok(bytes) => self.files.push((label, bytes)),
                Err(reason) => self.skipped.push(Skipped { label, reason }),
            }
        }
    }
}

/// Reads one regular file whole; its size is looked at first.
pub(super) fn read_limited(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let too_large = |bytes| format!("{bytes} bytes, over the limit of {limit_bytes}");
    if metadata.len() > limit_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // One byte more than allowed: a file that grows meanwhile is found out and not read to its end.
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn is_left_out(entry: &DirEntry) -> bool {
    if !entry.file_type().is_dir() {
        return false;
    }
    let path = entry.path();
    let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
    // `src/target/` is an ordinary module; Cargo's folder lies beside a manifest or carries the tag.
    let is_target = entry.file_name() == "target" && path.with_file_name("Cargo.toml").exists();
    is_hidden || is_target || path.join("CACHEDIR.TAG").exists()
}

/// The path below `root` with `/` between its parts, after `prefix`. A name that is not Unicode keeps its shape as
/// far as it can be shown.
fn label(root: &Path, prefix: &str, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let mut parts: Vec<String> = Vec::new();
    if !prefix.is_empty() {
        parts.push(prefix.to_owned());
    }
    parts.extend(
        below
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned()),
    );
    parts.join("/")
}
