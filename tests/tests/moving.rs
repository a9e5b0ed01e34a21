//! W9: a fiber that is ready while its worker is in a long leaf, and what comes of fibers that another worker resumes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex as OsMutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dagwood::locks::Mutex;
use dagwood::{CancelToken, Cx, Database, Event, Executor, FiberLocal, WorkerLocal};
use dagwood_tests::{Bed, Count, Gated, OsGate, fail_quietly, open, scenarios};

scenarios! {
    pools [2, 3]: w9_a_ready_fiber_leaves_a_busy_worker;
    pools [2, 3]: w9_all_that_are_ready_leave_a_busy_worker;
    pools [1, 2]: w9_a_pinned_fiber_waits_for_the_end_of_the_leaf;
    pools [2, 3]: w9_a_fiber_that_has_moved_waits_and_moves_again;
    pools [2, 3]: w9_a_fiber_that_has_moved_is_cancelled;
    pools [2, 3]: w9_a_panic_of_a_fiber_that_has_moved;
    pools [2, 3]: w9_what_is_the_fibers_moves_with_it;
    pools [2, 3]: w9_fibers_that_have_moved_go_home;
    pools [2, 3]: w9_who_was_taken_counts_as_waiting_once;
    pools [2, 3]: w9_the_last_one_at_the_cap_has_moved;
    pools [2, 4]: w9_many_that_wait_for_each_other;
    pools [2, 3]: w9_random_wakes_from_everywhere;
}

/// What keeps its worker until it is said that it is over.
#[derive(Default)]
struct Leaf(AtomicBool);

impl Leaf {
    fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Without a scheduling point; or, where one worker at a time runs, with such at which no fiber but this goes on here.
    fn run(&self, bed: &Bed, cx: &Cx<'_, ()>) {
        while !self.0.load(Ordering::Acquire) {
            if bed.is_seeded() {
                cx.join(|_| (), |_| ());
            }
            std::thread::yield_now();
        }
    }
}

