//! All names of a crate, with imports resolved, and why what is not found may be right all the same.
//!
//! Asked by whoever follows paths: `links`, `members`, `public`, lints. The imports are resolved in a database of the
//! crate's own, to a fixpoint (`imported`).

use std::sync::Arc;

use dagwood::{Cx, Database, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashSet;

use super::{
    imported::{Imported, ImportedBy},
    paths::{End, From, Paths, Walk},
    reasons::Reason,
    scopes::{Binding, Def, Scopes, ScopesOf},
};
use crate::rust_source::{module_tree::CrateId, sources::Sources, uses::Import};

/// The names of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamesIn(pub(crate) CrateId);

/// Declared and imported names.
pub(crate) struct CrateNames {
    pub(crate) scopes: Arc<Scopes>,
    imported: Vec<Arc<Imported>>,
}

/// How a path came out that leads to nothing in the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It leads out of the crate.
    Foreign,
    /// It may be there: a stated limit.
    Excused(Reason),
    /// It is not there.
    Absent,
}

impl Query<Sources> for NamesIn {
    type Value = CrateNames;

    fn provide(self, cx: &Cx<'_, Sources>) -> CrateNames {
        let scopes = cx.get(ScopesOf(self.0));
        let database = Database::new(Arc::clone(scopes));
        let imported = cx.with_database(&database, |cx| {
            let modules = 0..cx.data().modules.len() as u32;
            modules
                .map(|module| Arc::clone(cx.get(ImportedBy(module))))
                .collect()
        });
        CrateNames {
            scopes: Arc::clone(scopes),
            imported,
        }
    }
}

/// What a name means behind the globs of a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BehindGlobs {
    krate: CrateId,
    module: u32,
    name: SmolStr,
}

impl Query<Sources> for BehindGlobs {
    type Value = Vec<Binding>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Vec<Binding> {
        let mut found = Vec::new();
        cx.get(NamesIn(self.krate))
            .with(|paths| paths.search(self.module, &self.name, &mut found));
        found
    }
}

/// Where a search takes too long nothing is said.
const GIVEN_UP: Missing = Missing::Foreign;

/// A search for a reason: it ends, however imports go in circles.
struct Search {
    /// Whose path it is.
    from: u32,
    /// Modules whose names were looked at through a glob.
    globs: FxHashSet<u32>,
    /// What was asked for already, and where: imports may go in circles.
    asked: FxHashSet<(u32, SmolStr)>,
    steps_left: u32,
}

impl Search {
    fn from(module: u32) -> Search {
        Search {
            from: module,
            globs: FxHashSet::from_iter([module]),
            asked: FxHashSet::default(),
            steps_left: 256,
        }
    }

    fn is_over(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left == 0
    }
}

impl CrateNames {
    /// Follows an import.
    pub(crate) fn import(&self, module: u32, import: &Import) -> Walk {
        self.with(|paths| paths.import(module, import))
    }

    /// Follows a path in code.
    pub(crate) fn path(&self, module: u32, path: &[&str], is_absolute: bool) -> Walk {
        self.with(|paths| paths.walk(module, path, is_absolute, From::Code, false))
    }

    /// The same, for who follows many: what is behind globs is a query, which remembers it.
    pub(crate) fn path_by(
        &self,
        cx: &Cx<'_, Sources>,
        krate: CrateId,
        module: u32,
        path: &[&str],
        is_absolute: bool,
    ) -> Walk {
        let behind = |module: u32, name: &str| {
            cx.get(BehindGlobs {
                krate,
                module,
                name: SmolStr::new(name),
            })
            .clone()
        };
        let imported = |module: u32| -> &Imported { &self.imported[module as usize] };
        let paths = Paths {
            scopes: &self.scopes,
            imported: &imported,
            behind: Some(&behind),
        };
        paths.walk(module, path, is_absolute, From::Code, false)
    }

