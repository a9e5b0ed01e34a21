//! F4 and W10: the end of an executor while its fibers wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dagwood::{Cx, Database, Error, Event, Executor, Query, Task};
use dagwood_tests::{Bed, Count, Meeting, at_once_from_threads, scaled, scenarios};

scenarios! {
    pools [1, 2, 4]: f4_a_thousand_fibers_are_resumed_and_unwind;
    pools [1, 2, 4]: f4_children_end_before_their_parents;
    pools [1, 2, 4]: f4_on_an_own_worker;
    pools [1, 2, 4]: f4_running_work_ends;
    pools [1, 2, 4]: f4_a_recursion_of_joins_ends;
    pools [1, 2, 4]: f4_many_that_never_began_do_not_refuse;
    pools [1, 2]: f4_who_refuses_to_end_is_left_behind;
    pools [1] unseeded "it leaves threads behind": f4_who_refuses_to_end_is_waited_for_by_another_run;
    pools [1] unseeded "it leaves threads behind": f4_a_task_that_refuses_to_end_is_cancelled_for_others;
    all [1, 2]: f4_nothing_begins_afterwards;
    pools [1, 2, 4]: w10_asks_from_outside_at_the_moment_of_shutdown;
}

struct Counted<'c>(&'c Count);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn check_shut<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("the executor shuts down");
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(error.to_string(), "cancelled: the executor shuts down");
}

/// Waits, in a loop over so many items, for an event that nobody sets; says when all do.
fn wait_for_ever(cx: &Cx<'_, ()>, count: usize, asking: &Meeting, dropped: &Count) {
    let never = Event::<()>::named("what nobody sets");
    cx.par_for_each(0..count, |cx, _| {
        let _counted = Counted(dropped);
        asking.come();
        never.wait(cx);
    });
}

fn f4_a_thousand_fibers_are_resumed_and_unwind(bed: &Bed) {
    let jobs = bed.at_most_on_threads(100, 1_000);
    for _ in 0..bed.scaled(5) {
        let executor = bed.executor();
        let (asking, dropped) = (Meeting::new(jobs), Count::new());
        let begun = Begun(AtomicBool::new(false));
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                executor.run(&Database::new(()), |cx| {
                    cx.join(
                        |cx| wait_for_ever(cx, jobs, &asking, &dropped),
                        |cx| {
                            asking.wait(cx);
                            begun.0.store(true, Ordering::SeqCst);
                        },
                    )
                })
            });
            begun.wait();
            assert_eq!(executor.shutdown(), 0);
            // They have ended, and not just been told.
            assert_eq!(dropped.get(), jobs, "destructors");
            check_shut(run.join().expect("no panic"));
        });
        assert!(executor.waiters().is_empty());
    }
}

/// A flag that a job sets for a thread outside.
struct Begun(AtomicBool);

impl Begun {
    fn wait(&self) {
        while !self.0.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

fn f4_children_end_before_their_parents(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        let executor = bed.executor();
        let ended = Mutex::new(Vec::new());
        let (asking, begun) = (Meeting::new(4), Begun(AtomicBool::new(false)));
        let never = Event::<()>::new();
        /// Says at its end who has ended.
        struct Says<'m>(&'m Mutex<Vec<&'static str>>, &'static str);
        impl Drop for Says<'_> {
            fn drop(&mut self) {
                self.0.lock().expect("no panic").push(self.1);
            }
        }
        let waits = |cx: &Cx<'_, ()>, name| {
            let _says = Says(&ended, name);
            asking.come();
            never.wait(cx);
        };
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                executor.run(&Database::new(()), |cx| {
                    let _says = Says(&ended, "root");
                    cx.join(
                        |cx| {
                            let _says = Says(&ended, "parent");
                            cx.scope(|cx, scope| {
                                for _ in 0..4 {
                                    scope.spawn(cx, |cx| waits(cx, "child"));
                                }
                            });
                        },
                        |cx| {
                            asking.wait(cx);
                            begun.0.store(true, Ordering::SeqCst);
                        },
                    );
                })
            });
            begun.wait();
            assert_eq!(executor.shutdown(), 0);
            check_shut(run.join().expect("no panic"));
        });
        let ended = ended.into_inner().expect("no panic");
        assert_eq!(
            ended,
            ["child", "child", "child", "child", "parent", "root"]
        );
    }
}

