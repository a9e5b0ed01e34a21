//! W5, W6, W10 and F5 for limits: never too many inside, places given on in order, and a deadlock told if all who are inside
//! wait for each other, and only then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{Limit, Mutex, OnceCell};
use dagwood::{CancelToken, Cx, Database, Error, Event, Query};
use dagwood_tests::{Bed, Meeting, fail_quietly, is_deadlock, open, scenarios, until};

scenarios! {
    all [4, 1, 2]: w5_never_more_are_inside_than_there_are_places;
    pools [1, 3]: w5_places_are_given_on_in_the_order_of_arrival;
    all [2, 1]: w5_who_is_inside_alone_waits_for_itself;
    pools [2, 1, 3]: w5_two_limits_crosswise_are_a_deadlock;
    pools [1, 4]: w5_it_is_none_as_long_as_one_inside_can_go_on;
    pools [1, 4]: w5_it_is_one_once_all_who_are_inside_wait;
    pools [2, 3]: w5_a_limit_held_over_a_join_whose_half_wants_it;
    pools [2, 3]: w5_a_limit_and_a_query_are_a_deadlock;
    all [4, 1]: w6_a_cell_whose_initialiser_wants_a_limit;
    pools [2, 1]: w6_a_cell_and_a_limit_crosswise_are_a_deadlock;
    pools [2, 1, 4]: w10_threads_outside_and_jobs_share_a_limit;
    all [2, 1]: w10_a_thread_that_is_inside_over_a_run_that_wants_in;
    all [2, 1]: f5_who_unwinds_gives_the_place_back;
    pools [3, 1]: f5_who_is_cancelled_in_the_line_lets_others_go;
}

/// Who is inside, and how many were at most.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn w5_never_more_are_inside_than_there_are_places(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let jobs = bed.at_most_on_threads(16, 64);
    for places in [1, 2, 3] {
        let limit = Limit::new("tool", places);
        let crowd = Crowd::default();
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..jobs, |cx, item| {
                limit.within(cx, |cx| {
                    crowd.enter();
                    let parts = cx.par_map(0..8_usize, |cx, part| {
                        cx.yield_now();
                        part * item
                    });
                    assert_eq!(parts.into_iter().sum::<usize>(), 28 * item);
                    crowd.leave();
                });
            });
        });
        run.expect("it ends");
        let most = crowd.most.into_inner();
        assert!((1..=places).contains(&most), "{most} of {places}");
        assert_eq!((limit.free_places(), limit.waiting()), (places, 0));
    }
}

fn w5_places_are_given_on_in_the_order_of_arrival(bed: &Bed) {
    const JOBS: usize = 6;
    let executor = bed.executor();
    let db = Database::new(());
    let limit = Limit::new("door", 1);
    let served = Mutex::new(Vec::new());
    let run = executor.run(&db, |cx| {
        cx.scope(|cx, scope| {
            limit.within(cx, |cx| {
                for job in 0..JOBS {
                    let (limit, served) = (&limit, &served);
                    scope.spawn(cx, move |cx| {
                        limit.within(cx, |cx| served.lock(cx).push(job));
                    });
                    until(cx, || limit.waiting() == job + 1);
                }
            });
        });
    });
    run.expect("it ends");
    assert_eq!(served.into_inner(), Vec::from_iter(0..JOBS));
}

fn w5_who_is_inside_alone_waits_for_itself(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let limit = Limit::new("tool", 2);
    let third = executor.run(&db, |cx| {
        limit.within(cx, |cx| {
            limit.within(cx, |cx| {
                assert_eq!(limit.free_places(), 0);
                assert!(is_deadlock(&limit.within_blocking(|| ())));
                limit.checked_within(cx, |_| ())
            })
        })
    });
    let error = third.expect("the run goes on").expect_err("a third time");
    assert_eq!(
        error.to_string(),
        "deadlock: a job waits for the limit \"tool\" of 2"
    );
    let raised = executor.run(&db, |cx| {
        limit.within(cx, |cx| limit.within(cx, |cx| limit.within(cx, |_| ())))
    });
    assert!(is_deadlock(&raised));
    assert_eq!((limit.free_places(), limit.waiting()), (2, 0));
}

fn w5_two_limits_crosswise_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let limits = [Limit::new("left", 1), Limit::new("right", 1)];
        let both = Meeting::new(2);
        let crosswise = |cx: &Cx<'_, ()>, number: usize| {
            limits[number].within(cx, |cx| {
                both.meet(cx);
                limits[1 - number].checked_within(cx, |_| ())
            })
        };
        let results = executor.run(&db, |cx| {
            cx.join(|cx| crosswise(cx, 0), |cx| crosswise(cx, 1))
        });
        let (left, right) = results.expect("the run goes on");
        assert!(
            is_deadlock(&left) ^ is_deadlock(&right),
            "{left:?}, {right:?}"
        );
        let error = left.and(right).expect_err("one of them").to_string();
        assert_eq!(error.matches("waits for the limit").count(), 2, "{error}");
        assert!(limits.iter().all(|limit| limit.free_places() == 1));
    }
}

