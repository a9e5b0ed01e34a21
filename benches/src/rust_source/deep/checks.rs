//! The lints over a crate: imports, calls, unused names, cycles, long functions.
//!
//! Asked by `facts`. Each lint errs on the side of silence: what a macro, an attribute or a condition may explain is no
//! finding.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

use super::{
    crate_names::{CrateNames, NamesIn},
    describe,
    findings::{FUNCTION_LINES_MAX, Finding, Lint},
    foreign,
    links::{Links, LinksOf, Outcome, functions},
    module_graph::ModuleGraphOf,
    outline::{Allows, ImportItem, Item, ItemKind, Outline, OutlineOf, Visibility},
    paths::End,
    prelude,
    references::ReferencesOf,
    scopes::Def,
    usage::{Usage, UsageOf},
};
use crate::rust_source::{
    manifest::ManifestOf,
    module_tree::{CrateId, ModuleTree, ModulesOf},
    sources::{FileId, Sources},
};

/// What the lints say of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChecksOf(pub(crate) CrateId);

/// Findings.
#[derive(Default)]
pub(crate) struct Checks {
    pub(crate) findings: Vec<Finding>,
    /// Those that hold only if each crate with this file says so.
    pub(crate) unused: Vec<(FileId, Finding)>,
}

impl Query<Sources> for ChecksOf {
    type Value = Checks;

    fn provide(self, cx: &Cx<'_, Sources>) -> Checks {
        let tree = cx.get(ModulesOf(self.0));
        let usage = cx.get(UsageOf(self.0));
        let names = cx.get(NamesIn(self.0));
        let allows = allows(cx, tree);
        let parts = cx.par_map(0..tree.modules.len(), |cx, module| {
            let module = module as u32;
            let place = &tree.modules[module as usize];
            let outline = cx.get(OutlineOf(place.file));
            let mut macros = outline.scopes[place.scope as usize].macro_calls.iter();
            let check = Check {
                cx,
                krate: self.0,
                names,
                usage,
                module,
                file: place.file,
                outline,
                has_macros: macros.any(|name| {
                    !prelude::has_macro(name) && !names.scopes.macros.contains_key(name)
                }),
                links: cx.get(LinksOf {
                    krate: self.0,
                    module,
                }),
                allows: allows[module as usize],
            };
            check.all(place.scope)
        });
        let mut checks = Checks::default();
        for part in parts {
            checks.findings.extend(part.findings);
            checks.unused.extend(part.unused);
        }
        checks.findings.extend(cycles(cx, self.0, tree));
        checks
    }
}

/// What attributes of each module and of those around it let pass, and what the manifest does.
fn allows(cx: &Cx<'_, Sources>, tree: &ModuleTree) -> Vec<Allows> {
    let manifest = cx.get(ManifestOf(cx.data().file(tree.modules[0].file).package));
    let mut of_package = Allows::default();
    let lints = manifest.allowed_lints.iter();
    lints.for_each(|lint| of_package.allow(lint));
    // What stands in front of `mod name`.
    let mut in_front: FxHashMap<(u32, &SmolStr), Allows> = FxHashMap::default();
    for (id, module) in (0..).zip(&tree.modules) {
        let outline = cx.get(OutlineOf(module.file));
        for declared in &outline.scopes[module.scope as usize].modules {
            let allows = in_front.entry((id, &declared.name)).or_default();
            *allows = allows.with(declared.allows);
        }
    }
    let mut all: Vec<Allows> = Vec::with_capacity(tree.modules.len());
    for module in &tree.modules {
        let outer = module.parent.map_or(of_package, |parent| {
            let declared = in_front.get(&(parent, &module.name)).copied();
            all[parent as usize].with(declared.unwrap_or_default())
        });
        // A file's own attributes hold for the module that it is, and so do those of an inline one.
        let outline = cx.get(OutlineOf(module.file));
        all.push(outer.with(outline.scopes[module.scope as usize].allows));
    }
    all
}

/// The lints on one module.
struct Check<'a, 'db> {
    cx: &'a Cx<'db, Sources>,
    krate: CrateId,
    names: &'db CrateNames,
    usage: &'db Usage,
    module: u32,
    file: FileId,
    outline: &'db Outline,
    links: &'db Links,
    /// A macro of another crate among the items may use any name.
    has_macros: bool,
    allows: Allows,
}

impl Check<'_, '_> {
    fn all(&self, scope: u32) -> Checks {
        let scope = &self.outline.scopes[scope as usize];
        let mut checks = Checks::default();
        for (item, outcome) in scope.imports.iter().zip(&self.links.imports) {
            checks.findings.extend(self.unresolved(item, *outcome));
            if self.is_unused(item, *outcome) {
                let name = item.import.path.join("::");
                let finding = self.finding(
                    item.import.offset,
                    Lint::UnusedImport,
                    format!("nothing uses `{name}`"),
                );
                checks.unused.push((self.file, finding));
            }
        }
        for call in &self.links.unresolved_calls {
            let message = match call.place {
                Some(place) => {
                    let place = describe::path(self.cx, self.krate, place);
                    format!("`{}` is not in `{place}`", call.name)
                }
                None => format!("no function `{}` is in scope", call.name),
            };
            checks
                .findings
                .push(self.finding(call.offset, Lint::UnresolvedCall, message));
        }
        for &index in &scope.items {
            let item = &self.outline.items[index as usize];
            checks.findings.extend(self.long(index, item));
            if self.is_dead(index, item) {
                let message = format!("nothing refers to `{}`", item.name);
                let finding = self.finding(item.name_offset, Lint::UnusedFunction, message);
                checks.unused.push((self.file, finding));
            }
        }
        checks
    }

