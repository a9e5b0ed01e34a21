//! S1: what queries asked is recorded in program order, with branches kept, on every backend and schedule.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dagwood::{Cx, Database, Query, Storage};
use dagwood_tests::{Bed, Dag, Node, Random, at_once_from_tasks, fail_quietly, scenarios};

scenarios! {
    all [1, 2, 3, 8]: s1_records_of_random_graphs;
    all [1, 2, 8]: s1_records_of_nested_branches;
    all [1, 2, 8]: s1_records_beside_panics;
    all [1, 2]: records_only_on_request;
}

fn s1_records_of_random_graphs(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(100) {
        let mut random = Random::new(seed);
        let len = 1 + random.below(60);
        let db = Database::new(Dag::random_without_tasks(&mut random, len)).record_all();
        at_once_from_tasks(&executor, &db, len, |cx, i| *cx.get(Node(i)));
        for node in 0..len {
            let record = db.record(&Node(node)).expect("it is ready");
            let expected = db.data().record_of(node);
            assert_eq!(format!("{record:?}"), expected, "seed {seed}, node {node}");
        }
    }
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

impl Query<()> for Shape {
    type Value = ();

    fn provide(self, cx: &Cx<'_, ()>) {
        match self {
            Shape::Nested => nested(cx),
            Shape::Panicking => panicking(cx),
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
    for _ in 0..50 {
        assert_eq!(record_of(bed, Shape::Nested), expected);
    }
}

/// A branch that panics has asked for what it asked for, and what comes after stands after.
fn s1_records_beside_panics(bed: &Bed) {
    for _ in 0..20 {
        let record = record_of(bed, Shape::Panicking);
        assert_eq!(record, "[{[{[Square(1)]}] | [Square(2)]}, Square(3)]");
    }
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