/// Two are inside a limit of two, and a third, who has the mutex, wants to get in. The first to get in wants the mutex then;
/// the second does `second` once it does. Gives what the third and the first got.
fn two_inside(
    bed: &Bed,
    second: impl Fn(&Cx<'_, ()>, &Mutex<()>) -> Result<(), Error> + Sync,
) -> [Result<(), Error>; 3] {
    let executor = bed.executor();
    let db = Database::new(());
    let (limit, mutex) = (Limit::new("tool", 2), Mutex::new(()));
    let (is_held, wants) = (Event::new(), AtomicBool::new(false));
    let third = |cx: &Cx<'_, ()>| {
        let _held = mutex.lock(cx);
        open(&is_held);
        until(cx, || limit.free_places() == 0);
        limit.checked_within(cx, |_| ())
    };
    let first = |cx: &Cx<'_, ()>| {
        is_held.wait(cx);
        limit.within(cx, |cx| {
            until(cx, || limit.waiting() == 1);
            wants.store(true, Ordering::SeqCst);
            mutex.checked_lock(cx).map(drop)
        })
    };
    let other = |cx: &Cx<'_, ()>| {
        is_held.wait(cx);
        until(cx, || limit.free_places() == 1);
        limit.within(cx, |cx| {
            until(cx, || wants.load(Ordering::SeqCst));
            second(cx, &mutex)
        })
    };
    let run = executor.run(&db, |cx| {
        let ((third, first), other) = cx.join(|cx| cx.join(third, first), other);
        [third, first, other]
    });
    assert_eq!((limit.free_places(), limit.waiting()), (2, 0));
    assert!(mutex.try_lock().is_some());
    run.expect("the run goes on")
}

fn w5_it_is_none_as_long_as_one_inside_can_go_on(bed: &Bed) {
    let results = two_inside(bed, |cx, _| {
        // The first has time to begin its wait.
        (0..100).for_each(|_| cx.yield_now());
        Ok(())
    });
    for result in results {
        result.expect("the second gets out, which lets the third in");
    }
}

fn w5_it_is_one_once_all_who_are_inside_wait(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        let results = two_inside(bed, |cx, mutex| mutex.checked_lock(cx).map(drop));
        assert_eq!(results.iter().filter(|one| is_deadlock(one)).count(), 1);
        let error = results.into_iter().find_map(Result::err);
        let text = error.expect("one of them").to_string();
        assert_eq!(text.matches("waits for the mutex").count(), 2, "{text}");
        assert_eq!(text.matches("waits for the limit").count(), 1, "{text}");
    }
}

fn w5_a_limit_held_over_a_join_whose_half_wants_it(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let limit = Limit::new("tool", 1);
        let begun = Event::new();
        let wanted = executor.run(&db, |cx| {
            limit.within(cx, |cx| {
                let half = |cx: &Cx<'_, ()>| {
                    open(&begun);
                    limit.checked_within(cx, |_| ())
                };
                cx.join(|cx| begun.wait(cx), half).1
            })
        });
        assert!(is_deadlock(&wanted.expect("the run goes on")));
        assert_eq!(limit.free_places(), 1);
    }
}

/// What the queries of a deadlock share.
struct Shared {
    limit: Limit,
    held: Event<()>,
}

/// Wants to get in, once it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Inside;

impl Query<Shared> for Inside {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Shared>) -> u32 {
        cx.data().held.wait(cx);
        cx.data().limit.within(cx, |_| 5)
    }
}

fn w5_a_limit_and_a_query_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Shared {
            limit: Limit::new("tool", 1),
            held: Event::new(),
        });
        let run = executor.run(&db, |cx| {
            let holder = |cx: &Cx<'_, Shared>| {
                cx.data().limit.within(cx, |cx| {
                    open(&cx.data().held);
                    cx.try_get(Inside).copied()
                })
            };
            cx.join(holder, |cx| cx.try_get(Inside).copied())
        });
        let (left, right) = run.expect("the run goes on");
        assert!(is_deadlock(&left), "{left:?}");
        assert!(is_deadlock(&right) || right.is_ok_and(|value| value == 5));
        let again = executor.run(&db, |cx| *cx.get(Inside));
        assert_eq!(again.expect("nothing is remembered"), 5);
    }
}