/// Runs `waiters` jobs that wait, on one worker, for an event that is set when that worker is in a leaf, which ends when the
/// last of them has come back. `then` is what they do afterwards (another leaf only if there is one waiter: two leaves at
/// once would take two workers); `meanwhile`, what the worker does after the leaf.
fn beside_a_leaf(
    bed: &Bed,
    cx: &Cx<'_, ()>,
    waiters: usize,
    then: impl Fn(&Cx<'_, ()>) + Sync + Send,
    meanwhile: impl FnOnce(&Cx<'_, ()>),
) {
    let (leaf, ready) = (Leaf::default(), Event::named("the leaf has begun"));
    let (here, back) = (Count::new(), Count::new());
    let all_are_here = Event::named("all waiters are there");
    let (leaf, ready, here, back, all_are_here, then) =
        (&leaf, &ready, &here, &back, &all_are_here, &then);
    cx.scope(|cx, scope| {
        for _ in 0..waiters {
            scope.spawn(cx, move |cx| {
                here.add();
                if here.get() == waiters {
                    let _ = all_are_here.set(());
                }
                ready.wait(cx);
                back.add();
                if back.get() == waiters {
                    leaf.end();
                }
                then(cx);
            });
        }
        all_are_here.wait(cx);
        // Those that began on this worker are ready now, and it is not theirs for a while.
        open(ready);
        leaf.run(bed, cx);
        meanwhile(cx);
    });
}

fn nothing(_: &Cx<'_, ()>) {}

fn run(executor: &Executor, body: impl FnOnce(&Cx<'_, ()>) + Send) {
    executor
        .run(&Database::new(()), body)
        .expect("nothing fails");
}

/// Else the leaf would not end.
fn w9_a_ready_fiber_leaves_a_busy_worker(bed: &Bed) {
    let executor = bed.moving_executor();
    for _ in 0..bed.scaled(100) {
        run(&executor, |cx| beside_a_leaf(bed, cx, 1, nothing, nothing));
    }
}

fn w9_all_that_are_ready_leave_a_busy_worker(bed: &Bed) {
    let executor = bed.moving_executor();
    for _ in 0..bed.scaled(50) {
        run(&executor, |cx| beside_a_leaf(bed, cx, 20, nothing, nothing));
    }
}

/// A thread outside makes the fiber ready when the leaf has begun; the leaf ends after that, and the fiber goes on later.
/// (On the threads backend fibers always move: there either may come first.)
fn w9_a_pinned_fiber_waits_for_the_end_of_the_leaf(bed: &Bed) {
    if bed.is_seeded() {
        // The leaf would wait for what comes from outside, with the turn.
        return;
    }
    let executor = bed.executor();
    let moves = bed.backend() == dagwood::Backend::Threads
        || std::env::var_os("DAGWOOD_TEST_MIGRATE").is_some();
    for _ in 0..bed.scaled(50) {
        let order = OsMutex::new(Vec::new());
        let note = |what| order.lock().expect("no panic").push(what);
        let (begun, woken, everywhere) = (OsGate::new(), OsGate::new(), AtomicUsize::new(0));
        let is_calm = AtomicBool::new(false);
        let (here, ready) = (Event::named("here"), Event::named("the leaf has begun"));
        let arrive = || {
            everywhere.fetch_add(1, Ordering::SeqCst);
            while everywhere.load(Ordering::SeqCst) < bed.workers() {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                begun.pass();
                open(&ready);
                woken.open();
            });
            run(&executor, |cx| {
                cx.scope(|cx, scope| {
                    for _ in 1..bed.workers() {
                        scope.spawn(cx, |_| {
                            arrive();
                            while !is_calm.load(Ordering::SeqCst) {
                                std::thread::yield_now();
                            }
                        });
                    }
                    arrive();
                    scope.spawn(cx, |cx| {
                        open(&here);
                        ready.wait(cx);
                        note("resumed");
                    });
                    here.wait(cx);
                    is_calm.store(true, Ordering::SeqCst);
                    begun.open();
                    woken.pass();
                    note("the leaf ends");
                });
            });
        });
        let order = order.into_inner().expect("no panic");
        assert!(moves || order == ["the leaf ends", "resumed"], "{order:?}");
    }
}

fn w9_a_fiber_that_has_moved_waits_and_moves_again(bed: &Bed) {
    let executor = bed.moving_executor();
    for _ in 0..bed.scaled(30) {
        run(&executor, |cx| {
            let then = |cx: &Cx<'_, ()>| beside_a_leaf(bed, cx, 2, nothing, nothing);
            beside_a_leaf(bed, cx, 1, then, nothing);
        });
    }
}

/// It waits for what never comes, on a worker that has not made it.
fn w9_a_fiber_that_has_moved_is_cancelled(bed: &Bed) {
    let executor = bed.moving_executor();
    for round in 0..bed.scaled(60) {
        let (token, never) = (CancelToken::new(), Event::<()>::new());
        let cancelled = executor.run_cancellable(&Database::new(()), &token, |cx| {
            let then = |cx: &Cx<'_, ()>| {
                if round % 2 == 0 {
                    cx.yield_now();
                }
                never.wait(cx);
            };
            beside_a_leaf(bed, cx, 2, then, |_| token.cancel());
        });
        assert!(cancelled.is_err_and(|error| error.is_cancelled()));
    }
}

fn w9_a_panic_of_a_fiber_that_has_moved(bed: &Bed) {
    let executor = bed.moving_executor();
    for _ in 0..bed.scaled(30) {
        let fails = |cx: &Cx<'_, ()>| {
            let inner = catch_unwind(AssertUnwindSafe(|| {
                cx.join(|cx| cx.yield_now(), |_| fail_quietly("inner"))
            }));
            assert!(inner.is_err() && !std::thread::panicking());
            fail_quietly("outer")
        };
        let panics = || run(&executor, |cx| beside_a_leaf(bed, cx, 2, fails, nothing));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        run(&executor, |_| assert!(!std::thread::panicking()));
    }
}

/// What is bound for it, the lock that it holds, and the worker-local value of where it is.
fn w9_what_is_the_fibers_moves_with_it(bed: &Bed) {
    static NAME: FiberLocal<u32> = FiberLocal::new();
    let executor = bed.moving_executor();
    let uses = WorkerLocal::new(&executor, |_| 0_usize);
    let sum = Mutex::new(0);
    let rounds = bed.scaled(30);
    for _ in 0..rounds {
        run(&executor, |cx| {
            NAME.scope(cx, 7, |cx| {
                let then = |cx: &Cx<'_, ()>| {
                    let mut held = sum.lock(cx);
                    uses.with(cx, |uses| *uses += 1);
                    // Over a wait, after which it may be elsewhere.
                    cx.join(|cx| cx.yield_now(), |_| ());
                    beside_a_leaf(bed, cx, 1, nothing, nothing);
                    *held += *NAME.get(cx).expect("bound around it");
                    uses.with(cx, |uses| *uses += 1);
                };
                beside_a_leaf(bed, cx, 1, then, nothing);
            });
        });
    }
    run(&executor, |cx| assert_eq!(*sum.lock(cx), 7 * rounds as u32));
    assert_eq!(uses.into_values().sum::<usize>(), 2 * rounds);
}

