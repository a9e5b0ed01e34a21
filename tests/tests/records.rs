//! S1: what queries asked is recorded in program order, with branches kept, on every backend and schedule.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use dagwood::{Asked, Cx, Database, Query, Step, Storage, Task};
use dagwood_tests::{Bed, Dag, Node, Random, at_once_from_tasks, fail_quietly, scaled, scenarios};

scenarios! {
    all [1, 2, 3, 8]: s1_records_of_random_graphs;
    all [1, 2, 3]: s1_records_lead_to_those_of_what_was_asked_for;
    all [1, 2, 8]: s1_records_of_nested_branches;
    all [1, 2, 8]: s1_records_beside_panics;
    all [1, 2, 4]: s1_records_of_tasks;
    all [1, 2, 4]: s1_records_of_failed_tasks;
    all [1, 2, 4]: s1_records_of_broadcasts;
    all [1]: s1_records_of_a_long_chain_of_tasks;
    all [1, 2]: s1_records_of_tasks_from_outside;
    all [1, 2]: records_only_on_request;
}

fn s1_records_of_random_graphs(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(100) {
        let mut random = Random::new(seed);
        let len = 1 + random.below(60);
        let db = Database::new(Dag::random(&mut random, len)).record_all();
        at_once_from_tasks(&executor, &db, len, |cx, i| *cx.get(Node(i)));
        for node in 0..len {
            let record = db.record(&Node(node)).expect("it is ready");
            let expected = db.data().record_of(node);
            assert_eq!(format!("{record:?}"), expected, "seed {seed}, node {node}");
        }
    }
}

/// All queries in these steps, in program order.
fn asked_in<'db, D>(steps: &[Step<'db, D>]) -> Vec<Asked<'db, D>> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Ask(asked) => found.push(*asked),
            Step::Fork(branches) => branches
                .iter()
                .for_each(|branch| found.extend(asked_in(branch))),
        }
    }
    found
}

/// Who knows no type walks from a query to all that it depends on; what has failed has no steps.
fn s1_records_lead_to_those_of_what_was_asked_for(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(30) {
        let mut random = Random::new(seed);
        let len = 1 + random.below(60);
        let db = Database::new(Dag::random(&mut random, len)).record_all();
        at_once_from_tasks(&executor, &db, len, |cx, i| *cx.get(Node(i)));
        for node in 0..len {
            let steps = db.record(&Node(node)).expect("it is ready");
            for asked in asked_in(&steps) {
                let Node(key) = asked.key().expect("all are nodes");
                let steps = asked.steps().expect("it is ready");
                assert_eq!(format!("{steps:?}"), db.data().record_of(key));
                let again = asked_in(&db.record(&Node(node)).expect("it is ready"));
                assert!(again.contains(&asked));
                assert_eq!(again.iter().filter(|other| **other == asked).count(), 1);
            }
        }
    }
    let db = Database::new(()).record_all();
    let asked = executor.run(&db, |cx| *cx.get(Shape::FailedAsk));
    asked.expect("it sees the failure");
    let steps = db.record(&Shape::FailedAsk).expect("it is ready");
    assert!(asked_in(&steps)[0].steps().is_none());
}

/// A number, and its square, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Square(usize);

impl Query<()> for Square {
    type Value = usize;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0,
        key: Square,
    };

    fn provide(self, _: &Cx<'_, ()>) -> usize {
        self.0 * self.0
    }
}

/// Asks for squares in all ways at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    Nested,
    Panicking,
    Tasks,
    FailedTask,
    Broadcast,
    Chain(usize),
    Failing,
    FailedAsk,
}

fn ask(cx: &Cx<'_, ()>, number: usize) {
    assert_eq!(*cx.get(Square(number)), number * number);
}

fn nested(cx: &Cx<'_, ()>) {
    ask(cx, 0);
    let left = |cx: &Cx<'_, ()>| {
        ask(cx, 1);
        cx.par_for_each(0..40_usize, |cx, item: usize| {
            // Most items leave no trace.
            if item % 10 == 3 {
                cx.join(|cx| ask(cx, 100 + item), |cx| ask(cx, 200 + item));
            }
        });
    };
    let right = |cx: &Cx<'_, ()>| {
        cx.scope(|cx, scope| {
            ask(cx, 2);
            scope.spawn(cx, |cx| {
                ask(cx, 3);
                scope.spawn(cx, |cx| ask(cx, 4));
            });
            scope.spawn(cx, |cx| ask(cx, 5));
            ask(cx, 6);
        });
        ask(cx, 7);
    };
    cx.join(left, right);
    cx.join(|_| (), |_| ());
    ask(cx, 8);
}

