//! The members of a crate's types and traits: what `Type::name` may lead to.
//!
//! Asked by `links`. All `impl` blocks whose type is a plain path to a type of the crate, traits' own members, and no
//! look at bounds or generics: of several members of one name the first in the order of modules is taken.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::{
    crate_names::{CrateNames, NamesIn},
    outline::{ItemKind, OutlineOf},
    paths::End,
    scopes::{Def, Namespace},
};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// The members of a crate's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MembersOf(pub(crate) CrateId);

/// Members by type or trait, then name; and what each `impl` is for.
#[derive(Default)]
pub(crate) struct Members {
    by_type: FxHashMap<Def, FxHashMap<SmolStr, Def>>,
    /// The type of each `impl` that has one in this crate.
    pub(crate) self_types: FxHashMap<Def, Def>,
}

impl Members {
    /// The member of a type.
    pub(crate) fn get(&self, of: Def, name: &str) -> Option<Def> {
        self.by_type.get(&of)?.get(name).copied()
    }
}

impl Query<Sources> for MembersOf {
    type Value = Members;

    fn provide(self, cx: &Cx<'_, Sources>) -> Members {
        let tree = cx.get(ModulesOf(self.0));
        let names = cx.get(NamesIn(self.0));
        let parts = cx.par_map(0..tree.modules.len(), |cx, module| {
            of_module(cx, self.0, module as u32, names)
        });
        let mut members = Members::default();
        for (implementation, of, list) in parts.into_iter().flatten() {
            if implementation != of {
                members.self_types.insert(implementation, of);
            }
            let known = members.by_type.entry(of).or_default();
            for (name, def) in list {
                known.entry(name).or_insert(def);
            }
        }
        members
    }
}

type Part = (Def, Def, Vec<(SmolStr, Def)>);

/// For each `impl` and trait of a module: itself, its type, its members.
fn of_module(cx: &Cx<'_, Sources>, krate: CrateId, id: u32, names: &CrateNames) -> Vec<Part> {
    let module = &cx.get(ModulesOf(krate)).modules[id as usize];
    let outline = cx.get(OutlineOf(module.file));
    let mut parts = Vec::new();
    for &index in &outline.scopes[module.scope as usize].items {
        let item = &outline.items[index as usize];
        let own = Def::Item(id, index);
        let of = match item.kind {
            ItemKind::Trait => Some(own),
            ItemKind::Impl => type_of(names, id, &item.self_type),
            _ => None,
        };
        if let Some(of) = of {
            let list = (0..)
                .zip(&item.members)
                .map(|(i, member)| (member.name.clone(), Def::Member(id, index, i)));
            parts.push((own, of, list.collect()));
        }
    }
    parts
}

fn type_of(names: &CrateNames, module: u32, path: &[SmolStr]) -> Option<Def> {
    if path.is_empty() {
        return None;
    }
    let path: Vec<&str> = path.iter().map(SmolStr::as_str).collect();
    match names.path(module, &path, false).end {
        End::Found(found) => found
            .iter()
            .find(|binding| binding.namespace == Namespace::Type)
            .map(|binding| binding.def)
            .filter(|def| matches!(def, Def::Item(..))),
        _ => None,
    }
}
