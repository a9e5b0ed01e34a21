//! Random programs: queries whose bodies ask, fork, spawn, wait, fail and run in circles. Made from a number, shown as text,
//! and made smaller while they still fail.
//!
//! What a program gives is a function of the program (invariant 8): so the sequential backend is the oracle of all others.

mod maker;
mod play;
mod storm;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dagwood::{Cx, Database, Executor};

use crate::gate::panic_text;
use crate::random::Random;
use maker::Maker;
use play::{Play, ask, living};
pub use storm::{Asker, Expected, Storm};

/// What one closure or provider does, in order.
pub type Block = Vec<Op>;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Asks for a query; its failure is one's own.
    Ask(usize),
    /// Asks for a query; its failure is a value.
    Try(usize),
    /// Both halves of a join.
    Join(Block, Block),
    /// Children of a scope.
    Scope(Vec<Block>),
    /// Tasks, which are then waited for in order.
    Tasks(Vec<Block>),
    /// A parallel loop of so many items.
    Loop(usize, Block),
    /// A join whose first half sets an event, and whose second half waits for it.
    Signal(Block, Block),
    /// Lets others go first.
    Yield,
    /// Panics.
    Panic,
    /// A part of the run, which the token with this number cancels in a [`Storm`]. Its failure is a value.
    Part(usize, Block),
    /// As `Tasks`, of tasks that the drop of their last handle cancels; their failures are values.
    Kept(Vec<Block>),
    /// A task whose handle is dropped at once: nobody is told what it did.
    Dropped(Block),
    /// Looks whether it was cancelled.
    Check,
}

/// The bodies of queries, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Query `i` does what stands at `i`.
    pub bodies: Vec<Block>,
    /// Whether some queries ask for fixpoints.
    pub has_rounds: bool,
}

/// What a program gives: of each query its value or the words of its failure; or those of the run's.
pub type Answers = Result<Vec<Result<u64, String>>, String>;

impl Program {
    /// A program of its own for each number: small, and with everything in it.
    pub fn random(number: u64) -> Self {
        Self::random_with(number, false)
    }

    /// One in which there are parts that can be cancelled alone, too.
    fn random_with(number: u64, has_parts: bool) -> Self {
        let mut random = Random::new(number);
        let count = 2 + random.below(7);
        let mut maker = Maker {
            // Of half of them queries ask only those with greater numbers.
            has_cycles: random.once_in(2),
            has_panics: random.once_in(2),
            random,
            count,
            has_parts,
            has_tasks: true,
        };
        maker.has_tasks = !has_parts || maker.random.once_in(2);
        Program {
            // Not where plain queries ask each other in circles, too (cycle.md, what is open).
            has_rounds: !maker.has_cycles && maker.random.once_in(2),
            bodies: (0..count).map(|query| maker.block(query, 3)).collect(),
        }
    }

    /// How many values of programs there are, and providers that have not ended, in the whole process.
    pub fn living() -> usize {
        living()
    }

    /// Asks for all its queries at once.
    pub fn run(&self, executor: &Executor) -> Answers {
        let db = Database::new(Play::calm(self));
        let ask = |cx: &Cx<'_, Play>, query| ask(cx, query).map_err(|error| error.to_string());
        let run = || executor.run(&db, |cx| cx.par_map(0..self.bodies.len(), ask));
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(answers) => answers.map_err(|error| error.to_string()),
            Err(payload) => Err(panic_text(payload)),
        }
    }

    /// The smallest program that `fails`, found by leaving things out of this one, which does.
    pub fn shrink(&self, fails: impl Fn(&Program) -> bool) -> Program {
        let mut smallest = self.clone();
        while let Some(smaller) = smallest.smaller().into_iter().find(&fails) {
            smallest = smaller;
        }
        smallest
    }

    /// All programs with one thing less.
    fn smaller(&self) -> Vec<Program> {
        let each = self.bodies.iter().enumerate();
        each.flat_map(|(query, body)| {
            smaller_blocks(body).into_iter().map(move |body| {
                let mut program = self.clone();
                program.bodies[query] = body;
                program
            })
        })
        .collect()
    }
}

/// The block without one of its parts, or with a part of a part in its place.
fn smaller_blocks(block: &Block) -> Vec<Block> {
    let put = |place: usize, ops: Block| {
        let mut block = block.clone();
        block.splice(place..=place, ops);
        block
    };
    let mut all: Vec<Block> = (0..block.len())
        .map(|place| put(place, Vec::new()))
        .collect();
    for (place, op) in block.iter().enumerate() {
        let inner = op.blocks();
        all.extend(inner.iter().map(|inner| put(place, (*inner).clone())));
        for (branch, inner) in inner.iter().enumerate() {
            for smaller in smaller_blocks(inner) {
                all.push(put(place, vec![op.with_block(branch, smaller)]));
            }
        }
    }
    all
}

impl Op {
    fn blocks(&self) -> Vec<&Block> {
        match self {
            Op::Join(a, b) | Op::Signal(a, b) => vec![a, b],
            Op::Scope(blocks) | Op::Tasks(blocks) | Op::Kept(blocks) => blocks.iter().collect(),
            Op::Loop(_, block) | Op::Part(_, block) | Op::Dropped(block) => vec![block],
            Op::Ask(_) | Op::Try(_) | Op::Yield | Op::Panic | Op::Check => Vec::new(),
        }
    }

    fn with_block(&self, branch: usize, block: Block) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Join(a, b) | Op::Signal(a, b) => *if branch == 0 { a } else { b } = block,
            Op::Scope(blocks) | Op::Tasks(blocks) | Op::Kept(blocks) => blocks[branch] = block,
            Op::Loop(_, inner) | Op::Part(_, inner) | Op::Dropped(inner) => *inner = block,
            Op::Ask(_) | Op::Try(_) | Op::Yield | Op::Panic | Op::Check => (),
        }
        op
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::scaled;

    fn has_panic_in_a_join(block: &Block) -> bool {
        block.iter().any(|op| {
            let is_join = matches!(op, Op::Join(..));
            let inner = op.blocks();
            inner
                .iter()
                .any(|block| has_panic_in_a_join(block) || is_join && block.contains(&Op::Panic))
        })
    }

    #[test]
    fn a_program_is_made_as_small_as_it_goes() {
        let fails = |program: &Program| program.bodies.iter().any(has_panic_in_a_join);
        let shrunk = (0..5000)
            .map(Program::random)
            .filter(fails)
            .map(|program| program.shrink(fails));
        let (mut count, enough) = (0, scaled(20));
        for small in shrunk.take(enough) {
            let ops: Vec<&Op> = small.bodies.iter().flatten().collect();
            let is_least = |op: &Op| {
                let left = Op::Join(vec![Op::Panic], Vec::new());
                let right = Op::Join(Vec::new(), vec![Op::Panic]);
                *op == left || *op == right
            };
            assert!(ops.len() == 1 && is_least(ops[0]), "{small:?}");
            count += 1;
        }
        assert_eq!(count, enough, "random programs have panics in joins");
    }
}
