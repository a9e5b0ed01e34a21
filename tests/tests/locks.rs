//! W5, W6, W10, X4 and F5 for the locks: held over parallel loops and asks, wanted from everywhere, left by unwinding.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{Mutex, MutexGuard};
use dagwood::{CancelToken, Cx, Database, Error, Event, Query};
use dagwood_tests::{Bed, Meeting, OsGate, fail_quietly, is_deadlock, open, scenarios};

scenarios! {
    all [4, 1, 2]: w5_a_lock_held_over_a_parallel_loop;
    pools [4, 1]: w5_a_lock_held_over_an_ask_that_waits;
    all [2, 1]: w5_a_lock_taken_twice_is_a_deadlock;
    pools [2, 1, 3]: w5_two_locks_crosswise_are_a_deadlock;
    pools [2, 3]: w5_a_lock_held_over_a_join_whose_half_wants_it;
    pools [2, 3]: w5_a_lock_and_a_query_are_a_deadlock;
    pools [1]: w5_nobody_is_passed_over_for_ever;
    pools [2, 1, 4]: w10_threads_outside_and_jobs_take_one_lock;
    all [2, 1]: w10_a_thread_that_holds_a_lock_over_a_run_that_wants_it;
    all [2, 1]: f5_who_unwinds_gives_the_lock_back;
    pools [2, 1]: f5_who_is_cancelled_gives_the_lock_back;
    pools [2, 1, 4]: f5_who_is_cancelled_while_it_waits_lets_others_go;
    pools [2, 1]: f5_a_leaked_guard_outlives_its_executor;
    pools [2, 1]: x4_a_destructor_in_an_unwind_takes_a_free_lock_and_waits_for_none;
}

const OUTER: usize = 64;

fn w5_a_lock_held_over_a_parallel_loop(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let sum = Mutex::new(0);
        executor
            .run(&db, |cx| {
                cx.par_for_each(0..OUTER, |cx, item| {
                    let mut sum = sum.lock(cx);
                    let before = *sum;
                    let parts = cx.par_map(0..16_usize, |_, part| part * item);
                    *sum = before + parts.into_iter().sum::<usize>();
                });
            })
            .expect("it ends");
        assert_eq!(sum.into_inner(), 120 * OUTER * (OUTER - 1) / 2);
    }
}

/// Waits until its event is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Late;

impl Query<Event<u32>> for Late {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Event<u32>>) -> u32 {
        *cx.data().wait(cx)
    }
}

fn w5_a_lock_held_over_an_ask_that_waits(bed: &Bed) {
    let executor = bed.executor();
    let jobs = bed.at_most_on_threads(20, 100);
    let db = Database::new(Event::new());
    let sum = Mutex::new(0);
    let begun = AtomicUsize::new(0);
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..jobs, |cx, _| {
            // The last to come sets what all the others, one of whom holds the lock, wait for.
            if begun.fetch_add(1, Ordering::SeqCst) + 1 == jobs {
                cx.data().set(1).expect("set once");
            }
            let mut sum = sum.lock(cx);
            *sum += *cx.get(Late);
        });
    });
    run.expect("it ends");
    assert_eq!(sum.into_inner() as usize, jobs);
}

fn w5_a_lock_taken_twice_is_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(0);
    let twice = executor.run(&db, |cx| {
        let _first = mutex.lock(cx);
        let second = mutex.checked_lock(cx).map(drop);
        assert!(is_deadlock(&mutex.lock_blocking()));
        assert!(mutex.try_lock().is_none());
        second
    });
    let error = twice
        .expect("the run goes on")
        .expect_err("it cannot wait for itself");
    assert!(error.is_deadlock(), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("deadlock: a job waits for the mutex made at "),
        "{text}"
    );
    assert!(text.contains("locks.rs"), "{text}");
    // And it is free again.
    let run = executor.run(&db, |cx| *mutex.lock(cx) += 1);
    run.expect("nobody holds it");
    let raised = executor.run(&db, |cx| {
        let _first = mutex.lock(cx);
        *mutex.lock(cx)
    });
    assert!(is_deadlock(&raised));
    assert_eq!(mutex.into_inner(), 1);
}

/// Takes both locks, the one of this number first, when both hold one.
fn crosswise(
    cx: &Cx<'_, ()>,
    locks: &[Mutex<u32>; 2],
    both: &Meeting,
    number: usize,
) -> Result<(), Error> {
    let mut first = locks[number].lock(cx);
    both.meet(cx);
    let mut second = locks[1 - number].checked_lock(cx)?;
    *first += 1;
    *second += 1;
    Ok(())
}

