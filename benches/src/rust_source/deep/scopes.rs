//! What the modules of a crate declare and import, side by side: all that paths are followed through.
//!
//! Asked by `crate_names`. Owned, so that a database of the crate's own can hold it. Nothing is resolved here.

use std::sync::Arc;

use dagwood::{Cx, Query};
use ra_ap_parser::Edition;
use ra_ap_syntax::SmolStr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    outline::{ImportItem, Item, ItemKind, MemberKind, Outline, OutlineOf, Visibility},
    reasons::Reason,
};
use crate::rust_source::{
    items::ItemsOf,
    manifest::ManifestOf,
    module_tree::{CrateId, ModuleTree, ModulesOf},
    sources::Sources,
};

/// The scopes of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopesOf(pub(crate) CrateId);

/// A crate, before its imports are resolved.
pub(crate) struct Scopes {
    pub(crate) edition: Edition,
    pub(crate) modules: Vec<Scope>,
    /// All macros of the crate: they are found by where they stand in the text, which is not looked at here.
    pub(crate) macros: FxHashMap<SmolStr, Def>,
    /// Every name that some module declares or imports: most others (the prelude's) are in none.
    pub(crate) all_names: FxHashSet<SmolStr>,
}

/// A module.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) parent: Option<u32>,
    /// It is there under a condition only.
    pub(crate) is_cfg: bool,
    pub(crate) declared: FxHashMap<SmolStr, Vec<Binding>>,
    pub(crate) imports: Vec<ImportItem>,
    /// Who sees its globs: known before anybody asks where they lead.
    pub(crate) globs: Vec<Seen>,
    /// Which imports are globs.
    pub(crate) glob_imports: Vec<u32>,
    /// The names of imports that are no globs, and which ones: they hide what globs bring.
    pub(crate) named: FxHashMap<SmolStr, Vec<u32>>,
    /// The number of the module and the last one of those inside, in an order in which these follow at once.
    extent: (u32, u32),
    /// The variants of its enums.
    pub(crate) variants: FxHashMap<u32, Vec<(SmolStr, u32)>>,
    pub(crate) opening: Option<Reason>,
    /// Modules that are declared and were not entered.
    pub(crate) absent: FxHashMap<SmolStr, Reason>,
}

/// What a name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Def {
    Module(u32),
    /// Its module, and its place among the items of the file.
    Item(u32, u32),
    /// A variant, or another member of an item: module, item, place among the members.
    Member(u32, u32, u32),
    /// Another crate, or something of it.
    Foreign,
}

impl Def {
    /// The module it stands in; for a module, itself.
    pub(crate) fn module(self) -> Option<u32> {
        match self {
            Def::Module(module) | Def::Item(module, _) | Def::Member(module, _, _) => Some(module),
            Def::Foreign => None,
        }
    }
}

/// The three worlds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Namespace {
    Type,
    Value,
    Macro,
}

/// Who sees a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    Everywhere,
    /// In this module and below.
    Inside(u32),
}

/// One meaning of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    pub(crate) def: Def,
    pub(crate) namespace: Namespace,
    pub(crate) seen: Seen,
}

impl Scopes {
    /// Whether code in `module` sees it.
    pub(crate) fn sees(&self, module: u32, seen: Seen) -> bool {
        match seen {
            Seen::Everywhere => true,
            Seen::Inside(outer) => self.is_inside(module, outer),
        }
    }

    /// Whether a module is this one or inside it, however deep.
    pub(crate) fn is_inside(&self, module: u32, outer: u32) -> bool {
        let (first, last) = self.modules[outer as usize].extent;
        (first..=last).contains(&self.modules[module as usize].extent.0)
    }

    fn number(&mut self, tree: &ModuleTree) {
        let mut next = 0;
        let mut open = vec![(0u32, false)];
        while let Some((module, is_done)) = open.pop() {
            let extent = &mut self.modules[module as usize].extent;
            if is_done {
                extent.1 = next - 1;
            } else {
                extent.0 = next;
                next += 1;
                open.push((module, true));
                let children = tree.modules[module as usize].children.iter();
                open.extend(children.map(|&child| (child, false)));
            }
        }
    }

    /// The imports of a module that bring a name.
    pub(crate) fn imports_of(&self, module: u32, name: &str) -> impl Iterator<Item = &ImportItem> {
        let scope = &self.modules[module as usize];
        let imports = scope.named.get(name).into_iter().flatten();
        imports.map(|&i| &scope.imports[i as usize])
    }

    /// The module, then those around it.
    pub(crate) fn around(&self, module: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(module), |&module| self.modules[module as usize].parent)
    }

    /// What a visibility written in `module` means.
    pub(crate) fn seen(&self, module: u32, visibility: Visibility) -> Seen {
        match visibility {
            Visibility::Public => Seen::Everywhere,
            Visibility::Crate => Seen::Inside(0),
            Visibility::Super => Seen::Inside(self.modules[module as usize].parent.unwrap_or(0)),
            Visibility::Private => Seen::Inside(module),
        }
    }
}

