//! S2: one worker runs joins, scopes and parallel loops in program order, and so does the sequential backend.

use std::sync::Mutex;

use dagwood::{Cx, Database, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1]: s2_joins_in_program_order;
    all [1]: s2_loops_in_program_order;
    all [1]: s2_children_of_a_scope_in_the_order_of_spawning;
    all [1]: s2_queries_in_the_order_of_asking;
    all [1]: s2_tasks_in_the_order_of_waiting;
}

/// What has happened.
#[derive(Default)]
struct Log(Mutex<Vec<usize>>);

impl Log {
    fn note(&self, number: usize) {
        self.0.lock().expect("no panic under the lock").push(number);
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().expect("no panic under the lock"))
    }
}

/// What `body` notes.
fn noted(bed: &Bed, body: impl Fn(&Cx<'_, Log>) + Send + Sync) -> Vec<usize> {
    let executor = bed.executor();
    let mut seen: Option<Vec<usize>> = None;
    for _ in 0..20 {
        let db = Database::new(Log::default());
        executor.run(&db, &body).expect("nothing fails");
        let now = db.data().take();
        assert_eq!(*seen.get_or_insert_with(|| now.clone()), now);
    }
    seen.expect("it ran")
}

/// The leaves of a tree of joins below `range`.
fn leaves(cx: &Cx<'_, Log>, from: usize, to: usize) {
    if to - from == 1 {
        return cx.data().note(from);
    }
    let middle = from.midpoint(to);
    cx.join(|cx| leaves(cx, from, middle), |cx| leaves(cx, middle, to));
}

fn s2_joins_in_program_order(bed: &Bed) {
    let noted = noted(bed, |cx| leaves(cx, 0, 1000));
    assert_eq!(noted, Vec::from_iter(0..1000));
}

fn s2_loops_in_program_order(bed: &Bed) {
    let noted = noted(bed, |cx| {
        cx.par_for_each(0..100_usize, |cx, outer| {
            cx.par_map(0..10_usize, |cx, inner| cx.data().note(outer * 10 + inner));
        });
    });
    assert_eq!(noted, Vec::from_iter(0..1000));
}

fn s2_children_of_a_scope_in_the_order_of_spawning(bed: &Bed) {
    let noted = noted(bed, |cx| {
        cx.scope(|cx, scope| {
            for child in 0..100 {
                scope.spawn(cx, move |cx| {
                    leaves(cx, child * 10, child * 10 + 10);
                });
            }
        });
        cx.data().note(1000);
    });
    assert_eq!(noted, Vec::from_iter(0..=1000));
}

/// Asks for the smaller ones, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Counted(usize);

impl Query<Log> for Counted {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Log>) -> usize {
        let below = cx.par_map(0..self.0, |cx, i| *cx.get(Counted(i)));
        cx.data().note(self.0);
        below.into_iter().sum::<usize>() + 1
    }
}

fn s2_queries_in_the_order_of_asking(bed: &Bed) {
    let noted = noted(bed, |cx| assert_eq!(*cx.get(Counted(12)), 1 << 12));
    assert_eq!(noted, Vec::from_iter(0..=12));
}

fn s2_tasks_in_the_order_of_waiting(bed: &Bed) {
    let noted = noted(bed, |cx| {
        let tasks: Vec<_> = (0..100)
            .map(|task| cx.spawn(move |cx| cx.data().note(task)))
            .collect();
        for task in &tasks {
            task.wait(cx);
        }
    });
    assert_eq!(noted, Vec::from_iter(0..100));
}
