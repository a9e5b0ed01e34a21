//! What the imports of a module lead to: a query that asks for itself in circles, and for the fixpoint of them.
//!
//! Lives in a database of one crate (`crate_names` makes it), since an iteration runs in order, one at a time for each
//! database, while crates go side by side. Globs are kept as what they lead to, never as the names behind: in `libc` each of
//! hundreds of modules would have some ten thousand. `paths` goes through them, name by name. Imports only ever get more
//! meanings from round to round: a name that is imported hides what globs bring, whatever it may lead to.

use std::cell::OnceCell;
use std::sync::Arc;

use dagwood::{Cx, Fixpoint, Query, Storage};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::{
    paths::{End, Paths},
    scopes::{Binding, Def, Scopes, Seen},
};

/// The imports of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ImportedBy(pub(crate) u32);

/// Where imports lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Names that single imports bring; seen as the imports are.
    pub(crate) names: FxHashMap<SmolStr, Vec<Binding>>,
    pub(crate) globs: Vec<Glob>,
}

/// What one glob leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    /// A module or an enum.
    pub(crate) target: Def,
    pub(crate) seen: Seen,
}

impl Query<Arc<Scopes>> for ImportedBy {
    type Value = Arc<Imported>;
    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0 as usize,
        key: |index| ImportedBy(index as u32),
    };
    const FIXPOINT: Option<Fixpoint<Self, Arc<Imported>>> =
        Some(Fixpoint::new(|_| Arc::new(Imported::default())));

    fn provide(self, cx: &Cx<'_, Arc<Scopes>>) -> Arc<Imported> {
        let scopes: &Scopes = cx.data();
        let scope = &scopes.modules[self.0 as usize];
        let mut imported = Imported::default();
        // Each is asked once, however many paths go through it: an iteration notes each ask. In order, without forks.
        let known: Vec<OnceCell<&Imported>> = vec![OnceCell::new(); scopes.modules.len()];
        let ask = |module: u32| -> &Imported {
            known[module as usize].get_or_init(|| cx.get(ImportedBy(module)))
        };
        let paths = Paths {
            scopes,
            imported: &ask,
            behind: None,
        };
        for item in &scope.imports {
            let End::Found(found) = paths.import(self.0, &item.import).end else {
                continue;
            };
            let seen = scopes.seen(self.0, item.visibility);
            for binding in found {
                match (&item.import.name, binding.def) {
                    (Some(name), _) => imported.add(name, Binding { seen, ..binding }),
                    (None, target @ (Def::Module(_) | Def::Item(..))) if item.import.is_glob => {
                        let glob = Glob { target, seen };
                        if target != Def::Module(self.0) && !imported.globs.contains(&glob) {
                            imported.globs.push(glob);
                        }
                    }
                    _ => {} // `as _`
                }
            }
        }
        Arc::new(imported)
    }
}

impl Imported {
    fn add(&mut self, name: &SmolStr, binding: Binding) {
        let known = self.names.entry(name.clone()).or_default();
        if !known.contains(&binding) {
            known.push(binding);
        }
    }
}
