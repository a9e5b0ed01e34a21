//! Which names of a crate anybody uses.
//!
//! Asked by `checks`. A name that only the tokens of a macro call, an attribute or a method call show counts as used
//! where it might be meant: better one finding less than a wrong one.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashSet;

use super::{
    crate_names::{CrateNames, NamesIn},
    links::LinksOf,
    scopes::Def,
};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// The use of names in a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UsageOf(pub(crate) CrateId);

/// What is used.
#[derive(Default)]
pub(crate) struct Usage {
    /// Names that somebody looked up in a module.
    names: FxHashSet<(u32, SmolStr)>,
    /// Names that may be meant in a module, since its tokens have them or those of a module inside.
    loose: FxHashSet<(u32, SmolStr)>,
    /// Names in macros' definitions: they may mean anything.
    in_macros: FxHashSet<SmolStr>,
    /// What others refer to.
    defs: FxHashSet<Def>,
    all_loose: FxHashSet<SmolStr>,
}

impl Usage {
    /// Whether code looks for this name in the module.
    pub(crate) fn has_name(&self, module: u32, name: &SmolStr) -> bool {
        let key = (module, name.clone());
        self.names.contains(&key) || self.loose.contains(&key) || self.in_macros.contains(name)
    }

    /// Whether anything but itself refers to a definition of this name.
    pub(crate) fn has_def(&self, def: Def, name: &SmolStr) -> bool {
        self.defs.contains(&def) || self.all_loose.contains(name) || self.in_macros.contains(name)
    }
}

impl Query<Sources> for UsageOf {
    type Value = Usage;

    fn provide(self, cx: &Cx<'_, Sources>) -> Usage {
        let tree = cx.get(ModulesOf(self.0));
        let names = cx.get(NamesIn(self.0));
        let mut usage = Usage::default();
        // Only names that an import brings are ever asked for.
        let by_import: FxHashSet<&SmolStr> = names
            .scopes
            .modules
            .iter()
            .flat_map(|scope| scope.named.keys())
            .collect();
        let is_wanted = |name: &&SmolStr| by_import.contains(name);
        let mut open: Vec<(u32, SmolStr)> = Vec::new();
        for module in 0..tree.modules.len() as u32 {
            let links = cx.get(LinksOf {
                krate: self.0,
                module,
            });
            let used = links.used.iter().filter(|(_, name)| is_wanted(&name));
            open.extend(used.clone().cloned());
            // A macro among the items may have brought the names of the modules around.
            if names.scopes.modules[module as usize].opening.is_some() {
                for (_, name) in used {
                    let around = names.scopes.around(module);
                    usage
                        .loose
                        .extend(around.map(|around| (around, name.clone())));
                }
            }
            usage.in_macros.extend(links.macro_names.iter().cloned());
            usage.all_loose.extend(links.loose_names.iter().cloned());
            for around in names.scopes.around(module) {
                let loose = links.loose_names.iter().filter(is_wanted);
                usage.loose.extend(loose.map(|name| (around, name.clone())));
            }
            let others = links
                .links
                .iter()
                .filter(|link| link.from.is_some_and(|from| from != link.def))
                .map(|link| link.def);
            usage.defs.extend(others);
            let also = links.also.iter().filter(|(from, to)| from != to);
            usage.defs.extend(also.map(|(_, to)| *to));
        }
        // Who looks for a name in a module with a glob looks for it behind the glob, too.
        let globs = globs(names);
        while let Some((module, name)) = open.pop() {
            let behind = &globs[module as usize];
            if usage.names.insert((module, name.clone())) {
                open.extend(behind.iter().map(|&from| (from, name.clone())));
            }
        }
        usage
    }
}

/// For each module those that its globs lead to.
fn globs(names: &CrateNames) -> Vec<Vec<u32>> {
    let modules = 0..names.scopes.modules.len() as u32;
    let of_module = |module| {
        let globs = names.imported(module).globs.iter();
        globs
            .filter_map(|glob| match glob.target {
                Def::Module(from) => Some(from),
                _ => None,
            })
            .collect()
    };
    modules.map(of_module).collect()
}
