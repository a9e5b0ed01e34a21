//! What the public API of a crate names, and what is reached from there.
//!
//! Asked by `facts` and pages. Named: what `pub` shows from the root, through modules, re-exports and globs. Reached: what
//! the code of that refers to, and so on, all meanings under `#[cfg]` included; a type's `impl` blocks are reached with it,
//! and one for a type of another crate with what its head names.

use dagwood::{Cx, Query};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    crate_names::{CrateNames, NamesIn},
    describe,
    links::LinksOf,
    members::MembersOf,
    outline::{ItemKind, OutlineOf},
    scopes::{Def, Seen},
};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// The public API of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PublicOf(pub(crate) CrateId);

/// Items and modules, by how they are seen from outside.
#[derive(Default)]
pub(crate) struct Public {
    /// Reached from what is named, that included.
    pub(crate) reached: FxHashSet<Def>,
}

impl Query<Sources> for PublicOf {
    type Value = Public;

    fn provide(self, cx: &Cx<'_, Sources>) -> Public {
        let names = cx.get(NamesIn(self.0));
        let named = named(names);
        let edges = edges(cx, self.0);
        let mut open: Vec<Def> = named.iter().copied().collect();
        let mut reached = named;
        while let Some(def) = open.pop() {
            // A member is reached with its item.
            let item = match def {
                Def::Member(module, item, _) => Some(Def::Item(module, item)),
                _ => None,
            };
            let next = edges.get(&def).into_iter().flatten().copied().chain(item);
            open.extend(next.filter(|next| reached.insert(*next)));
        }
        Public { reached }
    }
}

fn named(names: &CrateNames) -> FxHashSet<Def> {
    let mut named = FxHashSet::default();
    named.insert(Def::Module(0));
    // Modules whose names are seen, by their own name or behind a glob.
    let mut shown = FxHashSet::default();
    let mut open = vec![0];
    while let Some(module) = open.pop() {
        if !shown.insert(module) {
            continue;
        }
        let declared = names.scopes.modules[module as usize].declared.values();
        let imported = names.imported(module);
        let bindings = declared.chain(imported.names.values()).flatten();
        for binding in bindings.filter(|binding| binding.seen == Seen::Everywhere) {
            named.insert(binding.def);
            if let Def::Module(inner) = binding.def {
                open.push(inner);
            }
        }
        let globs = imported.globs.iter();
        for glob in globs.filter(|glob| glob.seen == Seen::Everywhere) {
            match glob.target {
                Def::Module(behind) => open.push(behind),
                target => drop(named.insert(target)),
            }
        }
    }
    named.remove(&Def::Foreign);
    named
}

/// From each definition to those that its text refers to, and from types to their `impl` blocks.
fn edges(cx: &Cx<'_, Sources>, krate: CrateId) -> FxHashMap<Def, Vec<Def>> {
    let tree = cx.get(ModulesOf(krate));
    let mut edges: FxHashMap<Def, Vec<Def>> = FxHashMap::default();
    let self_types = &cx.get(MembersOf(krate)).self_types;
    let is_for_foreign = |def: Def| {
        let Def::Item(module, index) = def else {
            return false;
        };
        let kind = describe::item(cx, krate, module, index).1.kind;
        kind == ItemKind::Impl && !self_types.contains_key(&def)
    };
    for (module, place) in (0..).zip(&tree.modules) {
        let links = cx.get(LinksOf { krate, module });
        for link in &links.links {
            let Some(from) = link.from else { continue };
            edges.entry(from).or_default().push(link.def);
            if is_for_foreign(from) {
                edges.entry(link.def).or_default().push(from);
            }
        }
        for &(from, to) in &links.also {
            edges.entry(from).or_default().push(to);
        }
        let outline = cx.get(OutlineOf(place.file));
        for &index in &outline.scopes[place.scope as usize].items {
            let item = &outline.items[index as usize];
            if matches!(item.kind, ItemKind::Trait | ItemKind::Impl) {
                let members =
                    (0..item.members.len() as u32).map(|member| Def::Member(module, index, member));
                edges
                    .entry(Def::Item(module, index))
                    .or_default()
                    .extend(members);
            }
        }
    }
    for (&implementation, &of) in self_types {
        edges.entry(of).or_default().push(implementation);
    }
    edges
}
