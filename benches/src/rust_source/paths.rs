//! Follows a path through the names known so far.
//!
//! Used by `resolve`, again and again while names are added. Sets of meanings instead of one: namespaces, visibility
//! and `#[cfg]` are not told apart, so a path counts as found if any reading of it is.

use ra_ap_parser::Edition;
use ra_ap_syntax::SmolStr;

use super::{
    names::{Def, Entry},
    solver::Crate,
    uses::Import,
};

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walk {
    Found(Vec<Def>),
    Missing {
        /// The segment that is not there.
        segment: usize,
        /// What it was looked for in.
        place: Def,
        /// It may come from what is not looked at: another crate, a macro, a condition.
        is_excused: bool,
    },
}

/// The first steps of a path: where it begins and how many segments that took.
struct Start {
    module: u32,
    segments: usize,
    /// The next segment may name another crate as well.
    is_uniform: bool,
}

impl Crate<'_> {
    /// Follows the path of an import in `module`; `asked` is told each name that was looked up in a module, so that
    /// the import can be tried again when that name gets another meaning.
    pub(super) fn walk(
        &self,
        module: u32,
        import: &Import,
        mut asked: impl FnMut(u32, &SmolStr),
    ) -> Walk {
        let start = match self.start(module, import) {
            Ok(start) => start,
            Err(walk) => return walk,
        };
        let mut defs = vec![Def::Module(start.module)];
        let mut is_excused = false;
        for (i, name) in import.path.iter().enumerate().skip(start.segments) {
            let is_first = start.is_uniform && i == start.segments;
            let is_front = import.is_glob || i + 1 < import.path.len();
            let mut next = Vec::new();
            for &def in &defs {
                let entry = self.look(def, name, &mut asked, &mut next);
                // What is there under a condition may else be another crate's: `#[cfg(..)] mod libc;`
                is_excused |= is_first && entry.is_some_and(|entry| entry.is_cfg);
            }
            if is_front {
                next.retain(|def| !matches!(def, Def::Value | Def::Macro));
            }
            if next.is_empty() {
                let is_open = defs
                    .iter()
                    .any(|&def| matches!(def, Def::Module(module) if self.is_open(module)));
                return Walk::Missing {
                    segment: i,
                    place: defs[0],
                    is_excused: is_excused || is_first || is_open,
                };
            }
            defs = next;
        }
        Walk::Found(defs)
    }

    fn start(&self, module: u32, import: &Import) -> Result<Start, Walk> {
        let first = import.path.first().map(SmolStr::as_str);
        let is_old = self.edition == Edition::Edition2015;
        match first {
            _ if import.is_absolute && !is_old => Err(Walk::Found(vec![Def::Opaque])),
            Some("crate" | "$crate") => Ok(Start {
                module: 0,
                segments: 1,
                is_uniform: false,
            }),
            Some("self" | "super") => self.upwards(module, import),
            _ => Ok(Start {
                module: if is_old { 0 } else { module },
                segments: 0,
                is_uniform: true,
            }),
        }
    }

    /// `self::`, `super::super::` and their mixtures.
    fn upwards(&self, mut module: u32, import: &Import) -> Result<Start, Walk> {
        let mut segments = 0;
        for (i, name) in import.path.iter().enumerate() {
            match (name.as_str(), self.tree.modules[module as usize].parent) {
                ("self", _) => {}
                ("super", Some(parent)) => module = parent,
                ("super", None) => {
                    return Err(Walk::Missing {
                        segment: i,
                        place: Def::Module(module),
                        is_excused: false,
                    });
                }
                _ => break,
            }
            segments = i + 1;
        }
        Ok(Start {
            module,
            segments,
            is_uniform: false,
        })
    }

    /// Adds to `found` what `name` means inside `def`.
    fn look(
        &self,
        def: Def,
        name: &SmolStr,
        asked: &mut impl FnMut(u32, &SmolStr),
        found: &mut Vec<Def>,
    ) -> Option<&Entry> {
        match def {
            Def::Module(module) => {
                asked(module, name);
                let entry = self.entry(module, name)?;
                found.extend(
                    entry
                        .defs
                        .iter()
                        .filter(|def| !found.contains(def))
                        .copied()
                        .collect::<Vec<_>>(),
                );
                return Some(entry);
            }
            Def::Enum(module, i) => {
                if self.variants(module, i).contains(name) {
                    found.push(Def::Value);
                }
            }
            Def::Type | Def::Opaque => found.push(Def::Opaque),
            Def::Value | Def::Macro => {}
        }
        None
    }
}
