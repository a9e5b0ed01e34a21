//! What the interface promises besides the scenarios: nested runs, waits nobody ends, empty loops, short lives.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Executor, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1, 2]: run_inside_a_job_of_the_same_executor_is_an_error;
    all [1, 2]: run_inside_a_provider_of_the_same_executor_is_an_error;
    all [1, 2]: run_inside_a_job_of_another_executor_works;
    all [1, 2]: run_carries_a_panic_of_its_body_on;
    all [1, 4]: loops_over_nothing_and_over_slices;
    all [1, 4]: executors_are_dropped_right_after_a_run;
    all [2]: executors_by_the_hundred;
    all [1, 2]: events_are_set_once_and_seen_by_all;
    all [1, 2]: tasks_are_waited_for_by_many_and_outlive_their_run;
    all [1, 4]: statistics_count_queries_and_hits;
}

/// Runs the executor of the database, and gives the text of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Nested;

impl Query<Executor> for Nested {
    type Value = String;

    fn provide(self, cx: &Cx<'_, Executor>) -> String {
        nested_error(cx.data())
    }
}

fn nested_error(executor: &Executor) -> String {
    let inner = executor.run(&Database::new(()), |_| ());
    inner.expect_err("it is the same executor").to_string()
}

fn run_inside_a_job_of_the_same_executor_is_an_error(bed: &Bed) {
    let executor = bed.executor();
    let texts = executor.run(&Database::new(()), |cx| {
        let mut texts = cx.par_map(0..8_usize, |_, _| nested_error(&executor));
        texts.push(nested_error(&executor));
        texts
    });
    for text in texts.expect("errors are held back") {
        assert!(text.contains("inside a job of the same executor"), "{text}");
    }
    assert_eq!(
        executor
            .run(&Database::new(3), |cx| *cx.data())
            .expect("usable"),
        3
    );
}

fn run_inside_a_provider_of_the_same_executor_is_an_error(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(executor.clone());
    let text = executor.run(&db, |cx| cx.get(Nested).clone());
    let text = text.expect("errors are held back");
    assert!(text.contains("inside a job of the same executor"), "{text}");
}

fn run_inside_a_job_of_another_executor_works(bed: &Bed) {
    let (outer, inner) = (bed.executor(), bed.executor());
    let items = bed.at_most_seeded(10, 50);
    let values = outer.run(&Database::new(()), |cx| {
        // In the sequential build a database belongs to the thread that made it, which is this one.
        let run = |item: usize| inner.run(&Database::new(item), |cx| cx.data() + 1);
        cx.par_map(0..items, |_, item| run(item).expect("a value"))
    });
    assert_eq!(values.expect("a value"), Vec::from_iter(1..=items));
}

fn run_carries_a_panic_of_its_body_on(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let run = || executor.run(&Database::new(()), |_| dagwood_tests::fail_quietly("body"));
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let payload = payload.map(|_: Result<(), _>| ()).expect_err("it goes on");
        assert_eq!(payload.downcast_ref::<String>().expect("a text"), "body");
    }
}

fn loops_over_nothing_and_over_slices(bed: &Bed) {
    let executor = bed.executor();
    let empty: Vec<u8> = Vec::new();
    let words = ["one", "two", "three"];
    let lists = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..0_usize, |_, _| unreachable!("there is no item"));
        cx.par_for_each(&empty, |_, _| unreachable!("there is no item"));
        let nothing = cx.par_map(5..5_u32, |_, item| item);
        // A range that ends before it begins.
        let (from, to): (usize, usize) = (5, 3);
        let backwards = cx.par_map(from..to, |_, item| item as u32);
        let lengths = cx.par_map(&words[1..], |_, word| word.len() as u32);
        let numbers = cx.par_map(7..10_u32, |_, item| item);
        [nothing, backwards, lengths, numbers]
    });
    let expected = [vec![], vec![], vec![3, 5], vec![7, 8, 9]];
    assert_eq!(lists.expect("nothing fails"), expected);
}

