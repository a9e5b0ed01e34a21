//! The work list that resolves the imports of a crate.
//!
//! Used by `resolve`. First imports are tried until nothing new comes; then those that miss something which may come
//! from elsewhere (another crate, a macro) are taken as found, which may help others, and so on. What is left is
//! unresolved. Names only ever get more meanings, so the order of the work does not show in the outcome.

use ra_ap_parser::Edition;
use ra_ap_syntax::SmolStr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    items::{DeclaredKind, FileItems, Scope},
    module_tree::ModuleTree,
    names::{Def, Entry, Names},
    paths::Walk,
    uses::Import,
};

/// A crate whose imports are being resolved.
pub(super) struct Crate<'db> {
    pub(super) tree: &'db ModuleTree,
    pub(super) edition: Edition,
    /// The file of each module.
    items: Vec<&'db FileItems>,
    /// For each module its names so far, and whether there may be more.
    names: Vec<(FxHashMap<SmolStr, Entry>, bool)>,
    pub(super) imports: Vec<Pending<'db>>,
    work: Work,
}

/// An import and how far it has come.
pub(super) struct Pending<'db> {
    pub(super) module: u32,
    pub(super) import: &'db Import,
    /// Stands in a block: it brings nothing into the module.
    in_body: bool,
    pub(super) state: State,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Leads to something in the crate.
    Local,
    /// Leads, or may lead, out of what can be seen.
    Outside,
}

/// Who has to hear of what.
#[derive(Default)]
struct Work {
    /// Imports to be tried (again).
    queue: Vec<u32>,
    /// For each module and name the imports that have asked for it.
    waiting: Vec<FxHashMap<SmolStr, FxHashSet<u32>>>,
    /// For each module the modules that import all of it.
    globs: Vec<Vec<u32>>,
}

impl<'db> Crate<'db> {
    /// A crate with the names its modules declare, and no imports yet.
    pub(super) fn new(
        tree: &'db ModuleTree,
        edition: Edition,
        items: Vec<&'db FileItems>,
        names: &[&'db Names],
    ) -> Crate<'db> {
        let mut work = Work::default();
        work.waiting.resize_with(names.len(), FxHashMap::default);
        work.globs.resize_with(names.len(), Vec::new);
        let own = names
            .iter()
            .map(|names| (names.defs.clone(), names.is_open))
            .collect();
        let mut krate = Crate {
            tree,
            edition,
            items,
            names: own,
            imports: Vec::new(),
            work,
        };
        for name in names.iter().flat_map(|names| &names.exported) {
            krate.names[0]
                .0
                .entry(name.clone())
                .or_default()
                .add(Def::Macro);
        }
        krate
    }

    pub(super) fn push(&mut self, module: u32, import: &'db Import, in_body: bool) {
        self.imports.push(Pending {
            module,
            import,
            in_body,
            state: State::Open,
        });
    }

    pub(super) fn scope(&self, module: u32) -> &'db Scope {
        let scope = self.tree.modules[module as usize].scope;
        &self.items[module as usize].scopes[scope as usize]
    }

    pub(super) fn entry(&self, module: u32, name: &SmolStr) -> Option<&Entry> {
        self.names[module as usize].0.get(name)
    }

    pub(super) fn is_open(&self, module: u32) -> bool {
        self.names[module as usize].1
    }

    pub(super) fn variants(&self, module: u32, i: u32) -> &'db [SmolStr] {
        match &self.scope(module).names[i as usize].kind {
            DeclaredKind::Enum(variants) => variants,
            _ => &[],
        }
    }

    /// Tries all imports until nothing more can be found.
    pub(super) fn solve(&mut self) {
        self.work.queue = (0..self.imports.len() as u32).rev().collect();
        loop {
            while let Some(import) = self.work.queue.pop() {
                self.attempt(import);
            }
            // Judged all together before any is taken as found.
            let excused: Vec<u32> = (0..self.imports.len() as u32)
                .filter(|&i| self.is_excused(i))
                .collect();
            if excused.is_empty() {
                return;
            }
            for import in excused {
                self.found(import, &[Def::Opaque]);
            }
        }
    }

    fn attempt(&mut self, i: u32) {
        let Pending { module, import, .. } = self.imports[i as usize];
        let mut asked = Vec::new();
        let walk = self.walk(module, import, |module, name| {
            asked.push((module, name.clone()))
        });
        for (module, name) in asked {
            self.work.waiting[module as usize]
                .entry(name)
                .or_default()
                .insert(i);
        }
        if let Walk::Found(defs) = walk {
            self.found(i, &defs);
        }
    }

    fn is_excused(&self, i: u32) -> bool {
        let Pending {
            module,
            import,
            state,
            ..
        } = self.imports[i as usize];
        state == State::Open
            && matches!(
                self.walk(module, import, |_, _| ()),
                Walk::Missing {
                    is_excused: true,
                    ..
                }
            )
    }

    fn found(&mut self, i: u32, defs: &[Def]) {
        let pending = &mut self.imports[i as usize];
        let is_outside = defs.iter().all(|&def| def == Def::Opaque);
        pending.state = if is_outside {
            State::Outside
        } else {
            State::Local
        };
        let &mut Pending {
            module,
            import,
            in_body,
            ..
        } = pending;
        if in_body {
            return;
        }
        for &def in defs {
            match (&import.name, def) {
                (Some(name), def) => self.add(module, name.clone(), def),
                (None, _) if !import.is_glob => {} // `as _`
                (None, Def::Module(from)) => self.add_glob(from, module),
                (None, Def::Enum(from, i)) => {
                    for variant in self.variants(from, i) {
                        self.add(module, variant.clone(), Def::Value);
                    }
                }
                (None, _) => self.open(module),
            }
        }
    }

    /// Gives a name another meaning, here and in all modules that import everything from here.
    fn add(&mut self, module: u32, name: SmolStr, def: Def) {
        let mut modules = vec![module];
        while let Some(module) = modules.pop() {
            if self.names[module as usize]
                .0
                .entry(name.clone())
                .or_default()
                .add(def)
            {
                modules.extend(&self.work.globs[module as usize]);
                self.work.queue.extend(
                    self.work.waiting[module as usize]
                        .get(&name)
                        .into_iter()
                        .flatten(),
                );
            }
        }
    }

    fn open(&mut self, module: u32) {
        let mut modules = vec![module];
        while let Some(module) = modules.pop() {
            if !std::mem::replace(&mut self.names[module as usize].1, true) {
                modules.extend(&self.work.globs[module as usize]);
            }
        }
    }

    fn add_glob(&mut self, from: u32, to: u32) {
        if from == to || self.work.globs[from as usize].contains(&to) {
            return;
        }
        self.work.globs[from as usize].push(to);
        let (names, is_open) = &self.names[from as usize];
        let is_open = *is_open;
        let names: Vec<(SmolStr, Def)> = names
            .iter()
            .flat_map(|(name, entry)| entry.defs.iter().map(|&def| (name.clone(), def)))
            .collect();
        for (name, def) in names {
            self.add(to, name, def);
        }
        if is_open {
            self.open(to);
        }
    }
}
