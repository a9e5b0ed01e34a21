//! W9: a fiber that is ready while a job runs on its worker that comes to scheduling points: the job lets it go first.
//!
//! Each job here goes on until the fiber has come back, so it would never end if it did not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dagwood::{Cx, Database, Event, Executor, Priority, Query, WorkerLocal};
use dagwood_tests::{Bed, OsGate, open, scenarios};

scenarios! {
    pools [2, 3]: w9_a_job_that_joins_lets_a_ready_fiber_go_first;
    pools [2, 3]: w9_a_loop_lets_a_ready_fiber_go_first;
    pools [2, 3]: w9_misses_let_a_ready_fiber_go_first;
    pools [2]: w9_a_fiber_that_was_woken_from_outside_goes_first;
    pools [2]: w9_a_fiber_that_has_yielded_goes_first;
    pools [2]: w9_all_of_many_come_back_beside_jobs_on_all_workers;
    pools [2]: w9_a_fiber_of_a_low_run_goes_first_at_last;
    pools [2, 3]: w9_who_must_not_wait_lets_nobody_go_first;
    pools [2, 3]: w9_a_spawn_lets_nobody_go_first;
    pools [1]: s2_a_single_worker_lets_nobody_go_first;
}

/// Set by the fiber that is to come back.
#[derive(Default)]
struct Back(AtomicUsize);

impl Back {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn is(&self, count: usize) -> bool {
        self.0.load(Ordering::SeqCst) == count
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Miss(usize);

impl<D: Send + Sync + 'static> Query<D> for Miss {
    type Value = usize;

    fn provide(self, _: &Cx<'_, D>) -> usize {
        self.0
    }
}

fn run(executor: &Executor, body: impl FnOnce(&Cx<'_, ()>) + Send) {
    executor
        .run(&Database::new(()), body)
        .expect("nothing fails");
}

/// What a busy job can tell.
struct Look<'a> {
    back: &'a Back,
    count: usize,
    /// How many have come back on each worker.
    came: &'a WorkerLocal<usize>,
}

impl Look<'_> {
    fn all_are_back(&self) -> bool {
        self.back.is(self.count)
    }

    fn came_here(&self, cx: &Cx<'_, ()>) -> usize {
        self.came.with(cx, |came| *came)
    }
}

/// Who makes the fibers ready, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waker {
    /// A job, before it is busy.
    Job,
    /// A thread that is no worker, once all jobs are busy.
    Outside,
}

/// As many fibers as there are workers wait, and are made ready; `busy` runs on each worker.
fn beside_busy_jobs(bed: &Bed, waker: Waker, busy: impl Fn(&Cx<'_, ()>, &Look<'_>) + Sync + Send) {
    let executor = bed.executor();
    let count = bed.workers();
    for _ in 0..bed.scaled(20) {
        let (here, begun, back) = (Back::default(), Back::default(), Back::default());
        let (all_are_here, ready) = (Event::new(), Event::new());
        let all_are_busy = OsGate::new();
        let came = WorkerLocal::new(&executor, |_| 0);
        let look = Look {
            back: &back,
            count,
            came: &came,
        };
        let busy = |cx: &Cx<'_, ()>| {
            begun.add();
            if begun.is(count) {
                all_are_busy.open();
            }
            busy(cx, &look);
        };
        let waits = |cx: &Cx<'_, ()>| {
            here.add();
            if here.is(count) {
                let _ = all_are_here.set(());
            }
            ready.wait(cx);
            look.came.with(cx, |came| *came += 1);
            look.back.add();
        };
        let (busy, waits) = (&busy, &waits);
        std::thread::scope(|threads| {
            if waker == Waker::Outside {
                threads.spawn(|| {
                    all_are_busy.pass();
                    open(&ready);
                });
            }
            run(&executor, |cx| {
                cx.scope(|cx, scope| {
                    for _ in 0..count {
                        scope.spawn(cx, waits);
                    }
                    all_are_here.wait(cx);
                    for _ in 1..count {
                        scope.spawn(cx, busy);
                    }
                    if waker == Waker::Job {
                        open(&ready);
                    }
                    busy(cx);
                });
            });
        });
    }
}

fn joins_until(cx: &Cx<'_, ()>, is_over: &dyn Fn() -> bool) {
    while !is_over() {
        assert_eq!(cx.join(|_| 1, |_| 2), (1, 2));
    }
}

/// Asks for the next key, which nobody has asked for.
fn misses_until(cx: &Cx<'_, ()>, next: &AtomicUsize, is_over: &dyn Fn() -> bool) {
    while !is_over() {
        let key = next.fetch_add(1, Ordering::Relaxed);
        assert_eq!(*cx.get(Miss(key)), key);
    }
}

fn w9_a_job_that_joins_lets_a_ready_fiber_go_first(bed: &Bed) {
    beside_busy_jobs(bed, Waker::Job, |cx, look| {
        joins_until(cx, &|| look.all_are_back())
    });
}

