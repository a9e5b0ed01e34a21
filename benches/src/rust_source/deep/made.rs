//! What macro calls among the items of a module make, as far as a name tells it.
//!
//! Used by `crate_names` for names that nothing declares. Nothing is expanded here; but where a path needs a name, and a
//! macro call in the module it leads to is given that name, or the called macro's own text has it, that call makes it.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashSet;

use super::{
    outline::OutlineOf,
    scopes::{Def, ScopesOf},
    token_paths,
};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// Whether a macro call among the items of a module names it.
pub(super) fn is_named(cx: &Cx<'_, Sources>, krate: CrateId, module: u32, name: &str) -> bool {
    cx.get(MadeIn { krate, module }).contains(name)
}

/// Names that the macro calls among the items of a module may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MadeIn {
    krate: CrateId,
    module: u32,
}

impl Query<Sources> for MadeIn {
    type Value = FxHashSet<SmolStr>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Self::Value {
        let place = &cx.get(ModulesOf(self.krate)).modules[self.module as usize];
        let scope = &cx.get(OutlineOf(place.file)).scopes[place.scope as usize];
        let macros = &cx.get(ScopesOf(self.krate)).macros;
        let mut made: FxHashSet<SmolStr> = scope.given.iter().cloned().collect();
        // One may be called a thousand times.
        let called: FxHashSet<&SmolStr> = scope.macro_calls.iter().collect();
        for called in called {
            let Some(&Def::Item(module, item)) = macros.get(called) else {
                continue;
            };
            let of_macro = NamesOfMacro {
                krate: self.krate,
                module,
                item,
            };
            made.extend(cx.get(of_macro).iter().cloned());
        }
        made
    }
}

/// Names in the text of a macro of the crate, its own left out where it only declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct NamesOfMacro {
    krate: CrateId,
    module: u32,
    item: u32,
}

impl Query<Sources> for NamesOfMacro {
    type Value = FxHashSet<SmolStr>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Self::Value {
        let file = cx.get(ModulesOf(self.krate)).modules[self.module as usize].file;
        let item = &cx.get(OutlineOf(file)).items[self.item as usize];
        let mut names = token_paths::names(&item.green);
        if let Some(own) = names.iter().position(|name| *name == item.name) {
            names.swap_remove(own);
        }
        names.into_iter().collect()
    }
}
