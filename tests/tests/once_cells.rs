//! W6, W10 and F5 for once-cells and semaphores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{OnceCell, Semaphore};
use dagwood::{CancelToken, Cx, Database, Event};
use dagwood_tests::{Bed, Meeting, fail_quietly, open, scenarios};

scenarios! {
    all [4, 1, 2]: w6_a_cell_whose_initialiser_runs_a_parallel_loop;
    all [2, 1]: w6_an_initialiser_that_comes_back_is_a_deadlock;
    pools [2, 3]: w6_two_cells_crosswise_are_a_deadlock;
    pools [2, 1, 4]: w10_threads_outside_and_jobs_fill_one_cell;
    all [2, 1]: f5_an_initialiser_that_unwinds_leaves_the_cell_to_the_next;
    pools [3, 1]: f5_a_cancelled_initialiser_leaves_the_cell_to_the_next;
    all [4, 1, 2]: w5_permits_are_never_more_than_there_are;
    pools [3, 1]: w5_nobody_overtakes_who_wants_many_permits;
    pools [2, 1, 4]: w10_threads_outside_and_jobs_share_permits;
    pools [3, 1]: f5_who_is_cancelled_while_it_waits_takes_no_permit;
}

fn w6_a_cell_whose_initialiser_runs_a_parallel_loop(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let (cell, runs) = (OnceCell::new(), AtomicUsize::new(0));
        let sums = executor.run(&db, |cx| {
            cx.par_map(0..64_usize, |cx, item| {
                let values = cell.get_or_init(cx, |cx| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    cx.par_map(0..64_usize, |_, item| item * item)
                });
                values[item]
            })
        });
        let expected: Vec<_> = (0..64).map(|item| item * item).collect();
        assert_eq!(sums.expect("it ends"), expected);
        assert_eq!(runs.into_inner(), 1, "made once");
    }
}

fn w6_an_initialiser_that_comes_back_is_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let cell = OnceCell::new();
    let run = executor.run(&db, |cx| {
        *cell.get_or_init(cx, |cx| {
            let again = cell.checked_get_or_init(cx, |_| 1).copied();
            let error = again.expect_err("it waits for itself");
            assert!(error.is_deadlock(), "{error}");
            let text = error.to_string();
            assert!(
                text.contains("a job waits for the once-cell made at "),
                "{text}"
            );
            2
        })
    });
    assert_eq!(run.expect("it goes on without"), 2);
    assert_eq!(cell.into_inner(), Some(2));
}

fn w6_two_cells_crosswise_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let cells = [OnceCell::new(), OnceCell::new()];
        let both = Meeting::new(2);
        let fill = |cx: &Cx<'_, ()>, number: usize| {
            *cells[number].get_or_init(cx, |cx| {
                both.meet(cx);
                cells[1 - number]
                    .checked_get_or_init(cx, |_| unreachable!("the other makes it"))
                    .map_or_else(|error| error.is_deadlock(), |_| false)
            })
        };
        let (left, right) = executor
            .run(&db, |cx| cx.join(|cx| fill(cx, 0), |cx| fill(cx, 1)))
            .expect("both end");
        assert!(left ^ right, "one of them is told");
    }
}

fn w10_threads_outside_and_jobs_fill_one_cell(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let (cell, runs) = (OnceCell::new(), AtomicUsize::new(0));
        let make = || {
            runs.fetch_add(1, Ordering::SeqCst);
            9
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    assert_eq!(*cell.get_or_init_blocking(make).expect("no deadlock"), 9)
                });
            }
            let run = executor.run(&db, |cx| {
                cx.par_for_each(0..8, |cx, _| {
                    let value = cell.get_or_init(cx, |cx| {
                        cx.yield_now();
                        make()
                    });
                    assert_eq!(*value, 9);
                });
            });
            run.expect("it ends");
        });
        assert_eq!(runs.into_inner(), 1, "made once");
        assert_eq!(cell.set(1), Err(1), "it is set");
    }
}

fn f5_an_initialiser_that_unwinds_leaves_the_cell_to_the_next(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let (cell, fails) = (OnceCell::new(), AtomicBool::new(true));
    let seen = executor.run(&db, |cx| {
        cx.par_map(0..8_usize, |cx, _| {
            let ask = || {
                *cell.get_or_init(cx, |cx| {
                    cx.yield_now();
                    if fails.swap(false, Ordering::SeqCst) {
                        fail_quietly("the first one fails");
                    }
                    3
                })
            };
            catch_unwind(AssertUnwindSafe(ask)).ok()
        })
    });
    let seen = seen.expect("the failure is caught");
    assert_eq!(
        seen.iter().filter(|value| value.is_none()).count(),
        1,
        "{seen:?}"
    );
    assert_eq!(
        seen.iter().flatten().filter(|value| **value == 3).count(),
        7
    );
}

