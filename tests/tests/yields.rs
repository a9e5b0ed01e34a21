//! `yield_now`: who polls lets the others go on, and starves nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Executor, Query};
use dagwood_tests::{Bed, OsGate, fail_quietly, open, scenarios};

scenarios! {
    pools [1, 2, 8]: w4_a_polling_branch_lets_the_other_run;
    pools [1, 2, 8]: w4_polling_everywhere;
    pools [1, 2, 8]: w4_two_that_yield_do_not_starve_a_job;
    pools [1, 2, 8]: w4_two_that_yield_with_hooks_do_not_starve_a_job;
    pools [1, 2, 8]: w4_two_that_yield_do_not_starve_another_run;
    pools [1, 2, 8]: w4_two_that_yield_do_not_starve_who_was_woken;
    pools [1, 2]: w3_many_that_yield;
    all [1, 2, 8]: f5_a_yield_in_a_destructor_during_an_unwind;
    all [1, 2, 8]: yields_with_nothing_else_to_do_return;
}

/// Something to poll for.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn poll<D>(&self, cx: &Cx<'_, D>) {
        while !self.0.load(Ordering::Acquire) {
            cx.yield_now();
        }
    }
}

fn w4_a_polling_branch_lets_the_other_run(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let flag = Flag::default();
        let run = executor.run(&Database::new(()), |cx| {
            cx.join(|cx| flag.poll(cx), |_| flag.set());
        });
        run.expect("nothing fails");
    }
}

/// Polls for the flag of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Polled(usize);

impl Query<Flag> for Polled {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Flag>) -> usize {
        cx.data().poll(cx);
        self.0
    }
}

fn w4_polling_everywhere(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Flag::default());
        let run = executor.run(&db, |cx| {
            let task = cx.spawn(|cx| cx.data().poll(cx));
            let poll_all = |cx: &Cx<'_, Flag>| {
                cx.par_for_each(0..20_usize, |cx, item| match item % 3 {
                    0 => cx.data().poll(cx),
                    1 => assert_eq!(*cx.get(Polled(item % 2)), item % 2),
                    _ => cx.scope(|cx, scope| {
                        scope.spawn(cx, |cx| cx.data().poll(cx));
                        cx.data().poll(cx);
                    }),
                });
            };
            cx.join(poll_all, |cx| cx.data().set());
            task.wait(cx);
        });
        run.expect("nothing fails");
    }
}

/// Two branches poll, on all workers but one at least, until `body` has set the flag.
fn beside_pollers(executor: &Executor, body: impl Fn(&Cx<'_, ()>, &Flag) + Send + Sync) {
    let workers = executor.workers();
    let flag = Flag::default();
    let run = executor.run(&Database::new(()), |cx| {
        cx.join(
            |cx| cx.par_for_each(0..2 * workers, |cx, _| flag.poll(cx)),
            |cx| body(cx, &flag),
        );
    });
    run.expect("nothing fails");
}

/// The job is not known to anybody before the pollers poll.
fn w4_two_that_yield_do_not_starve_a_job(bed: &Bed) {
    let executor = &bed.executor();
    let items = bed.at_most_seeded(10, 50);
    beside_pollers(executor, |cx, flag| {
        cx.join(|cx| flag.poll(cx), |_| flag.set());
    });
    beside_pollers(executor, |cx, flag| {
        cx.scope(|cx, scope| {
            scope.spawn(cx, |_| flag.set());
            flag.poll(cx);
        });
    });
    beside_pollers(executor, |cx, flag| {
        cx.par_for_each(0..items, |cx, i| {
            if i == items - 1 {
                flag.set();
            }
            flag.poll(cx);
        });
    });
}

/// Around each switch something is done: no yield is a quick one.
fn w4_two_that_yield_with_hooks_do_not_starve_a_job(bed: &Bed) {
    let hooked = bed.builder().suspend_hooks(|| (), |()| ());
    let executor = hooked.build().expect("an executor can be made");
    beside_pollers(&executor, |cx, flag| {
        cx.join(|cx| flag.poll(cx), |_| flag.set());
    });
}

fn w4_two_that_yield_do_not_starve_another_run(bed: &Bed) {
    let executor = bed.executor();
    let (flag, polling) = (Flag::default(), OsGate::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            polling.pass();
            let run = executor.run(&Database::new(()), |_| flag.set());
            run.expect("nothing fails");
        });
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_for_each(0..2 * bed.workers(), |cx, _| {
                polling.open();
                flag.poll(cx);
            });
        });
        run.expect("nothing fails");
    });
}

/// A fiber that an OS thread wakes while others yield.
fn w4_two_that_yield_do_not_starve_who_was_woken(bed: &Bed) {
    let (event, waiting) = (Event::new(), OsGate::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            waiting.pass();
            open(&event);
        });
        beside_pollers(&bed.executor(), |cx, flag| {
            waiting.open();
            event.wait(cx);
            flag.set();
        });
    });
}

fn w3_many_that_yield(bed: &Bed) {
    let most = bed.at_most_on_threads(bed.at_most_seeded(12, 50), 1000);
    let turn = AtomicUsize::new(0);
    let run = bed.executor().run(&Database::new(()), |cx| {
        // The last goes first.
        cx.par_for_each(0..most, |cx, i| {
            while turn.load(Ordering::Acquire) != most - 1 - i {
                cx.yield_now();
            }
            turn.fetch_add(1, Ordering::Release);
        });
    });
    run.expect("nothing fails");
    assert_eq!(turn.into_inner(), most);
}

/// Yields in its destructor.
struct YieldOnDrop<'c, 'db>(&'c Cx<'db, ()>, &'c AtomicUsize);

impl Drop for YieldOnDrop<'_, '_> {
    fn drop(&mut self) {
        for _ in 0..200 {
            self.0.yield_now();
            assert!(std::thread::panicking());
        }
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

fn f5_a_yield_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    let dropped = AtomicUsize::new(0);
    let rounds = bed.scaled(20);
    for _ in 0..rounds {
        let run = || {
            executor.run(&Database::new(()), |cx| {
                cx.par_for_each(0..10_u8, |cx, _| {
                    let _yield = YieldOnDrop(cx, &dropped);
                    cx.yield_now();
                    assert!(!std::thread::panicking());
                    fail_quietly("item")
                });
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
    assert_eq!(dropped.into_inner(), 10 * rounds);
}

fn yields_with_nothing_else_to_do_return(bed: &Bed) {
    let run = bed.executor().run(&Database::new(()), |cx| {
        for _ in 0..bed.at_most_seeded(100, 500) {
            cx.yield_now();
        }
        let items = cx.par_map(0..100_usize, |cx, i| {
            cx.yield_now();
            i
        });
        assert_eq!(items, Vec::from_iter(0..100));
    });
    run.expect("nothing fails");
}