fn panicking(cx: &Cx<'_, ()>) {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let left = |cx: &Cx<'_, ()>| {
            cx.join(|cx| ask(cx, 1), |_| fail_quietly("in a branch"));
        };
        cx.join(left, |cx| ask(cx, 2));
    }));
    assert!(caught.is_err());
    ask(cx, 3);
}

fn tasks(cx: &Cx<'_, ()>) {
    ask(cx, 0);
    let one = cx.spawn(|cx| {
        ask(cx, 1);
        cx.join(|cx| ask(cx, 2), |cx| ask(cx, 3));
    });
    let nobody_waits = cx.spawn(|cx| ask(cx, 9));
    ask(cx, 4);
    let before = one.clone();
    let two = cx.spawn(move |cx| {
        ask(cx, 5);
        before.wait(cx);
        ask(cx, 6);
    });
    cx.join(|cx| ask(cx, 7), |cx| *two.wait(cx));
    // All of it is known.
    one.wait(cx);
    two.wait(cx);
    ask(cx, 8);
    drop(nobody_waits);
}

fn failed_task(cx: &Cx<'_, ()>) {
    let task = cx.spawn(|cx| {
        ask(cx, 1);
        fail_quietly("in a task")
    });
    let result: Result<&(), _> = task.try_wait(cx);
    assert!(result.is_err());
    ask(cx, 2);
}

fn broadcast(cx: &Cx<'_, ()>) {
    ask(cx, 0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        cx.broadcast(|cx, worker| {
            cx.join(|cx| ask(cx, 10 + worker), |_| ());
            if worker == 0 {
                fail_quietly("in a call");
            }
        })
    }));
    assert!(caught.is_err());
    ask(cx, 1);
}

/// So many that nothing of them may lie in one another on a stack.
const CHAIN: usize = scaled(30_000);

fn chain(cx: &Cx<'_, ()>, len: usize) {
    let mut last = cx.spawn(|cx| ask(cx, 0));
    for number in 1..len {
        let before = last;
        last = cx.spawn(move |cx| {
            before.wait(cx);
            ask(cx, number);
        });
    }
    last.wait(cx);
}

impl Query<()> for Shape {
    type Value = ();

    fn provide(self, cx: &Cx<'_, ()>) {
        match self {
            Shape::Nested => nested(cx),
            Shape::Panicking => panicking(cx),
            Shape::Tasks => tasks(cx),
            Shape::FailedTask => failed_task(cx),
            Shape::Broadcast => broadcast(cx),
            Shape::Chain(len) => chain(cx, len),
            Shape::Failing => fail_quietly("always"),
            Shape::FailedAsk => assert!(cx.try_get(Shape::Failing).is_err()),
        }
    }
}

fn record_of(bed: &Bed, shape: Shape) -> String {
    let db = Database::new(()).record_all();
    bed.executor()
        .run(&db, |cx| *cx.get(shape))
        .expect("no failure");
    format!("{:?}", db.record(&shape).expect("it is ready"))
}

fn s1_records_of_nested_branches(bed: &Bed) {
    let square = |number: usize| format!("Square({number})");
    let item = |item: usize| format!("[{{[{}] | [{}]}}]", square(100 + item), square(200 + item));
    let items = [3, 13, 23, 33].map(item).join(" | ");
    let scope = "{[Square(2), Square(6)] | [Square(3)] | [Square(4)] | [Square(5)]}";
    let expected =
        format!("[Square(0), {{[Square(1), {{{items}}}] | [{scope}, Square(7)]}}, Square(8)]");
    for _ in 0..bed.scaled(50) {
        assert_eq!(record_of(bed, Shape::Nested), expected);
    }
}

/// A branch that panics has asked for what it asked for, and what comes after stands after.
fn s1_records_beside_panics(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        let record = record_of(bed, Shape::Panicking);
        assert_eq!(record, "[{[{[Square(1)]}] | [Square(2)]}, Square(3)]");
    }
}

/// What a task asked for stands where it is waited for first.
fn s1_records_of_tasks(bed: &Bed) {
    let expected = "[Square(0), Square(4), \
        {[Square(7)] | [Square(5), Square(1), {[Square(2)] | [Square(3)]}, Square(6)]}, \
        Square(8)]";
    for _ in 0..bed.scaled(50) {
        assert_eq!(record_of(bed, Shape::Tasks), expected);
    }
}

