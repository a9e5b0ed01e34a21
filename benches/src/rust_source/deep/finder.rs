//! Follows the paths of an item or an import from where they stand, and notes where they lead.
//!
//! Used by `links`, whose data it fills in.

use dagwood::Cx;
use ra_ap_syntax::SmolStr;

use super::{
    blocks::Blocks,
    crate_names::{CrateNames, Missing},
    describe,
    links::{Call, Links, Outcome},
    members::Members,
    outline::ItemKind,
    paths::{End, Walk},
    prelude,
    reasons::Reason,
    references::{Reference, References, Usage},
    scopes::{Binding, Def, Namespace},
};
use crate::rust_source::{module_tree::CrateId, sources::Sources};

/// A path may mean so many things, told apart by `#[cfg]`; with more its name counts as used wherever it stands.
const MEANINGS_MAX: usize = 16;

/// From where paths are followed.
pub(super) struct Finder<'a> {
    pub(super) krate: CrateId,
    pub(super) names: &'a CrateNames,
    pub(super) members: &'a Members,
    pub(super) module: u32,
    /// What `Self` is.
    pub(super) self_type: Option<Def>,
}

/// What an item refers to, with the names of its blocks.
struct Text<'a> {
    references: &'a References,
    blocks: Blocks<'a>,
}

impl Finder<'_> {
    pub(super) fn outcome(
        &self,
        cx: &Cx<'_, Sources>,
        import: &crate::rust_source::uses::Import,
        walk: &Walk,
    ) -> Outcome {
        let (segment, place) = match walk.end {
            End::Found(_) => return Outcome::Local,
            End::Foreign => return Outcome::Foreign,
            // What comes before is there.
            End::Inside { .. } => return Outcome::Local,
            End::Unknown => (0, Def::Module(self.module)),
            End::Missing { segment, place } => (segment, place),
        };
        match self.names.why_not(cx, self.krate, self.module, import) {
            Missing::Foreign => Outcome::Foreign,
            Missing::Made => Outcome::Made,
            Missing::Excused(reason) => Outcome::Excused {
                reason,
                segment,
                place,
            },
            Missing::Absent => Outcome::Absent { segment, place },
        }
    }

    pub(super) fn item(
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
        let text = Text {
            references,
            blocks: Blocks::of(references),
        };
        for reference in &references.paths {
            let from = reference
                .function
                .and_then(|function| functions[function as usize])
                .unwrap_or(own);
            self.reference(cx, &text, reference, from, &mut links);
        }
        links
    }

    fn reference(
        &self,
        cx: &Cx<'_, Sources>,
        text: &Text<'_>,
        reference: &Reference,
        from: Def,
        links: &mut Links,
    ) {
        let Text { references, blocks } = text;
        let segments = references.segments_of(reference);
        let first = &segments[0];
        if reference.usage == Usage::Token {
            links
                .loose_names
                .extend(segments.iter().map(|s| s.name.clone()));
        }
        let at = first.offset;
        if blocks.declare(&first.name, at) {
            return;
        }
        let mut path: Vec<&str> = segments.iter().map(|s| s.name.as_str()).collect();
        let mut is_absolute = reference.is_absolute;
        // An import of a block: its path, then the rest.
        let import = blocks
            .import(&first.name, at)
            .filter(|_| !reference.is_absolute);
        let mut ahead = 0;
        if let Some(import) = import {
            ahead = import.path.len() - 1;
            is_absolute = import.is_absolute;
            path = import
                .path
                .iter()
                .map(SmolStr::as_str)
                .chain(path[1..].iter().copied())
                .collect();
        }
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
            End::Found(mut found) => {
                if is_pattern {
                    found.retain(|binding| self.is_constant(cx, binding.def));
                }
                if found.len() > MEANINGS_MAX {
                    links.loose_names.extend(owned.last().cloned());
                } else {
                    let others = found.iter().map(|binding| (from, binding.def));
                    links.also.extend(others);
                }
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
            // Where a module `f64` has no `from_bits` the type has it.
            End::Missing { segment: 1, .. } if prelude::is_primitive(&first.name) => {}
            End::Missing { segment, place } if reference.usage == Usage::Call => {
                let name = &owned[segment];
                let why = self.why_missing(cx, Some(place), name);
                links.missing(why, at, name, Some(place));
            }
            End::Unknown
                if reference.usage == Usage::Call && path.len() == 1 && !blocks.has_globs(at) =>
            {
                let why = match self.why_missing(cx, None, &owned[0]) {
                    // A macro call of the item may declare it.
                    Missing::Absent if references.has_macros => Missing::Excused(Reason::Macro),
                    why => why,
                };
                links.missing(why, at, &owned[0], None);
            }
            _ => {}
        }
    }

    /// Whether a name in a pattern may mean it: a function of that name is hidden by the new variable.
    fn is_constant(&self, cx: &Cx<'_, Sources>, def: Def) -> bool {
        match def {
            Def::Item(module, index) => matches!(
                describe::item(cx, self.krate, module, index).1.kind,
                ItemKind::Const | ItemKind::Static | ItemKind::Struct { .. }
            ),
            Def::Member(..) => true,
            Def::Module(_) | Def::Foreign => false,
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

    /// Why a call of `name` leads nowhere. `place`: in which it is not; `None`: nothing of that name is in scope.
    fn why_missing(&self, cx: &Cx<'_, Sources>, place: Option<Def>, name: &str) -> Missing {
        if place.is_none() && prelude::has_function(name) {
            return Missing::Foreign;
        }
        let place = place.unwrap_or(Def::Module(self.module));
        self.names.why(cx, self.krate, self.module, place, name)
    }

    fn member(&self, of: Def, name: &str) -> Option<Def> {
        self.members.get(of, name)
    }

    /// Notes each name that a path went through, module by module.
    pub(super) fn used(&self, path: &[SmolStr], walk: &Walk, is_absolute: bool, links: &mut Links) {
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
