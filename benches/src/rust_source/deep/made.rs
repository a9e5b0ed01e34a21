//! What macro calls among the items of a module make, as far as a name tells it.
//!
//! Used by `crate_names` for names that nothing declares. Nothing is expanded here; but where a path needs a name, and a
//! macro call in the module it leads to is given that name, or the called macro's own text has it, that call makes it.

use dagwood::Cx;
use ra_ap_syntax::SmolStr;

use super::{crate_names::CrateNames, outline::OutlineOf, scopes::Def, token_paths};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// Whether a macro call among the items of a module names it.
pub(super) fn is_named(
    cx: &Cx<'_, Sources>,
    krate: CrateId,
    names: &CrateNames,
    module: u32,
    name: &str,
) -> bool {
    let tree = cx.get(ModulesOf(krate));
    let place = &tree.modules[module as usize];
    let scope = &cx.get(OutlineOf(place.file)).scopes[place.scope as usize];
    scope.loose.iter().any(|given| given == name)
        || scope
            .macro_calls
            .iter()
            .any(|called| is_in_text_of(cx, krate, names, called, name))
}

/// Whether the macro of that name is this crate's, and has the name in its text.
fn is_in_text_of(
    cx: &Cx<'_, Sources>,
    krate: CrateId,
    names: &CrateNames,
    called: &SmolStr,
    name: &str,
) -> bool {
    let Some(&Def::Item(module, item)) = names.scopes.macros.get(called) else {
        return false;
    };
    let file = cx.get(ModulesOf(krate)).modules[module as usize].file;
    let text = &cx.get(OutlineOf(file)).items[item as usize].green;
    // The first is its own.
    token_paths::names(text)
        .iter()
        .filter(|own| *own == name)
        .count()
        > usize::from(called == name)
}
