//! The names that are bound at a place: added as they are declared, forgotten as their blocks end.
//!
//! Used by `reference_walk`, which asks for each path: a look takes no longer where thousands are bound.

use ra_ap_syntax::SmolStr;
use rustc_hash::FxHashMap;

/// Names, in the order in which they were bound.
#[derive(Default)]
pub(super) struct Bound {
    names: Vec<SmolStr>,
    /// How often each is bound.
    counts: FxHashMap<SmolStr, u32>,
}

impl Bound {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn contains(&self, name: &SmolStr) -> bool {
        self.counts.contains_key(name)
    }

    pub(super) fn push(&mut self, name: SmolStr) {
        *self.counts.entry(name.clone()).or_default() += 1;
        self.names.push(name);
    }

    pub(super) fn extend(&mut self, names: impl IntoIterator<Item = SmolStr>) {
        names.into_iter().for_each(|name| self.push(name));
    }

    /// Forgets all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.names.len() > len {
            let Some(name) = self.names.pop() else { return };
            if let Some(count) = self.counts.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bound;

    #[test]
    fn a_name_that_is_bound_twice_stays_until_both_are_gone() {
        let mut bound = Bound::default();
        bound.extend(["a", "b", "a"].map(Into::into));
        bound.truncate(2);
        assert!(bound.contains(&"a".into()));
        bound.truncate(0);
        assert!(!bound.contains(&"a".into()) && bound.len() == 0);
    }
}