fn f4_on_an_own_worker(bed: &Bed) {
    for _ in 0..bed.scaled(50) {
        let executor = bed.executor();
        let own = executor.clone();
        let never = Event::<()>::new();
        let run = executor.run(&Database::new(()), |cx| {
            let task = cx.spawn(move |_| {
                assert_eq!(own.shutdown(), 0);
                drop(own);
            });
            let waiting = cx.join(
                |cx| never.try_wait(cx).is_err(),
                |cx| never.try_wait(cx).is_err(),
            );
            assert_eq!(waiting, (true, true));
            task.wait(cx);
            // What is there is served; a scheduling point is the end.
            cx.join(|_| (), |_| ());
        });
        check_shut(run);
    }
}

fn f4_running_work_ends(bed: &Bed) {
    let executor = bed.executor();
    let begun = Begun(AtomicBool::new(false));
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            executor.run(&Database::new(()), |cx| {
                begun.0.store(true, Ordering::SeqCst);
                loop {
                    cx.join(|_| (), |_| ());
                }
            })
        });
        begun.wait();
        assert_eq!(executor.shutdown(), 0);
        let ended: Result<(), Error> = run.join().expect("no panic");
        check_shut(ended);
    });
}

/// Forks without end; says when it has come so many levels deep.
fn fork_on(cx: &Cx<'_, ()>, levels: usize, begun: &Begun) -> usize {
    if levels == 0 {
        begun.0.store(true, Ordering::SeqCst);
    }
    let on = |cx: &Cx<'_, ()>| fork_on(cx, levels.wrapping_sub(1), begun);
    cx.join(on, on).0 + 1
}

fn f4_a_recursion_of_joins_ends(bed: &Bed) {
    let executor = bed.executor();
    let begun = Begun(AtomicBool::new(false));
    // More than who refuses is told.
    let levels = bed.at_most_seeded(500, scaled(15_000));
    thread::scope(|scope| {
        let run = || executor.run(&Database::new(()), |cx| fork_on(cx, levels, &begun));
        let run = scope.spawn(run);
        begun.wait();
        assert_eq!(executor.shutdown(), 0, "runs that refuse");
        check_shut(run.join().expect("no panic"));
    });
}

fn f4_many_that_never_began_do_not_refuse(bed: &Bed) {
    let many = bed.at_most_seeded(500, scaled(30_000));
    for are_tasks in [false, true] {
        let executor = bed.executor();
        let begun = Begun(AtomicBool::new(false));
        let until_shut = |cx: &Cx<'_, ()>| {
            begun.0.store(true, Ordering::SeqCst);
            while cx.check_cancelled().is_ok() {
                std::hint::spin_loop();
            }
        };
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                executor.run(&Database::new(()), |cx| {
                    if are_tasks {
                        for _ in 0..many {
                            cx.spawn(|cx| cx.join(|_| (), |_| ()));
                        }
                        return until_shut(cx);
                    }
                    cx.scope(|cx, scope| {
                        for _ in 0..many {
                            scope.spawn(cx, |cx| {
                                cx.join(|_| (), |_| ());
                            });
                        }
                        until_shut(cx);
                    });
                })
            });
            begun.wait();
            assert_eq!(executor.shutdown(), 0, "runs that refuse");
            // With several workers, all may have been done before.
            if let Err(error) = run.join().expect("no panic") {
                assert!(error.is_cancelled(), "{error}");
            }
        });
    }
}

/// Catches whatever ends it, and asks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Refusing;

impl Query<(Event<()>, AtomicBool)> for Refusing {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, (Event<()>, AtomicBool)>) -> u32 {
        let (never, is_begun) = cx.data();
        if is_begun.swap(true, Ordering::SeqCst) {
            return 7;
        }
        loop {
            let _ = catch_unwind(AssertUnwindSafe(|| never.wait(cx)));
        }
    }
}

