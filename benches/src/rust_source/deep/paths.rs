//! Follows a path through what modules declare and import.
//!
//! Used by `imported`, while names are still added, and by `crate_names`, when none are. Where two meanings are possible
//! (`#[cfg]`) both are followed.

use std::collections::VecDeque;

use ra_ap_parser::Edition;
use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashSet;

use super::{
    imported::Imported,
    scopes::{Binding, Def, Namespace, Scopes, Seen},
};
use crate::rust_source::uses::Import;

/// Where paths are followed.
pub(crate) struct Paths<'a> {
    pub(crate) scopes: &'a Scopes,
    pub(crate) imported: &'a dyn Fn(u32) -> &'a Imported,
    /// Who remembers what a name means behind a module's globs, once all imports are known.
    pub(crate) behind: Option<&'a Behind<'a>>,
}

/// Says what a name means behind the globs of a module.
pub(crate) type Behind<'a> = dyn Fn(u32, &str) -> Vec<Binding> + 'a;

/// A path, followed.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What the segments mean, as far as they were followed: for each the likeliest.
    pub(crate) trail: Vec<Def>,
    pub(crate) end: End,
}

/// Where it led.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All meanings of the last segment.
    Found(Vec<Binding>),
    /// Out of the crate.
    Foreign,
    /// The first segment is no name here: another crate's, the prelude's, or nobody's.
    Unknown,
    /// To a type or trait; the segments from there on are its members.
    Inside { def: Def, from: usize },
    /// The segment is not there.
    Missing { segment: usize, place: Def },
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A path in a `use`.
    Import,
    /// Any other path.
    Code,
}

impl<'a> Paths<'a> {
    /// Follows the path of an import.
    pub(crate) fn import(&self, module: u32, import: &Import) -> Walk {
        let path: Vec<&str> = import.path.iter().map(SmolStr::as_str).collect();
        self.walk(
            module,
            &path,
            import.is_absolute,
            From::Import,
            import.is_glob,
        )
    }

    /// Follows a path from a module; `is_front`: the last segment, too, is to lead to a module or type.
    pub(crate) fn walk(
        &self,
        module: u32,
        path: &[&str],
        is_absolute: bool,
        from: From,
        is_front: bool,
    ) -> Walk {
        let mut trail = Vec::with_capacity(path.len());
        let is_old = self.scopes.edition == Edition::Edition2015;
        if is_absolute && !is_old {
            return Walk {
                trail,
                end: End::Foreign,
            };
        }
        let mut place = if is_absolute || (is_old && from == From::Import) {
            0
        } else {
            module
        };
        let mut next = 0;
        if !is_absolute {
            while let Some(&name) = path.get(next) {
                match (name, self.scopes.modules[place as usize].parent) {
                    ("crate" | "$crate", _) if next == 0 => place = 0,
                    ("self", _) if next == 0 => place = module,
                    // `use super::x` of edition 2015 begins at the module, too
                    ("super", _) if next == 0 => {
                        match self.scopes.modules[module as usize].parent {
                            Some(parent) => place = parent,
                            None => {
                                return Walk {
                                    trail,
                                    end: End::Missing {
                                        segment: 0,
                                        place: Def::Module(module),
                                    },
                                };
                            }
                        }
                    }
                    ("super", Some(parent)) if matches!(path[next - 1], "super" | "self") => {
                        place = parent
                    }
                    _ => break,
                }
                trail.push(Def::Module(place));
                next += 1;
            }
        }
        let rooted = next;
        let mut meanings = vec![Binding {
            def: Def::Module(place),
            namespace: Namespace::Type,
            seen: Seen::Everywhere,
        }];
        for (i, name) in path.iter().enumerate().skip(next) {
            let is_last = i + 1 == path.len();
            let mut found = Vec::new();
            let mut inside = None;
            for meaning in &meanings {
                self.look(meaning.def, name, &mut found, &mut inside);
            }
            distinct(&mut found);
            if !is_last || is_front {
                found.retain(|binding| binding.namespace == Namespace::Type);
            }
            let Some(best) = found.first() else {
                let end = match inside {
                    Some(Def::Foreign) => End::Foreign,
                    Some(def) => End::Inside { def, from: i },
                    None if i == 0 && rooted == 0 => End::Unknown,
                    None => End::Missing {
                        segment: i,
                        place: meanings[0].def,
                    },
                };
                return Walk { trail, end };
            };
            trail.push(best.def);
            meanings = found;
        }
        let is_foreign = meanings.iter().all(|meaning| meaning.def == Def::Foreign);
        let end = if is_foreign {
            End::Foreign
        } else {
            End::Found(meanings)
        };
        Walk { trail, end }
    }