impl Query<Sources> for ScopesOf {
    type Value = Arc<Scopes>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Arc<Scopes> {
        let tree = cx.get(ModulesOf(self.0));
        let edition = cx.get(ManifestOf(cx.data().file(self.0.0).package)).edition;
        let outlines = cx.par_map(&tree.modules, |cx, module| cx.get(OutlineOf(module.file)));
        let mut scopes = Scopes {
            edition,
            modules: Vec::with_capacity(tree.modules.len()),
            macros: FxHashMap::default(),
            all_names: FxHashSet::default(),
        };
        for module in &tree.modules {
            scopes.modules.push(Scope {
                parent: module.parent,
                is_cfg: module.is_cfg,
                ..Scope::default()
            });
        }
        scopes.number(tree);
        for (id, (module, outline)) in (0u32..).zip(tree.modules.iter().zip(outlines)) {
            let written = outline.scopes[module.scope as usize].modules.iter().rev();
            let written: FxHashMap<&SmolStr, Visibility> = written
                .map(|module| (&module.name, module.visibility))
                .collect();
            for &child in &module.children {
                let child_module = &tree.modules[child as usize];
                // One in a macro call is taken as seen.
                let seen = written
                    .get(&child_module.name)
                    .map_or(Seen::Everywhere, |&visibility| scopes.seen(id, visibility));
                let def = Def::Module(child);
                scopes.declare(id, &child_module.name, def, Namespace::Type, seen);
            }
            let declared = &cx.get(ItemsOf(module.file)).scopes[module.scope as usize].modules;
            for declaration in declared {
                if !scopes.modules[id as usize]
                    .declared
                    .contains_key(&declaration.name)
                {
                    let reason = if declaration.is_cfg {
                        Reason::Cfg
                    } else {
                        Reason::NotAnalysed
                    };
                    scopes.modules[id as usize]
                        .absent
                        .insert(declaration.name.clone(), reason);
                }
            }
            scopes.take(id, module.scope, outline);
        }
        let mut all_names = FxHashSet::default();
        for module in &scopes.modules {
            all_names.extend(module.declared.keys().cloned());
            all_names.extend(module.named.keys().cloned());
            let variants = module.variants.values().flatten();
            all_names.extend(variants.map(|(name, _)| name.clone()));
        }
        scopes.all_names = all_names;
        Arc::new(scopes)
    }
}

impl Scopes {
    fn take(&mut self, id: u32, scope: u32, outline: &Outline) {
        let from = &outline.scopes[scope as usize];
        let mut globs = Vec::new();
        let mut glob_imports = Vec::new();
        let mut named: FxHashMap<SmolStr, Vec<u32>> = FxHashMap::default();
        for (i, item) in (0..).zip(&from.imports) {
            if item.import.is_glob {
                globs.push(self.seen(id, item.visibility));
                glob_imports.push(i);
            }
            if let Some(name) = &item.import.name {
                named.entry(name.clone()).or_default().push(i);
            }
        }
        globs.sort();
        globs.dedup();
        let module = &mut self.modules[id as usize];
        module.imports = from.imports.clone();
        module.globs = globs;
        module.glob_imports = glob_imports;
        module.named = named;
        module.opening = from.opening;
        for &item in &from.items {
            self.item(id, item, &outline.items[item as usize]);
        }
    }

    fn item(&mut self, id: u32, index: u32, item: &Item) {
        use Namespace::{Macro, Type, Value};
        let seen = self.seen(id, item.visibility);
        let def = Def::Item(id, index);
        match item.kind {
            ItemKind::Function | ItemKind::Const | ItemKind::Static => {
                self.declare(id, &item.name, def, Value, seen)
            }
            ItemKind::Struct { is_value } => {
                self.declare(id, &item.name, def, Type, seen);
                if is_value {
                    self.declare(id, &item.name, def, Value, seen);
                }
            }
            ItemKind::Enum => {
                self.declare(id, &item.name, def, Type, seen);
                let variants = (0..)
                    .zip(&item.members)
                    .map(|(i, member)| (member.name.clone(), i));
                self.modules[id as usize]
                    .variants
                    .insert(index, variants.collect());
            }
            ItemKind::Union | ItemKind::Trait | ItemKind::TypeAlias => {
                self.declare(id, &item.name, def, Type, seen)
            }
            ItemKind::Macro { is_exported } => {
                self.declare(id, &item.name, def, Macro, seen);
                self.macros.entry(item.name.clone()).or_insert(def);
                if is_exported && id != 0 {
                    self.declare(0, &item.name, def, Macro, Seen::Everywhere);
                }
            }
            ItemKind::ExternBlock => {
                for (i, member) in (0..).zip(&item.members) {
                    let namespace = match member.kind {
                        MemberKind::Type => Type,
                        _ => Value,
                    };
                    let seen = self.seen(id, member.visibility);
                    self.declare(id, &member.name, Def::Member(id, index, i), namespace, seen);
                }
            }
            ItemKind::ExternCrate { is_this } => {
                let def = if is_this {
                    Def::Module(0)
                } else {
                    Def::Foreign
                };
                self.declare(id, &item.name, def, Type, seen);
            }
            ItemKind::Impl => {}
        }
    }

    fn declare(&mut self, module: u32, name: &SmolStr, def: Def, namespace: Namespace, seen: Seen) {
        if name.is_empty() || name == "_" {
            return;
        }
        let bindings = self.modules[module as usize]
            .declared
            .entry(name.clone())
            .or_default();
        let binding = Binding {
            def,
            namespace,
            seen,
        };
        if !bindings.contains(&binding) {
            bindings.push(binding);
        }
    }
}
