//! F5: asks where it hurts: under `catch_unwind`, and in a destructor during an unwind.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Executor, Query};
use dagwood_tests::{Bed, child_process, fail_quietly, open, scenarios};

scenarios! {
    all [1, 3]: f5_a_caught_ask;
    all [1, 3]: f5_an_ask_in_a_destructor_during_an_unwind;
    pools [1, 3]: f5_a_wait_in_a_destructor_during_an_unwind;
    pools [1]: f5_a_get_that_would_wait_in_a_destructor_aborts_with_a_message;
}

/// Gates, and a count, of the queries below.
#[derive(Default)]
struct Yard {
    started: Event<()>,
    gate: Event<()>,
    served: AtomicUsize,
    refused: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ask {
    /// Panics.
    Bad,
    /// Is ready at once, and forks.
    Fine(u32),
    /// Waits for the gate.
    Slow,
    /// Asks for `Bad`, catches that, and goes on.
    Catching,
    /// Panics while it holds a value whose destructor asks for `Fine`.
    Serving,
    /// Panics while it holds a value whose destructor asks for `Slow`.
    Refusing,
}

impl Query<Yard> for Ask {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Yard>) -> u32 {
        match self {
            Ask::Bad => fail_quietly("bad"),
            Ask::Fine(number) => cx.join(|_| number, |_| 1).0,
            Ask::Slow => {
                open(&cx.data().started);
                cx.data().gate.wait(cx);
                5
            }
            Ask::Catching => {
                let caught = catch_unwind(AssertUnwindSafe(|| *cx.get(Ask::Bad)));
                caught.map_or(9, |value| value)
            }
            Ask::Serving => {
                let _ask = AskOnDrop {
                    cx,
                    keys: vec![Ask::Fine(1), Ask::Fine(2)],
                };
                fail_quietly("serving")
            }
            Ask::Refusing => {
                let _ask = AskOnDrop {
                    cx,
                    keys: vec![Ask::Slow],
                };
                fail_quietly("refusing")
            }
        }
    }
}

/// Asks in its destructor.
struct AskOnDrop<'c, 'db> {
    cx: &'c Cx<'db, Yard>,
    keys: Vec<Ask>,
}

impl Drop for AskOnDrop<'_, '_> {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            let yard = self.cx.data();
            match self.cx.try_get(key) {
                Ok(_) => yard.served.fetch_add(1, Ordering::SeqCst),
                Err(error) => {
                    assert_eq!(
                        error.to_string(),
                        "a destructor that runs during an unwind cannot wait"
                    );
                    yard.refused.fetch_add(1, Ordering::SeqCst)
                }
            };
        }
    }
}

fn f5_a_caught_ask(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Yard::default());
    for _ in 0..2 {
        assert_eq!(
            executor
                .run(&db, |cx| *cx.get(Ask::Catching))
                .expect("caught"),
            9
        );
        let error = executor
            .run(&db, |cx| *cx.get(Ask::Bad))
            .expect_err("it panics");
        assert_eq!(error.to_string(), "panicked: bad (in Ask Bad)");
    }
}

fn f5_an_ask_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Yard::default());
        let asked = executor.run(&db, |cx| {
            assert_eq!(*cx.get(Ask::Fine(1)), 1);
            *cx.get(Ask::Serving)
        });
        let error = asked.expect_err("it panics");
        assert_eq!(error.to_string(), "panicked: serving (in Ask Serving)");
        // The one that was ready, and the one that was computed inline.
        assert_eq!(db.data().served.load(Ordering::SeqCst), 2);
    }
}

fn f5_a_wait_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Yard::default());
        let asked = executor.run(&db, |cx| {
            let refusing = |cx: &Cx<'_, Yard>| {
                cx.data().started.wait(cx);
                let error = cx.try_get(Ask::Refusing).expect_err("it panics");
                open(&cx.data().gate);
                error.to_string()
            };
            cx.join(|cx| *cx.get(Ask::Slow), refusing)
        });
        let (slow, text) = asked.expect("errors are held back");
        assert_eq!(
            (slow, text.as_str()),
            (5, "panicked: refusing (in Ask Refusing)")
        );
        assert_eq!(db.data().refused.load(Ordering::SeqCst), 1);
    }
}

/// Tells the process below what to run on.
const CHILD_BACKEND: &str = "DAGWOOD_TESTS_CHILD_BACKEND";

/// Gets, in its destructor, what is in progress.
struct GetOnDrop<'c, 'db>(&'c Cx<'db, Yard>);

impl Drop for GetOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.get(Ask::Slow);
    }
}

/// What runs in a process of its own, which it ends; does nothing in any other.
#[test]
#[ignore = "ends its process; another test starts it"]
fn f5_child_process() {
    let Ok(backend) = env::var(CHILD_BACKEND) else {
        return;
    };
    let builder = Executor::builder().workers(1);
    let builder = builder.backend(backend.parse().expect("a backend"));
    let executor = builder.build().expect("an executor can be made");
    let _ = executor.run(&Database::new(Yard::default()), |cx| {
        let get = |cx: &Cx<'_, Yard>| {
            cx.data().started.wait(cx);
            let _get = GetOnDrop(cx);
            fail_quietly("unwinding")
        };
        cx.join(|cx| *cx.get(Ask::Slow), get);
    });
}

fn f5_a_get_that_would_wait_in_a_destructor_aborts_with_a_message(bed: &Bed) {
    let child = child_process(module_path!(), "f5_child_process")
        .env(CHILD_BACKEND, bed.backend().to_string())
        .output()
        .expect("this program can be started");
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(
        text.contains("a destructor that runs during an unwind asked for what it cannot have"),
        "{text}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert!(child.status.signal().is_some(), "{}: {text}", child.status);
    }
    assert!(!child.status.success());
}
