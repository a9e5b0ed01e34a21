//! What the code of a module leads to: each path with what it means, calls, and paths that lead nowhere.
//!
//! Asked by `usage`, `calls`, `public`, lints and pages. One query for each module of a crate; the items of a module are
//! taken side by side.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{
    crate_names::{Missing, NamesIn},
    finder::Finder,
    members::MembersOf,
    outline::{ItemKind, Member, MemberKind, OutlineOf},
    reasons::Reason,
    references::ReferencesOf,
    scopes::Def,
};
use crate::rust_source::{
    manifest::ManifestOf,
    module_tree::{CrateId, ModulesOf},
    sources::{FileId, Sources},
};

/// The links of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinksOf {
    pub(crate) krate: CrateId,
    pub(crate) module: u32,
}

/// Where a module's code leads.
#[derive(Default)]
pub(crate) struct Links {
    /// In the order of the text: places and what stands there means.
    pub(crate) links: Vec<Link>,
    pub(crate) calls: Vec<Call>,
    /// Calls to local things that are not there.
    pub(crate) unresolved_calls: Vec<UnresolvedCall>,
    /// For each path of code or import that ended in this crate, the names it went through: module and name.
    pub(crate) used: Vec<(u32, SmolStr)>,
    /// What paths may mean besides what they are linked to: another of that name under another `#[cfg]`. From and to.
    pub(crate) also: Vec<(Def, Def)>,
    /// How many paths lead to something here; what is excused, by reason.
    pub(crate) local_calls: u64,
    pub(crate) excused: Vec<(Reason, u64)>,
    /// Imports among the items, each with how it came out.
    pub(crate) imports: Vec<Outcome>,
    /// Names that stand after a dot, or in tokens: they may use what is not otherwise seen.
    pub(crate) loose_names: Vec<SmolStr>,
    /// Names in the definitions of macros, which mean what they mean where the macro is called.
    pub(crate) macro_names: Vec<SmolStr>,
}

/// A place in the module's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) def: Def,
    /// Who refers: the function, else the item; `None` for an import.
    pub(crate) from: Option<Def>,
    pub(crate) is_signature: bool,
}

/// One function calls another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) caller: Def,
    pub(crate) callee: Def,
    pub(crate) offset: u32,
}

/// A call that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnresolvedCall {
    pub(crate) offset: u32,
    pub(crate) name: SmolStr,
    /// `None`: nothing of that name is in scope.
    pub(crate) place: Option<Def>,
}

/// How an import came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Local,
    /// To what a macro call of the crate makes, which names it.
    Made,
    Foreign,
    Excused {
        reason: Reason,
        segment: usize,
        place: Def,
    },
    Absent {
        segment: usize,
        place: Def,
    },
}

impl Query<Sources> for LinksOf {
    type Value = Links;

    fn provide(self, cx: &Cx<'_, Sources>) -> Links {
        let module = &cx.get(ModulesOf(self.krate)).modules[self.module as usize];
        let outline = cx.get(OutlineOf(module.file));
        let scope = &outline.scopes[module.scope as usize];
        let names = cx.get(NamesIn(self.krate));
        let members = cx.get(MembersOf(self.krate));
        let mut links = Links {
            loose_names: [&scope.given[..], &scope.mentioned].concat(),
            ..Links::default()
        };
        let is_never_built = is_never_built(cx, self.krate, self.module);
        for item in &scope.imports {
            let walk = names.import(self.module, &item.import);
            let from = Finder {
                krate: self.krate,
                names,
                members,
                module: self.module,
                self_type: None,
            };
            let outcome = match from.outcome(cx, &item.import, &walk) {
                Outcome::Absent { segment, place } if item.is_cfg || is_never_built => {
                    Outcome::Excused {
                        reason: Reason::Cfg,
                        segment,
                        place,
                    }
                }
                outcome => outcome,
            };
            let places = item.import.places.iter().zip(&item.import.path);
            for ((&offset, name), &def) in places.zip(&walk.trail) {
                links.link(offset, name.len() as u32, def, None, false);
            }
            from.used(
                &item.import.path,
                &walk,
                item.import.is_absolute,
                &mut links,
            );
            links.imports.push(outcome);
        }
        let parts = cx.par_map(&scope.items, |cx, &index| {
            let references = cx.get(ReferencesOf {
                file: module.file,
                item: index,
            });
            let own = Def::Item(self.module, index);
            let from = Finder {
                krate: self.krate,
                names,
                members,
                module: self.module,
                self_type: match outline.items[index as usize].kind {
                    ItemKind::Impl => members.self_types.get(&own).copied(),
                    ItemKind::ExternBlock => None,
                    _ => Some(own),
                },
            };
            let functions = functions(cx, module.file, self.module, index);
            let mut part = from.item(cx, references, own, &functions);
            if let ItemKind::Macro { .. } = outline.items[index as usize].kind {
                part.macro_names = part.loose_names.clone();
            }
            part
        });
        parts.into_iter().for_each(|part| links.add(part));
        links.links.sort();
        links.links.dedup();
        links.used.sort();
        links.used.dedup();
        links.loose_names.sort();
        links.loose_names.dedup();
        links
    }
}

