//! X5 for several databases of one executor, at places where a review found them wrong.

use std::sync::Arc;
use std::sync::OnceLock;

use dagwood::{Cx, Database, Executor, Fixpoint, Query};
use dagwood_tests::{Bed, fail_quietly, scenarios};

scenarios! {
    shared [1, 3]: x5_a_walk_is_told_the_same_where_names_are_alike;
    shared [1, 3]: x5_a_task_that_fails_in_another_database_fails_the_run_and_no_query;
    shared [1, 3]: x5_iterations_of_two_databases_that_need_each_other;
}

#[derive(Default)]
struct Data {
    number: usize,
    other: OnceLock<Arc<Database<Data>>>,
}

impl Data {
    fn other(&self) -> &Database<Data> {
        self.other.get().expect("it was made")
    }
}

/// Two that know each other. (They are never freed.)
fn two() -> [Arc<Database<Data>>; 2] {
    let both = [0, 1].map(|number| {
        Arc::new(Database::new(Data {
            number,
            ..Data::default()
        }))
    });
    for (here, there) in [(0, 1), (1, 0)] {
        let set = both[here].data().other.set(Arc::clone(&both[there]));
        assert!(set.is_ok(), "set once");
    }
    both
}

/// A here asks for A there, that for B there, and that for A here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Odd {
    A,
    B,
}

impl Query<Data> for Odd {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        let there = |key| cx.with_database(cx.data().other(), |cx| *cx.get(key));
        match (self, cx.data().number) {
            (Odd::A, 0) => there(Odd::A),
            (Odd::A, _) => *cx.get(Odd::B),
            (Odd::B, _) => there(Odd::A),
        }
    }
}

fn x5_a_walk_is_told_the_same_where_names_are_alike(bed: &Bed) {
    let executor = bed.executor();
    let texts = [(0, Odd::A), (1, Odd::A), (1, Odd::B)].map(|(number, key)| {
        let both = two();
        let run = executor.run(&both[number], |cx| cx.try_get(key).copied());
        let error = run.expect("the run goes on").expect_err("it is a cycle");
        assert!(error.is_cycle(), "{error}");
        error.to_string()
    });
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
}

/// Leaves a task behind that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leaves;

impl Query<Data> for Leaves {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        cx.spawn(|_| fail_quietly("a task left behind"));
        7
    }
}

/// Asks for it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Uses(usize);

impl Query<Data> for Uses {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        self.0 + cx.with_database(cx.data().other(), |cx| *cx.get(Leaves))
    }
}

/// Who happens to be the first to ask must not be told by what a query gives.
fn x5_a_task_that_fails_in_another_database_fails_the_run_and_no_query(bed: &Bed) {
    let executor = bed.executor();
    for order in [[1, 2], [2, 1]] {
        let [first, _] = two();
        let run = executor.run(&first, |cx| {
            order.iter().for_each(|&number| {
                assert_eq!(
                    cx.try_get(Uses(number)).copied().expect("a value"),
                    7 + number
                );
            });
        });
        let error = run.expect_err("a task failed");
        assert!(error.to_string().contains("a task left behind"), "{error}");
    }
}

/// An iteration of each database needs that of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Mutual(usize);

impl Query<Data> for Mutual {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        let own = *cx.get(self);
        let there = cx.with_database(cx.data().other(), |cx| *cx.get(self));
        (own + there + 1).min(10)
    }
}

fn x5_iterations_of_two_databases_that_need_each_other(bed: &Bed) {
    let executor: Executor = bed.executor();
    let mut all = Vec::new();
    for _ in 0..bed.scaled(50) {
        for begins in [0, 1] {
            let both = two();
            let run = executor.run(&both[begins], |cx| {
                let there = |cx: &Cx<'_, Data>| {
                    cx.with_database(cx.data().other(), |cx| cx.try_get(Mutual(0)).copied())
                };
                let (own, other) = cx.join(|cx| cx.try_get(Mutual(0)).copied(), there);
                [own, other].map(|one| one.expect_err("a cycle").to_string())
            });
            all.push(run.expect("the run goes on"));
        }
    }
    for texts in &all {
        assert_eq!(texts, &all[0]);
    }
}
