//! The data of the database: the files and packages that `input` has read, under dense ids.
//!
//! Every query starts here. Knows no query and no disk: paths are labels (`name-version/src/lib.rs`, with `/` on
//! every system), so that the output says nothing about where the files lie.

use std::{collections::HashMap, sync::Arc};

/// A file, by its place in the sorted list of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(pub(super) u32);

/// A directory with a `Cargo.toml`, or all files that lie in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PackageId(pub(super) u32);

/// A file as it was read.
pub(super) struct File {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
    pub(super) package: PackageId,
}

/// The files of one directory with a `Cargo.toml` (those of packages further in excepted).
pub(super) struct Package {
    /// The directory's label: empty or without a `/` at its end.
    pub(super) directory: String,
    /// `None`: the files that belong to no package.
    pub(super) manifest: Option<Vec<u8>>,
    /// In the order of their labels.
    pub(super) files: Vec<FileId>,
}

/// A path that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) label: String,
    pub(super) reason: String,
}

/// What the reader found; immutable from then on.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) packages: Vec<Package>,
    pub(super) skipped: Vec<Skipped>,
    by_label: HashMap<String, FileId>,
}

/// The data of a database; a clone shares the contents.
#[derive(Clone)]
pub(crate) struct Sources(Arc<Tree>);

impl Sources {
    /// Gives ids to what was read: `files` are (label, bytes), `manifests` are (label of the directory, bytes).
    pub(super) fn new(
        mut files: Vec<(String, Vec<u8>)>,
        mut manifests: Vec<(String, Vec<u8>)>,
        mut skipped: Vec<Skipped>,
    ) -> Sources {
        files.sort();
        files.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                skipped.push(Skipped {
                    label: std::mem::take(&mut next.0),
                    reason: "its name is not Unicode, and another reads the same".to_owned(),
                });
            }
            is_same
        });
        manifests.sort();
        manifests.dedup_by(|next, kept| next.0 == kept.0);
        skipped.sort_by(|a, b| a.label.cmp(&b.label));
        let mut tree = Tree {
            skipped,
            ..Tree::default()
        };
        let mut packages = HashMap::new();
        for (directory, manifest) in manifests {
            packages.insert(directory.clone(), PackageId(tree.packages.len() as u32));
            tree.packages.push(Package {
                directory,
                manifest: Some(manifest),
                files: Vec::new(),
            });
        }
        let loose = PackageId(tree.packages.len() as u32);
        tree.packages.push(Package {
            directory: String::new(),
            manifest: None,
            files: Vec::new(),
        });
        for (label, bytes) in files {
            let id = FileId(tree.files.len() as u32);
            let package = nearest_package(&packages, &label).unwrap_or(loose);
            tree.packages[package.0 as usize].files.push(id);
            tree.by_label.insert(label.clone(), id);
            tree.files.push(File {
                label,
                bytes,
                package,
            });
        }
        Sources(Arc::new(tree))
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0
    }

    pub(super) fn file(&self, id: FileId) -> &File {
        &self.0.files[id.0 as usize]
    }

    pub(super) fn package(&self, id: PackageId) -> &Package {
        &self.0.packages[id.0 as usize]
    }

    pub(super) fn file_at(&self, label: &str) -> Option<FileId> {
        self.0.by_label.get(label).copied()
    }

    /// The package whose manifest lies there.
    pub(super) fn package_at(&self, directory: &str) -> Option<PackageId> {
        let packages = &self.0.packages;
        // In order; the last one is for files of no package.
        let (_, packages) = packages.split_last()?;
        let found = packages.binary_search_by(|package| package.directory.as_str().cmp(directory));
        found.ok().map(|place| PackageId(place as u32))
    }

    /// Whether the file is there but could not be read.
    pub(super) fn is_skipped(&self, label: &str) -> bool {
        self.0
            .skipped
            .binary_search_by(|skipped| skipped.label.as_str().cmp(label))
            .is_ok()
    }
}

fn nearest_package(packages: &HashMap<String, PackageId>, label: &str) -> Option<PackageId> {
    let mut directory = directory_of(label);
    loop {
        if let Some(&package) = packages.get(directory) {
            return Some(package);
        }
        if directory.is_empty() {
            return None;
        }
        directory = directory_of(directory);
    }
}

/// `a/b/c.rs` -> `a/b`; empty at the top.
pub(super) fn directory_of(label: &str) -> &str {
    label
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory)
}

/// `a/b/c.rs` -> `c.rs`.
pub(super) fn name_of(label: &str) -> &str {
    label.rsplit_once('/').map_or(label, |(_, name)| name)
}

/// Joins and takes `.` and `..` away without looking at a disk; `None` if it leads out of the input.
pub(super) fn join_label(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