    fn finding(&self, offset: u32, lint: Lint, message: String) -> Finding {
        finding(self.cx, self.file, offset, lint, message)
    }

    fn unresolved(&self, item: &ImportItem, outcome: Outcome) -> Option<Finding> {
        let (segment, place, reason) = match outcome {
            Outcome::Absent { segment, place } => (segment, place, None),
            Outcome::Excused {
                segment,
                place,
                reason,
            } => (segment, place, Some(reason)),
            Outcome::Local | Outcome::Made | Outcome::Foreign => return None,
        };
        let name = &item.import.path[segment];
        let place = describe::path(self.cx, self.krate, place);
        let offset = item
            .import
            .places
            .get(segment)
            .copied()
            .unwrap_or(item.import.offset);
        Some(match reason {
            None => self.finding(
                offset,
                Lint::UnresolvedImport,
                format!("`{name}` is not in `{place}`"),
            ),
            Some(reason) => self.finding(
                offset,
                Lint::ExcusedImport,
                format!("`{name}` is not seen in `{place}`: {}", reason.text()),
            ),
        })
    }

    fn is_unused(&self, item: &ImportItem, outcome: Outcome) -> bool {
        let Some(name) = &item.import.name else {
            return false; // a glob, or `as _`
        };
        if item.visibility != Visibility::Private
            || item.is_special
            || self.has_macros
            || item.allows.unused_imports
            || self.allows.unused_imports
            || self.usage.has_name(self.module, name)
        {
            return false;
        }
        match outcome {
            Outcome::Foreign => foreign::is_no_trait(name, &item.import.path),
            Outcome::Local => self.is_no_trait(item),
            Outcome::Made | Outcome::Excused { .. } | Outcome::Absent { .. } => false,
        }
    }

    /// A trait is used by each call of its methods, which cannot be seen here.
    fn is_no_trait(&self, item: &ImportItem) -> bool {
        let walk = self.names.import(self.module, &item.import);
        let End::Found(found) = walk.end else {
            return false;
        };
        found.iter().all(|binding| match binding.def {
            Def::Item(module, index) => {
                let kind = describe::item(self.cx, self.krate, module, index).1.kind;
                !matches!(kind, ItemKind::Trait | ItemKind::Macro { .. })
            }
            Def::Module(_) | Def::Member(..) => true,
            Def::Foreign => false,
        })
    }

    fn is_dead(&self, index: u32, item: &Item) -> bool {
        item.kind == ItemKind::Function
            && item.visibility != Visibility::Public
            && !item.name.is_empty()
            && !item.is_exposed
            && !item.is_in_macro
            && !item.allows.dead_code
            && !self.allows.dead_code
            && !item.name.starts_with('_')
            && !(item.name == "main" && self.module == 0)
            && !self
                .usage
                .has_def(Def::Item(self.module, index), &item.name)
    }

    fn long(&self, index: u32, item: &Item) -> Vec<Finding> {
        if item.allows.too_many_lines || self.allows.too_many_lines {
            return Vec::new();
        }
        let references = self.cx.get(ReferencesOf {
            file: self.file,
            item: index,
        });
        let defs = functions(self.cx, self.file, self.module, index);
        let mut findings = Vec::new();
        for (function, _) in references.functions.iter().zip(defs) {
            let lines = function.metrics.lines;
            if lines > FUNCTION_LINES_MAX {
                let message = format!(
                    "`{}` has {lines} lines, more than {FUNCTION_LINES_MAX}",
                    function.name
                );
                findings.push(self.finding(function.name_offset, Lint::LongFunction, message));
            }
        }
        findings
    }
}

fn finding(
    cx: &Cx<'_, Sources>,
    file: FileId,
    offset: u32,
    lint: Lint,
    message: String,
) -> Finding {
    Finding {
        file: cx.data().file(file).label.clone(),
        position: Some(describe::position(cx, file, offset)),
        lint,
        message,
    }
}

/// One finding for each set of modules that use each other, at the first of them.
fn cycles(cx: &Cx<'_, Sources>, krate: CrateId, tree: &ModuleTree) -> Vec<Finding> {
    /// More names help nobody.
    const NAMES_MAX: usize = 6;
    let graph = cx.get(ModuleGraphOf(krate));
    let describe = |cycle: &Vec<u32>| {
        let first = cycle[0] as usize;
        let used = graph.uses[first]
            .iter()
            .find(|used| cycle.contains(&used.module))?;
        let mut names: Vec<String> = cycle
            .iter()
            .take(NAMES_MAX)
            .map(|&module| format!("`{}`", describe::module_path(tree, module)))
            .collect();
        if cycle.len() > NAMES_MAX {
            names.push(format!("{} more", cycle.len() - NAMES_MAX));
        }
        let message = format!("{} use each other", names.join(", "));
        let file = tree.modules[first].file;
        Some(finding(cx, file, used.offset, Lint::ModuleCycle, message))
    };
    graph.cycles.iter().filter_map(describe).collect()
}
