//! Random programs: queries whose bodies ask, fork, spawn, wait, fail and run in circles. Made from a number, shown as text,
//! and made smaller while they still fail.
//!
//! What a program gives is a function of the program (invariant 8): so the sequential backend is the oracle of all others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Error, Event, Executor, Fixpoint, Query};

use crate::gate::{fail_quietly, panic_text};
use crate::random::Random;

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
}

/// The bodies of queries, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Query `i` does what stands at `i`.
    pub bodies: Vec<Block>,
    /// Whether some queries ask for fixpoints.
    pub has_rounds: bool,
}

/// A query of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Body(usize);

/// One that asks for a fixpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round(usize);

/// How many values there are, and providers that have not ended.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// One of them.
#[derive(Debug)]
struct Living;

impl Living {
    fn new() -> Self {
        LIVING.fetch_add(1, Ordering::Relaxed);
        Living
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        LIVING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a query gives.
#[derive(Debug)]
struct Given {
    value: u64,
    _living: Living,
}

impl Given {
    fn new(value: u64) -> Self {
        Given {
            value,
            _living: Living::new(),
        }
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

fn provide(cx: &Cx<'_, Program>, query: usize) -> u64 {
    let _provider = Living::new();
    do_all(cx, &cx.data().bodies[query])
}

impl Query<Program> for Round {
    type Value = Given;
    const FIXPOINT: Option<Fixpoint<Self, Given>> =
        Some(Fixpoint::new(|key: &Round| Given::new(key.0 as u64)).rounds_max(6));

    /// A number so small that there may be a fixpoint.
    fn provide(self, cx: &Cx<'_, Program>) -> Given {
        Given::new(provide(cx, self.0) % 3)
    }
}

impl Query<Program> for Body {
    type Value = Given;

    fn provide(self, cx: &Cx<'_, Program>) -> Given {
        Given::new(provide(cx, self.0))
    }

    /// One in three recovers, by its own key and the walk.
    fn recover(&self, cycle: &Error) -> Option<Given> {
        let text = cycle.to_string();
        let walk = || text.bytes().fold(3, |sum, byte| mix(&[sum, byte.into()]));
        self.0
            .is_multiple_of(3)
            .then(|| Given::new(mix(&[self.0 as u64, walk()])))
    }
}

/// One in four asks for a fixpoint, if the program says so.
fn is_round(cx: &Cx<'_, Program>, query: usize) -> bool {
    cx.data().has_rounds && query % 4 == 1
}

fn ask(cx: &Cx<'_, Program>, query: usize) -> Result<u64, Error> {
    let given = if is_round(cx, query) {
        cx.try_get(Round(query))
    } else {
        cx.try_get(Body(query))
    };
    given.map(|given| given.value)
}

/// What a program gives: of each query its value or the words of its failure; or those of the run's.
pub type Answers = Result<Vec<Result<u64, String>>, String>;

impl Program {
    /// A program of its own for each number: small, and with everything in it.
    pub fn random(number: u64) -> Self {
        let mut random = Random::new(number);
        let count = 2 + random.below(7);
        let mut maker = Maker {
            // Of half of them queries ask only those with greater numbers.
            has_cycles: random.once_in(2),
            has_panics: random.once_in(2),
            random,
            count,
        };
        Program {
            // Not where plain queries ask each other in circles, too (cycle.md, what is open).
            has_rounds: !maker.has_cycles && maker.random.once_in(2),
            bodies: (0..count).map(|query| maker.block(query, 3)).collect(),
        }
    }

    /// How many values of programs there are, and providers that have not ended, in the whole process.
    pub fn living() -> usize {
        LIVING.load(Ordering::SeqCst)
    }

    /// Asks for all its queries at once.
    pub fn run(&self, executor: &Executor) -> Answers {
        let db = Database::new(self.clone());
        let ask = |cx: &Cx<'_, Program>, query| ask(cx, query).map_err(|error| error.to_string());
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
            Op::Scope(blocks) | Op::Tasks(blocks) => blocks.iter().collect(),
            Op::Loop(_, block) => vec![block],
            Op::Ask(_) | Op::Try(_) | Op::Yield | Op::Panic => Vec::new(),
        }
    }

    fn with_block(&self, branch: usize, block: Block) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Join(a, b) | Op::Signal(a, b) => *if branch == 0 { a } else { b } = block,
            Op::Scope(blocks) | Op::Tasks(blocks) => blocks[branch] = block,
            Op::Loop(_, inner) => *inner = block,
            Op::Ask(_) | Op::Try(_) | Op::Yield | Op::Panic => (),
        }
        op
    }
}

/// Makes blocks of query bodies.
struct Maker {
    random: Random,
    count: usize,
    has_cycles: bool,
    has_panics: bool,
}

impl Maker {
    fn block(&mut self, query: usize, depth: usize) -> Block {
        let len = self.random.below(4);
        (0..len).filter_map(|_| self.op(query, depth)).collect()
    }

