//! X2: what belongs to a worker is not seen over a wait; parts of jobs that do not wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{Mutex, Semaphore};
use dagwood::{Cx, Database, Event, Query, WorkerLocal};
use dagwood_tests::{Bed, OpenOnDrop, open, panic_text, scenarios};

scenarios! {
    all [4, 1, 2]: x2_each_worker_counts_for_itself;
    pools [2, 1]: x2_a_wait_while_it_is_used_names_both_places;
    pools [1]: x2_a_second_use_of_one_worker_names_both_places;
    pools [4, 1, 2]: x2_what_forks_where_nothing_waits_keeps_it;
    pools [3, 1]: x2_what_is_refused_is_not_remembered;
    all [2, 1]: x2_another_executor_has_other_workers;
}

fn x2_each_worker_counts_for_itself(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let items = bed.scaled(1_000);
    let local = WorkerLocal::new(&executor, |worker| (worker, 0));
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..items, |cx, item| {
            let worker = local.with(cx, |(worker, count)| {
                *count += 1;
                *worker
            });
            assert!(worker < bed.workers());
            if item % 16 == 0 {
                cx.yield_now();
            }
        });
    });
    run.expect("no use meets another");
    let counts: Vec<_> = local.into_values().collect();
    assert_eq!(counts.len(), executor.workers());
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<usize>(), items);
}

/// Whether the text names a place of this file twice, or once.
fn places(text: &str) -> usize {
    text.matches("worker_locals.rs:").count()
}

fn x2_a_wait_while_it_is_used_names_both_places(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let local = WorkerLocal::new(&executor, |_| ());
    let event = Event::<()>::new();
    let (mutex, semaphore) = (Mutex::new(()), Semaphore::new(0));
    let texts = executor.run(&db, |cx| {
        let _held = mutex.lock(cx);
        local.with(cx, |()| {
            let errors = [
                event.try_wait(cx).map(drop),
                mutex.checked_lock(cx).map(drop),
                semaphore.checked_acquire(cx).map(drop),
            ];
            errors.map(|result| {
                let error = result.expect_err("it would wait");
                assert!(error.is_refused(), "{error}");
                error.to_string()
            })
        })
    });
    for text in texts.expect("nothing waits") {
        assert!(text.starts_with("cannot wait for the "), "{text}");
        assert_eq!(places(&text), 2, "{text}");
    }
    let raised = executor.run(&db, |cx| local.with(cx, |()| *event.wait(cx)));
    assert!(raised.is_err_and(|error| error.is_refused()));
}

fn x2_a_second_use_of_one_worker_names_both_places(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let local = WorkerLocal::new(&executor, |_| ());
    let is_over = AtomicUsize::new(0);
    let text = executor.run(&db, |cx| {
        let first = |cx: &Cx<'_, ()>| {
            local.with(cx, |()| {
                // No wait, but others run meanwhile.
                while is_over.load(Ordering::SeqCst) == 0 {
                    cx.yield_now();
                }
            });
        };
        let second = |cx: &Cx<'_, ()>| {
            let used = catch_unwind(AssertUnwindSafe(|| local.with(cx, |()| ())));
            is_over.store(1, Ordering::SeqCst);
            used.map_or_else(panic_text, |()| "it was had twice".to_owned())
        };
        let text = cx.join(first, second).1;
        local.with(cx, |()| ());
        text
    });
    let text = text.expect("both end");
    assert!(text.contains(" is in use by what began at "), "{text}");
    assert_eq!(places(&text), 2, "{text}");
}

fn x2_what_forks_where_nothing_waits_keeps_it(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let rounds = bed.scaled(20);
    let run = executor.run(&db, |cx| {
        // The others look for work meanwhile.
        cx.par_for_each(0..rounds, |cx, _| {
            cx.no_suspend(|cx| {
                let thread = thread::current().id();
                let check = |_: &Cx<'_, ()>| assert_eq!(thread::current().id(), thread);
                cx.join(
                    |cx| {
                        cx.join(check, check);
                    },
                    check,
                );
                cx.par_for_each(0..100, |cx, _| check(cx));
                cx.scope(|cx, scope| {
                    for _ in 0..10 {
                        scope.spawn(cx, check);
                    }
                    check(cx);
                });
            });
        });
    });
    run.expect("nothing waits");
}

/// What the queries of the next test share.
#[derive(Default)]
struct Gate {
    begun: Event<()>,
    go_on: Event<()>,
}

/// Waits until it may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slow;

/// Asks for it, where nothing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Impatient;

impl Query<Gate> for Slow {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Gate>) -> u32 {
        open(&cx.data().begun);
        cx.data().go_on.wait(cx);
        5
    }
}

impl Query<Gate> for Impatient {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Gate>) -> u32 {
        cx.no_suspend(|cx| *cx.get(Slow))
    }
}

fn x2_what_is_refused_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Gate::default());
    let asked = executor.run(&db, |cx| {
        let other = |cx: &Cx<'_, Gate>| {
            let _open = OpenOnDrop(&cx.data().go_on);
            cx.data().begun.wait(cx);
            let error = cx.try_get(Impatient).expect_err("Slow is in progress");
            assert!(error.is_refused(), "{error}");
            let text = error.to_string();
            assert!(text.starts_with("cannot wait for Slow: "), "{text}");
            assert_eq!(places(&text), 1, "{text}");
        };
        cx.join(|cx| *cx.get(Slow), other);
        *cx.get(Impatient)
    });
    assert_eq!(asked.expect("it is known now"), 5);
}

fn x2_another_executor_has_other_workers(bed: &Bed) {
    let (executor, other) = (bed.executor(), bed.executor());
    let local = WorkerLocal::new(&executor, |_| ());
    let used = catch_unwind(AssertUnwindSafe(|| {
        other.run(&Database::new(()), |cx| local.with(cx, |()| ()))
    }));
    let text = used.map_or_else(panic_text, |_| "it was had".to_owned());
    assert!(text.contains("is that of another executor"), "{text}");
}
