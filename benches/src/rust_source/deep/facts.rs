//! What is told of modules and crates: measures, calls, signatures, what the public API reaches.
//!
//! Asked by `report` and pages. Plain data, as it goes into the JSON.

use dagwood::{Cx, Query};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{
    describe,
    links::{Links, LinksOf, Outcome, functions},
    metrics::Metrics,
    module_graph::ModuleGraphOf,
    outline::{ItemKind, OutlineOf, Visibility},
    public::PublicOf,
    reasons::Reason,
    references::ReferencesOf,
    scopes::Def,
};
use crate::rust_source::{
    module_tree::{CrateId, ModulesOf},
    sources::Sources,
};

/// What is told of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ModuleFactsOf {
    pub(crate) krate: CrateId,
    pub(crate) module: u32,
}

/// A module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModuleFacts {
    pub(crate) path: String,
    pub(crate) file: String,
    pub(crate) items: Vec<ItemFacts>,
    pub(crate) functions: Vec<Function>,
    /// The modules whose items it uses.
    pub(crate) uses: Vec<String>,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// An item.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ItemFacts {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) is_public: bool,
    /// The public API leads to it.
    pub(crate) is_reached: bool,
    #[serde(skip)]
    pub(crate) def: DefKey,
}

/// A definition, for those who render.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DefKey(pub(crate) Def);

/// A function or method.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Function {
    pub(crate) path: String,
    pub(crate) line: u32,
    #[serde(flatten)]
    pub(crate) metrics: Metrics,
    pub(crate) is_reached: bool,
    /// What it calls in this crate.
    pub(crate) calls: Vec<String>,
    /// The types of this crate in its signature.
    pub(crate) signature: Vec<String>,
    #[serde(skip)]
    pub(crate) def: DefKey,
    #[serde(skip)]
    pub(crate) callees: Vec<Def>,
}

/// Sums over modules.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) function_count: u64,
    pub(crate) function_lines: u64,
    pub(crate) branches: u64,
    pub(crate) depth_max: u32,
    pub(crate) local_imports: u64,
    /// Of these, what macro calls make that name it.
    pub(crate) made_imports: u64,
    pub(crate) foreign_imports: u64,
    pub(crate) unresolved_imports: u64,
    /// Imports that lead nowhere that can be seen, by reason.
    pub(crate) excused_imports: [u64; Reason::ALL.len()],
    pub(crate) local_calls: u64,
    pub(crate) unresolved_calls: u64,
    pub(crate) excused_calls: u64,
    pub(crate) links: u64,
    pub(crate) reached_items: u64,
    pub(crate) item_count: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.function_count += other.function_count;
        self.function_lines += other.function_lines;
        self.branches += other.branches;
        self.depth_max = self.depth_max.max(other.depth_max);
        self.local_imports += other.local_imports;
        self.made_imports += other.made_imports;
        self.foreign_imports += other.foreign_imports;
        self.unresolved_imports += other.unresolved_imports;
        let pairs = self.excused_imports.iter_mut().zip(other.excused_imports);
        pairs.for_each(|(sum, more)| *sum += more);
        self.local_calls += other.local_calls;
        self.unresolved_calls += other.unresolved_calls;
        self.excused_calls += other.excused_calls;
        self.links += other.links;
        self.reached_items += other.reached_items;
        self.item_count += other.item_count;
    }
}

impl Query<Sources> for ModuleFactsOf {
    type Value = ModuleFacts;

