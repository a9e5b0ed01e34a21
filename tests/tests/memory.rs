//! `Database::memory` against an allocator that counts.

use dagwood::{Cx, Database, Executor, Query, Storage};
use dagwood_tests::{Counting, fail_quietly, is_emulated, run_scenario, scaled};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Queries each of which gives nothing that lies on the heap.
macro_rules! number {
    ($name:ident, $storage:expr, $provide:expr) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $name(usize);

        impl Query<()> for $name {
            type Value = usize;

            const STORAGE: Storage<Self> = $storage;

            fn provide(self, cx: &Cx<'_, ()>) -> usize {
                $provide(cx, self.0)
            }
        }
    };
}

number!(Hashed, Storage::Hashed, |_, number| number);
number!(
    Dense,
    Storage::Dense {
        index: |key| key.0,
        key: Dense
    },
    |_, number| number
);
number!(Asking, Storage::Hashed, |cx: &Cx<'_, ()>, number| {
    (0..20).map(|more| *cx.get(Dense(number + more))).sum()
});
number!(Failing, Storage::Hashed, |_, _| fail_quietly(""));

/// Asks for what has this number.
type Ask = fn(&Cx<'_, ()>, usize);

/// What is reported and what is counted, after `ask` was called on each worker with each number.
fn reported_and_counted(executor: &Executor, is_recorded: bool, ask: Ask) -> (usize, usize) {
    let fill = |db: &Database<()>, len| {
        let each = |cx: &Cx<'_, ()>| {
            cx.broadcast(|cx, _| (0..len).for_each(|number| ask(cx, number)));
        };
        executor.run(db, each).expect("errors are held back");
    };
    let fresh = || match is_recorded {
        true => Database::new(()).record_all(),
        false => Database::new(()),
    };
    // What the executor keeps for the next time.
    fill(&fresh(), 1000);
    let before = ALLOCATOR.live();
    let db = fresh();
    fill(&db, scaled(30_000));
    let counted = ALLOCATOR.live() - before;
    let reported = db.memory().iter().map(|memory| memory.bytes).sum();
    (reported, counted)
}

/// One test: others beside it would be counted, too.
#[test]
fn memory_is_what_the_allocator_gave() {
    for backend in Executor::backends() {
        run_scenario("memory", *backend, &[1, 2], |bed| {
            let executor = bed.executor();
            for is_recorded in [false, true] {
                let asks: [Ask; 3] = [
                    |cx, number| assert_eq!(*cx.get(Hashed(number)), number),
                    |cx, number| assert_eq!(*cx.get(Dense(number)), number),
                    |cx, number| assert!(*cx.get(Asking(number)) > 0),
                ];
                for (which, ask) in asks.into_iter().enumerate() {
                    let (reported, counted) = reported_and_counted(&executor, is_recorded, ask);
                    let off = reported.abs_diff(counted);
                    // Where they are few, what the executor keeps weighs.
                    let kept = if is_emulated() { 4096 } else { 0 };
                    assert!(
                        off < counted / 100 + kept,
                        "ask {which}, records: {is_recorded}, reported {reported}, counted {counted}"
                    );
                }
            }
            // An error owns its text and its stack.
            let ask: Ask = |cx, number| assert!(cx.try_get(Failing(number)).is_err());
            let (reported, counted) = reported_and_counted(&executor, false, ask);
            assert!(reported < counted, "{reported} {counted}");
        });
    }
}
