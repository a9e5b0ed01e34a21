//! What the code of a module leads to: each path with what it means, calls, and paths that lead nowhere.
//!
//! Asked by `usage`, `calls`, `public`, lints and pages. One query for each module of a crate; the items of a module are
//! taken side by side.

use dagwood::{Cx, Query};
use ra_ap_syntax::SmolStr;

use super::{
    crate_names::{CrateNames, Missing, NamesIn},
    members::{Members, MembersOf},
    outline::{ItemKind, MemberKind, OutlineOf},
    paths::{End, Walk},
    prelude,
    reasons::Reason,
    references::{Reference, References, ReferencesOf, Usage},
    scopes::{Binding, Def, Namespace},
};
use crate::rust_source::{
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
            loose_names: scope.loose.clone(),
            ..Links::default()
        };
        for item in &scope.imports {
            let walk = names.import(self.module, &item.import);
            let from = Finder {
                krate: self.krate,
                names,
                members,
                module: self.module,
                self_type: None,
            };
            let outcome = match from.outcome(&item.import, &walk) {
                Outcome::Absent { segment, place } if item.is_cfg => Outcome::Excused {
                    reason: Reason::Cfg,
                    segment,
                    place,
                },
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
    for function in &references.functions {
        let def = match function.parent {
            Some(parent) => defs[parent as usize],
            None if item.kind == ItemKind::Function => Some(Def::Item(module, index)),
            None => (0..)
                .zip(&item.members)
                .find(|(_, member)| {
                    member.kind == MemberKind::Function
                        && member.name_offset == function.name_offset
                })
                .map(|(i, _)| Def::Member(module, index, i)),
        };
        defs.push(def);
    }
    defs
}

impl Links {
    fn link(&mut self, offset: u32, len: u32, def: Def, from: Option<Def>, is_signature: bool) {
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

/// From where paths are followed.
struct Finder<'a> {
    krate: CrateId,
    names: &'a CrateNames,
    members: &'a Members,
    module: u32,
    /// What `Self` is.
    self_type: Option<Def>,
}

impl Finder<'_> {
    fn outcome(&self, import: &crate::rust_source::uses::Import, walk: &Walk) -> Outcome {
        match walk.end {
            End::Found(_) => Outcome::Local,
            End::Foreign => Outcome::Foreign,
            // What comes before is there.
            End::Inside { .. } => Outcome::Local,
            End::Unknown => match self.names.why_not(self.module, import) {
                Missing::Foreign => Outcome::Foreign,
                Missing::Excused(reason) => Outcome::Excused {
                    reason,
                    segment: 0,
                    place: Def::Module(self.module),
                },
                Missing::Absent => Outcome::Absent {
                    segment: 0,
                    place: Def::Module(self.module),
                },
            },
            End::Missing { segment, place } => match self.names.why_not(self.module, import) {
                Missing::Foreign => Outcome::Foreign,
                Missing::Excused(reason) => Outcome::Excused {
                    reason,
                    segment,
                    place,
                },
                Missing::Absent => Outcome::Absent { segment, place },
            },
        }
    }

    fn item(
        &self,
        cx: &Cx<'_, Sources>,
        references: &References,
        own: Def,
        functions: &[Option<Def>],
    ) -> Links {
        let mut links = Links {
            loose_names: references.loose.clone(),
            ..Links::default()
        };
        for (import, _) in &references.imports {
            let walk = self.names.import(self.module, import);
            self.used(&import.path, &walk, import.is_absolute, &mut links);
            links.loose_names.extend(import.path.iter().cloned());
            for ((&offset, name), &def) in import.places.iter().zip(&import.path).zip(&walk.trail) {
                links.link(offset, name.len() as u32, def, Some(own), false);
            }
        }
        for reference in &references.paths {
            let from = reference
                .function
                .and_then(|function| functions[function as usize])
                .unwrap_or(own);
            self.reference(cx, references, reference, from, &mut links);
        }
        links
    }

    fn reference(
        &self,
        cx: &Cx<'_, Sources>,
        references: &References,
        reference: &Reference,
        from: Def,
        links: &mut Links,
    ) {
        let segments = references.segments_of(reference);
        let first = &segments[0];
        if reference.usage == Usage::Token {
            links
                .loose_names
                .extend(segments.iter().map(|s| s.name.clone()));
        }
        let at = first.offset;
        let is_inner = references
            .inner_items
            .iter()
            .any(|(name, extent)| *name == first.name && extent.contains(&at));
        if is_inner {
            return;
        }
        let mut path: Vec<&str> = segments.iter().map(|s| s.name.as_str()).collect();
        let mut is_absolute = reference.is_absolute;
        // An import of a block: its path, then the rest.
        let import = references.imports.iter().rev().find(|(import, extent)| {
            extent.contains(&at) && import.name.as_ref() == Some(&first.name) && !is_absolute
        });
        let mut ahead = 0;
        if let Some((import, _)) = import {
            ahead = import.path.len() - 1;
            is_absolute = import.is_absolute;
            path = import
                .path
                .iter()
                .map(SmolStr::as_str)
                .chain(path[1..].iter().copied())
                .collect();
        }
        let has_globs = references
            .imports
            .iter()
            .any(|(import, extent)| import.is_glob && extent.contains(&at));
        if first.name == "Self" {
            if let Some(of) = self.self_type {
                links.link(at, first.len, of, Some(from), false);
                if let Some(second) = segments.get(1)
                    && let Some(member) = self.member(of, &second.name)
                {
                    self.reached(reference, second, member, from, links);
                }
            }
            return;
        }
        let walk = self
            .names
            .path_by(cx, self.krate, self.module, &path, is_absolute);
        let owned: Vec<SmolStr> = path.iter().map(|name| SmolStr::new(*name)).collect();
        self.used(&owned, &walk, is_absolute, links);
        if reference.usage == Usage::Macro && matches!(walk.end, End::Unknown) {
            if let Some(&def) = self.names.scopes.macros.get(&first.name) {
                links.link(at, first.len, def, Some(from), false);
            }
            return;
        }
        let is_pattern = reference.usage == Usage::Pattern;
        let last = walk.trail.len().wrapping_sub(1);
        for (i, &def) in walk.trail.iter().enumerate().skip(ahead) {
            if is_pattern || (i == last && matches!(walk.end, End::Found(_))) {
                continue;
            }
            let segment = &segments[i - ahead];
            let is_signature = reference.usage == Usage::Signature;
            links.link(segment.offset, segment.len, def, Some(from), is_signature);
        }
        match walk.end {
            End::Found(found) => {
                let others = found.iter().map(|binding| (from, binding.def));
                links.also.extend(others);
                if let Some(def) = choose(&found, reference.usage)
                    && let Some(segment) = segments.last()
                {
                    self.reached(reference, segment, def, from, links);
                }
            }
            End::Inside { def, from: i } if i >= ahead => {
                let segment = &segments[i - ahead];
                if let Some(member) = self.member(def, &segment.name) {
                    self.reached(reference, segment, member, from, links);
                }
            }
            End::Missing { segment, place } if reference.usage == Usage::Call => {
                self.missing(Some(place), segment, &owned, at, links);
            }
            End::Unknown if reference.usage == Usage::Call && path.len() == 1 && !has_globs => {
                self.missing(None, 0, &owned, at, links);
            }
            _ => {}
        }
    }

    /// A path that leads to something of this crate.
    fn reached(
        &self,
        reference: &Reference,
        segment: &super::references::Segment,
        def: Def,
        from: Def,
        links: &mut Links,
    ) {
        let is_signature = reference.usage == Usage::Signature;
        links.link(segment.offset, segment.len, def, Some(from), is_signature);
        if matches!(reference.usage, Usage::Call | Usage::Token) && def != Def::Foreign {
            links.local_calls += u64::from(reference.usage == Usage::Call);
            links.calls.push(Call {
                caller: from,
                callee: def,
                offset: segment.offset,
            });
        }
    }

    fn missing(
        &self,
        place: Option<Def>,
        segment: usize,
        path: &[SmolStr],
        offset: u32,
        links: &mut Links,
    ) {
        let name = &path[segment];
        if place.is_none() && prelude::has_function(name) {
            return;
        }
        let where_ = place.unwrap_or(Def::Module(self.module));
        match self.names.why(where_, name) {
            Missing::Foreign => {}
            Missing::Excused(reason) => links.excuse(reason),
            Missing::Absent => links.unresolved_calls.push(UnresolvedCall {
                offset,
                name: name.clone(),
                place,
            }),
        }
    }

    fn member(&self, of: Def, name: &str) -> Option<Def> {
        self.members.get(of, name)
    }

    /// Notes each name that a path went through, module by module.
    fn used(&self, path: &[SmolStr], walk: &Walk, is_absolute: bool, links: &mut Links) {
        let old = is_absolute || (self.names.scopes.edition == ra_ap_parser::Edition::Edition2015);
        let mut place = Some(self.module);
        for (i, name) in path.iter().enumerate() {
            if let Some(place) = place {
                links.used.push((place, name.clone()));
                if i == 0 && old {
                    links.used.push((0, name.clone()));
                }
            }
            match walk.trail.get(i) {
                Some(Def::Module(module)) => place = Some(*module),
                Some(_) => place = None,
                None => break,
            }
        }
    }
}

/// The meaning that fits what a path is used for.
fn choose(found: &[Binding], usage: Usage) -> Option<Def> {
    let wanted = match usage {
        Usage::Signature | Usage::Type => Namespace::Type,
        Usage::Call | Usage::Value | Usage::Pattern => Namespace::Value,
        Usage::Macro => Namespace::Macro,
        Usage::Token => {
            // A call or a constant more likely than a type, a type than a macro.
            let order = [Namespace::Value, Namespace::Type, Namespace::Macro];
            return order.iter().find_map(|wanted| {
                let binding = found.iter().find(|b| b.namespace == *wanted)?;
                Some(binding.def)
            });
        }
    };
    found
        .iter()
        .find(|binding| binding.namespace == wanted)
        .map(|binding| binding.def)
}
