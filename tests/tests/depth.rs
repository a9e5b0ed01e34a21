//! D1: depth is limited by memory, on every backend, with stacks of the default size.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Executor, Query, Scope, Task};
use dagwood_tests::{Bed, Meeting, fail_quietly, scaled, scenarios};

scenarios! {
    all [1, 4]: d1_a_chain_of_queries;
    all [1, 4]: d1_nested_joins;
    all [1, 4]: d1_nested_joins_to_the_right;
    all [1, 4]: d1_nested_scopes_and_loops;
    all [1, 4]: d1_children_and_tasks_that_spawn_the_next;
    all [1]: d1_tasks_that_wait_for_the_one_before;
    all [1, 4]: d1_plain_recursion_that_deepens;
    all [1, 4]: d1_a_chain_that_is_a_cycle;
    all [1, 4]: d1_a_panic_at_the_bottom;
    all [1, 4]: d1_a_panic_below_joins;
    pools [1, 2, 4]: d1_fibers_wait_at_the_bottom;
    pools [1, 2, 4]: d1_fibers_wait_on_the_way;
}

/// How deep the tests of this file go by default: over several segments also in optimised builds.
const LEVELS: usize = scaled(100_000);

/// With stacks, and so segments, as the levels are.
fn executor(bed: &Bed) -> Executor {
    let builder = bed
        .builder()
        .stack_bytes(bed.at_most_seeded(64 << 10, scaled(8 << 20)));
    builder.build().expect("an executor can be made")
}

/// The bottom of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bottom {
    Ends,
    Panics,
    AsksTop(usize),
}

/// One link of a chain: the number of links below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Link(usize);

impl Query<Bottom> for Link {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Bottom>) -> usize {
        match (self.0, *cx.data()) {
            (0, Bottom::Ends) => 0,
            (0, Bottom::Panics) => fail_quietly("at the bottom"),
            (0, Bottom::AsksTop(top)) => *cx.get(Link(top)),
            (level, _) => 1 + *cx.get(Link(level - 1)),
        }
    }
}

fn ask_chain(bed: &Bed, levels: usize) {
    let executor = executor(bed);
    let db = Database::new(Bottom::Ends);
    let asked = executor.run(&db, |cx| *cx.get(Link(levels)));
    assert_eq!(asked.expect("memory is enough"), levels);
}

fn d1_a_chain_of_queries(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    ask_chain(bed, levels);
}

/// A comb of joins: `levels` of them inside each other's first half.
fn comb(cx: &Cx<'_, ()>, levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let (below, one) = cx.join(|cx| comb(cx, levels - 1), |_| 1);
    below + one
}

fn join_nested(bed: &Bed, levels: usize) {
    let joined = executor(bed).run(&Database::new(()), |cx| comb(cx, levels));
    assert_eq!(joined.expect("memory is enough"), levels);
}

fn d1_nested_joins(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    join_nested(bed, levels);
}

/// How many tasks and children depend on each other.
const TASKS: usize = scaled(20_000);

fn spawn_children<'s, 'e, 'db: 'e>(
    cx: &Cx<'db, ()>,
    scope: &'s Scope<'s, 'e, 'db, ()>,
    left: usize,
) {
    if left > 0 {
        scope.spawn(cx, move |cx| spawn_children(cx, scope, left - 1));
    }
}

fn spawn_tasks(cx: &Cx<'_, ()>, left: usize) {
    if left > 0 {
        drop(cx.spawn(move |cx| spawn_tasks(cx, left - 1)));
    }
}

fn d1_children_and_tasks_that_spawn_the_next(bed: &Bed) {
    let tasks = bed.at_most_seeded(300, TASKS);
    let spawned = executor(bed).run(&Database::new(()), |cx| {
        cx.scope(|cx, scope| spawn_children(cx, scope, tasks));
        spawn_tasks(cx, tasks);
    });
    spawned.expect("memory is enough");
}

fn d1_tasks_that_wait_for_the_one_before(bed: &Bed) {
    let tasks = bed.at_most_seeded(300, TASKS);
    let counted = executor(bed).run(&Database::new(()), |cx| {
        let mut last: Option<Task<'_, usize>> = None;
        for _ in 0..tasks {
            let before = last.take();
            last = Some(cx.spawn(move |cx| before.map_or(0, |task| *task.wait(cx)) + 1));
        }
        *last.expect("there are some").wait(cx)
    });
    assert_eq!(counted.expect("memory is enough"), tasks);
}

fn d1_nested_joins_to_the_right(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    fn comb(cx: &Cx<'_, ()>, levels: usize) -> usize {
        if levels == 0 {
            return 0;
        }
        let (one, below) = cx.join(|_| 1, |cx| comb(cx, levels - 1));
        one + below
    }
    let joined = executor(bed).run(&Database::new(()), |cx| comb(cx, levels));
    assert_eq!(joined.expect("memory is enough"), levels);
}

fn d1_nested_scopes_and_loops(bed: &Bed) {
    // On small stacks. Not more, since a look for work passes all of them.
    let levels = bed.at_most_seeded(600, scaled(10_000).min(3000));
    fn descend(cx: &Cx<'_, AtomicUsize>, levels: usize) {
        cx.data().fetch_add(1, Ordering::Relaxed);
        match levels {
            0 => {}
            _ if levels.is_multiple_of(2) => cx.par_for_each(0..1_usize, |cx, _| {
                descend(cx, levels - 1);
            }),
            _ => cx.scope(|cx, _| descend(cx, levels - 1)),
        }
    }
    let db = Database::new(AtomicUsize::new(0));
    let executor = bed.builder().stack_bytes(256 << 10).build();
    let executor = executor.expect("an executor can be made");
    let run = executor.run(&db, |cx| descend(cx, levels));
    run.expect("memory is enough");
    assert_eq!(db.data().load(Ordering::Relaxed), levels + 1);
}

