//! All names of a crate, with imports resolved, and why what is not found may be right all the same.
//!
//! Asked by whoever follows paths: `links`, `members`, `public`, lints. The imports are resolved in a database of the
//! crate's own, to a fixpoint (`imported`).

use std::sync::Arc;

use dagwood::{Cx, Database, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashSet;

use super::{
    elsewhere,
    imported::{Imported, ImportedBy},
    made,
    outline::ImportItem,
    paths::{End, From, Paths, Walk},
    reasons::Reason,
    scopes::{Binding, Def, Scopes, ScopesOf, Seen},
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
    /// A macro call makes it, which names it (`made`).
    Made,
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
pub(super) struct Search<'a, 'db> {
    pub(super) cx: &'a Cx<'db, Sources>,
    /// The crates that globs led through, this one last.
    pub(super) crates: Vec<CrateId>,
    /// Whose path it is; `None`: another crate's.
    from: Option<u32>,
    /// Modules whose names were looked at through a glob.
    globs: FxHashSet<u32>,
    /// What was asked for already, and where: imports may go in circles.
    asked: FxHashSet<(u32, SmolStr)>,
    steps_left: u32,
}

impl<'a, 'db> Search<'a, 'db> {
    /// For a path of `module` that leads into `place`.
    fn from(cx: &'a Cx<'db, Sources>, krate: CrateId, module: u32, place: u32) -> Search<'a, 'db> {
        Search {
            cx,
            crates: vec![krate],
            from: Some(module),
            globs: FxHashSet::from_iter([place]),
            asked: FxHashSet::default(),
            steps_left: 256,
        }
    }

    /// Why `name` is not in the module `place` of another crate, which a glob of this one leads to.
    pub(super) fn why_elsewhere(&mut self, other: CrateId, place: u32, name: &str) -> Missing {
        let mut beyond = Search {
            cx: self.cx,
            crates: [&self.crates[..], &[other]].concat(),
            from: None,
            globs: FxHashSet::from_iter([place]),
            asked: FxHashSet::default(),
            steps_left: self.steps_left,
        };
        let names = self.cx.get(NamesIn(other));
        let why = names.why_in(place, name, None, &mut beyond);
        self.steps_left = beyond.steps_left;
        why
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left == 0
    }

    /// The crate in which it searches now.
    pub(super) fn krate(&self) -> CrateId {
        *self.crates.last().expect("it begins in one")
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

    /// Why `name` is not in `place`, for a path of `module`.
    pub(crate) fn why(
        &self,
        cx: &Cx<'_, Sources>,
        krate: CrateId,
        module: u32,
        place: Def,
        name: &str,
    ) -> Missing {
        match place {
            Def::Module(place) => {
                let mut search = Search::from(cx, krate, module, place);
                self.why_in(place, name, Some(module), &mut search)
            }
            Def::Foreign => Missing::Foreign,
            Def::Item(..) | Def::Member(..) => Missing::Absent,
        }
    }

    /// The same in the course of a search; `viewer`: who looks into the module, `None` if that is another crate.
    fn why_in(
        &self,
        module: u32,
        name: &str,
        viewer: Option<u32>,
        search: &mut Search<'_, '_>,
    ) -> Missing {
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
                Missing::Foreign if viewer.is_none() && !self.is_seen(module, item, viewer) => {}
                why => return why,
            }
        }
        let behind = self.why_behind(module, name, viewer, search);
        match behind {
            Missing::Foreign | Missing::Made => return behind,
            Missing::Excused(Reason::ForeignGlob) => {}
            _ if made::is_named(search.cx, search.krate(), module, name) => {
                return Missing::Made;
            }
            _ => {}
        }
        match (behind, scope.opening) {
            (Missing::Excused(Reason::ForeignGlob), None | Some(Reason::Macro)) => return behind,
            (_, Some(reason)) => return Missing::Excused(reason),
            (Missing::Excused(_), None) => return behind,
            _ => {}
        }
        // Another module of that name may be the one that is meant: `#[cfg(..)] mod sys;`, several times.
        let mut outer = self.scopes.around(module);
        let is_cfg = outer.any(|around| {
            let is_shared = self.scopes.is_inside(search.from.unwrap_or(0), around);
            self.scopes.modules[around as usize].is_cfg && !is_shared
        });
        if is_cfg {
            return Missing::Excused(Reason::Cfg);
        }
        Missing::Absent
    }

    /// What the globs of a module have to do with it.
    fn why_behind(
        &self,
        module: u32,
        name: &str,
        viewer: Option<u32>,
        search: &mut Search<'_, '_>,
    ) -> Missing {
        let mut maybe = Missing::Absent;
        let mut may_be = |reason| {
            if maybe == Missing::Absent {
                maybe = Missing::Excused(reason);
            }
        };
        let scope = &self.scopes.modules[module as usize];
        for &item in &scope.glob_imports {
            if search.steps_left == 0 {
                return GIVEN_UP;
            }
            let item = &scope.imports[item as usize];
            match self.import(module, &item.import).end {
                End::Foreign | End::Unknown => {
                    match elsewhere::has(module, &item.import, name, search) {
                        Some(true) if self.is_seen(module, item, viewer) => {
                            return Missing::Foreign;
                        }
                        Some(false) => {}
                        _ => may_be(Reason::ForeignGlob),
                    }
                }
                End::Found(found) => {
                    for binding in found {
                        let Def::Module(from) = binding.def else {
                            continue;
                        };
                        if !search.globs.insert(from) {
                            continue;
                        }
                        match self.why_in(from, name, Some(module), search) {
                            Missing::Absent => {}
                            Missing::Excused(reason) => may_be(reason),
                            why if self.is_seen(module, item, viewer) => return why,
                            _ => may_be(Reason::ForeignGlob),
                        }
                    }
                }
                End::Missing { segment, place } => {
                    let name = item.import.path[segment].as_str();
                    if let Def::Module(from) = place {
                        match self.why_in(from, name, Some(module), search) {
                            Missing::Absent => {}
                            Missing::Excused(reason) => may_be(reason),
                            // What is in there is not seen.
                            Missing::Foreign => may_be(Reason::ForeignGlob),
                            Missing::Made => may_be(Reason::Macro),
                        }
                    }
                }
                End::Inside { .. } => {}
            }
        }
        maybe
    }

    /// Whether an import of a module is seen by who looks into it.
    fn is_seen(&self, module: u32, item: &ImportItem, viewer: Option<u32>) -> bool {
        let seen = self.scopes.seen(module, item.visibility);
        match viewer {
            Some(viewer) => self.scopes.sees(viewer, seen),
            None => seen == Seen::Everywhere,
        }
    }

    /// Why an import that was not found leads nowhere here.
    pub(crate) fn why_not(
        &self,
        cx: &Cx<'_, Sources>,
        krate: CrateId,
        module: u32,
        import: &Import,
    ) -> Missing {
        self.why_import(module, import, &mut Search::from(cx, krate, module, module))
    }

    fn why_import(&self, module: u32, import: &Import, search: &mut Search<'_, '_>) -> Missing {
        match self.import(module, import).end {
            End::Foreign => Missing::Foreign,
            End::Unknown => self.first(module, &import.path[0], search),
            End::Missing {
                segment,
                place: Def::Module(place),
            } => match self.why_in(place, &import.path[segment], Some(module), search) {
                // What is inside is not seen.
                Missing::Made if segment + 1 < import.path.len() => Missing::Excused(Reason::Macro),
                why => why,
            },
            End::Missing { .. } => Missing::Absent,
            // Members of a type are not imported; what an alias leads to is not looked at.
            End::Inside { .. } => Missing::Excused(Reason::Macro),
            End::Found(_) => Missing::Absent,
        }
    }

    /// A first segment that is no name here is another crate's, unless an import has that name and leads nowhere.
    fn first(&self, module: u32, name: &str, search: &mut Search<'_, '_>) -> Missing {
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
                Missing::Foreign => {}
                why => return why,
            }
        }
        Missing::Foreign
    }
}
