//! F1 and F2: panics in joins, scopes, loops and providers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Error, Event, Executor, Query};
use dagwood_tests::{Bed, Meeting, at_once_from_tasks, fail_quietly, open, scenarios};

scenarios! {
    all [1, 2, 4]: f1_join_propagates_the_left_panic;
    all [1, 2, 4]: f1_scope_propagates_the_first_childs_panic;
    all [1, 2, 4]: f1_scope_propagates_its_own_panic_first;
    all [1, 2, 4]: f1_loops_propagate_the_first_items_panic;
    pools [4, 1]: f2_a_hundred_waiters_of_a_panicking_provider;
    all [1, 4]: f2_each_asker_sees_the_same_stack_on_its_own_path;
    all [1, 4]: f2_a_failed_task_that_nobody_asked_fails_the_run;
    all [1, 4]: f2_a_failed_task_that_somebody_asked_does_not;
}

/// The message of the panic with which `body` ends.
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body))
        .err()
        .expect("the body panics");
    payload
        .downcast::<String>()
        .map_or_else(|_| "no text".to_owned(), |message| *message)
}

/// Lets the panic that comes first in order come last in time, where there are others at that time.
struct Late {
    gate: Event<()>,
    ended: AtomicUsize,
    is_gated: bool,
}

impl Late {
    fn new(bed: &Bed) -> Self {
        Late {
            gate: Event::new(),
            ended: AtomicUsize::new(0),
            is_gated: !bed.is_sequential(),
        }
    }

    fn fail_last(&self, cx: &Cx<'_, ()>, message: &str) -> ! {
        if self.is_gated {
            self.gate.wait(cx);
        }
        self.end();
        fail_quietly(message)
    }

    fn fail_first(&self, message: &str) -> ! {
        self.end();
        open(&self.gate);
        fail_quietly(message)
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

fn f1_join_propagates_the_left_panic(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.join(
                    |cx| late.fail_last(cx, "left"),
                    |_| late.fail_first("right"),
                )
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("left", 2));
    }
}

fn f1_scope_propagates_the_first_childs_panic(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.scope(|cx, scope| {
                    for child in 0..10 {
                        let late = &late;
                        scope.spawn(cx, move |cx| match child {
                            3 => late.fail_last(cx, "child 3"),
                            7 => late.fail_first("child 7"),
                            _ => late.end(),
                        });
                    }
                });
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("child 3", 10));
    }
}

fn f1_scope_propagates_its_own_panic_first(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.scope(|cx, scope| {
                    scope.spawn(cx, |_| late.fail_first("child"));
                    late.fail_last(cx, "body")
                });
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("body", 2));
    }
}

fn f1_loops_propagate_the_first_items_panic(bed: &Bed) {
    let executor = bed.executor();
    for is_map in [true, false] {
        for _ in 0..50 {
            let late = Late::new(bed);
            let item = |cx: &Cx<'_, ()>, item: usize| match item {
                3 => late.fail_last(cx, "item 3"),
                7 => late.fail_first("item 7"),
                _ => late.end(),
            };
            let message = panic_of(|| {
                executor.run(&Database::new(()), |cx| {
                    if is_map {
                        cx.par_map(0..16_usize, item);
                    } else {
                        cx.par_for_each(0..16_usize, item);
                    }
                })
            });
            assert_eq!((message.as_str(), late.ended()), ("item 3", 16));
        }
    }
}

/// How many payloads live.
struct Payload(Arc<()>);

/// What the queries below share: the asks so far, at one of which the provider fails; and the payloads.
struct Crowd {
    asking: Meeting,
    payloads: Arc<()>,
    runs: AtomicUsize,
}

/// Fails once enough have asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Boom(u8);

impl Query<Crowd> for Boom {
    type Value = u8;

    fn provide(self, cx: &Cx<'_, Crowd>) -> u8 {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        cx.data().asking.wait(cx);
        std::panic::resume_unwind(Box::new(Payload(Arc::clone(&cx.data().payloads))))
    }
}

/// Asks for [`Boom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Above(u8);

impl Query<Crowd> for Above {
    type Value = u8;

    fn provide(self, cx: &Cx<'_, Crowd>) -> u8 {
        *cx.get(Boom(self.0))
    }
}

