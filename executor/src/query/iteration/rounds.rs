//! The rounds of a group, to its values or its failure (cycle.md X4).
//!
//! Used by `order.rs` for a set that has proved to be a group.

use super::bundles::{Of, Read, Search};
use super::{Iteration, Node, Step};
use crate::cx::Cx;
use crate::error::Error;
use crate::sched::fiber::without_runs;

impl<'db, D: 'static> Iteration<'db, D> {
    /// Rounds (X4), of which the first has been evaluated.
    pub(super) fn iterate(&self, cx: &Cx<'db, D>, group: &[u32]) -> Result<Step, Error> {
        self.index_readers(group);
        let rounds_max = group
            .iter()
            .map(|number| self.member(*number).rounds_max())
            .min();
        let mut evaluated = group.to_vec();
        for _ in 0..rounds_max.unwrap_or(0) {
            if let Some(error) = self.failure(&evaluated) {
                self.fail(cx, group, &error);
                return Ok(Step::On);
            }
            let advances = |number: &u32| self.member(*number).advance();
            let changed: Vec<u32> = evaluated.into_iter().filter(advances).collect();
            self.plain.end_round();
            if changed.is_empty() {
                self.publish(cx, group);
                return Ok(Step::On);
            }
            evaluated = self.readers_of(&changed, self.groups.get());
            if self.evaluate_round(cx, &evaluated)? == Step::Blocked {
                self.restart(group);
                return Ok(Step::Blocked);
            }
        }
        let error = Error::diverged(rounds_max.unwrap_or(0), self.names(group));
        self.fail(cx, group, &error);
        Ok(Step::On)
    }

    /// Notes who reads whom in the group.
    fn index_readers(&self, group: &[u32]) {
        let mut nodes = self.nodes.borrow_mut();
        for member in group {
            nodes[*member as usize].readers.clear();
            nodes[*member as usize].noted.clear();
        }
        for member in group {
            let reads = nodes[*member as usize].reads.clone();
            self.note_readings(&mut nodes, *member, reads);
        }
    }

    /// Notes that a member has read these, which it is not noted for yet.
    fn note_readings(&self, nodes: &mut [Node<'db, D>], member: u32, reads: Vec<Read>) {
        let group = nodes[member as usize].group;
        for read in &reads {
            match read.of() {
                Of::Node(read) => nodes[read as usize].readers.push(member),
                Of::Bundle(read) => {
                    self.bundles.borrow_mut().note_reader(read, member, group);
                }
            }
        }
        let noted = &mut nodes[member as usize].noted;
        noted.extend(reads);
        noted.sort_unstable();
    }

    /// Who reads any of these, which have changed, each once, in the order of their numbers.
    fn readers_of(&self, changed: &[u32], group: u32) -> Vec<u32> {
        let mut readers = self.bundles.borrow_mut().change(changed, group);
        let nodes = self.nodes.borrow();
        let direct = |number: &u32| nodes[*number as usize].readers.iter().copied();
        readers.extend(changed.iter().flat_map(direct));
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    /// Evaluates these members of a group. Blocked: one needs what is undecided and of another group.
    fn evaluate_round(&self, cx: &Cx<'db, D>, numbers: &[u32]) -> Result<Step, Error> {
        let mut step = Step::On;
        let mut search = Search::default();
        for number in numbers {
            self.evaluate(cx, *number)?;
            let nodes = &mut *self.nodes.borrow_mut();
            let node = &nodes[*number as usize];
            let is_new = |read: &&Read| node.noted.binary_search(read).is_err();
            let new: Vec<Read> = node.reads.iter().filter(is_new).copied().collect();
            let is_outside = |need: u32| self.is_undecided_outside(nodes, need, *number);
            let bundles = self.bundles.borrow();
            let outside = |read: &Read| search.first(&bundles, *read, is_outside);
            // What it asked for after the first one outside, whose first value it has read, it may not need at all.
            let first = new.iter().find_map(outside);
            drop(bundles);
            if let Some(outside) = first {
                nodes[*number as usize].later.push(outside);
                step = Step::Blocked;
            } else if !new.is_empty() {
                self.note_readings(nodes, *number, new);
            }
        }
        Ok(step)
    }

    /// Goes back to first values: with what it was found to need, the group may be a part of a larger one.
    fn restart(&self, group: &[u32]) {
        self.plain.end_round();
        self.bundles.borrow_mut().change(group, 0);
        for number in group {
            self.member(*number).restart();
            self.fresh.borrow_mut().push(*number);
        }
    }

    /// The failure of the round, if there was one: that of the member with the smallest name.
    fn failure(&self, evaluated: &[u32]) -> Option<Error> {
        let failed = |number: &u32| {
            let member = self.member(*number);
            member.failure().map(|error| (member.name(), error))
        };
        let failures = without_runs(|| evaluated.iter().filter_map(failed).collect::<Vec<_>>());
        let first = failures.into_iter().min_by(|a, b| a.0.cmp(&b.0));
        first.map(|(_, error)| error)
    }

    /// What the members are called, in order.
    fn names(&self, group: &[u32]) -> Vec<String> {
        let name = |number: &u32| self.member(*number).name();
        let mut names = without_runs(|| group.iter().map(name).collect::<Vec<_>>());
        names.sort();
        names.into_iter().map(|name| name.text).collect()
    }
}
