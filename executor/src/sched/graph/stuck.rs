//! All who wait for each other, where a wait may hang on several: for a place, which any of those who are inside may
//! give back, or for a lock that several hold, all of whom must (lock.md, deadlocks).
//!
//! Used by walks, under the graph's lock. Ends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use super::deadlock::{Hop, Thing};
use crate::sched::fiber::FiberRecord;

/// What was met on the way from a wait, and who of it can go on.
pub(super) struct Stuck<'w> {
    /// Who adds the edge: the first node's.
    finder: &'w FiberRecord,
    nodes: Vec<Node<'w>>,
    known: BTreeMap<*const FiberRecord, usize>,
    /// The first who was met that waits for a place there; who else does is stuck just if that one is.
    first_at: BTreeMap<*const (), usize>,
    /// Who was in a mutex's line when it was first met: so that many who wait for the same are looked at once each.
    lines: BTreeMap<*const (), BTreeSet<*const FiberRecord>>,
}

struct Node<'w> {
    /// `None`: it runs, or is about to.
    hop: Option<Hop<'w>>,
    /// How many of those for whom it waits must be able to go on before it can, as far as is known; none: it can.
    needs: usize,
    /// Those who wait for it.
    waiters: Vec<usize>,
}

impl<'w> Stuck<'w> {
    /// `first` and all the waits that hang on it and cannot end, in the order in which they are met; `None` if it can end
    /// (lock.md L4, S3).
    pub(super) fn around(
        first: Hop<'w>,
        is_finder: impl Fn(&FiberRecord) -> bool,
    ) -> Option<Vec<Hop<'w>>> {
        let mut stuck = Stuck {
            finder: first.waiter,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            first_at: BTreeMap::new(),
            lines: BTreeMap::new(),
        };
        stuck.add(Some(first));
        let mut next = 0;
        while next < stuck.nodes.len() {
            stuck.expand(next, &is_finder);
            if stuck.nodes[0].needs == 0 {
                return None;
            }
            next += 1;
        }
        let waits = stuck.nodes.into_iter().filter(|node| node.needs > 0);
        Some(waits.filter_map(|node| node.hop).collect())
    }

    fn add(&mut self, hop: Option<Hop<'w>>) -> usize {
        self.nodes.push(Node {
            hop,
            // Until it is expanded.
            needs: usize::from(hop.is_some()),
            waiters: Vec::new(),
        });
        self.nodes.len() - 1
    }

    /// Looks at those for whom a node waits.
    fn expand(&mut self, node: usize, is_finder: &impl Fn(&FiberRecord) -> bool) {
        let Some(hop) = self.nodes[node].hop else {
            return;
        };
        if let Some(first) = hop.thing().and_then(|thing| self.first_there(thing, node)) {
            return self.wait_for(node, vec![first], false);
        }
        let (owners, needs_all) = hop.owners(self.finder);
        let ends = Vec::from_iter(owners.into_iter().map(|owner| {
            let is_first = is_finder(owner);
            if is_first { 0 } else { self.node_of(owner) }
        }));
        self.wait_for(node, ends, needs_all);
    }

    /// The node that was the first to wait for a place, unless it is this one.
    fn first_there(&mut self, thing: Thing<'w>, node: usize) -> Option<usize> {
        let thing: *const () = match thing {
            Thing::Lock(_) | Thing::Share(_) => return None,
            Thing::Places(stand) => ptr::from_ref(stand.places).cast(),
        };
        let first = *self.first_at.entry(thing).or_insert(node);
        (first != node).then_some(first)
    }

    fn node_of(&mut self, owner: &'w FiberRecord) -> usize {
        if let Some(known) = self.known.get(&ptr::from_ref(owner)) {
            return *known;
        }
        let lines = &mut self.lines;
        let is_in_line = |thing: Thing<'w>| match thing {
            Thing::Lock(lock) => lines
                .entry(ptr::from_ref(lock).cast())
                .or_insert_with(|| lock.names_in_line())
                .contains(&ptr::from_ref(owner)),
            Thing::Places(_) | Thing::Share(_) => thing.with_place(owner, |_| ()).is_some(),
        };
        let runs = owner.is_called_back();
        let hop = Hop::if_in_line(owner, is_in_line).filter(|_| !runs);
        let node = self.add(hop);
        self.known.insert(owner, node);
        node
    }

    /// `node` waits for these: for `all` of them, or for any.
    fn wait_for(&mut self, node: usize, ends: Vec<usize>, all: bool) {
        let stuck = ends
            .iter()
            .filter(|end| self.nodes[**end].needs > 0)
            .count();
        self.nodes[node].needs = match all {
            true => stuck,
            false => usize::from(!ends.is_empty() && stuck == ends.len()),
        };
        if self.nodes[node].needs == 0 {
            return self.goes_on(node);
        }
        for end in ends {
            if self.nodes[end].needs > 0 {
                self.nodes[end].waiters.push(node);
            }
        }
    }

    /// `node` can go on, so those who wait for it may.
    fn goes_on(&mut self, node: usize) {
        let mut rest = vec![node];
        while let Some(node) = rest.pop() {
            for waiter in std::mem::take(&mut self.nodes[node].waiters) {
                let needs = &mut self.nodes[waiter].needs;
                if *needs > 0 {
                    *needs -= 1;
                    if *needs == 0 {
                        rest.push(waiter);
                    }
                }
            }
        }
    }
}