fn f2_a_hundred_waiters_of_a_panicking_provider(bed: &Bed) {
    let rounds = bed.at_most_on_threads(50, 200);
    // If each round leaked two fibers, or the payload, there would be none left in the end.
    let executor = bed.builder().max_fibers(480).build().expect("can be made");
    let payloads = Arc::new(());
    for round in 0..rounds {
        let db = Database::new(Crowd {
            asking: Meeting::new(1 + round % 100),
            payloads: Arc::clone(&payloads),
            runs: AtomicUsize::new(0),
        });
        let errors: Vec<Error> = at_once_from_tasks(&executor, &db, 100, |cx, _| {
            cx.data().asking.come();
            cx.try_get(Above(1)).expect_err("it panics")
        });
        for error in &errors {
            assert!(error.is_panic());
            let stack: Vec<&str> = error.query_stack().collect();
            assert_eq!(stack, ["Boom(1)", "Above(1)"]);
            assert_eq!(error.panic_message(), Some("a payload that is no text"));
        }
        let taken: Vec<_> = errors.iter().filter_map(Error::take_panic).collect();
        assert_eq!(taken.len(), 1);
        assert!(
            taken[0]
                .downcast_ref::<Payload>()
                .is_some_and(|payload| Arc::strong_count(&payload.0) == 3)
        );
        assert_eq!(db.data().runs.load(Ordering::SeqCst), 1);
        drop((db, taken));
        assert_eq!(Arc::strong_count(&payloads), 1);
        assert_eq!(
            executor
                .run(&Database::new(6), |cx| cx.data() + 1)
                .expect("usable"),
            7
        );
    }
}

/// Fails with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bad;

impl Query<()> for Bad {
    type Value = ();

    fn provide(self, _: &Cx<'_, ()>) {
        fail_quietly("bad")
    }
}

/// Asks for [`Bad`] in one of the ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct By(Way, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    Get,
    Join,
    Loop,
    Scope,
}

impl Query<()> for By {
    type Value = ();

    fn provide(self, cx: &Cx<'_, ()>) {
        match self.0 {
            Way::Get => *cx.get(Bad),
            Way::Join => cx.join(|_| (), |cx| *cx.get(Bad)).1,
            Way::Loop => cx.par_for_each(0..3_usize, |cx, _| *cx.get(Bad)),
            Way::Scope => cx.scope(|cx, scope| scope.spawn(cx, |cx| *cx.get(Bad))),
        }
    }
}

fn f2_each_asker_sees_the_same_stack_on_its_own_path(bed: &Bed) {
    let executor = bed.executor();
    for way in [Way::Get, Way::Join, Way::Loop, Way::Scope] {
        for _ in 0..20 {
            let db = Database::new(());
            let texts = at_once_from_tasks(&executor, &db, 4, |cx, asker| {
                let error = cx.try_get(By(way, asker as u8)).expect_err("it fails");
                error.to_string()
            });
            for (asker, text) in texts.iter().enumerate() {
                let by = By(way, asker as u8);
                assert_eq!(*text, format!("panicked: bad (in Bad, asked by {by:?})"));
            }
        }
    }
}

fn fail_unseen() {
    fail_quietly("unseen")
}

fn two_tasks(executor: &Executor, is_asked: bool) -> Result<(), Error> {
    executor.run(&Database::new(()), |cx| {
        let failing = cx.spawn(|_| fail_unseen());
        let fine = cx.spawn(|_| 1);
        assert_eq!(*fine.wait(cx), 1);
        if is_asked {
            let error = failing.try_wait(cx).expect_err("it failed");
            assert_eq!(error.panic_message(), Some("unseen"));
        }
    })
}

fn f2_a_failed_task_that_nobody_asked_fails_the_run(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let error = two_tasks(&executor, false).expect_err("a task failed");
        let text = error.to_string();
        assert!(text.starts_with("panicked: unseen (in task at "), "{text}");
        assert!(text.contains("failures.rs"), "{text}");
    }
}

fn f2_a_failed_task_that_somebody_asked_does_not(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        two_tasks(&executor, true).expect("the failure was seen");
    }
}
