//! Loops of `rayon` itself in a provider: they run on the executor's own workers, suspend as any wait does, and are recorded in
//! the order of their items.
//!
//! Outside of the workspace, whose `rayon` runs on its own `rayon-core`: part of the step `rayon-crates`.

use dagwood::{Backend, Cx, Database, Event, Executor, Query, Schedule, Step, with_current};
use rayon::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leaf(usize);

const LEAVES: usize = 200;

impl Query<()> for Leaf {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        // Something to be waited for, if two ask at once.
        if self.0 > 1 {
            *cx.get(Leaf(self.0 / 2)) + 1
        } else {
            0
        }
    }
}

/// A loop of rayon over all leaves, and one inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sum;

fn leaf(i: usize) -> usize {
    with_current::<(), _>(|cx| *cx.get(Leaf(i)))
}

impl Query<()> for Sum {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        let tens = |ten: usize| {
            (10 * ten..10 * ten + 10)
                .into_par_iter()
                .map(leaf)
                .sum::<usize>()
        };
        cx.lend(|| (0..LEAVES / 10).into_par_iter().map(tens).sum())
    }
}

/// All that was asked for, in order, whatever the forks.
fn asked(steps: Vec<Step<'_, ()>>) -> Vec<usize> {
    let each = |step| match step {
        Step::Ask(asked) => vec![asked.key::<Leaf>().expect("a leaf").0],
        Step::Fork(branches) => branches.into_iter().flat_map(asked).collect(),
    };
    steps.into_iter().flat_map(each).collect()
}

#[test]
fn s1_a_parallel_iterator_asks_in_the_order_of_its_items() {
    let expected = (0..LEAVES)
        .map(|i| i.checked_ilog2().unwrap_or(0) as usize)
        .sum::<usize>();
    let schedules = std::iter::once(None).chain((0..10).map(|seed| Some(Schedule::Seeded(seed))));
    for schedule in schedules {
        for &backend in Executor::backends() {
            for workers in [1, 2, 4] {
                let mut builder = Executor::builder().backend(backend).workers(workers);
                if let Some(schedule) = schedule.clone() {
                    builder = builder.schedule(schedule);
                }
                let executor = builder.build().expect("an executor can be made");
                let db = Database::new(()).record_all();
                let sum = executor.run(&db, |cx| *cx.get(Sum));
                assert_eq!(sum.expect("it ends"), expected);
                let steps = db.record(&Sum).expect("it is ready");
                assert!(
                    asked(steps).into_iter().eq(0..LEAVES),
                    "{backend} {workers}"
                );
            }
        }
    }
}

/// The first item waits for what the last one sets, and the only worker has both.
#[test]
fn w3_an_item_of_a_parallel_iterator_waits_for_another() {
    let with_workers = Executor::backends()
        .iter()
        .filter(|one| **one != Backend::Sequential);
    for &backend in with_workers {
        let executor = Executor::builder().backend(backend).workers(1).build();
        let db = Database::new(Event::<usize>::new());
        let sum = executor.expect("an executor can be made").run(&db, |cx| {
            let item = |i| {
                with_current::<Event<usize>, _>(|cx| {
                    if i == 1 {
                        cx.data().set(40).expect("set once");
                    }
                    cx.data().wait(cx) + i
                })
            };
            cx.lend(|| [0, 1].par_iter().map(|i| item(*i)).sum::<usize>())
        });
        assert_eq!(sum.expect("it ends"), 81);
    }
}