fn d1_plain_recursion_that_deepens(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    /// With frames that are larger than those of the other tests.
    fn descend(cx: &Cx<'_, ()>, levels: usize) -> usize {
        let frame = std::hint::black_box([levels; 50]);
        if levels == 0 {
            return 0;
        }
        let below = cx.deepen(|cx| descend(cx, levels - 1));
        assert_eq!(frame, [levels; 50]);
        below + 1
    }
    let counted = executor(bed).run(&Database::new(()), |cx| descend(cx, levels));
    assert_eq!(counted.expect("memory is enough"), levels);
}

fn d1_a_chain_that_is_a_cycle(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    let executor = executor(bed);
    let db = Database::new(Bottom::AsksTop(levels));
    let error = executor
        .run(&db, |cx| *cx.get(Link(levels)))
        .expect_err("it asks for itself");
    assert!(error.is_cycle());
    assert_eq!(error.cycle_members().map(<[String]>::len), Some(levels + 1));
}

fn d1_a_panic_at_the_bottom(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    let executor = executor(bed);
    let db = Database::new(Bottom::Panics);
    let error = executor
        .run(&db, |cx| *cx.get(Link(levels)))
        .expect_err("the bottom panics");
    assert_eq!(error.panic_message(), Some("at the bottom"));
    assert_eq!(error.query_stack().count(), levels + 1);
    assert_eq!(error.query_stack().next(), Some("Link(0)"));
    let again = executor.run(&db, |cx| cx.try_get(Link(levels / 2)).copied());
    let again = again.expect("errors are held back");
    assert_eq!(
        again.expect_err("it failed").query_stack().count(),
        levels / 2 + 1
    );
}

fn d1_a_panic_below_joins(bed: &Bed) {
    let levels = bed.at_most_seeded(300, LEVELS);
    fn comb(cx: &Cx<'_, AtomicUsize>, levels: usize) {
        if levels == 0 {
            fail_quietly("at the bottom")
        }
        let count = |cx: &Cx<'_, AtomicUsize>| {
            cx.data().fetch_add(1, Ordering::Relaxed);
        };
        cx.join(|cx| comb(cx, levels - 1), count);
    }
    let executor = executor(bed);
    let db = Database::new(AtomicUsize::new(0));
    let run = || executor.run(&db, |cx| comb(cx, levels));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("the bottom panics");
    assert_eq!(
        db.data().load(Ordering::Relaxed),
        levels,
        "second halves run all the same"
    );
}

/// How many fibers go deep at once, in the tests that wait.
const FIBERS: usize = 5;

/// Deep enough for several segments, in debug builds.
const LEVELS_OF_EACH: usize = scaled(20_000);

fn descend_and<'db>(
    cx: &Cx<'db, Meeting>,
    levels: usize,
    at: &(dyn Fn(&Cx<'db, Meeting>, usize) + Sync),
) -> usize {
    at(cx, levels);
    if levels == 0 {
        return 0;
    }
    let (below, one) = cx.join(|cx| descend_and(cx, levels - 1, at), |_| 1);
    at(cx, levels);
    below + one
}

fn d1_fibers_wait_at_the_bottom(bed: &Bed) {
    let levels = bed.at_most_seeded(600, LEVELS_OF_EACH);
    let at_bottom = |cx: &Cx<'_, Meeting>, level| {
        if level == 0 {
            cx.data().meet(cx);
        }
    };
    let db = Database::new(Meeting::new(FIBERS));
    let sums = executor(bed).run(&db, |cx| {
        cx.par_map(0..FIBERS, |cx, _| descend_and(cx, levels, &at_bottom))
    });
    assert_eq!(sums.expect("memory is enough"), [levels; FIBERS]);
}

fn d1_fibers_wait_on_the_way(bed: &Bed) {
    let levels = bed.at_most_seeded(600, LEVELS_OF_EACH);
    let yield_often = |cx: &Cx<'_, Meeting>, level: usize| {
        if level.is_multiple_of(500) {
            cx.yield_now();
        }
    };
    let db = Database::new(Meeting::new(FIBERS));
    let sums = executor(bed).run(&db, |cx| {
        cx.par_map(0..FIBERS, |cx, _| descend_and(cx, levels, &yield_often))
    });
    assert_eq!(sums.expect("memory is enough"), [levels; FIBERS]);
}

/// The sizes of the scenario: optimised, one after another.
mod in_full {
    use super::*;

    fn on_all(body: fn(&Bed)) {
        for backend in dagwood::Executor::backends() {
            dagwood_tests::run_scenario("D1 in full", *backend, &[1, 4], body);
        }
    }

    #[test]
    #[ignore = "large: optimised, 300 MiB"]
    fn d1_a_million_queries() {
        on_all(|bed| ask_chain(bed, 1_000_000));
    }

    #[test]
    #[ignore = "large: optimised, 300 MiB"]
    fn d1_a_million_nested_joins() {
        on_all(|bed| join_nested(bed, 1_000_000));
    }
}
