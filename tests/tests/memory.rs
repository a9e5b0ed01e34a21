//! What an allocator that counts says: of `Database::memory`, and of loops that nobody takes a part of.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Others beside a test would be counted, too.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn memory_is_what_the_allocator_gave() {
    let _alone = alone();
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

/// Each part of a loop that others may take lies on the heap. All others are in long leaves.
#[test]
fn a_loop_that_nobody_takes_a_part_of_is_hardly_divided() {
    let _alone = alone();
    for backend in Executor::backends() {
        run_scenario("divided", *backend, &[4], |bed| {
            let executor = bed.executor();
            let others = executor.workers() - 1;
            let (busy, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
            let loops = |cx: &Cx<'_, ()>| {
                until(|| busy.load(Ordering::SeqCst) == others);
                let before = ALLOCATOR.given();
                cx.par_for_each(0..scaled(20_000), |_, _| (0..100).for_each(|_| spin_loop()));
                let given = ALLOCATOR.given() - before;
                is_over.store(true, Ordering::SeqCst);
                given
            };
            let long_leaf = || {
                busy.fetch_add(1, Ordering::SeqCst);
                until(|| is_over.load(Ordering::SeqCst));
                0
            };
            let each = |cx: &Cx<'_, ()>, worker| if worker == 0 { loops(cx) } else { long_leaf() };
            let run = |cx: &Cx<'_, ()>| cx.broadcast(each);
            let given = executor.run(&Database::new(()), run).expect("a run");
            assert!(given[0] < 150, "{} parts", given[0]);
        });
    }
}

/// Without a scheduling point.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}