fn f4_who_refuses_to_end_is_left_behind(bed: &Bed) {
    // Its run never returns, so nothing that it has borrowed may go.
    let executor: &Executor = Box::leak(Box::new(bed.executor()));
    let db: &Database<_> = Box::leak(Box::new(Database::new((
        Event::<()>::new(),
        AtomicBool::new(false),
    ))));
    let never = Event::<()>::new();
    thread::spawn(move || executor.run(db, |cx| *cx.get(Refusing)));
    thread::scope(|scope| {
        let other = scope.spawn(|| executor.run(&Database::new(()), |cx| *never.wait(cx)));
        while !db.data().1.load(Ordering::SeqCst) || executor.waiters().len() < 2 {
            thread::yield_now();
        }
        assert_eq!(executor.shutdown(), 1, "runs that never return");
        check_shut(other.join().expect("no panic"));
    });
    // What it was computing is given up: others get it.
    let value = bed.executor().run(db, |cx| *cx.get(Refusing));
    assert_eq!(value.expect("not cancelled"), 7);
}

/// What a run, the task that it spawns, and another run that waits for that task tell each other.
#[derive(Default)]
struct Tower {
    task: Mutex<Option<Task<'static, ()>>>,
    is_sought: AtomicBool,
    is_begun: AtomicBool,
}

impl Tower {
    fn build(&self, cx: &Cx<'static, Tower>) {
        yield_until(cx, &self.is_sought);
        let task = cx.spawn(|cx| {
            cx.data().is_begun.store(true, Ordering::SeqCst);
            loop {
                let _ = catch_unwind(AssertUnwindSafe(|| cx.yield_now()));
            }
        });
        *self.task.lock().expect("no panic") = Some(task);
        yield_until(cx, &self.is_begun);
    }

    fn seek(&self, cx: &Cx<'static, Tower>) {
        self.is_sought.store(true, Ordering::SeqCst);
        loop {
            let task = self.task.lock().expect("no panic").clone();
            if let Some(task) = task {
                return *task.wait(cx);
            }
            cx.yield_now();
        }
    }
}

fn yield_until(cx: &Cx<'static, Tower>, flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        cx.yield_now();
    }
}

fn f4_who_refuses_to_end_is_waited_for_by_another_run(bed: &Bed) {
    // As above.
    let executor: &Executor = Box::leak(Box::new(bed.executor()));
    let db: &Database<Tower> = Box::leak(Box::new(Database::new(Tower::default())));
    thread::spawn(move || executor.run(db, |cx| cx.data().build(cx)));
    thread::spawn(move || executor.run(db, |cx| cx.data().seek(cx)));
    while !db.data().is_begun.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    // Who waits is not on the same stack: it ends.
    assert_eq!(executor.shutdown(), 1);
}

fn f4_a_task_that_refuses_to_end_is_cancelled_for_others(bed: &Bed) {
    // As above.
    let executor: &Executor = Box::leak(Box::new(bed.executor()));
    let db: &Database<Tower> = Box::leak(Box::new(Database::new(Tower::default())));
    db.data().is_sought.store(true, Ordering::SeqCst);
    thread::spawn(move || executor.run(db, |cx| cx.data().build(cx)));
    while !db.data().is_begun.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    assert_eq!(executor.shutdown(), 1, "runs that never return");
    // Who wanted it before would have kept it going.
    let sought = bed.executor().run(db, |cx| cx.data().seek(cx));
    let error = sought.expect_err("it has no result");
    assert!(error.is_cancelled(), "{error}");
}

fn f4_nothing_begins_afterwards(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    assert_eq!(executor.run(&db, |_| 1).expect("before"), 1);
    assert_eq!(executor.shutdown(), 0);
    check_shut(executor.run(&db, |_| 1));
    assert_eq!(executor.shutdown(), 0);
    assert_eq!(bed.executor().run(&db, |_| 1).expect("another"), 1);
}

/// In progress until the event is set, which nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Unending(usize);

impl Query<(Event<()>, Meeting)> for Unending {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, (Event<()>, Meeting)>) -> u32 {
        if self.0 == 3 {
            return 3;
        }
        cx.data().1.come();
        cx.data().0.wait(cx);
        0
    }
}

fn w10_asks_from_outside_at_the_moment_of_shutdown(bed: &Bed) {
    for round in 0..bed.scaled(50) {
        let executor = bed.executor();
        let db = Database::new((Event::new(), Meeting::new(1)));
        let asked = thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..round {
                    thread::yield_now();
                }
                executor.shutdown();
            });
            at_once_from_threads(&executor, &db, 16, |cx, thread| {
                *cx.get(Unending(thread % 4))
            })
        });
        for (thread, result) in asked.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!((value, thread % 4), (3, 3)),
                error => check_shut(error),
            }
        }
    }
}