fn w6_a_cell_whose_initialiser_wants_a_limit(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let jobs = bed.at_most_on_threads(16, 64);
    let limit = Limit::new("tool", 1);
    let cell = OnceCell::new();
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..jobs, |cx, item| {
            if item % 4 == 0 {
                limit.within(cx, |cx| cx.yield_now());
            }
            let initialise = |cx: &Cx<'_, ()>| {
                limit.within(cx, |cx| {
                    let parts = cx.par_map(0..16_usize, |_, part| part);
                    parts.into_iter().sum::<usize>()
                })
            };
            assert_eq!(*cell.get_or_init(cx, initialise), 120);
        });
    });
    run.expect("it ends");
    assert_eq!(limit.free_places(), 1);
}

fn w6_a_cell_and_a_limit_crosswise_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let (limit, cell) = (Limit::new("tool", 1), OnceCell::new());
        let both = Meeting::new(2);
        let results = executor.run(&db, |cx| {
            let within = |cx: &Cx<'_, ()>| {
                limit.within(cx, |cx| {
                    both.meet(cx);
                    cell.checked_get_or_init(cx, |_| 1).copied()
                })
            };
            let initialise = |cx: &Cx<'_, ()>| {
                both.meet(cx);
                limit.within(cx, |_| 2)
            };
            cx.join(within, |cx| {
                cell.checked_get_or_init(cx, initialise).copied()
            })
        });
        // Either the one inside is told, or the initialiser is unwound: then the other one initialises it.
        match results {
            Ok((left, right)) => {
                let (left, right) = (left.ok(), right.ok());
                assert!(left.is_none_or(|left| left == 1), "{left:?}");
                assert!(right.is_some() || left == Some(1), "{left:?}, {right:?}");
            }
            Err(error) => assert!(error.is_deadlock(), "{error}"),
        }
        assert_eq!((limit.free_places(), limit.waiting()), (1, 0));
    }
}

fn w10_threads_outside_and_jobs_share_a_limit(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let rounds = bed.scaled(300);
    let limit = Limit::new("tool", 2);
    let crowd = Crowd::default();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let inside = limit.within_blocking(|| {
                        crowd.enter();
                        crowd.leave();
                    });
                    inside.expect("nobody waits for this thread");
                }
            });
        }
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..rounds, |cx, _| {
                limit.within(cx, |cx| {
                    crowd.enter();
                    cx.yield_now();
                    crowd.leave();
                });
            });
        });
        run.expect("it ends");
    });
    assert!(crowd.most.into_inner() <= 2);
    assert_eq!((limit.free_places(), limit.waiting()), (2, 0));
}

fn w10_a_thread_that_is_inside_over_a_run_that_wants_in(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let limit = Limit::new("tool", 1);
    let wants_in = || executor.run(&db, |cx| limit.checked_within(cx, |_| ()));
    let inside = limit.within_blocking(wants_in);
    let inside = inside.expect("there is room").expect("the run goes on");
    assert!(is_deadlock(&inside), "{inside:?}");
    let inside = wants_in().expect("the run goes on");
    assert!(inside.is_ok(), "{inside:?}");
}

fn f5_who_unwinds_gives_the_place_back(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let limit = Limit::new("tool", 1);
    for _ in 0..3 {
        let fails = |cx: &Cx<'_, ()>| limit.within(cx, |_| fail_quietly("inside"));
        let failed = catch_unwind(AssertUnwindSafe(|| executor.run(&db, fails)));
        failed.map(|_| ()).expect_err("it panicked");
    }
    let run = executor.run(&db, |cx| limit.within(cx, |_| 1));
    assert_eq!(run.expect("there is room"), 1);
}

fn f5_who_is_cancelled_in_the_line_lets_others_go(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let waiters = 6;
        let (limit, token) = (Limit::new("tool", 1), CancelToken::new());
        let (come, served) = (Meeting::new(2 * waiters), AtomicUsize::new(0));
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                limit.within(cx, |cx| {
                    for _ in 0..waiters {
                        scope.spawn(cx, |cx| {
                            let _ = cx.cancellable(&token, |cx| {
                                come.come();
                                limit.within(cx, |_| ());
                            });
                        });
                        scope.spawn(cx, |cx| {
                            come.come();
                            limit.within(cx, |_| served.fetch_add(1, Ordering::SeqCst));
                        });
                    }
                    come.wait(cx);
                    cx.yield_now();
                    token.cancel();
                });
            });
        });
        run.expect("all end");
        assert_eq!(served.into_inner(), waiters);
        assert_eq!((limit.free_places(), limit.waiting()), (1, 0));
    }
}