fn w5_two_locks_crosswise_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let locks = [Mutex::new(0), Mutex::new(0)];
        let both = Meeting::new(2);
        let results = executor.run(&db, |cx| {
            cx.join(
                |cx| crosswise(cx, &locks, &both, 0),
                |cx| crosswise(cx, &locks, &both, 1),
            )
        });
        let (left, right) = results.expect("the run goes on");
        assert!(
            is_deadlock(&left) ^ is_deadlock(&right),
            "{left:?}, {right:?}"
        );
        let error = left.and(right).expect_err("one of them");
        assert_eq!(
            error.to_string().matches("waits for the mutex").count(),
            2,
            "{error}"
        );
        assert_eq!(
            locks.map(Mutex::into_inner),
            [1, 1],
            "the other one goes on"
        );
    }
}

fn w5_a_lock_held_over_a_join_whose_half_wants_it(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let mutex = Mutex::new(());
        let begun = Event::new();
        let wanted = executor.run(&db, |cx| {
            let _held = mutex.lock(cx);
            let half = |cx: &Cx<'_, ()>| {
                open(&begun);
                mutex.checked_lock(cx).map(drop)
            };
            cx.join(|cx| begun.wait(cx), half).1
        });
        let error = wanted
            .expect("the run goes on")
            .expect_err("its holder waits for it");
        assert!(error.is_deadlock(), "{error}");
        assert!(mutex.try_lock().is_some());
    }
}

/// What the queries of a deadlock share.
#[derive(Default)]
struct Shared {
    mutex: Mutex<u32>,
    held: Event<()>,
    runs: AtomicUsize,
}

/// Waits for the lock, once it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Locks;

impl Query<Shared> for Locks {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Shared>) -> u32 {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        cx.data().held.wait(cx);
        *cx.data().mutex.lock(cx)
    }
}

fn w5_a_lock_and_a_query_are_a_deadlock(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Shared::default());
        let run = executor.run(&db, |cx| {
            let holder = |cx: &Cx<'_, Shared>| {
                let _held = cx.data().mutex.lock(cx);
                open(&cx.data().held);
                cx.try_get(Locks).copied()
            };
            cx.join(holder, |cx| cx.try_get(Locks).copied())
        });
        let (left, right) = run.expect("the run goes on");
        assert!(
            is_deadlock(&left),
            "{left:?}: computes it itself, or waits for who waits for it"
        );
        // The other one either met the deadlock or computed it anew.
        assert!(is_deadlock(&right) || right.is_ok_and(|value| value == 0));
        assert_eq!(
            *executor
                .run(&db, |cx| *cx.get(Locks))
                .as_ref()
                .expect("nothing is remembered"),
            0
        );
    }
}

fn w5_nobody_is_passed_over_for_ever(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(0);
    let is_over = AtomicUsize::new(0);
    let waits = Event::new();
    let rounds = executor.run(&db, |cx| {
        let greedy = |cx: &Cx<'_, ()>| {
            let mut rounds = 0;
            let mut held = mutex.lock(cx);
            open(&waits);
            while is_over.load(Ordering::SeqCst) == 0 {
                // The other one is called, and runs only when this one holds the lock again.
                drop(held);
                held = mutex.lock(cx);
                rounds += 1;
                cx.yield_now();
            }
            rounds
        };
        let modest = |cx: &Cx<'_, ()>| {
            waits.wait(cx);
            drop(mutex.lock(cx));
            is_over.store(1, Ordering::SeqCst);
        };
        cx.join(greedy, modest).0
    });
    assert!(rounds.expect("both end") >= 1);
}

fn w10_threads_outside_and_jobs_take_one_lock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let rounds = bed.scaled(2_000);
    let mutex = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    *mutex.lock_blocking().expect("nobody waits for this thread") += 1;
                }
            });
        }
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..rounds, |cx, _| {
                let mut sum = mutex.lock(cx);
                cx.yield_now();
                *sum += 1;
            });
        });
        run.expect("it ends");
    });
    assert_eq!(mutex.into_inner(), 4 * rounds);
}

fn w10_a_thread_that_holds_a_lock_over_a_run_that_wants_it(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(0);
    let held = mutex.lock_blocking().expect("it is free");
    let run = executor.run(&db, |cx| mutex.checked_lock(cx).map(|value| *value));
    assert!(is_deadlock(&run.expect("the run goes on")));
    drop(held);
    let run = executor.run(&db, |cx| mutex.checked_lock(cx).map(|value| *value));
    assert!(!is_deadlock(&run.expect("the run goes on")));
}

fn f5_who_unwinds_gives_the_lock_back(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(0);
    for _ in 0..3 {
        let fails = |cx: &Cx<'_, ()>| {
            let mut value = mutex.lock(cx);
            *value += 1;
            fail_quietly("while it holds the lock");
        };
        let failed = catch_unwind(AssertUnwindSafe(|| executor.run(&db, fails)));
        failed.map(|_| ()).expect_err("it panicked");
    }
    assert_eq!(
        executor.run(&db, |cx| *mutex.lock(cx)).expect("it is free"),
        3
    );
}