/// Whether a module is for tests of a library that has none: `test = false`. (Another crate may have its file, too.)
fn is_never_built(cx: &Cx<'_, Sources>, krate: CrateId, module: u32) -> bool {
    let tree = cx.get(ModulesOf(krate));
    let mut around = cx.get(NamesIn(krate)).scopes.around(module);
    let root = krate.root();
    let manifest = cx.get(ManifestOf(cx.data().file(root).package));
    let is_library = manifest.library.as_ref().map(|(_, file)| *file) == Some(root);
    manifest.is_library_untested
        && is_library
        && around.any(|module| tree.modules[module as usize].is_test)
}

/// For each function in an item's references the definition it belongs to: itself, or the outer one for an inner one.
pub(crate) fn functions(
    cx: &Cx<'_, Sources>,
    file: FileId,
    module: u32,
    index: u32,
) -> Vec<Option<Def>> {
    let item = &cx.get(OutlineOf(file)).items[index as usize];
    let references = cx.get(ReferencesOf { file, item: index });
    let mut defs: Vec<Option<Def>> = Vec::with_capacity(references.functions.len());
    // Both are in the order of the text.
    let mut members = (0..).zip(&item.members).peekable();
    for function in &references.functions {
        let def = match function.parent {
            Some(parent) => defs[parent as usize],
            None if item.kind == ItemKind::Function => Some(Def::Item(module, index)),
            None => {
                let is_before = |member: &Member| member.name_offset < function.name_offset;
                while members.next_if(|(_, member)| is_before(member)).is_some() {}
                members
                    .next_if(|(_, member)| {
                        member.kind == MemberKind::Function
                            && member.name_offset == function.name_offset
                    })
                    .map(|(i, _)| Def::Member(module, index, i))
            }
        };
        defs.push(def);
    }
    defs
}

impl Links {
    pub(super) fn link(
        &mut self,
        offset: u32,
        len: u32,
        def: Def,
        from: Option<Def>,
        is_signature: bool,
    ) {
        if def != Def::Foreign {
            self.links.push(Link {
                offset,
                len,
                def,
                from,
                is_signature,
            });
        }
    }

    fn excuse(&mut self, reason: Reason) {
        match self.excused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.excused.push((reason, 1)),
        }
    }

    /// A call of `name` leads nowhere, for that reason.
    pub(super) fn missing(
        &mut self,
        why: Missing,
        offset: u32,
        name: &SmolStr,
        place: Option<Def>,
    ) {
        match why {
            Missing::Foreign => {}
            Missing::Made => self.excuse(Reason::Macro),
            Missing::Excused(reason) => self.excuse(reason),
            Missing::Absent => self.unresolved_calls.push(UnresolvedCall {
                offset,
                name: name.clone(),
                place,
            }),
        }
    }

    fn add(&mut self, other: Links) {
        self.links.extend(other.links);
        self.calls.extend(other.calls);
        self.unresolved_calls.extend(other.unresolved_calls);
        self.used.extend(other.used);
        self.also.extend(other.also);
        self.local_calls += other.local_calls;
        for (reason, count) in other.excused {
            (0..count).for_each(|_| self.excuse(reason));
        }
        self.loose_names.extend(other.loose_names);
        self.macro_names.extend(other.macro_names);
    }
}
