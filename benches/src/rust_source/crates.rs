//! The crates of a package: what its manifest names, then the files that no `mod` reaches.
//!
//! Asked by `resolve`, `lints` and `report`. In a package a file that nothing reaches is *stray*: it is counted and
//! parsed, but its imports are not judged, since a macro or `include!` may put it into any place. Where there is no
//! `Cargo.toml`, each file that no `mod` reaches is the root of a crate in full standing.

use std::collections::HashSet;

use dagwood::{Cx, Query};

use super::{
    items::ItemsOf,
    manifest::ManifestOf,
    module_files::{Folder, Target},
    module_tree::{CrateId, ModulesOf},
    sources::{FileId, PackageId, Sources},
};

/// The crates of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CratesOf(pub(super) PackageId);

/// A crate and what it is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Crate {
    pub(super) id: CrateId,
    /// Nothing reaches its root, though there is a manifest.
    pub(super) is_stray: bool,
}

impl Query<Sources> for CratesOf {
    type Value = Vec<Crate>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Vec<Crate> {
        let package = cx.data().package(self.0);
        let is_stray = package.manifest.is_some();
        let roots = &cx.get(ManifestOf(self.0)).roots;
        let mut search = Search {
            unreached: package.files.iter().copied().collect(),
            crates: Vec::new(),
        };
        search.enter(cx, roots, false);
        // Sorted, so that the outcome depends on the labels alone.
        let mut rest: Vec<FileId> = search.unreached.iter().copied().collect();
        rest.sort();
        let declared: HashSet<FileId> = cx
            .par_map(&rest, |cx, &file| declared_by(cx, file))
            .into_iter()
            .flatten()
            .collect();
        let (inner, outer): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|file| declared.contains(file));
        search.enter(cx, &outer, is_stray);
        // What is left is declared in some reading of the rules, but not in the right one, or goes in a circle.
        for file in inner {
            if search.unreached.contains(&file) {
                search.enter(cx, &[file], is_stray);
            }
        }
        search.crates
    }
}

struct Search {
    unreached: HashSet<FileId>,
    crates: Vec<Crate>,
}

impl Search {
    fn enter(&mut self, cx: &Cx<'_, Sources>, roots: &[FileId], is_stray: bool) {
        let trees = cx.par_map(roots, |cx, &root| cx.get(ModulesOf(CrateId(root))));
        for (&root, tree) in roots.iter().zip(trees) {
            self.crates.push(Crate {
                id: CrateId(root),
                is_stray,
            });
            for module in &tree.modules {
                self.unreached.remove(&module.file);
            }
        }
    }
}

/// The files that a file declares as modules, whether it is a root itself or `foo.rs` below another file.
fn declared_by(cx: &Cx<'_, Sources>, file: FileId) -> Vec<FileId> {
    let label = &cx.data().file(file).label;
    let items = cx.get(ItemsOf(file));
    let mut files = Vec::new();
    for start in [Folder::of_root(label), Folder::of_named(label)] {
        let mut folders = vec![start];
        for (i, scope) in items.scopes.iter().enumerate() {
            if let (Some(parent), Some(declaration)) = (scope.parent, &scope.declaration) {
                folders.push(folders[parent as usize].inside(declaration));
            }
            for target in scope
                .modules
                .iter()
                .flat_map(|module| folders[i].find(module, cx.data()))
            {
                match target {
                    Target::File(declared, _) if declared != file => files.push(declared),
                    _ => {}
                }
            }
        }
    }
    files
}
