//! `broadcast`: one call on each worker, whatever the workers do.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Backend, Cx, Database, Event, Query};
use dagwood_tests::{Bed, Meeting, fail_quietly, open, panic_text, scenarios};

scenarios! {
    all [1, 2, 3, 8]: broadcasts_give_results_in_the_order_of_workers;
    pools [1, 2, 3, 8]: broadcasts_on_each_workers_thread;
    pools [1, 2, 3, 8]: w3_calls_of_a_broadcast_wait_for_each_other;
    all [1, 2, 3, 8]: broadcasts_inside_everything;
    pools [1, 2, 3, 8]: w4_a_broadcast_beside_waits_and_polls;
    pools [1, 2, 3, 8]: w4_a_broadcast_in_an_item_that_the_next_ends;
    all [1, 2, 3, 8]: f1_the_first_call_that_panics;
}

fn broadcasts_give_results_in_the_order_of_workers(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(200) {
        let calls = AtomicUsize::new(0);
        let run = executor.run(&Database::new(()), |cx| {
            cx.broadcast(|_, worker| {
                calls.fetch_add(1, Ordering::SeqCst);
                worker.to_string()
            })
        });
        let expected: Vec<_> = (0..executor.workers()).map(|i| i.to_string()).collect();
        assert_eq!(run.expect("nothing fails"), expected);
        assert_eq!(calls.into_inner(), executor.workers());
    }
}

/// A worker's thread stays its own on fibers; on threads each call has another while all wait.
fn broadcasts_on_each_workers_thread(bed: &Bed) {
    let executor = bed.executor();
    let mut first = None;
    for _ in 0..bed.scaled(50) {
        let meeting = Meeting::new(bed.workers());
        let run = executor.run(&Database::new(()), |cx| {
            cx.broadcast(|cx, _| {
                meeting.meet(cx);
                thread::current().id()
            })
        });
        let threads = run.expect("nothing fails");
        let distinct: HashSet<_> = threads.iter().collect();
        assert_eq!(distinct.len(), bed.workers());
        if executor.backend() == Backend::Fibers {
            assert_eq!(*first.get_or_insert(threads.clone()), threads);
        }
    }
}

fn w3_calls_of_a_broadcast_wait_for_each_other(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let last = Event::new();
        let run = executor.run(&Database::new(()), |cx| {
            cx.broadcast(|cx, worker| {
                if worker == bed.workers() - 1 {
                    open(&last);
                }
                last.wait(cx);
            })
        });
        assert_eq!(run.expect("nothing fails").len(), bed.workers());
    }
}

/// Broadcasts, and gives how many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Workers;

impl Query<()> for Workers {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        cx.broadcast(|_, worker| worker).len()
    }
}

fn broadcasts_inside_everything(bed: &Bed) {
    let executor = bed.executor();
    let workers = executor.workers();
    let (loops, len) = (bed.at_most_seeded(5, 20), bed.at_most_seeded(50, 2000));
    for _ in 0..bed.scaled(20) {
        let run = executor.run(&Database::new(()), |cx| {
            let count = |cx: &Cx<'_, ()>| assert_eq!(cx.broadcast(|_, i| i).len(), workers);
            let nested = cx.broadcast(|cx, i| cx.broadcast(|_, j| (i, j)));
            assert_eq!(nested.concat().len(), workers * workers);
            cx.par_for_each(0..loops, |cx, _| count(cx));
            cx.join(count, |cx| assert_eq!(*cx.get(Workers), workers));
            cx.scope(|cx, scope| {
                for _ in 0..5 {
                    scope.spawn(cx, count);
                }
                count(cx);
            });
            cx.spawn(count).wait(cx);
            let sums = cx.broadcast(|cx, i| {
                let items = cx.par_map(0..len, |_, n| n * i);
                items.into_iter().sum::<usize>()
            });
            let expected: Vec<_> = (0..workers).map(|i| len * (len - 1) / 2 * i).collect();
            assert_eq!(sums, expected);
        });
        run.expect("nothing fails");
    }
}

fn w4_a_broadcast_beside_waits_and_polls(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let (gate, started) = (Event::new(), Meeting::new(3 * bed.workers()));
        let run = executor.run(&Database::new(()), |cx| {
            let busy = |cx: &Cx<'_, ()>| {
                cx.par_for_each(0..3 * bed.workers(), |cx, i| {
                    started.come();
                    if i % 2 == 0 {
                        gate.wait(cx);
                    }
                    while gate.get().is_none() {
                        cx.yield_now();
                    }
                });
            };
            cx.join(busy, |cx| {
                started.wait(cx);
                cx.broadcast(|_, worker| worker);
                open(&gate);
            });
        });
        run.expect("nothing fails");
    }
}

fn w4_a_broadcast_in_an_item_that_the_next_ends(bed: &Bed) {
    let executor = bed.executor();
    let next = Event::new();
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..bed.at_most_seeded(200, 5000), |cx, i| match i {
            0 => drop(cx.broadcast(|cx, _| *next.wait(cx))),
            1 => open(&next),
            _ => (),
        });
    });
    run.expect("nothing fails");
}

fn f1_the_first_call_that_panics(bed: &Bed) {
    let executor = bed.executor();
    let workers = executor.workers();
    for first in bed.cases(0..workers) {
        let (ended, gate) = (AtomicUsize::new(0), Event::new());
        let run = || {
            executor.run(&Database::new(()), |cx| {
                cx.broadcast(|cx, worker| {
                    // The first in order is the last in time.
                    if worker == first && first + 1 < workers {
                        gate.wait(cx);
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                    if worker + 1 == workers && first < worker {
                        open(&gate);
                    }
                    if worker >= first {
                        fail_quietly(&format!("worker {worker}"));
                    }
                    worker
                })
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
        assert_eq!(panic_text(payload), format!("worker {first}"));
        assert_eq!(ended.into_inner(), workers);
    }
}
