//! The order in which nodes are decided, groups after what they need (cycle.md X2, X3).
//!
//! Used by the iteration. How a graph is walked is `plan.rs`, what becomes of a group `rounds.rs`.

use rustc_hash::FxHashMap;

use super::plan::{self, Graph};
use super::{Iteration, Step};
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
        self.iteration.nodes.borrow().len()
    }

    fn edges(&self, node: u32) -> Vec<u32> {
        let nodes = self.iteration.nodes.borrow();
        nodes[node as usize].needs().collect()
    }

    fn is_decided(&self, node: u32) -> bool {
        self.iteration.is_done(node)
    }

    fn settle(&self, component: &[u32]) -> Result<bool, Error> {
        self.iteration.number_group(component);
        let step = self.iteration.settle(self.cx, component)?;
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
        walk.from(root, &needs)?;
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
        group.iter().any(|member| {
            let member = &nodes[*member as usize];
            member.needs().any(|need| {
                let need = &nodes[need as usize];
                !need.is_done && need.group != member.group
            })
        })
    }

    /// Decides a set all of whose outer needs are decided, if it proves to be a group (X3).
    fn settle(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        if self.refresh(cx, group)? == Step::Blocked {
            return Ok(Step::Blocked);
        }
        if let [alone] = group {
            let is_cycle = self.nodes.borrow()[*alone as usize]
                .needs()
                .any(|need| need == *alone);
            if !is_cycle {
                self.publish_next(cx, *alone);
                return Ok(Step::On);
            }
        }
        self.iterate(cx, group)
    }

    /// Evaluates those members again that have read a first value of what is decided now. Blocked: it is another group.
    fn refresh(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        let is_stale = |member: &&u32| {
            let nodes = self.nodes.borrow();
            let mut reads = nodes[**member as usize].reads.iter();
            reads.any(|read| nodes[*read as usize].is_done)
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
        let place: FxHashMap<u32, u32> = group.iter().copied().zip(0..).collect();
        let nodes = self.nodes.borrow();
        let sets = plan::components(group.len(), 0, |node| {
            let needs = nodes[group[node as usize] as usize].needs();
            needs.filter_map(|need| place.get(&need).copied()).collect()
        });
        sets.len() == 1 && sets[0].len() == group.len()
    }
}
