//! Where `mod name;` looks for its file, by the rules of the language.
//!
//! Used by `module_tree`, and by `crates` to see which files nothing reaches.

use ra_ap_syntax::SmolStr;

use super::{
    items::ModuleDeclaration,
    sources::{FileId, Sources, directory_of, join_label, name_of},
};

/// The folder in which the modules of a scope are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// The label of the folder.
    path: String,
    /// In `foo.rs`, which is neither a root nor `mod.rs`: `foo`, the folder further in for all but `#[path]`.
    own_name: Option<SmolStr>,
}

/// What a declaration leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The file, and the folder of the modules declared in it.
    File(FileId, Folder),
    /// It is there but was not read.
    Skipped,
    /// Neither of two usual places, or not the given one: the first that was looked at.
    Missing(String),
}

impl Folder {
    /// The folder for a file that is a root, a `mod.rs` or was given by `#[path]`.
    pub(super) fn of_root(label: &str) -> Folder {
        Folder {
            path: directory_of(label).to_owned(),
            own_name: None,
        }
    }

    /// The folder for any other file.
    pub(super) fn of_named(label: &str) -> Folder {
        let name = name_of(label);
        let own_name = Some(SmolStr::new(name.strip_suffix(".rs").unwrap_or(name)));
        Folder {
            path: directory_of(label).to_owned(),
            own_name,
        }
    }

    /// The folder inside an inline module; a `#[path]` on it names a folder.
    pub(super) fn inside(&self, module: &ModuleDeclaration) -> Folder {
        if let Some(path) = module.paths.first() {
            let path = join_label(&self.path, path).unwrap_or_else(|| self.path.clone());
            return Folder {
                path,
                own_name: None,
            };
        }
        let outer = self
            .own_name
            .as_ref()
            .map_or(self.path.clone(), |name| join(&self.path, name));
        Folder {
            path: join(&outer, &module.name),
            own_name: None,
        }
    }

    /// The files a declaration may mean: one, or several where `cfg_attr` chooses a path.
    pub(super) fn find(&self, module: &ModuleDeclaration, sources: &Sources) -> Vec<Target> {
        let mut targets: Vec<Target> = module
            .paths
            .iter()
            .map(|path| self.at_path(path, sources))
            .collect();
        if !module.has_plain_path {
            targets.push(self.usual(&module.name, sources));
        }
        if targets
            .iter()
            .any(|target| matches!(target, Target::File(..)))
        {
            targets.retain(|target| matches!(target, Target::File(..)));
        }
        targets
    }

    fn at_path(&self, path: &str, sources: &Sources) -> Target {
        let Some(label) = join_label(&self.path, path) else {
            return Target::Missing(path.to_owned());
        };
        match sources.file_at(&label) {
            Some(file) => Target::File(file, Folder::of_root(&label)),
            None if sources.is_skipped(&label) => Target::Skipped,
            None => Target::Missing(label),
        }
    }

    /// `name.rs`, else `name/mod.rs`.
    fn usual(&self, name: &str, sources: &Sources) -> Target {
        let outer = self
            .own_name
            .as_ref()
            .map_or(self.path.clone(), |own| join(&self.path, own));
        let (flat, nested) = (
            join(&outer, &format!("{name}.rs")),
            join(&outer, &format!("{name}/mod.rs")),
        );
        if let Some(file) = sources.file_at(&flat) {
            return Target::File(file, Folder::of_named(&flat));
        }
        // The folder, too, may be a link, or not readable.
        let places = [&flat, &nested, &join(&outer, name)];
        match sources.file_at(&nested) {
            Some(file) => Target::File(file, Folder::of_root(&nested)),
            None if places.iter().any(|place| sources.is_skipped(place)) => Target::Skipped,
            None => Target::Missing(flat),
        }
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}
