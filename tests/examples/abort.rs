//! Cancellation in a program that is built with `panic = "abort"`, where nothing can be unwound: the `try_` forms end early.
//!
//! `cargo run -p dagwood-tests --example abort --config 'profile.dev.panic="abort"' --target-dir target/abort`; the gate's
//! step `abort` does. It ends well if all is as it should be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dagwood::{Backend, CancelToken, Cx, Database, Error, Event, Executor, Query};

/// What nobody sets, and how often the providers ran.
struct Data {
    never: Event<u32>,
    token: CancelToken,
    runs: AtomicUsize,
    has_looked: Event<()>,
}

/// Waits by a `try_` form, and makes a value of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    Waits,
    /// Asks for the one that waits.
    Asks,
    /// Asks for it by `get`: is not disturbed.
    Gets,
    Plain,
    /// Is cancelled, and looks in a task that runs elsewhere.
    Spawns,
    /// Is cancelled, and looks on each worker.
    Broadcasts,
}

/// Whether this job is told to end.
fn look(cx: &Cx<'_, Data>) -> Result<u32, String> {
    cx.check_cancelled().map_err(|error| error.to_string())?;
    Ok(5)
}

impl Query<Data> for Node {
    type Value = Result<u32, String>;

    fn provide(self, cx: &Cx<'_, Data>) -> Self::Value {
        let text = |error: Error| error.to_string();
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        match self {
            Node::Waits => cx.data().never.try_wait(cx).copied().map_err(text),
            Node::Asks => cx.try_get(Node::Waits).map_err(text)?.clone(),
            Node::Gets => {
                cx.data().token.cancel();
                cx.get(Node::Plain).clone()
            }
            Node::Plain => Ok(4),
            Node::Spawns => {
                cx.data().token.cancel();
                let task = cx.spawn(|cx| {
                    let looked = look(cx);
                    let _ = cx.data().has_looked.set(());
                    looked
                });
                cx.data().has_looked.wait(cx);
                task.wait(cx).clone()
            }
            Node::Broadcasts => {
                cx.data().token.cancel();
                cx.broadcast(|cx, _| look(cx))
                    .into_iter()
                    .max()
                    .expect("one worker at least")
            }
        }
    }
}

fn executor(backend: Backend) -> Executor {
    let builder = Executor::builder().backend(backend).workers(2);
    builder.build().expect("an executor")
}

fn database() -> Database<Data> {
    Database::new(Data {
        never: Event::named("what nobody sets"),
        token: CancelToken::new(),
        runs: AtomicUsize::new(0),
        has_looked: Event::named("who looks"),
    })
}

/// Waits on fibers and threads are ended, and what was made of that is not remembered.
fn waits_are_ended(backend: Backend) {
    let (executor, db) = (executor(backend), database());
    let token = db.data().token.clone();
    let asked = thread::scope(|scope| {
        scope.spawn(|| {
            while executor.waiters().is_empty() {
                thread::yield_now();
            }
            token.cancel();
        });
        executor.run_cancellable(&db, &token, |cx| {
            let ask = |cx: &Cx<'_, Data>| match cx.try_get(Node::Asks) {
                Ok(value) => panic!("remembered: {value:?}"),
                Err(error) => error.is_cancelled(),
            };
            cx.join(ask, ask)
        })
    });
    assert_eq!(asked.expect("errors are held back"), (true, true));
    db.data().never.set(3).expect("set once");
    let again = executor.run(&db, |cx| cx.get(Node::Asks).clone());
    assert_eq!(again.expect("not cancelled"), Ok(3));
    let late = executor.run_cancellable(&db, &token, |_| ());
    assert!(late.expect_err("cancelled before").is_cancelled());
}

/// What a `get` asks for goes on, and joins do.
fn the_rest_is_not_disturbed(backend: Backend) {
    let (executor, db) = (executor(backend), database());
    let token = db.data().token.clone();
    let run = executor.run_cancellable(&db, &token, |cx| {
        let got = cx.get(Node::Gets).clone();
        let sum = cx.join(|_| 1, |_| 2);
        let is_told = cx.check_cancelled().is_err() && cx.try_get(Node::Waits).is_err();
        (got, sum, is_told)
    });
    assert_eq!(run.expect("it came to its end"), (Ok(4), (1, 2), true));
}

/// Nor is what that gives away: tasks, and calls of a broadcast.
fn what_is_given_away_is_not_disturbed(backend: Backend) {
    for node in [Node::Spawns, Node::Broadcasts] {
        let (executor, db) = (executor(backend), database());
        let token = db.data().token.clone();
        let run = executor.run_cancellable(&db, &token, |cx| cx.get(node).clone());
        assert_eq!(run.expect("it came to its end"), Ok(5), "{node:?}");
    }
}

fn deadlines_and_shutdown(backend: Backend) {
    let (executor, db) = (executor(backend), database());
    let run = executor.run_with_deadline(&db, Duration::from_millis(5), |cx| {
        while cx.check_cancelled().is_ok() {
            thread::yield_now();
        }
        cx.try_get(Node::Waits).is_err()
    });
    assert!(run.expect("it came to its end"));
    if backend != Backend::Sequential {
        let ended = thread::scope(|scope| {
            let run = scope.spawn(|| executor.run(&db, |cx| db.data().never.try_wait(cx).is_err()));
            while executor.waiters().is_empty() {
                thread::yield_now();
            }
            assert_eq!(executor.shutdown(), 0);
            run.join().expect("no panic")
        });
        assert!(ended.expect("it came to its end"));
    }
}

fn main() {
    if !cfg!(panic = "abort") {
        eprintln!("build this with `panic = \"abort\"` (see the head of the file)");
        std::process::exit(1);
    }
    for &backend in Executor::backends() {
        if backend != Backend::Sequential {
            waits_are_ended(backend);
        }
        the_rest_is_not_disturbed(backend);
        what_is_given_away_is_not_disturbed(backend);
        deadlines_and_shutdown(backend);
        println!("{backend}: as it should be");
    }
}
