//! Makes the blocks of random programs.

use super::{Block, Op};
use crate::random::Random;

/// Makes blocks of query bodies.
pub(super) struct Maker {
    pub(super) random: Random,
    pub(super) count: usize,
    pub(super) has_cycles: bool,
    pub(super) has_panics: bool,
    /// Whether there are parts and tasks that can be cancelled.
    pub(super) has_parts: bool,
    /// Whether there are tasks.
    pub(super) has_tasks: bool,
}

impl Maker {
    pub(super) fn block(&mut self, query: usize, depth: usize) -> Block {
        let len = self.random.below(4);
        (0..len).filter_map(|_| self.op(query, depth)).collect()
    }

    fn op(&mut self, query: usize, depth: usize) -> Option<Op> {
        if depth == 0 || self.random.once_in(3) {
            let asked = self.asked(query)?;
            return Some(match self.random.below(4) {
                0 => Op::Try(asked),
                1 if self.has_parts && self.random.once_in(3) => Op::Check,
                1 => Op::Yield,
                _ => Op::Ask(asked),
            });
        }
        let depth = depth - 1;
        if self.has_parts && self.random.once_in(3) {
            return self.part(query, depth);
        }
        Some(match self.random.below(6) {
            0 => Op::Join(self.block(query, depth), self.block(query, depth)),
            1 => Op::Signal(self.block(query, depth), self.block(query, depth)),
            2 => Op::Scope(self.blocks(query, depth)),
            3 if self.has_tasks => Op::Tasks(self.tasks(query, depth)),
            4 => Op::Loop(1 + self.random.below(4), self.block(query, depth)),
            _ if self.has_panics && self.random.once_in(3) => Op::Panic,
            _ => return None,
        })
    }

    /// Something that can be cancelled alone.
    fn part(&mut self, query: usize, depth: usize) -> Option<Op> {
        Some(match self.random.below(3) {
            // In circles a part, which waits for all tasks that were spawned in it, would wait for those of queries
            // that are left over, too (cycle.md, what is exempt).
            0 if !self.has_cycles || !self.has_tasks => {
                Op::Part(self.random.below(2), self.block(query, depth))
            }
            // Sequentially it is done at once: it must not ask for who spawned it.
            1 if !self.has_cycles => Op::Dropped(self.block(query, depth)),
            2 if !self.has_cycles => Op::Kept(self.tasks(query, depth)),
            _ => return None,
        })
    }

    /// A task that asks for who spawned it runs at another time sequentially, and is a cycle there only, unless it is
    /// waited for at once.
    fn tasks(&mut self, query: usize, depth: usize) -> Vec<Block> {
        if self.has_cycles {
            vec![self.block(query, depth)]
        } else {
            self.blocks(query, depth)
        }
    }

    fn blocks(&mut self, query: usize, depth: usize) -> Vec<Block> {
        let count = 1 + self.random.below(3);
        (0..count).map(|_| self.block(query, depth)).collect()
    }

    fn asked(&mut self, query: usize) -> Option<usize> {
        if self.has_cycles {
            return Some(self.random.below(self.count));
        }
        let greater = self.count - query - 1;
        (greater > 0).then(|| query + 1 + self.random.below(greater))
    }
}
