//! C10 and F5: what is left over from a provider that a cycle has decided, and what runs meanwhile, changes no result.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};

use dagwood::{Cx, Database, Event, Executor, Query, Task};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    pools [1, 2]: c10_a_run_inside_a_decided_provider_whose_task_comes_back;
    pools [1]: c10_a_task_is_not_started_on_a_decided_provider;
    all [1]: f5_a_debug_of_a_member_cannot_run;
}

/// What the queries below share.
#[derive(Default)]
struct Yard {
    own: OnceLock<&'static Database<Yard>>,
    other: OnceLock<Executor>,
    task: Mutex<Option<Task<'static, u32>>>,
    started: Event<()>,
    is_early: bool,
}

/// Never freed: the queries ask through it.
fn yard(yard: Yard) -> &'static Database<Yard> {
    let db: &'static Database<Yard> = Box::leak(Box::new(Database::new(yard)));
    assert!(db.data().own.set(db).is_ok());
    db
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ask {
    /// Asks for a decided provider, and takes its failure.
    Outer(Then),
    /// Is on a cycle, catches the unwind, and goes on.
    Decided(Then),
    /// Asks for the decided one.
    Back(Then),
}

/// What the decided provider does after it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Then {
    /// Runs another executor, whose task asks for the outer query.
    Run,
    /// Waits for a task that asks for the outer query.
    Wait,
}

impl Query<Yard> for Ask {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Yard>) -> u32 {
        match self {
            Ask::Outer(then) => {
                if cx.data().is_early {
                    cx.data().started.wait(cx);
                }
                cx.try_get(Ask::Decided(then)).map_or(2, |_| 1)
            }
            Ask::Back(then) => *cx.get(Ask::Decided(then)),
            Ask::Decided(then) => {
                let caught = catch_unwind(AssertUnwindSafe(|| *cx.get(Ask::Back(then))));
                assert!(caught.is_err());
                then.go_on(cx);
                7
            }
        }
    }
}

impl Then {
    fn go_on(self, cx: &Cx<'_, Yard>) {
        match self {
            Then::Run => {
                let other = cx.data().other.get().expect("it is set");
                let db = cx.data().own.get().expect("it is set");
                let _ = other.run(db, |cx| {
                    cx.spawn(|cx| *cx.get(Ask::Outer(Then::Run)));
                });
            }
            Then::Wait => {
                let task = cx.data().task.lock().expect("no panic under it").clone();
                let _ = task.expect("it is set").try_wait(cx);
            }
        }
    }
}

/// The decided provider waits for the root of another run, which waits for a task, which asks for what lies below the provider.
/// Only the task's ask can be given up.
fn c10_a_run_inside_a_decided_provider_whose_task_comes_back(bed: &Bed) {
    let db = yard(Yard::default());
    assert!(db.data().other.set(bed.executor()).is_ok());
    let outer = bed.executor().run(db, |cx| *cx.get(Ask::Outer(Then::Run)));
    assert_eq!(outer.expect("it takes the failure"), 2);
}

/// A task has one result for all who wait: it is the same whether or not it had started when a decided provider waited for it.
fn c10_a_task_is_not_started_on_a_decided_provider(bed: &Bed) {
    for is_early in [false, true] {
        let db = yard(Yard {
            is_early,
            ..Yard::default()
        });
        let result = bed.executor().run(db, |cx| {
            let task = cx.spawn(|cx| {
                let _ = cx.data().started.set(());
                *cx.get(Ask::Outer(Then::Wait))
            });
            *db.data().task.lock().expect("no panic under it") = Some(task.clone());
            assert_eq!(*cx.get(Ask::Outer(Then::Wait)), 2);
            *task.wait(cx)
        });
        assert_eq!(
            result.expect("nobody fails"),
            2,
            "the task had started: {is_early}"
        );
    }
}

/// Asks for itself; its `Debug`, which the report of the cycle runs, calls `run`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Curious;

thread_local! {
    static INSIDE: std::cell::RefCell<Option<Executor>> = const { std::cell::RefCell::new(None) };
}

impl fmt::Debug for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(executor) = INSIDE.take() else {
            return f.write_str("Curious");
        };
        let refused = executor
            .run(&Database::new(()), |_| ())
            .expect_err("refused");
        write!(f, "Curious ({refused})")
    }
}

impl Query<()> for Curious {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, ()>) -> u32 {
        let another = Executor::builder().workers(1).build().expect("an executor");
        INSIDE.set(Some(another));
        *cx.get(Curious)
    }
}

fn f5_a_debug_of_a_member_cannot_run(bed: &Bed) {
    let error = bed
        .executor()
        .run(&Database::new(()), |cx| *cx.get(Curious))
        .expect_err("a cycle");
    assert!(error.is_cycle());
    let text = error.to_string();
    assert!(text.contains("while a failure is reported"), "{text}");
}