    fn op(&mut self, query: usize, depth: usize) -> Option<Op> {
        if depth == 0 || self.random.once_in(3) {
            let asked = self.asked(query)?;
            return Some(match self.random.below(4) {
                0 => Op::Try(asked),
                1 => Op::Yield,
                _ => Op::Ask(asked),
            });
        }
        let depth = depth - 1;
        Some(match self.random.below(6) {
            0 => Op::Join(self.block(query, depth), self.block(query, depth)),
            1 => Op::Signal(self.block(query, depth), self.block(query, depth)),
            2 => Op::Scope(self.blocks(query, depth)),
            // A task that asks for who spawned it runs at another time sequentially, and is a cycle there only, unless
            // it is waited for at once.
            3 if self.has_cycles => Op::Tasks(vec![self.block(query, depth)]),
            3 => Op::Tasks(self.blocks(query, depth)),
            4 => Op::Loop(1 + self.random.below(4), self.block(query, depth)),
            _ if self.has_panics && self.random.once_in(3) => Op::Panic,
            _ => return None,
        })
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

/// Mixes what is done into one number that depends on the order in the program.
fn do_all<'db>(cx: &Cx<'db, Program>, block: &'db Block) -> u64 {
    block.iter().fold(1, |mixed, op| {
        let value = do_one(cx, op);
        (mixed ^ value)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
    })
}

fn do_one<'db>(cx: &Cx<'db, Program>, op: &'db Op) -> u64 {
    match op {
        Op::Ask(query) if is_round(cx, *query) => cx.get(Round(*query)).value,
        Op::Ask(query) => cx.get(Body(*query)).value,
        Op::Try(query) => match ask(cx, *query) {
            Ok(value) => value,
            Err(error) => error.to_string().len() as u64,
        },
        Op::Join(a, b) => {
            let (a, b) = cx.join(|cx| do_all(cx, a), |cx| do_all(cx, b));
            a ^ b.rotate_left(7)
        }
        Op::Signal(a, b) => signal(cx, a, b),
        Op::Scope(blocks) => {
            let mut results = vec![0; blocks.len()];
            cx.scope(|cx, scope| {
                for (block, result) in blocks.iter().zip(&mut results) {
                    scope.spawn(cx, move |cx| *result = do_all(cx, block));
                }
            });
            mix(&results)
        }
        Op::Tasks(blocks) => {
            let spawn = |block| cx.spawn(move |cx| do_all(cx, block));
            let tasks: Vec<_> = blocks.iter().map(spawn).collect();
            mix(&tasks.iter().map(|task| *task.wait(cx)).collect::<Vec<_>>())
        }
        Op::Loop(items, block) => mix(&cx.par_map(0..*items, |cx, _| do_all(cx, block))),
        Op::Yield => {
            cx.yield_now();
            2
        }
        Op::Panic => fail_quietly("a random program panics"),
    }
}

/// The event is set whatever becomes of the first half, else the second one would wait for ever.
fn signal<'db>(cx: &Cx<'db, Program>, a: &'db Block, b: &'db Block) -> u64 {
    struct SetOnDrop<'e>(&'e Event<u64>);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            // Set before, if nothing unwound.
            let _ = self.0.set(3);
        }
    }
    let event = Event::named("a signal");
    let (a, b) = cx.join(
        |cx| {
            let _guard = SetOnDrop(&event);
            do_all(cx, a)
        },
        |cx| event.wait(cx) ^ do_all(cx, b),
    );
    a ^ b.rotate_left(9)
}

fn mix(values: &[u64]) -> u64 {
    values.iter().fold(5, |mixed, value| {
        (mixed.rotate_left(11) ^ value).wrapping_mul(0x2545_F491_4F6C_DD1D)
    })
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
