//! The names that a module declares by itself, before any import is looked at.
//!
//! Asked by `resolve`, module by module. What may not be there (`#[cfg]`) counts as there: nothing is configured here.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::{
    items::{DeclaredKind, ItemsOf},
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// A module, by its place in its crate's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NamesOf {
    pub(super) krate: CrateId,
    pub(super) module: u32,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Def {
    Module(u32),
    /// The module it is declared in, and its place among the names there.
    Enum(u32, u32),
    Type,
    Value,
    Macro,
    /// From another crate, from a macro, or from a file that cannot be read: anything.
    Opaque,
}

/// The names of a module.
#[derive(Default)]
pub(super) struct Names {
    pub(super) defs: FxHashMap<SmolStr, Entry>,
    /// Macros that are known at the root of the crate too.
    pub(super) exported: Vec<SmolStr>,
    /// A macro may add more.
    pub(super) is_open: bool,
}

/// All that one name stands for: a module and a function may share it, and so may two modules under `#[cfg]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) defs: Vec<Def>,
    /// At least one of them is there under a condition only.
    pub(super) is_cfg: bool,
}

impl Query<Sources> for NamesOf {
    type Value = Names;

    fn provide(self, cx: &Cx<'_, Sources>) -> Names {
        let tree = cx.get(ModulesOf(self.krate));
        let module = &tree.modules[self.module as usize];
        let scope = &cx.get(ItemsOf(module.file)).scopes[module.scope as usize];
        let mut names = Names {
            is_open: scope.is_open,
            ..Names::default()
        };
        for &child in &module.children {
            let child_module = &tree.modules[child as usize];
            names.add(&child_module.name, child_module.is_cfg, Def::Module(child));
        }
        for declaration in &scope.modules {
            if !names.defs.contains_key(&declaration.name) {
                names.add(&declaration.name, declaration.is_cfg, Def::Opaque);
            }
        }
        for (i, declared) in scope.names.iter().enumerate() {
            let def = match declared.kind {
                DeclaredKind::Value => Def::Value,
                DeclaredKind::Type => Def::Type,
                DeclaredKind::Enum(_) => Def::Enum(self.module, i as u32),
                DeclaredKind::Macro(_) => Def::Macro,
                DeclaredKind::ExternCrate => Def::Opaque,
                DeclaredKind::ThisCrate => Def::Module(0),
            };
            names.add(&declared.name, declared.is_cfg, def);
            if let DeclaredKind::Macro(true) = declared.kind {
                names.exported.push(declared.name.clone());
            }
        }
        names
    }
}

impl Names {
    fn add(&mut self, name: &SmolStr, is_cfg: bool, def: Def) {
        let entry = self.defs.entry(name.clone()).or_default();
        entry.is_cfg |= is_cfg;
        entry.add(def);
    }
}

impl Entry {
    /// Whether it was new.
    pub(super) fn add(&mut self, def: Def) -> bool {
        let is_new = !self.defs.contains(&def);
        if is_new {
            self.defs.push(def);
        }
        is_new
    }
}
