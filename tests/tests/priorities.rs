//! Runs of several levels: which goes first where they wait, and that none waits for ever.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use dagwood::locks::Semaphore;
use dagwood::{Backend, Cx, Database, Event, Executor, Priority};
use dagwood_tests::{Bed, Count, OsGate, open, scenarios};

scenarios! {
    pools [1] unseeded "the one worker waits, with the turn, for what comes from outside": jobs_of_high_runs_begin_first;
    pools [1]: fibers_of_high_runs_go_on_first;
    pools [1]: w4_two_that_wake_each_other_do_not_starve_a_low_one;
    pools [1, 2, 4]: a_level_for_each_run;
}

/// So many others go before the first of a level (`Priority`).
const PASSED_BY: usize = 17;

/// What goes first of 40 high ones, 3 normal ones and 3 low ones, which came in the opposite order.
fn check_order(order: &[Priority]) {
    assert_eq!(order.len(), LINE.len());
    assert_eq!(order[0], Priority::High, "{order:?}");
    for level in [Priority::Normal, Priority::Low] {
        let places: Vec<usize> = (0..order.len()).filter(|at| order[*at] == level).collect();
        assert!(places[0] <= PASSED_BY, "{order:?}");
        let gaps = places.windows(2).map(|pair| pair[1] - pair[0] - 1);
        assert!(gaps.max() <= Some(PASSED_BY), "{order:?}");
    }
    let high = order.iter().filter(|one| **one == Priority::High).count();
    let last_high = order.iter().rposition(|one| *one == Priority::High);
    assert!(
        last_high < Some(high + 4),
        "few go before the last: {order:?}"
    );
}

static LINE: [Priority; 46] = {
    let mut line = [Priority::High; 46];
    let mut low = 0;
    while low < 3 {
        line[low] = Priority::Low;
        line[low + 3] = Priority::Normal;
        low += 1;
    }
    line
};

/// Calls `run` with each of the line, from jobs of another executor with one worker, which wait: so one after another;
/// and then `end`.
fn in_line(bed: &Bed, run: impl Fn(Priority) + Sync, end: impl Fn() + Sync) {
    let builder = Executor::builder().backend(bed.backend()).workers(1);
    let builder = match bed.schedule() {
        Some(schedule) => builder.schedule(schedule),
        None => builder,
    };
    let outer = builder.build().expect("an executor can be made");
    let calls = |cx: &Cx<'_, ()>| {
        cx.scope(|cx, scope| {
            for priority in LINE {
                let run = &run;
                scope.spawn(cx, move |_| run(priority));
            }
            let end = &end;
            scope.spawn(cx, move |_| end());
        });
    };
    outer.run(&Database::new(()), calls).expect("nothing fails");
}

/// The one worker is kept until all have come.
fn jobs_of_high_runs_begin_first(bed: &Bed) {
    let executor = bed.executor();
    let (begun, all_are_there) = (OsGate::new(), OsGate::new());
    let order = Mutex::new(Vec::new());
    let db = Database::new(());
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let keep = |_: &Cx<'_, ()>| {
                begun.open();
                all_are_there.pass();
            };
            executor.run(&db, keep).expect("nothing fails");
        });
        begun.pass();
        let run = |priority| {
            let note = |_: &Cx<'_, ()>| order.lock().expect("no panic").push(priority);
            let run = executor.run_with_priority(&db, priority, note);
            run.expect("nothing fails");
        };
        in_line(bed, run, || all_are_there.open());
    });
    check_order(&order.into_inner().expect("no panic"));
}

/// All wait for the same, in the opposite order.
fn fibers_of_high_runs_go_on_first(bed: &Bed) {
    let executor = bed.executor();
    let (db, order) = (
        Database::new(Event::named("a start")),
        Mutex::new(Vec::new()),
    );
    let here = Count::new();
    let run = |priority| {
        let wait = |cx: &Cx<'_, Event<()>>| {
            here.add();
            cx.data().wait(cx);
            order.lock().expect("no panic").push(priority);
        };
        let run = executor.run_with_priority(&db, priority, wait);
        run.expect("nothing fails");
    };
    let set = || {
        // There is one worker: who has come waits by now.
        let set = |cx: &Cx<'_, Event<()>>| {
            while here.get() < LINE.len() {
                cx.yield_now();
            }
            open(cx.data());
        };
        executor.run(&db, set).expect("nothing fails");
    };
    in_line(bed, run, set);
    check_order(&order.into_inner().expect("no panic"));
}

/// Two fibers of a high run wake each other until one of a low run, which is ready meanwhile, has gone on.
fn w4_two_that_wake_each_other_do_not_starve_a_low_one(bed: &Bed) {
    for level in [Priority::Low, Priority::Normal] {
        let executor = bed.executor();
        let is_over = AtomicBool::new(false);
        let (start, low_waits) = (Event::named("a start"), Event::named("the low one waits"));
        let db = Database::new(());
        let low = || {
            let low = |cx: &Cx<'_, ()>| {
                open(&low_waits);
                start.wait(cx);
                is_over.store(true, Ordering::Release);
            };
            let run = executor.run_with_priority(&db, level, low);
            run.expect("nothing fails");
        };
        let turns = [Semaphore::new(0), Semaphore::new(0)];
        let (is_over, turns, start) = (&is_over, &turns, &start);
        let side = move |cx: &Cx<'_, ()>, own: usize| {
            for turn in 0_u64.. {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                if (own, turn) == (0, 3) {
                    // Both have begun, and one of them is ready whenever the other waits.
                    open(start);
                }
                turns[1 - own].add_permits(1);
                turns[own].acquire(cx).forget();
            }
            turns[1 - own].add_permits(1);
        };
        std::thread::scope(|threads| {
            threads.spawn(low);
            let high = |cx: &Cx<'_, ()>| {
                low_waits.wait(cx);
                cx.join(|cx| side(cx, 0), |cx| side(cx, 1));
            };
            let run = executor.run_with_priority(&db, Priority::High, high);
            run.expect("nothing fails");
        });
    }
}

/// Whatever the levels, each gets what it asks for.
fn a_level_for_each_run(bed: &Bed) {
    let executor = bed.executor();
    let levels = [Priority::Low, Priority::Normal, Priority::High];
    std::thread::scope(|threads| {
        for level in levels {
            let executor = &executor;
            threads.spawn(move || {
                for _ in 0..bed.scaled(50) {
                    let sum = executor.run_with_priority(&Database::new(()), level, |cx| {
                        let squares = cx.par_map(0..50_u32, |cx, i| {
                            cx.yield_now();
                            i * i
                        });
                        let task = cx.spawn(move |cx| {
                            cx.yield_now();
                            squares.into_iter().sum::<u32>()
                        });
                        *task.wait(cx)
                    });
                    assert_eq!(sum.expect("nothing fails"), 40_425);
                }
            });
        }
    });
    assert_ne!(executor.backend(), Backend::Sequential);
}
