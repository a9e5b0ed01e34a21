//! The imports of a crate, and those of them that lead nowhere.
//!
//! Asked by `lints` and `report`. Gathers names and imports in parallel; the work itself, one list for the whole
//! crate, is `solver`'s.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{
    bodies::{BodyFacts, BodyOf},
    items::{Body, ItemsOf},
    manifest::ManifestOf,
    module_tree::{CrateId, FileModules, ModulesOf},
    names::{Def, NamesOf},
    paths::Walk,
    solver::{Crate, Pending, State},
    sources::{FileId, Sources},
    uses::Import,
};

/// The imports of a crate, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ImportsOf(pub(super) CrateId);

/// How the imports of a crate came out.
#[derive(Default)]
pub(super) struct Resolution {
    /// Lead to something in this crate.
    pub(super) local: u64,
    /// Lead, or may lead, to something outside or made by a macro.
    pub(super) outside: u64,
    pub(super) unresolved: Vec<Unresolved>,
}

/// An import that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) file: FileId,
    pub(super) offset: u32,
    /// What is missing.
    pub(super) name: SmolStr,
    /// Where it was looked for.
    pub(super) place: String,
}

impl Query<Sources> for ImportsOf {
    type Value = Resolution;

    fn provide(self, cx: &Cx<'_, Sources>) -> Resolution {
        let tree = cx.get(ModulesOf(self.0));
        let edition = cx.get(ManifestOf(cx.data().file(self.0.0).package)).edition;
        let items = cx.par_map(&tree.modules, |cx, module| cx.get(ItemsOf(module.file)));
        let names = cx.par_map(0..tree.modules.len(), |cx, i| {
            cx.get(NamesOf {
                krate: self.0,
                module: i as u32,
            })
        });
        let mut krate = Crate::new(tree, edition, items, &names);
        for (module, import) in imports_of_modules(&krate) {
            krate.push(module, import, false);
        }
        let in_bodies = cx.par_map(&tree.files, |cx, entry| imports_in_bodies(cx, entry));
        for (module, import) in in_bodies.into_iter().flatten() {
            krate.push(module, import, true);
        }
        krate.solve();
        krate.finish()
    }
}

/// Imports, each with the module it stands in.
type Placed<'db> = Vec<(u32, &'db Import)>;

fn imports_of_modules<'db>(krate: &Crate<'db>) -> Placed<'db> {
    let modules = 0..krate.tree.modules.len() as u32;
    modules
        .flat_map(|module| {
            krate
                .scope(module)
                .imports
                .iter()
                .map(move |import| (module, import))
        })
        .collect()
}

fn imports_in_bodies<'db>(cx: &Cx<'db, Sources>, entry: &FileModules) -> Placed<'db> {
    let file = entry.file;
    let bodies = &cx.get(ItemsOf(file)).bodies;
    let facts = cx.par_map(0..bodies.len(), |cx, i| {
        cx.get(BodyOf {
            file,
            index: i as u32,
        })
    });
    let place = |body: &Body| entry.modules[body.scope as usize];
    let of_body = |(body, facts): (&Body, &'db BodyFacts)| {
        let module = place(body);
        facts.imports.iter().map(move |import| (module, import))
    };
    bodies.iter().zip(facts).flat_map(of_body).collect()
}

impl Crate<'_> {
    fn finish(self) -> Resolution {
        let mut resolution = Resolution::default();
        for pending in &self.imports {
            match pending.state {
                State::Local => resolution.local += 1,
                State::Outside => resolution.outside += 1,
                State::Open => resolution.unresolved.extend(self.unresolved(pending)),
            }
        }
        resolution
    }

    fn unresolved(&self, pending: &Pending<'_>) -> Option<Unresolved> {
        let Walk::Missing { segment, place, .. } =
            self.walk(pending.module, pending.import, |_, _| ())
        else {
            return None;
        };
        let file = self.tree.modules[pending.module as usize].file;
        let name = pending.import.path[segment].clone();
        Some(Unresolved {
            file,
            offset: pending.import.offset,
            name,
            place: self.describe(place),
        })
    }

    fn describe(&self, place: Def) -> String {
        match place {
            Def::Module(module) => self.path(module),
            Def::Enum(module, i) => {
                let name = &self.scope(module).names[i as usize].name;
                format!("{}::{name}", self.path(module))
            }
            Def::Type | Def::Value | Def::Macro | Def::Opaque => "what comes before it".to_owned(),
        }
    }

    fn path(&self, module: u32) -> String {
        let mut names = Vec::new();
        let mut around = Some(module);
        while let Some(module) = around {
            let module = &self.tree.modules[module as usize];
            names.push(module.name.as_str());
            around = module.parent;
        }
        names.reverse();
        names.join("::")
    }
}
