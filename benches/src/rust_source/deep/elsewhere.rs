//! Names behind globs of other crates, where those crates are in the input.
//!
//! Used by `crate_names` for names that are not in a crate. Says whether they are there; what they mean is not looked at.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{
    crate_names::{Missing, NamesIn, Search},
    outline::{ItemKind, OutlineOf},
    paths::End,
    scopes::{Def, Seen},
};
use crate::rust_source::{
    libraries,
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
    uses::Import,
};

/// More crates than any name is re-exported through.
const CRATES_MAX: usize = 16;

/// Whether a name is behind a glob that leads out of the crate; `None`: the crate is not in the input, or cannot say.
pub(super) fn has(
    module: u32,
    glob: &Import,
    name: &str,
    search: &mut Search<'_, '_>,
) -> Option<bool> {
    let cx = search.cx;
    // Crates with hundreds of such globs, each to the next: that, too, is a step.
    if search.is_over() {
        return None;
    }
    let named = LibraryNamed {
        krate: search.krate(),
        module,
        name: glob.path.first()?.clone(),
    };
    let other = (*cx.get(named))?;
    if search.crates.contains(&other) || search.crates.len() >= CRATES_MAX {
        return None;
    }
    let names = cx.get(NamesIn(other));
    let front = glob.path[1..].iter().map(SmolStr::as_str);
    let path: Vec<&str> = front.chain([name]).collect();
    let (segment, place) = match names.path(0, &path, false).end {
        End::Found(found) => {
            let mut found = found.iter();
            return Some(found.any(|binding| binding.seen == Seen::Everywhere));
        }
        End::Foreign | End::Inside { .. } => return Some(true),
        End::Unknown => (0, 0),
        End::Missing {
            segment,
            place: Def::Module(place),
        } => (segment, place),
        End::Missing { .. } => return Some(false),
    };
    match search.why_elsewhere(other, place, path[segment]) {
        Missing::Absent => Some(false),
        Missing::Foreign | Missing::Made if segment + 1 == path.len() => Some(true),
        _ => None,
    }
}

/// The library that a path of a module begins with, by that name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LibraryNamed {
    krate: CrateId,
    module: u32,
    name: SmolStr,
}

impl Query<Sources> for LibraryNamed {
    type Value = Option<CrateId>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Option<CrateId> {
        let tree = cx.get(ModulesOf(self.krate));
        // `extern crate alloc as alloc_crate;` in the module or at the root
        let original = [self.module, 0].into_iter().find_map(|module| {
            let place = &tree.modules[module as usize];
            let outline = cx.get(OutlineOf(place.file));
            let items = outline.scopes[place.scope as usize].items.iter();
            let mut items = items.map(|&item| &outline.items[item as usize]);
            let found = items.find(|item| {
                item.kind == ItemKind::ExternCrate { is_this: false } && item.name == self.name
            })?;
            found.self_type.first()
        });
        let package = cx.data().file(self.krate.root()).package;
        libraries::find(cx, package, original.unwrap_or(&self.name))
    }
}