fn s1_records_of_failed_tasks(bed: &Bed) {
    assert_eq!(record_of(bed, Shape::FailedTask), "[Square(1), Square(2)]");
}

/// A branch for each worker, also for one that panics.
fn s1_records_of_broadcasts(bed: &Bed) {
    let call = |worker: usize| format!("[{{[Square({})]}}]", 10 + worker);
    let workers = bed.executor().workers();
    let calls = (0..workers).map(call).collect::<Vec<_>>().join(" | ");
    let expected = format!("[Square(0), {{{calls}}}, Square(1)]");
    for _ in 0..bed.scaled(20) {
        assert_eq!(record_of(bed, Shape::Broadcast), expected);
    }
}

fn s1_records_of_a_long_chain_of_tasks(bed: &Bed) {
    let chain = Shape::Chain(bed.at_most_seeded(200, CHAIN));
    let db = Database::new(()).record_all();
    let asked = bed.executor().run(&db, |cx| *cx.get(chain));
    asked.expect("no failure");
    let steps = db.record(&chain).expect("it is ready");
    assert_eq!(steps.len(), bed.at_most_seeded(200, CHAIN));
    for (number, step) in steps.iter().enumerate() {
        let Step::Ask(asked) = step else {
            panic!("no fork: {step:?}")
        };
        assert_eq!(asked.key(), Some(Square(number)));
    }
    drop(steps);
    // Nor on this one.
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let dropped = small.spawn(|| drop(db)).expect("a thread can be started");
    dropped.join().expect("no panic");
}

/// Waits for a task that comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Taker;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Number(usize);

/// The task, of a `run` of this database or another.
type Handle = Mutex<Option<Task<'static, usize>>>;

impl Query<Handle> for Number {
    type Value = usize;

    fn provide(self, _: &Cx<'_, Handle>) -> usize {
        self.0
    }
}

impl Query<Handle> for Taker {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Handle>) -> usize {
        let handle = cx.data().lock().expect("no user code under the lock");
        let task = handle.clone().expect("it was put there");
        drop(handle);
        *task.wait(cx)
    }
}

/// A task of the same database belongs to the record of who waits for it, wherever it was spawned; one of another database
/// cannot.
fn s1_records_of_tasks_from_outside(bed: &Bed) {
    let executor = bed.executor();
    let database = || &*Box::leak(Box::new(Database::new(Handle::default()).record_all()));
    let (one, other) = (database(), database());
    let task = executor.run(one, |cx| cx.spawn(|cx| *cx.get(Number(7))));
    let task = task.expect("no failure");
    for (db, expected) in [(one, "[Number(7)]"), (other, "[]")] {
        *db.data().lock().expect("no user code under the lock") = Some(task.clone());
        assert_eq!(executor.run(db, |cx| *cx.get(Taker)).expect("a value"), 7);
        let record = db.record(&Taker).expect("it is ready");
        assert_eq!(format!("{record:?}"), expected);
    }
}

/// In the sequential build a database is one thread's, and so is what its records lead to.
#[test]
#[cfg(not(any(feature = "fibers", feature = "threads")))]
fn steps_are_looked_at_on_the_databases_thread() {
    let db = Database::new(()).record_all();
    let executor = dagwood::Executor::builder().build().expect("it is there");
    executor
        .run(&db, |cx| *cx.get(Shape::FailedTask))
        .expect("no failure");
    let steps = db.record(&Shape::FailedTask).expect("it is ready");
    let refuses =
        |look: &(dyn Fn() + Sync)| std::thread::scope(|scope| scope.spawn(look).join().is_err());
    assert!(refuses(&|| drop(format!("{steps:?}"))));
    assert!(refuses(&|| {
        if let Step::Ask(asked) = &steps[0] {
            assert!(asked.key::<Square>().is_some());
        }
    }));
    assert!(refuses(&|| {
        if let Step::Ask(asked) = &steps[0] {
            assert!(asked.steps().is_some());
        }
    }));
}

fn records_only_on_request(bed: &Bed) {
    let executor = bed.executor();
    let plain = Database::new(());
    executor
        .run(&plain, |cx| *cx.get(Shape::Nested))
        .expect("no failure");
    assert!(plain.record(&Shape::Nested).is_none());
    let recording = plain.record_all();
    assert!(
        recording.record(&Shape::Nested).is_none(),
        "the results are gone"
    );
    executor
        .run(&recording, |cx| ask(cx, 3))
        .expect("no failure");
    assert!(
        recording
            .record(&Square(3))
            .expect("it is ready")
            .is_empty()
    );
    assert!(recording.record(&Square(4)).is_none());
}