    fn provide(self, cx: &Cx<'_, Sources>) -> ModuleFacts {
        let ModuleFactsOf { krate, module } = self;
        let tree = cx.get(ModulesOf(krate));
        let place = &tree.modules[module as usize];
        let outline = cx.get(OutlineOf(place.file));
        let links = cx.get(LinksOf { krate, module });
        let public = cx.get(PublicOf(krate));
        let graph = cx.get(ModuleGraphOf(krate));
        let mut counts = counts(links);
        let leads = Leads::of(links);
        let mut items = Vec::new();
        let mut all_functions = Vec::new();
        for &index in &outline.scopes[place.scope as usize].items {
            let item = &outline.items[index as usize];
            let def = Def::Item(module, index);
            let is_reached = public.reached.contains(&def);
            counts.item_count += 1;
            counts.reached_items += u64::from(is_reached);
            if !matches!(item.kind, ItemKind::ExternCrate { .. }) {
                items.push(ItemFacts {
                    kind: item.kind.word(),
                    name: describe::item_name(item),
                    line: describe::position(cx, place.file, item.name_offset).0,
                    is_public: item.visibility == Visibility::Public,
                    is_reached,
                    def: DefKey(def),
                });
            }
            let references = cx.get(ReferencesOf {
                file: place.file,
                item: index,
            });
            let defs = functions(cx, place.file, module, index);
            for (facts, def) in references.functions.iter().zip(defs) {
                counts.function_count += 1;
                counts.function_lines += u64::from(facts.metrics.lines);
                counts.branches += u64::from(facts.metrics.branches);
                counts.depth_max = counts.depth_max.max(facts.metrics.depth);
                // Functions inside functions are measured by themselves and shown with the outer one.
                let (Some(def), None) = (def, facts.parent) else {
                    continue;
                };
                all_functions.push(function(cx, krate, &leads, def, facts, place.file, public));
            }
        }
        ModuleFacts {
            path: describe::module_path(tree, module),
            file: cx.data().file(place.file).label.clone(),
            items,
            functions: all_functions,
            uses: graph.uses[module as usize]
                .iter()
                .map(|used| describe::module_path(tree, used.module))
                .collect(),
            counts,
        }
    }
}

/// Where each function leads, in order and once.
#[derive(Default)]
struct Leads {
    calls: FxHashMap<Def, Vec<Def>>,
    types: FxHashMap<Def, Vec<Def>>,
}

impl Leads {
    fn of(links: &Links) -> Leads {
        let mut leads = Leads::default();
        for call in &links.calls {
            leads
                .calls
                .entry(call.caller)
                .or_default()
                .push(call.callee);
        }
        for link in links.links.iter().filter(|link| link.is_signature) {
            if let (Some(from), Def::Item(..) | Def::Member(..)) = (link.from, link.def) {
                leads.types.entry(from).or_default().push(link.def);
            }
        }
        for list in leads.calls.values_mut().chain(leads.types.values_mut()) {
            list.sort();
            list.dedup();
        }
        leads
    }
}

fn function(
    cx: &Cx<'_, Sources>,
    krate: CrateId,
    leads: &Leads,
    def: Def,
    facts: &super::references::FunctionFacts,
    file: crate::rust_source::sources::FileId,
    public: &super::public::Public,
) -> Function {
    let mut callees = leads.calls.get(&def).cloned().unwrap_or_default();
    callees.retain(|&callee| is_function(cx, krate, callee));
    let types = leads.types.get(&def).map_or(&[][..], Vec::as_slice);
    let is_reached = public.reached.contains(&def);
    Function {
        path: describe::path(cx, krate, def),
        line: describe::position(cx, file, facts.name_offset).0,
        metrics: facts.metrics,
        is_reached,
        calls: callees
            .iter()
            .map(|&def| describe::path(cx, krate, def))
            .collect(),
        signature: types
            .iter()
            .map(|&def| describe::path(cx, krate, def))
            .collect(),
        def: DefKey(def),
        callees,
    }
}

/// Whether a call of it runs code of this crate: a constructor does not.
pub(crate) fn is_function(cx: &Cx<'_, Sources>, krate: CrateId, def: Def) -> bool {
    match def {
        Def::Item(module, index) => {
            describe::item(cx, krate, module, index).1.kind == ItemKind::Function
        }
        Def::Member(..) => describe::member(cx, krate, def)
            .is_some_and(|(_, member)| member.kind == super::outline::MemberKind::Function),
        Def::Module(_) | Def::Foreign => false,
    }
}

fn counts(links: &Links) -> Counts {
    let mut counts = Counts {
        local_calls: links.local_calls,
        unresolved_calls: links.unresolved_calls.len() as u64,
        excused_calls: links.excused.iter().map(|(_, count)| count).sum(),
        links: links.links.len() as u64,
        ..Counts::default()
    };
    for outcome in &links.imports {
        match outcome {
            Outcome::Local => counts.local_imports += 1,
            Outcome::Made => {
                counts.local_imports += 1;
                counts.made_imports += 1;
            }
            Outcome::Foreign => counts.foreign_imports += 1,
            Outcome::Absent { .. } => counts.unresolved_imports += 1,
            Outcome::Excused { reason, .. } => counts.excused_imports[*reason as usize] += 1,
        }
    }
    counts
}