    /// Adds what `name` means in `def`; `inside`: `def` has members that are not looked into here.
    fn look(&self, def: Def, name: &str, found: &mut Vec<Binding>, inside: &mut Option<Def>) {
        match def {
            Def::Module(module) => found.extend(self.lookup(module, name)),
            Def::Item(..) => {
                let before = found.len();
                self.variant(def, name, found);
                if found.len() == before {
                    *inside = inside.or(Some(def));
                }
            }
            Def::Foreign => *inside = inside.or(Some(Def::Foreign)),
            Def::Member(..) => *inside = inside.or(Some(def)),
        }
    }

    /// The meanings of a name in a module: its own, else those that globs bring.
    pub(crate) fn lookup(&self, module: u32, name: &str) -> Vec<Binding> {
        let mut found = Vec::new();
        if !self.scopes.all_names.contains(name) {
            return found;
        }
        self.own(module, name, module, &mut found);
        let has_globs = !self.scopes.modules[module as usize].globs.is_empty();
        if !has_globs || self.is_told(module, name, &found) {
            return found;
        }
        match self.behind {
            Some(behind) => found.extend(behind(module, name)),
            None => self.search(module, name, &mut found),
        }
        distinct(&mut found);
        found
    }

    /// Adds what a name means behind the globs of a module.
    pub(crate) fn search(&self, module: u32, name: &str, found: &mut Vec<Binding>) {
        // Level by level, so that what is near comes first: modules, each with that whose glob led there.
        let mut open = VecDeque::from([(module, module)]);
        let mut entered = vec![false; self.scopes.modules.len()];
        entered[module as usize] = true;
        while let Some((at, from)) = open.pop_front() {
            // Who has none that is seen from there is not asked at all: hundreds of modules behind the globs of one may each
            // have `use super::*`, and each ask in a circle is a step of the iteration.
            let globs = &self.scopes.modules[at as usize].globs;
            let is_asked = globs.iter().any(|&seen| self.scopes.sees(from, seen));
            let globs = is_asked.then(|| &(self.imported)(at).globs);
            for glob in globs.into_iter().flatten() {
                if !self.scopes.sees(from, glob.seen) {
                    continue;
                }
                match glob.target {
                    Def::Module(behind) if !entered[behind as usize] => {
                        entered[behind as usize] = true;
                        let before = found.len();
                        self.own(behind, name, at, found);
                        let is_hidden = self.scopes.modules[behind as usize]
                            .named
                            .contains_key(name);
                        if found.len() == before && !is_hidden {
                            open.push_back((behind, at));
                        }
                    }
                    Def::Item(..) => self.variant(glob.target, name, found),
                    _ => {}
                }
            }
            if self.is_told(at, name, found) {
                break;
            }
        }
    }

    /// Whether there is no need to look behind globs.
    fn is_told(&self, module: u32, name: &str, found: &[Binding]) -> bool {
        let is_named = self.scopes.modules[module as usize]
            .named
            .contains_key(name);
        is_named
            || found
                .iter()
                .any(|binding| binding.namespace != Namespace::Macro)
    }

    /// What the module itself declares or imports under that name, if `from` sees it.
    fn own(&self, module: u32, name: &str, from: u32, found: &mut Vec<Binding>) {
        let declared = self.scopes.modules[module as usize].declared.get(name);
        let imported = || (self.imported)(module).names.get(name);
        // Only a module with such an import is asked: that keeps the circles small.
        let is_named = self.scopes.modules[module as usize]
            .named
            .contains_key(name);
        let imported = is_named.then(imported).flatten();
        let all = declared.into_iter().chain(imported).flatten();
        found.extend(all.filter(|binding| self.scopes.sees(from, binding.seen)));
    }

    /// Adds the variant of that name, if there is one.
    fn variant(&self, of: Def, name: &str, found: &mut Vec<Binding>) {
        let Def::Item(module, item) = of else { return };
        let variants = self.scopes.modules[module as usize].variants.get(&item);
        let variant = variants
            .into_iter()
            .flatten()
            .find(|(variant, _)| variant == name);
        if let Some((_, variant)) = variant {
            for namespace in [Namespace::Type, Namespace::Value] {
                found.push(Binding {
                    def: Def::Member(module, item, *variant),
                    namespace,
                    seen: Seen::Everywhere,
                });
            }
        }
    }
}

/// Leaves of each definition in a namespace the first: names under `#[cfg]` may have thousands.
fn distinct(found: &mut Vec<Binding>) {
    if found.len() > 1 {
        let mut known = FxHashSet::default();
        found.retain(|binding| known.insert((binding.def, binding.namespace)));
    }
}