fn f5_who_is_cancelled_gives_the_lock_back(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(0);
    let never = Event::<()>::new();
    let holds = Event::new();
    let token = CancelToken::new();
    let seen = executor.run(&db, |cx| {
        let holder = |cx: &Cx<'_, ()>| {
            cx.cancellable(&token, |cx| {
                let mut value = mutex.lock(cx);
                *value = 1;
                open(&holds);
                never.wait(cx);
            })
        };
        let other = |cx: &Cx<'_, ()>| {
            holds.wait(cx);
            token.cancel();
            *mutex.lock(cx)
        };
        let (cancelled, seen) = cx.join(holder, other);
        assert!(cancelled.is_err_and(|error| error.is_cancelled()));
        seen
    });
    assert_eq!(seen.expect("it is free"), 1);
}

fn f5_who_is_cancelled_while_it_waits_lets_others_go(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let waiters = 8;
        let mutex = Mutex::new(0);
        let token = CancelToken::new();
        let come = Meeting::new(2 * waiters);
        let run = executor.run(&db, |cx| {
            let held = mutex.lock(cx);
            cx.scope(|cx, scope| {
                for _ in 0..waiters {
                    scope.spawn(cx, |cx| {
                        let _ = cx.cancellable(&token, |cx| {
                            come.come();
                            drop(mutex.lock(cx));
                        });
                    });
                    scope.spawn(cx, |cx| {
                        come.come();
                        *mutex.lock(cx) += 1;
                    });
                }
                come.wait(cx);
                cx.yield_now();
                token.cancel();
                drop(held);
            });
        });
        run.expect("all end");
        assert_eq!(mutex.into_inner(), waiters);
    }
}

fn f5_a_leaked_guard_outlives_its_executor(bed: &Bed) {
    let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(5)));
    let db = Database::new(());
    let executor = bed.executor();
    let run = executor.run(&db, |cx| std::mem::forget(mutex.lock(cx)));
    run.expect("it ends");
    drop(executor);
    // Its fiber is gone. Nobody gets the lock, whoever looks at it is safe, and can be told to end.
    assert!(mutex.try_lock().is_none());
    let executor = bed.executor();
    let token = CancelToken::new();
    let is_waiting = OsGate::new();
    let waited = thread::scope(|scope| {
        scope.spawn(|| {
            is_waiting.pass();
            token.cancel();
        });
        executor.run_cancellable(&db, &token, |cx| {
            is_waiting.open();
            let guard = mutex.checked_lock(cx);
            guard.map(|value| *value)
        })
    });
    let error = waited
        .and_then(|waited| waited)
        .expect_err("it cannot be had");
    assert!(error.is_cancelled(), "{error}");
}

/// Takes a lock in its destructor; keeps what came of it.
struct LocksOnDrop<'t, 'db, 'm> {
    cx: &'t Cx<'db, ()>,
    mutex: &'m Mutex<u32>,
    seen: &'t Mutex<Vec<Result<u32, String>>>,
}

impl Drop for LocksOnDrop<'_, '_, '_> {
    fn drop(&mut self) {
        assert!(thread::panicking());
        let value = self
            .mutex
            .checked_lock(self.cx)
            .map(|value: MutexGuard<'_, u32>| *value);
        let value = value.map_err(|error| error.to_string());
        self.seen.lock(self.cx).push(value);
        assert!(thread::panicking());
    }
}

fn x4_a_destructor_in_an_unwind_takes_a_free_lock_and_waits_for_none(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let mutex = Mutex::new(7);
    let (seen, holds, is_over) = (Mutex::new(Vec::new()), Event::new(), Event::new());
    let run = executor.run(&db, |cx| {
        let unwinds = |cx: &Cx<'_, ()>| {
            let body = || {
                let _locks = LocksOnDrop {
                    cx,
                    mutex: &mutex,
                    seen: &seen,
                };
                fail_quietly("an unwind");
            };
            let failed = catch_unwind(AssertUnwindSafe(body));
            failed.expect_err("it panicked");
            assert!(!thread::panicking());
        };
        unwinds(cx);
        let holder = |cx: &Cx<'_, ()>| {
            let _held = mutex.lock(cx);
            open(&holds);
            is_over.wait(cx);
        };
        let other = |cx: &Cx<'_, ()>| {
            holds.wait(cx);
            unwinds(cx);
            open(&is_over);
        };
        cx.join(holder, other);
    });
    run.expect("all end");
    let cannot = "a destructor that runs during an unwind cannot wait";
    assert_eq!(seen.into_inner(), [Ok(7), Err(cannot.to_owned())]);
}
