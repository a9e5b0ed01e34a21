//! F2: what those who ask for a failed query or task get.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Error, Executor, Query};
use dagwood_tests::{Bed, Meeting, at_once_from_tasks, fail_quietly, scaled, scenarios};

scenarios! {
    pools [4, 1]: f2_a_hundred_waiters_of_a_panicking_provider;
    pools [4, 1]: f2_ten_thousand_rounds_leak_nothing;
    all [1, 4]: f2_each_asker_sees_the_same_stack_on_its_own_path;
    all [1, 4]: f2_a_failed_task_that_nobody_asked_fails_the_run;
    all [1, 4]: f2_a_failed_task_that_somebody_asked_does_not;
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
    let asks = bed.at_most_seeded(20, 100);
    // If each round leaked two fibers, or the payload, there would be none left in the end.
    let executor = bed.builder().max_fibers(480).build().expect("can be made");
    let payloads = Arc::new(());
    for round in bed.numbers(rounds) {
        let db = Database::new(Crowd {
            asking: Meeting::new(1 + round as usize % asks),
            payloads: Arc::clone(&payloads),
            runs: AtomicUsize::new(0),
        });
        let errors: Vec<Error> = at_once_from_tasks(&executor, &db, asks, |cx, _| {
            cx.data().asking.come();
            cx.try_get(Above(1)).expect_err("it panics")
        });
        for error in &errors {
            assert!(error.is_panic());
            let stack: Vec<&str> = error.query_stack().collect();
            assert_eq!(stack, ["Boom(1)", "Above(1)"]);
            assert_eq!(error.panic_message(), Some("a payload that is no text"));
        }
        let taken: Vec<_> = errors.iter().filter_map(Error::take_payload).collect();
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

fn f2_ten_thousand_rounds_leak_nothing(bed: &Bed) {
    let rounds = scaled(bed.at_most_on_threads(500, 10_000));
    let executor = bed.executor();
    let payloads = Arc::new(());
    let round = || {
        let db = Database::new(Crowd {
            asking: Meeting::new(6),
            payloads: Arc::clone(&payloads),
            runs: AtomicUsize::new(0),
        });
        let errors = at_once_from_tasks(&executor, &db, 8, |cx, _| {
            cx.data().asking.come();
            cx.try_get(Above(1)).expect_err("it panics").is_panic()
        });
        assert_eq!(errors, [true; 8]);
        drop(db);
        assert_eq!(Arc::strong_count(&payloads), 1, "payloads");
    };
    (0..20).for_each(|_| round());
    // A worker keeps 64 spare ones at the most.
    let (made, spare) = (executor.stacks().made, 64 * bed.workers());
    (0..rounds).for_each(|_| round());
    let stacks = executor.stacks();
    assert!(stacks.fibers <= spare + 10, "fibers: {}", stacks.fibers);
    assert!(
        stacks.made <= made + spare,
        "stacks: {made}, then {}",
        stacks.made
    );
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
        for _ in 0..bed.scaled(20) {
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
    for _ in 0..bed.scaled(50) {
        let error = two_tasks(&executor, false).expect_err("a task failed");
        let text = error.to_string();
        assert!(text.starts_with("panicked: unseen (in task at "), "{text}");
        assert!(text.contains("failed_queries.rs"), "{text}");
    }
}

fn f2_a_failed_task_that_somebody_asked_does_not(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        two_tasks(&executor, true).expect("the failure was seen");
    }
}
