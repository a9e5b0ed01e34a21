//! The modules of a crate: from its root file along `mod` to the others.
//!
//! Asked by `crates`, `resolve`, `lints` and `report`. Goes level by level, and asks for the files of a level in
//! parallel. Ends on every input: a file that would contain itself is a problem to report, and so is a crate with
//! more modules than the limit (a file may be reached on many ways, and those multiply).

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{
    items::{FileItems, ItemsOf, ModuleDeclaration},
    module_files::{Folder, Target},
    sources::{FileId, Sources},
};

/// No crate we know comes near: windows-sys has about 300.
pub(super) const MODULE_LIMIT: usize = 1 << 16;

/// A crate, by its root file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CrateId(pub(super) FileId);

impl CrateId {
    /// The file it begins with.
    pub(super) fn root(self) -> FileId {
        self.0
    }
}

/// The module tree of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ModulesOf(pub(super) CrateId);

/// All modules, the root first, parents before children.
#[derive(Default)]
pub(super) struct ModuleTree {
    pub(super) modules: Vec<Module>,
    /// Each file as often as it was entered.
    pub(super) files: Vec<FileModules>,
    pub(super) problems: Vec<Problem>,
}

/// A module: a scope of a file.
pub(super) struct Module {
    pub(super) parent: Option<u32>,
    pub(super) name: SmolStr,
    pub(super) is_cfg: bool,
    pub(super) is_test: bool,
    pub(super) file: FileId,
    /// Place in the file's scopes; 0 is the file itself.
    pub(super) scope: u32,
    pub(super) children: Vec<u32>,
}

/// A file in the tree.
pub(super) struct FileModules {
    pub(super) file: FileId,
    /// The module of each of its scopes.
    pub(super) modules: Vec<u32>,
}

/// What is wrong with a declaration, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) file: FileId,
    pub(super) offset: u32,
    pub(super) kind: ProblemKind,
}

/// The kinds of problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// Module, and the place looked at.
    Missing(SmolStr, String),
    /// The file contains itself.
    Loop(SmolStr),
    TooMany,
}

impl Query<Sources> for ModulesOf {
    type Value = ModuleTree;

    fn provide(self, cx: &Cx<'_, Sources>) -> ModuleTree {
        let root = self.0.0;
        let mut tree = ModuleTree::default();
        let none = ModuleDeclaration {
            name: SmolStr::new("crate"),
            ..ModuleDeclaration::default()
        };
        let folder = Folder::of_root(&cx.data().file(root).label);
        let mut level = vec![tree.file(None, &none, root, folder)];
        while !level.is_empty() {
            let items = cx.par_map(&level, |cx, entry| cx.get(ItemsOf(entry.file)));
            let mut next = Vec::new();
            for (entry, items) in level.iter().zip(items) {
                tree.expand(cx.data(), entry, items, &mut next);
            }
            level = next;
        }
        tree
    }
}

/// A file whose scopes are still to be entered.
struct Entry {
    module: u32,
    file: FileId,
    folder: Folder,
}

impl ModuleTree {
    fn push(
        &mut self,
        parent: Option<u32>,
        declaration: &ModuleDeclaration,
        file: FileId,
        scope: u32,
    ) -> u32 {
        let module = self.modules.len() as u32;
        if let Some(parent) = parent {
            self.modules[parent as usize].children.push(module);
        }
        let name = declaration.name.clone();
        self.modules.push(Module {
            parent,
            name,
            is_cfg: declaration.is_cfg,
            is_test: declaration.is_test,
            file,
            scope,
            children: Vec::new(),
        });
        module
    }

    fn file(
        &mut self,
        parent: Option<u32>,
        declaration: &ModuleDeclaration,
        file: FileId,
        folder: Folder,
    ) -> Entry {
        Entry {
            module: self.push(parent, declaration, file, 0),
            file,
            folder,
        }
    }

    /// Enters the inline modules of a file, and the files that its scopes declare.
    fn expand(
        &mut self,
        sources: &Sources,
        entry: &Entry,
        items: &FileItems,
        next: &mut Vec<Entry>,
    ) {
        // For each scope of the file: its module and its folder.
        let mut places = vec![(entry.module, entry.folder.clone())];
        for (i, scope) in items.scopes.iter().enumerate() {
            if let (Some(parent), Some(declaration)) = (scope.parent, &scope.declaration) {
                let (parent, folder) = &places[parent as usize];
                let folder = folder.inside(declaration);
                places.push((
                    self.push(Some(*parent), declaration, entry.file, i as u32),
                    folder,
                ));
            }
            let (module, folder) = places[i].clone();
            for declaration in &scope.modules {
                self.declared(sources, module, &folder, declaration, next);
            }
        }
        let modules = places.into_iter().map(|(module, _)| module).collect();
        self.files.push(FileModules {
            file: entry.file,
            modules,
        });
    }

    fn declared(
        &mut self,
        sources: &Sources,
        parent: u32,
        folder: &Folder,
        declaration: &ModuleDeclaration,
        next: &mut Vec<Entry>,
    ) {
        let name = &declaration.name;
        for target in folder.find(declaration, sources) {
            let problem = match target {
                Target::Skipped => continue,
                Target::Missing(_) if declaration.is_cfg => continue,
                Target::Missing(place) => ProblemKind::Missing(name.clone(), place),
                Target::File(file, _) if self.is_inside(parent, file) => {
                    ProblemKind::Loop(name.clone())
                }
                Target::File(..) if self.modules.len() >= MODULE_LIMIT => {
                    if self
                        .problems
                        .iter()
                        .any(|problem| problem.kind == ProblemKind::TooMany)
                    {
                        continue;
                    }
                    ProblemKind::TooMany
                }
                Target::File(file, folder) => {
                    next.push(self.file(Some(parent), declaration, file, folder));
                    continue;
                }
            };
            let file = self.modules[parent as usize].file;
            self.problems.push(Problem {
                file,
                offset: declaration.offset,
                kind: problem,
            });
        }
    }

    /// Whether the module, or one around it, is in this file.
    fn is_inside(&self, module: u32, file: FileId) -> bool {
        let mut around = Some(module);
        while let Some(module) = around {
            let module = &self.modules[module as usize];
            if module.file == file {
                return true;
            }
            around = module.parent;
        }
        false
    }
}