/// The executor ends right after they have, time and again, and all of them are done with.
fn w9_fibers_that_have_moved_go_home(bed: &Bed) {
    for _ in 0..bed.scaled(30) {
        let executor = bed.moving_executor();
        for _ in 0..2 {
            run(&executor, |cx| beside_a_leaf(bed, cx, 5, nothing, nothing));
        }
    }
}

/// However many have moved, no more wait at once than there are.
fn w9_who_was_taken_counts_as_waiting_once(bed: &Bed) {
    // SAFETY: no job keeps a guard of an OS lock, or a thread-local, over a wait.
    let builder = unsafe { bed.builder().statistics(true).migrate_fibers() };
    let executor = builder.build().expect("an executor can be made");
    let rounds = bed.scaled(200);
    for _ in 0..rounds {
        run(&executor, |cx| beside_a_leaf(bed, cx, 1, nothing, nothing));
    }
    let statistics = executor.statistics();
    // Of each worker: who waits for the leaf, who waits for it to come, and one at the scope's end.
    let at_most = 4 * bed.workers() as u64;
    assert!(statistics.suspended_peak <= at_most, "{statistics:?}");
}

/// All the fibers there may be wait, on whichever worker, for what only one whose wait is given up sets going.
fn w9_the_last_one_at_the_cap_has_moved(bed: &Bed) {
    let builder = bed.builder().max_fibers(4 * bed.workers());
    // SAFETY: no job keeps a guard of an OS lock, or a thread-local, over a wait.
    let executor = unsafe { builder.migrate_fibers() };
    let executor = executor.build().expect("an executor can be made");
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Event::named("the gate"));
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..8 * bed.workers(), |cx, item| {
                cx.yield_now();
                if let Err(error) = cx.try_get(Gated(item)) {
                    assert!(error.is_exhausted(), "{error}");
                    let _ = cx.data().set(());
                }
            });
        });
        run.expect("each that is refused is told");
    }
}

/// A chain of events, each set by who has waited for the one before, in no order.
fn w9_many_that_wait_for_each_other(bed: &Bed) {
    let executor = bed.moving_executor();
    let links = bed.at_most_seeded(40, 2_000);
    let links = bed.at_most_on_threads(300, links);
    for _ in 0..bed.scaled(10) {
        let events: Vec<Event<usize>> = (0..=links).map(|_| Event::new()).collect();
        run(&executor, |cx| {
            cx.join(
                |cx| {
                    cx.par_for_each(0..links, |cx, index| {
                        // Another order than the loop's.
                        let link = (index * 7 + 3) % links;
                        let before = *events[link].wait(cx);
                        events[link + 1].set(before + 1).expect("set once");
                    });
                },
                |_| events[0].set(0).expect("set once"),
            );
        });
        assert_eq!(events[links].get(), Some(&links));
    }
}

/// Jobs wait for events that other jobs, and threads outside, set at the same time.
fn w9_random_wakes_from_everywhere(bed: &Bed) {
    let executor = bed.moving_executor();
    let pairs = bed.at_most_seeded(20, 300);
    for _ in 0..bed.scaled(10) {
        let events: Vec<Event<usize>> = (0..2 * pairs).map(|_| Event::new()).collect();
        let begun = OsGate::new();
        let from_outside = || {
            begun.pass();
            for event in &events[pairs..] {
                event.set(1).expect("set once");
            }
        };
        let sum = std::thread::scope(|threads| {
            threads.spawn(from_outside);
            let run = executor.run(&Database::new(()), |cx| {
                begun.open();
                let waits = |cx: &Cx<'_, ()>| {
                    let wait = |cx: &Cx<'_, ()>, pair: usize| {
                        let inside = *events[pair].wait(cx);
                        inside + *events[pairs + pair].wait(cx)
                    };
                    cx.par_map(0..pairs, wait).into_iter().sum::<usize>()
                };
                let sets = |cx: &Cx<'_, ()>| {
                    cx.par_for_each(0..pairs, |_, pair| events[pair].set(1).expect("set once"));
                };
                cx.join(waits, sets).0
            });
            run.expect("nothing fails")
        });
        assert_eq!(sum, 2 * pairs);
    }
}