fn executors_are_dropped_right_after_a_run(bed: &Bed) {
    for round in 0..bed.scaled(100) {
        let executor = bed.executor();
        let sum = executor.run(&Database::new(()), |cx| {
            cx.spawn(|_| ());
            cx.par_map(0..20_usize, |_, item| item)
                .into_iter()
                .sum::<usize>()
        });
        drop(executor);
        assert_eq!(sum.expect("nothing fails"), 190, "round {round}");
    }
}

fn executors_by_the_hundred(bed: &Bed) {
    for _ in 0..bed.scaled(200) {
        drop(bed.executor());
    }
    let many: Vec<Executor> = (0..bed.scaled(100)).map(|_| bed.executor()).collect();
    for (index, executor) in many.iter().enumerate() {
        let own = executor.run(&Database::new(index), |cx| *cx.data());
        assert_eq!(own.expect("nothing fails"), index);
    }
}

fn events_are_set_once_and_seen_by_all(bed: &Bed) {
    let executor = bed.executor();
    let event = Event::named("the answer");
    assert_eq!(event.get(), None);
    let set = executor.run(&Database::new(()), |cx| {
        if bed.is_sequential() {
            let error = event.try_wait(cx).expect_err("nobody can set it");
            assert!(error.is_deadlock());
            assert!(error.to_string().contains("the answer"), "{error}");
        }
        let set = cx.par_map(0..10_usize, |_, item| event.set(item).is_ok());
        let seen = cx.par_map(0..10_usize, |cx, _| *event.wait(cx));
        assert!(seen.iter().all(|value| set[*value]));
        set.into_iter().filter(|is_set| *is_set).count()
    });
    assert_eq!(set.expect("it is set"), 1);
    assert_eq!(event.set(77), Err(77));
    if bed.is_sequential() {
        let run = executor.run(&Database::new(()), |cx| {
            *Event::<()>::named("never").wait(cx)
        });
        assert!(run.expect_err("nobody can set it").is_deadlock());
    }
}

fn tasks_are_waited_for_by_many_and_outlive_their_run(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(AtomicUsize::new(0));
    let task = executor.run(&db, |cx| {
        let task = cx.spawn(|cx| cx.data().fetch_add(1, Ordering::SeqCst) + 5);
        let others: Vec<_> = (0..50)
            .map(|_| {
                let task = task.clone();
                cx.spawn(move |cx| *task.wait(cx))
            })
            .collect();
        assert!(others.iter().all(|other| *other.wait(cx) == 5));
        task
    });
    let task = task.expect("nothing fails");
    assert!(task.is_done());
    let again = executor.run(&db, |cx| *task.wait(cx));
    assert_eq!(again.expect("it is there"), 5);
    assert_eq!(db.data().load(Ordering::SeqCst), 1);
}

/// A query of its own for each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Double(usize);

impl Query<()> for Double {
    type Value = usize;

    fn provide(self, _: &Cx<'_, ()>) -> usize {
        self.0 * 2
    }
}

fn statistics_count_queries_and_hits(bed: &Bed) {
    let executor = bed.builder().statistics(true).build().expect("can be made");
    let db = Database::new(());
    for _ in 0..3 {
        let before = executor.statistics().waits;
        let (arrived, all_wait) = (AtomicUsize::new(0), Event::named("all others wait"));
        let meet = |cx: &Cx<'_, ()>| {
            if arrived.fetch_add(1, Ordering::SeqCst) + 1 < 50 {
                return all_wait.wait(cx);
            }
            // Not before: who looks in time need not wait.
            while executor.statistics().waits < before + 49 {
                cx.yield_now();
            }
            all_wait.set(()).expect("by the last");
            &()
        };
        let doubles = executor.run(&db, |cx| {
            cx.par_map(0..50_usize, |cx, i| {
                if !bed.is_sequential() {
                    meet(cx);
                }
                *cx.get(Double(i))
            })
        });
        let doubles = doubles.expect("nothing fails");
        assert_eq!(doubles, (0..50).map(|i| i * 2).collect::<Vec<_>>());
    }
    let statistics = executor.statistics();
    assert_eq!((statistics.queries, statistics.hits), (50, 100));
    assert_eq!(statistics.sleeps_with_work, 0);
    if !bed.is_sequential() {
        assert!(statistics.waits >= 3 * 49, "{statistics:?}");
        assert!(statistics.suspended_peak >= 49, "{statistics:?}");
    }
}
