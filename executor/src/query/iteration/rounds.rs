//! The rounds of a group, to its values or its failure (cycle.md X4).
//!
//! Used by `order.rs` for a set that has proved to be a group.

use super::{Iteration, Step};
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
            self.plain.forget();
            if changed.is_empty() {
                self.publish(cx, group);
                return Ok(Step::On);
            }
            evaluated = self.readers_of(&changed);
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
        }
        for member in group {
            let reads = nodes[*member as usize].reads.clone();
            for read in &reads {
                nodes[*read as usize].readers.push(*member);
            }
            let noted = &mut nodes[*member as usize].noted;
            *noted = reads;
            noted.sort_unstable();
        }
    }

    /// Who reads any of these, each once, in the order of their numbers.
    fn readers_of(&self, changed: &[u32]) -> Vec<u32> {
        let nodes = self.nodes.borrow();
        let readers = |number: &u32| nodes[*number as usize].readers.iter().copied();
        let mut readers: Vec<u32> = changed.iter().flat_map(readers).collect();
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    /// Evaluates these members of a group. Blocked: one needs what is undecided and of another group.
    fn evaluate_round(&self, cx: &Cx<'db, D>, numbers: &[u32]) -> Result<Step, Error> {
        let mut step = Step::On;
        for number in numbers {
            self.evaluate(cx, *number)?;
            let nodes = &mut *self.nodes.borrow_mut();
            let node = &nodes[*number as usize];
            let is_new = |read: &&u32| node.noted.binary_search(read).is_err();
            let new: Vec<u32> = node.reads.iter().filter(is_new).copied().collect();
            let group = node.group;
            let is_inside = |read: &&u32| nodes[**read as usize].group == group;
            // What it asked for after the first one outside, whose first value it has read, it may not need at all.
            if let Some(outside) = new.iter().find(|read| !is_inside(read)) {
                nodes[*number as usize].later.push(*outside);
                step = Step::Blocked;
                continue;
            }
            for read in &new {
                nodes[*read as usize].readers.push(*number);
            }
            if !new.is_empty() {
                let noted = &mut nodes[*number as usize].noted;
                noted.extend(new);
                noted.sort_unstable();
            }
        }
        Ok(step)
    }

    /// Goes back to first values: with what it was found to need, the group may be a part of a larger one.
    fn restart(&self, group: &[u32]) {
        self.plain.forget();
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
