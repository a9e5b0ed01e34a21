//! Plays a program: its queries, and what each thing to do does.
//!
//! Used by `Program` and `Storm`. Knows nothing of how programs are made and judged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dagwood::{CancelToken, Cx, Error, Event, Fixpoint, Query, Task};

use super::{Block, Op, Program};
use crate::gate::fail_quietly;

/// What is cut off is not remembered: a program whose parts are cancelled all the time does everything anew for each who
/// asks, time and again. So many things may be done before they are cancelled no more. (It hides no hang: without it the
/// first 6,000 storms all end, sequentially and on fibers, 19 of them after more than 2,000 things, the longest after 12,276.)
const CALM_AFTER: usize = 20_000;

/// A program that is played, and what cancels parts of it meanwhile: the data of its database.
pub(crate) struct Play {
    pub(super) program: Program,
    /// What cancels, and when: once so many things were begun by all who play.
    ends: Vec<(usize, CancelToken)>,
    /// Those of the parts inside queries.
    parts: Vec<CancelToken>,
    steps: AtomicUsize,
    /// Whether parts are not cancelled any more.
    is_calm: AtomicBool,
}

impl Play {
    /// One in which nothing is cancelled.
    pub(super) fn calm(program: &Program) -> Self {
        Self::with_ends(program, Vec::new(), Vec::new())
    }

    pub(super) fn with_ends(
        program: &Program,
        ends: Vec<(usize, CancelToken)>,
        parts: Vec<CancelToken>,
    ) -> Self {
        Play {
            program: program.clone(),
            ends,
            parts,
            steps: AtomicUsize::new(0),
            is_calm: AtomicBool::new(false),
        }
    }

    /// From now on nothing is cancelled.
    pub(super) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    /// Something is begun.
    fn step(&self) {
        if self.ends.is_empty() {
            return;
        }
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if step >= CALM_AFTER {
            return self.calm_down();
        }
        let now = self.ends.iter().filter(|(at, _)| *at == step);
        now.for_each(|(_, token)| token.cancel());
    }

    /// What may cancel a part with this number.
    fn token_of_part(&self, part: usize) -> CancelToken {
        let is_calm = self.parts.is_empty() || self.is_calm.load(Ordering::SeqCst);
        if is_calm {
            CancelToken::new()
        } else {
            self.parts[part % self.parts.len()].clone()
        }
    }
}

/// A query of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Body(usize);

/// One that asks for a fixpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round(usize);

/// How many values there are, and providers that have not ended.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// How many values there are, and providers that have not ended, in the whole process.
pub(super) fn living() -> usize {
    LIVING.load(Ordering::SeqCst)
}

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

/// What a query gives, or a task, or an item of a loop.
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

fn provide(cx: &Cx<'_, Play>, query: usize) -> u64 {
    let _provider = Living::new();
    do_all(cx, &cx.data().program.bodies[query])
}

impl Query<Play> for Round {
    type Value = Given;
    const FIXPOINT: Option<Fixpoint<Self, Given>> =
        Some(Fixpoint::new(|key: &Round| Given::new(key.0 as u64)).rounds_max(6));

    /// A number so small that there may be a fixpoint.
    fn provide(self, cx: &Cx<'_, Play>) -> Given {
        Given::new(provide(cx, self.0) % 3)
    }
}

impl Query<Play> for Body {
    type Value = Given;

    fn provide(self, cx: &Cx<'_, Play>) -> Given {
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
fn is_round(cx: &Cx<'_, Play>, query: usize) -> bool {
    cx.data().program.has_rounds && query % 4 == 1
}

/// What a query gives.
pub(super) fn ask(cx: &Cx<'_, Play>, query: usize) -> Result<u64, Error> {
    let given = if is_round(cx, query) {
        cx.try_get(Round(query))
    } else {
        cx.try_get(Body(query))
    };
    given.map(|given| given.value)
}

/// Mixes what is done into one number that depends on the order in the program.
fn do_all<'db>(cx: &Cx<'db, Play>, block: &'db Block) -> u64 {
    block.iter().fold(1, |mixed, op| {
        cx.data().step();
        let value = do_one(cx, op);
        (mixed ^ value)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
    })
}

fn do_one<'db>(cx: &Cx<'db, Play>, op: &'db Op) -> u64 {
    match op {
        Op::Ask(query) if is_round(cx, *query) => cx.get(Round(*query)).value,
        Op::Ask(query) => cx.get(Body(*query)).value,
        Op::Try(query) => in_words(ask(cx, *query)),
        Op::Join(a, b) => {
            let (a, b) = cx.join(|cx| do_all(cx, a), |cx| do_all(cx, b));
            a ^ b.rotate_left(7)
        }
        Op::Signal(a, b) => signal(cx, a, b),
        Op::Scope(blocks) => scope(cx, blocks),
        Op::Tasks(blocks) => {
            let spawn = |block| cx.spawn(move |cx| Given::new(do_all(cx, block)));
            let tasks: Vec<_> = blocks.iter().map(spawn).collect();
            let results: Vec<_> = tasks.iter().map(|task| task.wait(cx).value).collect();
            mix(&results)
        }
        Op::Loop(items, block) => {
            let given = cx.par_map(0..*items, |cx, _| Given::new(do_all(cx, block)));
            mix(&given.iter().map(|given| given.value).collect::<Vec<_>>())
        }
        Op::Yield => {
            cx.yield_now();
            2
        }
        Op::Panic => fail_quietly("a random program panics"),
        Op::Part(part, block) => {
            let token = cx.data().token_of_part(*part);
            in_words(cx.cancellable(&token, |cx| do_all(cx, block)))
        }
        Op::Kept(blocks) => {
            let tasks: Vec<_> = blocks.iter().map(|block| spawn_kept(cx, block)).collect();
            let wait = |task: &Task<'_, Given>| task.try_wait(cx).map(|given| given.value);
            let results: Vec<_> = tasks.iter().map(|task| in_words(wait(task))).collect();
            mix(&results)
        }
        Op::Dropped(block) => {
            // Its failure would be the run's, if it came in time.
            let body = move |cx: &Cx<'db, Play>| {
                let result = catch_unwind(AssertUnwindSafe(|| do_all(cx, block)));
                Given::new(result.unwrap_or(9))
            };
            drop(cx.spawn_cancellable(body));
            6
        }
        Op::Check => {
            // Who is told makes a value of it all the same.
            u64::from(cx.check_cancelled().is_err())
        }
    }
}

fn spawn_kept<'db>(cx: &Cx<'db, Play>, block: &'db Block) -> Task<'db, Given> {
    cx.spawn_cancellable(move |cx| Given::new(do_all(cx, block)))
}

/// A failure is a value, too.
fn in_words(result: Result<u64, Error>) -> u64 {
    result.unwrap_or_else(|error| error.to_string().len() as u64)
}

fn scope<'db>(cx: &Cx<'db, Play>, blocks: &'db [Block]) -> u64 {
    let mut results = vec![0; blocks.len()];
    cx.scope(|cx, scope| {
        for (block, result) in blocks.iter().zip(&mut results) {
            scope.spawn(cx, move |cx| *result = do_all(cx, block));
        }
    });
    mix(&results)
}

/// The event is set whatever becomes of the first half, else the second one would wait for ever.
fn signal<'db>(cx: &Cx<'db, Play>, a: &'db Block, b: &'db Block) -> u64 {
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