    fn with<R>(&self, body: impl FnOnce(&Paths<'_>) -> R) -> R {
        let imported = |module: u32| -> &Imported { &self.imported[module as usize] };
        body(&Paths {
            scopes: &self.scopes,
            imported: &imported,
            behind: None,
        })
    }

    /// What a module's imports lead to.
    pub(crate) fn imported(&self, module: u32) -> &Imported {
        &self.imported[module as usize]
    }

    /// Why `name` is not in `place`.
    pub(crate) fn why(&self, place: Def, name: &str) -> Missing {
        match place {
            Def::Module(module) => self.why_in(module, name, &mut Search::from(module)),
            Def::Foreign => Missing::Foreign,
            Def::Item(..) | Def::Member(..) => Missing::Absent,
        }
    }

    fn why_in(&self, module: u32, name: &str, search: &mut Search) -> Missing {
        let scope = &self.scopes.modules[module as usize];
        if let Some(&reason) = scope.absent.get(name) {
            return Missing::Excused(reason);
        }
        if !search.asked.insert((module, SmolStr::new(name))) {
            return Missing::Absent;
        }
        if search.is_over() {
            return GIVEN_UP;
        }
        // It is imported, and the import itself leads nowhere: for the same reason.
        for item in self.scopes.imports_of(module, name) {
            match self.why_import(module, &item.import, search) {
                Missing::Absent => {}
                why => return why,
            }
        }
        if let Some(reason) = scope.opening {
            return Missing::Excused(reason);
        }
        for &item in &scope.glob_imports {
            if search.steps_left == 0 {
                return GIVEN_UP;
            }
            let item = &scope.imports[item as usize];
            match self.import(module, &item.import).end {
                End::Foreign | End::Unknown => return Missing::Excused(Reason::ForeignGlob),
                End::Found(found) => {
                    for binding in found {
                        if let Def::Module(from) = binding.def
                            && search.globs.insert(from)
                        {
                            match self.why_in(from, name, search) {
                                Missing::Absent => {}
                                Missing::Foreign => {
                                    return Missing::Excused(Reason::ForeignGlob);
                                }
                                why => return why,
                            }
                        }
                    }
                }
                End::Missing { segment, place } => {
                    let name = item.import.path[segment].as_str();
                    if let Def::Module(from) = place {
                        let why = self.why_in(from, name, search);
                        if let Missing::Excused(_) = why {
                            return why;
                        }
                    }
                }
                End::Inside { .. } => {}
            }
        }
        // Another module of that name may be the one that is meant: `#[cfg(..)] mod sys;`, several times.
        let mut outer = self.scopes.around(module);
        let is_cfg = outer.any(|around| {
            let is_shared = self.scopes.is_inside(search.from, around);
            self.scopes.modules[around as usize].is_cfg && !is_shared
        });
        if is_cfg {
            return Missing::Excused(Reason::Cfg);
        }
        Missing::Absent
    }

    /// Why an import that was not found leads nowhere here.
    pub(crate) fn why_not(&self, module: u32, import: &Import) -> Missing {
        self.why_import(module, import, &mut Search::from(module))
    }

    fn why_import(&self, module: u32, import: &Import, search: &mut Search) -> Missing {
        match self.import(module, import).end {
            End::Foreign => Missing::Foreign,
            End::Unknown => self.first(module, &import.path[0], search),
            End::Missing {
                segment,
                place: Def::Module(place),
            } => self.why_in(place, &import.path[segment], search),
            End::Missing { .. } => Missing::Absent,
            // Members of a type are not imported; what an alias leads to is not looked at.
            End::Inside { .. } => Missing::Excused(Reason::Macro),
            End::Found(_) => Missing::Absent,
        }
    }

    /// A first segment that is no name here is another crate's, unless an import has that name and leads nowhere.
    fn first(&self, module: u32, name: &str, search: &mut Search) -> Missing {
        let scope = &self.scopes.modules[module as usize];
        if let Some(&reason) = scope.absent.get(name) {
            return Missing::Excused(reason);
        }
        let is_new = search.asked.insert((module, SmolStr::new(name)));
        if !is_new || search.is_over() || !scope.named.contains_key(name) {
            return Missing::Foreign;
        }
        let named = self.scopes.imports_of(module, name);
        let named = named.filter(|item| item.import.path.first().is_none_or(|first| first != name));
        for item in named {
            match self.why_import(module, &item.import, search) {
                Missing::Absent => return Missing::Absent,
                Missing::Excused(reason) => return Missing::Excused(reason),
                Missing::Foreign => {}
            }
        }
        Missing::Foreign
    }
}