fn w9_a_loop_lets_a_ready_fiber_go_first(bed: &Bed) {
    beside_busy_jobs(bed, Waker::Job, |cx, look| {
        let is_done = AtomicBool::new(false);
        while !look.all_are_back() {
            cx.par_for_each(0..1000_usize, |_, _| {
                is_done.store(true, Ordering::Relaxed);
            });
        }
    });
}

fn w9_misses_let_a_ready_fiber_go_first(bed: &Bed) {
    let next = AtomicUsize::new(0);
    beside_busy_jobs(bed, Waker::Job, |cx, look| {
        misses_until(cx, &next, &|| look.all_are_back());
    });
}

fn w9_a_fiber_that_was_woken_from_outside_goes_first(bed: &Bed) {
    if bed.is_seeded() {
        // The job would wait for what comes from outside, with the turn.
        return;
    }
    beside_busy_jobs(bed, Waker::Outside, |cx, look| {
        joins_until(cx, &|| look.all_are_back());
    });
}

/// It waits for nothing but its turn.
fn w9_a_fiber_that_has_yielded_goes_first(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let (begun, is_back) = (AtomicBool::new(false), AtomicBool::new(false));
        run(&executor, |cx| {
            let yields = |cx: &Cx<'_, ()>| {
                while !begun.load(Ordering::SeqCst) {
                    cx.yield_now();
                }
                is_back.store(true, Ordering::SeqCst);
            };
            let works = |cx: &Cx<'_, ()>| {
                begun.store(true, Ordering::SeqCst);
                joins_until(cx, &|| is_back.load(Ordering::SeqCst));
            };
            cx.join(yields, works);
        });
    }
}

/// Of all levels.
fn w9_all_of_many_come_back_beside_jobs_on_all_workers(bed: &Bed) {
    let executor = bed.executor();
    let count = bed.at_most_on_threads(20, 100);
    let (here, back, ready) = (Back::default(), Back::default(), Event::new());
    let db = Database::new(());
    std::thread::scope(|threads| {
        for priority in [Priority::High, Priority::Normal, Priority::Low] {
            let (executor, db) = (&executor, &db);
            let (here, back, ready) = (&here, &back, &ready);
            threads.spawn(move || {
                let run = executor.run_with_priority(db, priority, |cx| {
                    cx.par_for_each(0..count, |cx, _| {
                        here.add();
                        ready.wait(cx);
                        back.add();
                    });
                });
                run.expect("nothing fails");
            });
        }
        run(&executor, |cx| {
            while !here.is(3 * count) {
                cx.yield_now();
            }
            open(&ready);
            let busy = |cx: &Cx<'_, ()>| joins_until(cx, &|| back.is(3 * count));
            cx.join(busy, busy);
        });
    });
}

/// How long the jobs go on in which nobody goes first, though one has been ready all the time.
const LONG: Duration = Duration::from_millis(3);

fn w9_who_must_not_wait_lets_nobody_go_first(bed: &Bed) {
    beside_busy_jobs(bed, Waker::Job, |cx, look| {
        let before = look.came_here(cx);
        cx.no_suspend(|cx| {
            let begin = Instant::now();
            joins_until(cx, &|| begin.elapsed() > LONG);
        });
        assert_eq!(look.came_here(cx), before);
    });
}

/// Whoever spawns may hold what must not be held over a wait.
fn w9_a_spawn_lets_nobody_go_first(bed: &Bed) {
    beside_busy_jobs(bed, Waker::Job, |cx, look| {
        cx.scope(|cx, scope| {
            let (before, begin) = (look.came_here(cx), Instant::now());
            while begin.elapsed() < LONG {
                scope.spawn(cx, |_| ());
            }
            assert_eq!(look.came_here(cx), before);
        });
    });
}

/// It goes behind the jobs, whose level is higher, but not for ever.
fn w9_a_fiber_of_a_low_run_goes_first_at_last(bed: &Bed) {
    let executor = bed.executor();
    let (here, ready) = (Event::new(), Event::new());
    let (back, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let db = Database::new(());
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let run = executor.run_with_priority(&db, Priority::Low, |cx| {
                open(&here);
                ready.wait(cx);
                back.store(true, Ordering::SeqCst);
            });
            run.expect("nothing fails");
        });
        run(&executor, |cx| {
            here.wait(cx);
            let busy = |cx: &Cx<'_, ()>| misses_until(cx, &next, &|| back.load(Ordering::SeqCst));
            open(&ready);
            cx.join(busy, busy);
        });
    });
}

/// Neither a clock nor a schedule says what runs when.
fn s2_a_single_worker_lets_nobody_go_first(bed: &Bed) {
    let (here, ready) = (Event::new(), Event::new());
    let back = AtomicBool::new(false);
    run(&bed.executor(), |cx| {
        let waits = |cx: &Cx<'_, ()>| {
            open(&here);
            ready.wait(cx);
            back.store(true, Ordering::SeqCst);
        };
        let works = |cx: &Cx<'_, ()>| {
            here.wait(cx);
            open(&ready);
            let begin = Instant::now();
            joins_until(cx, &|| begin.elapsed() > LONG);
            assert!(!back.load(Ordering::SeqCst));
        };
        cx.join(waits, works);
    });
}
