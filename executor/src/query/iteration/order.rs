//! The order in which nodes are decided, groups after what they need (cycle.md X2, X3).
//!
//! Used by the iteration. How a graph is walked is `plan.rs`, what becomes of a group `rounds.rs`.

use rustc_hash::FxHashMap;

use super::bundles::{Of, Read, Search};
use super::plan::{self, Graph};
use super::{Iteration, Node, Step};
use crate::cx::Cx;
use crate::error::Error;

/// Who needs whom: what an iteration walks.
struct Needs<'i, 'db, D> {
    iteration: &'i Iteration<'db, D>,
    cx: &'i Cx<'db, D>,
}

impl<D: 'static> Graph for Needs<'_, '_, D> {
    type Error = Error;

    fn len(&self) -> usize {
        let nodes = self.iteration.nodes.borrow().len();
        let bundles = self.iteration.bundles.borrow();
        bundles.number_end().max(2 * nodes)
    }

    fn edges(&self, number: u32) -> Vec<u32> {
        let numbers = |reads: &mut dyn Iterator<Item = Read>| reads.map(Read::number).collect();
        match Read::from_number(number).of() {
            Of::Node(node) => numbers(&mut self.iteration.nodes.borrow()[node as usize].needs()),
            Of::Bundle(place) => {
                let bundles = self.iteration.bundles.borrow();
                numbers(&mut bundles.reads(place).iter().copied())
            }
        }
    }

    fn is_decided(&self, number: u32) -> bool {
        match Read::from_number(number).of() {
            Of::Node(node) => self.iteration.is_done(node),
            // All that it leads to may be; who comes here finds that.
            Of::Bundle(_) => false,
        }
    }

    fn settle(&self, component: &[u32]) -> Result<bool, Error> {
        let node = |number: &u32| match Read::from_number(*number).of() {
            Of::Node(node) => Some(node),
            Of::Bundle(_) => None,
        };
        let group: Vec<u32> = component.iter().filter_map(node).collect();
        if group.is_empty() {
            return Ok(true);
        }
        self.iteration.number_group(&group);
        let step = self.iteration.settle(self.cx, &group)?;
        if step == Step::Blocked {
            // What is new has its needs, too, before it is walked.
            self.iteration.discover(self.cx)?;
        }
        Ok(step == Step::On)
    }
}

impl<'db, D: 'static> Iteration<'db, D> {
    /// Decides all that the root needs, and the root (X3).
    pub(super) fn decide_all(&self, cx: &Cx<'db, D>, root: u32) -> Result<(), Error> {
        self.discover(cx)?;
        if self.is_done(root) {
            return Ok(());
        }
        let mut walk = self.walk.take();
        let needs = Needs {
            iteration: self,
            cx,
        };
        walk.from(Read::node(root).number(), &needs)?;
        // Only now: after an error nothing more is decided.
        self.walk.replace(walk);
        Ok(())
    }

    /// Evaluates what is new, and what that asks for, against first values (X2).
    fn discover(&self, cx: &Cx<'db, D>) -> Result<(), Error> {
        loop {
            let Some(number) = self.fresh.borrow_mut().pop() else {
                return Ok(());
            };
            self.evaluate(cx, number)?;
            if self.nodes.borrow()[number as usize].reads.is_empty() {
                self.publish_next(cx, number);
            }
        }
    }

    fn number_group(&self, members: &[u32]) {
        let group = self.groups.get() + 1;
        self.groups.set(group);
        let mut nodes = self.nodes.borrow_mut();
        for member in members {
            nodes[*member as usize].group = group;
        }
    }

    /// Whether a member needs something that is undecided and of another group.
    fn is_blocked(&self, group: &[u32]) -> bool {
        let nodes = self.nodes.borrow();
        let is_outside = |need: u32| self.is_undecided_outside(&nodes, need, group[0]);
        let bundles = self.bundles.borrow();
        let mut search = Search::default();
        let mut needs = group
            .iter()
            .flat_map(|member| nodes[*member as usize].needs());
        needs.any(|need| search.first(&bundles, need, is_outside).is_some())
    }

    /// Whether a node is neither decided nor of the group of this member.
    pub(super) fn is_undecided_outside(
        &self,
        nodes: &[Node<'db, D>],
        need: u32,
        member: u32,
    ) -> bool {
        let need = &nodes[need as usize];
        !need.is_done && need.group != nodes[member as usize].group
    }

    /// Decides a set all of whose outer needs are decided, if it proves to be a group (X3).
    fn settle(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        if self.refresh(cx, group)? == Step::Blocked {
            return Ok(Step::Blocked);
        }
        if let [alone] = group {
            let is_cycle = self.needs_itself(*alone);
            if !is_cycle {
                self.publish_next(cx, *alone);
                return Ok(Step::On);
            }
        }
        self.iterate(cx, group)
    }

    fn needs_itself(&self, node: u32) -> bool {
        let bundles = self.bundles.borrow();
        let mut search = Search::default();
        let mut is_itself = |need| search.first(&bundles, need, |need| need == node).is_some();
        self.nodes.borrow()[node as usize]
            .needs()
            .any(&mut is_itself)
    }

    /// Evaluates those members again that have read a first value of what is decided now. Blocked: it is another group.
    fn refresh(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        let is_stale = |member: &&u32| {
            let (nodes, bundles) = (self.nodes.borrow(), self.bundles.borrow());
            let mut reads = nodes[**member as usize].reads.iter();
            reads.any(|read| bundles.is_decided(*read))
        };
        let stale: Vec<u32> = group.iter().filter(is_stale).copied().collect();
        for member in &stale {
            self.evaluate(cx, *member)?;
        }
        if stale.is_empty() {
            return Ok(Step::On);
        }
        if self.is_blocked(group) || !self.is_connected(group) {
            return Ok(Step::Blocked);
        }
        Ok(Step::On)
    }

    /// Whether all members of a group need each other.
    fn is_connected(&self, group: &[u32]) -> bool {
        if group.len() == 1 {
            return true;
        }
        // Members, and the bundles between them.
        let mut places: FxHashMap<Read, u32> = FxHashMap::default();
        let mut inside: Vec<Read> = group.iter().copied().map(Read::node).collect();
        places.extend(inside.iter().copied().zip(0..));
        let nodes = self.nodes.borrow();
        let bundles = self.bundles.borrow();
        let mut edges: Vec<Vec<u32>> = Vec::new();
        while let Some(read) = inside.get(edges.len()) {
            let reads: Vec<Read> = match read.of() {
                Of::Node(node) => nodes[node as usize].needs().collect(),
                Of::Bundle(place) => bundles.reads(place).to_vec(),
            };
            let mut place_of = |read: Read| match read.of() {
                Of::Node(_) => places.get(&read).copied(),
                Of::Bundle(_) => Some(*places.entry(read).or_insert_with(|| {
                    inside.push(read);
                    inside.len() as u32 - 1
                })),
            };
            edges.push(reads.into_iter().filter_map(&mut place_of).collect());
        }
        let sets = plan::components(inside.len(), 0, |place| edges[place as usize].clone());
        let is_member = |place: &&u32| (**place as usize) < group.len();
        let members = |set: &Vec<u32>| set.iter().filter(is_member).count();
        sets.iter().any(|set| members(set) == group.len())
    }
}