fn f5_a_cancelled_initialiser_leaves_the_cell_to_the_next(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let (cell, token) = (OnceCell::new(), CancelToken::new());
    let (never, begun) = (Event::<u32>::new(), Event::new());
    let run = executor.run(&db, |cx| {
        let first = |cx: &Cx<'_, ()>| {
            cx.cancellable(&token, |cx| {
                *cell.get_or_init(cx, |cx| {
                    open(&begun);
                    *never.wait(cx)
                })
            })
        };
        let second = |cx: &Cx<'_, ()>| {
            begun.wait(cx);
            token.cancel();
            *cell.get_or_init(cx, |_| 4)
        };
        cx.join(first, second)
    });
    let (first, second) = run.expect("it ends");
    assert!(first.is_err_and(|error| error.is_cancelled()));
    assert_eq!(second, 4);
}

fn w5_permits_are_never_more_than_there_are(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let (semaphore, taken) = (Semaphore::new(3), AtomicUsize::new(0));
    let items = bed.scaled(500);
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..items, |cx, item| {
            let count = 1 + item % 3;
            let permit = semaphore.acquire_many(cx, count);
            assert!(taken.fetch_add(count, Ordering::SeqCst) + count <= 3);
            cx.yield_now();
            taken.fetch_sub(count, Ordering::SeqCst);
            drop(permit);
        });
    });
    run.expect("it ends");
    assert_eq!(semaphore.available(), 3, "all came back");
    semaphore
        .try_acquire_many(3)
        .expect("they are there")
        .forget();
    // Nothing else runs on the sequential backend; elsewhere another job brings one.
    let last = executor.run(&db, |cx| {
        let wants = |cx: &Cx<'_, ()>| semaphore.checked_acquire(cx).map(drop);
        cx.join(wants, |_| semaphore.add_permits(1)).0
    });
    let last = last.expect("the run goes on");
    assert_eq!(
        last.is_err_and(|error| error.is_deadlock()),
        bed.is_sequential()
    );
}

fn w5_nobody_overtakes_who_wants_many_permits(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let semaphore = Semaphore::new(2);
        let run = executor.run(&db, |cx| {
            let one = semaphore.acquire(cx);
            let few = |cx: &Cx<'_, ()>| {
                // One is there, and can be had until somebody waits for two.
                while semaphore.try_acquire_many(1).is_some() {
                    cx.yield_now();
                }
                assert_eq!(semaphore.available(), 1);
                drop(one);
                drop(semaphore.acquire(cx));
            };
            cx.join(few, |cx| drop(semaphore.acquire_many(cx, 2)));
        });
        run.expect("it ends");
        assert_eq!(semaphore.available(), 2);
    }
}

fn w10_threads_outside_and_jobs_share_permits(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let rounds = bed.scaled(1_000);
    let (semaphore, taken) = (Semaphore::new(2), AtomicUsize::new(0));
    let check = |taken: &AtomicUsize| {
        assert!(taken.fetch_add(1, Ordering::SeqCst) < 2);
        taken.fetch_sub(1, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let permit = semaphore.acquire_many_blocking(1);
                    let _permit = permit.expect("nobody is cancelled");
                    check(&taken);
                }
            });
        }
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..rounds, |cx, _| {
                let _permit = semaphore.acquire(cx);
                check(&taken);
            });
        });
        run.expect("it ends");
    });
    assert_eq!(semaphore.available(), 2);
}

fn f5_who_is_cancelled_while_it_waits_takes_no_permit(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let (semaphore, token) = (Semaphore::new(2), CancelToken::new());
        let come = Meeting::new(8);
        let run = executor.run(&db, |cx| {
            let held = semaphore.acquire_many(cx, 2);
            cx.scope(|cx, scope| {
                for child in 0..8 {
                    let (semaphore, token, come) = (&semaphore, &token, &come);
                    scope.spawn(cx, move |cx| {
                        let wait = |cx: &Cx<'_, ()>| {
                            come.come();
                            drop(semaphore.acquire_many(cx, 1 + child / 4));
                        };
                        if child % 2 == 0 {
                            let _ = cx.cancellable(token, wait);
                        } else {
                            wait(cx);
                        }
                    });
                }
                come.wait(cx);
                cx.yield_now();
                token.cancel();
                drop(held);
            });
        });
        run.expect("all end");
        assert_eq!(semaphore.available(), 2, "none is lost");
    }
}
