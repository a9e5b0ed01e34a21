//! C7 and W3 where many wait for one iteration: how many of them have a fiber each, and what lies below them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use dagwood::{Cx, Database, Executor, Fixpoint, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    pools [2, 4] unseeded "a job blocks its thread": w3_few_have_a_fiber_of_those_who_wait_for_an_iteration;
    pools [2, 4] unseeded "a job blocks its thread": c7_an_iteration_needs_what_lies_below_a_crowd;
}

/// So many wait before anybody stays in place (cycle.md X9).
const CROWD: usize = 64;

#[derive(Default)]
struct Steps {
    has_begun: AtomicBool,
    goes_on: AtomicBool,
    /// How many have asked.
    asked: AtomicUsize,
}

impl Steps {
    fn until(is_it: impl Fn() -> bool) {
        while !is_it() {
            thread::yield_now();
        }
    }

    fn until_asked(&self, count: usize) {
        Self::until(|| self.asked.load(Ordering::SeqCst) >= count);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    /// Blocks its thread until it is told to go on, and asks for so many sums then.
    First(usize),
    Other(usize),
}

impl Query<Steps> for Node {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Steps>) -> usize {
        match self {
            Node::First(sums) => {
                let steps = cx.data();
                steps.has_begun.store(true, Ordering::SeqCst);
                Steps::until(|| steps.goes_on.load(Ordering::SeqCst));
                (0..sums).map(|number| *cx.get(Sum(number))).sum()
            }
            Node::Other(number) => number,
        }
    }
}

/// A plain query that needs an iterated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sum(usize);

impl Query<Steps> for Sum {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Steps>) -> usize {
        *cx.get(Node::Other(self.0)) + 1
    }
}

/// Asks for the first node of so many sums, and, when its iteration is under way, for `each` of so many numbers.
/// `meanwhile` is called then, and lets it go on; it must not panic.
fn with_a_crowd<R>(
    executor: &Executor,
    sums: usize,
    count: usize,
    each: impl Fn(&Cx<'_, Steps>, usize) -> usize + Sync,
    meanwhile: impl FnOnce(&Steps) -> R,
) -> R {
    let db = &Database::new(Steps::default());
    let steps = db.data();
    thread::scope(|scope| {
        let first = scope.spawn(|| executor.run(db, |cx| *cx.get(Node::First(sums))));
        Steps::until(|| steps.has_begun.load(Ordering::SeqCst));
        let each = &each;
        let all = move |cx: &Cx<'_, Steps>| {
            let given = cx.par_map(0..count, move |cx, number| {
                cx.data().asked.fetch_add(1, Ordering::SeqCst);
                each(cx, number)
            });
            given.into_iter().sum::<usize>()
        };
        let others = scope.spawn(move || executor.run(db, all));
        let given = meanwhile(steps);
        steps.goes_on.store(true, Ordering::SeqCst);
        let first = first.join().expect("no panic");
        assert_eq!(first.expect("no cycle"), sums * (sums + 1) / 2);
        let others = others.join().expect("no panic").expect("no cycle");
        assert!(others >= count * (count - 1) / 2, "{others}");
        given
    })
}

/// The clock only shows how many more there may have been: one for each millisecond and worker.
fn w3_few_have_a_fiber_of_those_who_wait_for_an_iteration(bed: &Bed) {
    let executor = bed.builder().statistics(true).build().expect("can be made");
    let count = 3 * CROWD;
    let ask = |cx: &Cx<'_, Steps>, number| *cx.get(Node::Other(number));
    let start = Instant::now();
    let (waiting, later) = with_a_crowd(&executor, 0, count, ask, |steps| {
        steps.until_asked(count);
        let waiting = executor.statistics().suspended_peak as usize;
        (
            waiting,
            start.elapsed().as_millis() as usize * executor.workers(),
        )
    });
    let most = CROWD + 2 * executor.workers() + later;
    assert!(
        waiting <= most,
        "{waiting} wait, {later} may have come later"
    );
}

/// Each of the crowd computes what the iteration needs.
fn c7_an_iteration_needs_what_lies_below_a_crowd(bed: &Bed) {
    let executor = bed.executor();
    let count = 2 * CROWD;
    let ask = |cx: &Cx<'_, Steps>, number| *cx.get(Sum(number));
    for asked in [CROWD, CROWD + 20] {
        with_a_crowd(&executor, count, count, ask, |steps| {
            steps.until_asked(asked)
        });
    }
}
