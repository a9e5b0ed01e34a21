//! X1, X3 and X4: what belongs to a fiber stays with it over waits and forks.

use std::backtrace::Backtrace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Cx, Database, Event, FiberLocal, Query};
use dagwood_tests::{Bed, Meeting, Random, fail_quietly, is_emulated, open, scenarios};

scenarios! {
    pools [4, 1]: x1_ten_thousand_tasks_keep_their_locals;
    all [1, 4]: x1_locals_are_seen_by_forks_and_by_nobody_else;
    pools [1, 2]: x4_panicking_and_backtraces_stay_those_of_the_fiber;
    pools [1, 2, 4]: x3_a_thread_bound_value_stays_on_its_thread;
}

/// The number of the task that runs.
static ID: FiberLocal<usize> = FiberLocal::new();

/// Suspends at least once if another worker, or another fiber of this one, is needed to set the event.
fn wait_for_a_fork<D: Send + Sync + 'static>(cx: &Cx<'_, D>) {
    let event = Event::new();
    cx.join(
        |cx| {
            event.wait(cx);
        },
        |_| event.set(()).expect("set once"),
    );
}

fn check_id<D>(cx: &Cx<'_, D>, id: usize) {
    assert_eq!(ID.get(cx), Some(&id));
}

fn live(cx: &Cx<'_, Meeting>, id: usize) {
    let mut random = Random::new(id as u64);
    check_id(cx, id);
    // All of them wait at once.
    cx.data().meet(cx);
    check_id(cx, id);
    for _ in 0..random.below(5) {
        wait_for_a_fork(cx);
        check_id(cx, id);
        cx.join(
            |cx| {
                ID.scope(cx, id + 1, |cx| {
                    wait_for_a_fork(cx);
                    check_id(cx, id + 1);
                });
                check_id(cx, id);
            },
            |cx| check_id(cx, id),
        );
        cx.scope(|cx, scope| {
            scope.spawn(cx, move |cx| check_id(cx, id));
            check_id(cx, id);
        });
        cx.par_for_each(0..3_usize, |cx, _| check_id(cx, id));
        check_id(cx, id);
    }
}

fn x1_ten_thousand_tasks_keep_their_locals(bed: &Bed) {
    let tasks = bed.at_most_on_threads(bed.at_most_seeded(40, 500), 10_000);
    let db = Database::new(Meeting::new(tasks));
    let ended = AtomicUsize::new(0);
    let ended = &ended;
    let db = &db;
    let run = bed.executor().run(db, |cx| {
        cx.par_for_each(0..tasks, |cx, id| {
            ID.scope(cx, id, |cx| live(cx, id));
            ended.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(ID.get(cx), None);
    });
    run.expect("nobody lost its local");
    assert_eq!(ended.load(Ordering::SeqCst), tasks);
}

/// The local as a provider sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SeenByProvider(u32);

impl Query<()> for SeenByProvider {
    type Value = Option<usize>;

    fn provide(self, cx: &Cx<'_, ()>) -> Option<usize> {
        ID.get(cx).copied()
    }
}

fn x1_locals_are_seen_by_forks_and_by_nobody_else(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let run = executor.run(&Database::new(()), |cx| {
            ID.scope(cx, 6, |cx| {
                assert_eq!(*cx.get(SeenByProvider(0)), None);
                let task = cx.spawn(|cx| ID.get(cx).copied());
                assert_eq!(*task.wait(cx), None);
                let (left, right) = cx.join(
                    |cx| {
                        ID.scope(cx, 7, |cx| {
                            cx.par_map(0..3_usize, |cx, _| ID.get(cx).copied())
                        })
                    },
                    |cx| ID.get(cx).copied(),
                );
                assert_eq!((left, right), (vec![Some(7); 3], Some(6)));
                check_id(cx, 6);
            });
        });
        run.expect("all see the right one");
    }
}

/// Waits for the meeting of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Met;

impl Query<Meeting> for Met {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Meeting>) {
        let here = thread::current().id();
        cx.data().wait(cx);
        assert_eq!(thread::current().id(), here);
    }
}

/// Unwinds out of each wait, past a destructor that looks whether it does.
#[inline(never)]
fn fiber_that_panics(cx: &Cx<'_, ()>, turns: &[Event<()>]) -> String {
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "it is unwound");
        }
    }
    for turn in turns {
        turn.wait(cx);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _looks = Looks;
            fail_quietly("on its own fiber")
        }));
        assert!(caught.is_err() && !std::thread::panicking());
    }
    Backtrace::force_capture().to_string()
}

/// Lets the other one go on before each of its own turns; it is never unwound.
#[inline(never)]
fn fiber_that_looks_on(cx: &Cx<'_, ()>, turns: &[Event<()>]) -> String {
    for turn in turns {
        assert!(!std::thread::panicking());
        open(turn);
        cx.yield_now();
    }
    Backtrace::force_capture().to_string()
}

fn x4_panicking_and_backtraces_stay_those_of_the_fiber(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..3 {
        let turns: Vec<Event<()>> = (0..20).map(|_| Event::new()).collect();
        let traces = executor.run(&Database::new(()), |cx| {
            cx.join(
                |cx| fiber_that_panics(cx, &turns),
                |cx| fiber_that_looks_on(cx, &turns),
            )
        });
        let (own, other) = traces.expect("panics are caught");
        // Where there are no symbols there is nothing to tell.
        if !is_emulated() {
            assert!(own.contains("fiber_that_panics") && !own.contains("fiber_that_looks_on"));
            assert!(other.contains("fiber_that_looks_on") && !other.contains("fiber_that_panics"));
        }
    }
}

fn x3_a_thread_bound_value_stays_on_its_thread(bed: &Bed) {
    let executor = bed.executor();
    let items = bed.at_most_seeded(20, 200);
    for _ in 0..bed.scaled(10) {
        let db = Database::new(Meeting::new(items));
        let run = executor.run(&db, |cx| {
            cx.par_map(0..items, |cx, item| {
                let (here, bound) = (thread::current().id(), Rc::new(item));
                let check = |held: usize| {
                    assert_eq!(thread::current().id(), here);
                    assert_eq!(Rc::strong_count(&bound), held);
                };
                let other = Rc::clone(&bound);
                cx.data().come();
                cx.get(Met);
                check(2);
                wait_for_a_fork(cx);
                check(2);
                cx.scope(|cx, scope| scope.spawn(cx, |cx| wait_for_a_fork(cx)));
                check(2);
                let task = cx.spawn(|cx| wait_for_a_fork(cx));
                task.wait(cx);
                drop(other);
                check(1);
                *bound
            })
        });
        assert_eq!(run.expect("nobody moved"), Vec::from_iter(0..items));
    }
}
