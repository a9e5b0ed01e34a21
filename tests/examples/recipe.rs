//! A recipe for tests/make/Makefile: `recipe SLOTS BACKEND END WORKERS [DAGWOOD]`.
//!
//! Each job of each recipe takes a slot: a lock on one of as many files as make allows jobs. A job that finds none free is one too
//! many, and the recipe fails. It prints how many operations on the pipe there were for how many suspensions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dagwood::{Backend, Cx, Database, Event, Executor, Jobserver, Query};
use dagwood_tests::Slots;

struct Recipe {
    slots: Slots,
    suspensions: AtomicUsize,
}

impl Recipe {
    fn leaf(&self) {
        self.slots.leaf();
    }

    /// More jobs that wait than there are workers, and then many short waits.
    fn work(&self, cx: &Cx<'_, ()>) {
        for _ in 0..4 {
            let event = Event::new();
            cx.scope(|cx, scope| {
                for _ in 0..16 {
                    scope.spawn(cx, |cx| {
                        self.leaf();
                        event.wait(cx);
                        self.leaf();
                    });
                }
                scope.spawn(cx, |_| {
                    self.leaf();
                    event.set(()).expect("set once");
                });
            });
        }
        cx.par_for_each(0..64, |cx, _| {
            for _ in 0..1_000 {
                self.suspensions.fetch_add(1, Ordering::Relaxed);
                cx.yield_now();
            }
        });
    }
}

/// Asks itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Circle;

impl Query<()> for Circle {
    type Value = ();

    fn provide(self, cx: &Cx<'_, ()>) {
        cx.get(Circle);
    }
}

fn run(recipe: &Recipe, backend: Backend, end: &str, workers: usize) -> bool {
    let jobserver = Jobserver::if_announced_or(1);
    let builder = Executor::builder().backend(backend).workers(workers);
    let built = builder.jobserver(&jobserver).build();
    let executor = built.expect("an executor can be made");
    let db = Database::new(());
    let work = |cx: &Cx<'_, ()>| match backend {
        // Nobody sets an event while a job waits.
        Backend::Sequential => cx.par_for_each(0..64, |_, _| recipe.leaf()),
        _ => recipe.work(cx),
    };
    let worked = executor.run(&db, work).is_ok();
    println!("{end}: {}", std::env::var("MAKEFLAGS").unwrap_or_default());
    let traffic = jobserver.traffic();
    // Each ask reads from the pipe, also if it has nothing.
    let operations = traffic.asked + traffic.given_back;
    let suspensions = recipe.suspensions.load(Ordering::Relaxed);
    println!("{end}: {suspensions} suspensions, {traffic:?}");
    if operations * 1_000 > suspensions as u64 {
        println!("{end}: more than one operation for 1,000 suspensions");
        return false;
    }
    let ended = match end {
        "panic" => {
            let run = || executor.run(&db, |cx| cx.par_for_each(0..9, |_, i| assert_ne!(i, 3)));
            catch_unwind(AssertUnwindSafe(run)).is_err()
        }
        "cycle" => executor.run(&db, |cx| *cx.get(Circle)).is_err(),
        _ => true,
    };
    // Gives back what it still has.
    drop(executor);
    let traffic = jobserver.traffic();
    worked && ended && traffic.taken == traffic.given_back
}

/// Starts the harness on something that takes long, and sends it a signal when it has tokens. How it has ended.
fn end_with_signal(
    mut dagwood: Command,
    phases: &str,
    name: &str,
    on: (Backend, usize),
) -> ExitStatus {
    let (backend, workers) = on;
    let mut child = dagwood
        .args(["run", "coarse", "--size", phases, "--engine"])
        .args([&backend.to_string(), "--workers", &workers.to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("the harness");
    // Nothing tells from outside when it has tokens; a signal that comes too early proves less, and is no failure.
    thread::park_timeout(Duration::from_millis(300));
    let signalled = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    let ended = child.wait().expect("its end");
    assert!(signalled.is_ok_and(|status| status.success()));
    ended
}

/// The harness, for which the signal is ignored from its beginning on.
fn deaf_to(name: &str, dagwood: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        &format!("trap '' {name}; exec \"$0\" \"$@\""),
        dagwood,
    ]);
    shell
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let recipe = Recipe {
        slots: Slots::of(Path::new(&arguments[1])),
        suspensions: AtomicUsize::new(0),
    };
    let backends = Executor::backends().iter().copied();
    let mut named = backends.filter(|backend| backend.to_string() == arguments[2]);
    let backend = named.next().expect("a backend of this build");
    let (end, workers) = (
        &arguments[3],
        arguments[4].parse().expect("a number of workers"),
    );
    let is_well = if end == "plain" {
        (0..30).for_each(|_| recipe.leaf());
        true
    } else if let Some(signal) = end.strip_prefix("ended-by-") {
        let dagwood = Command::new(&arguments[5]);
        let ended = end_with_signal(dagwood, "30000", signal, (backend, workers));
        ended.code().is_none()
    } else if let Some(signal) = end.strip_prefix("deaf-to-") {
        let dagwood = deaf_to(signal, &arguments[5]);
        end_with_signal(dagwood, "400", signal, (backend, workers)).success()
    } else {
        run(&recipe, backend, end, workers)
    };
    if recipe.slots.were_too_few() {
        println!("{end}: more jobs at once than make allows");
        return ExitCode::FAILURE;
    }
    if is_well {
        ExitCode::SUCCESS
    } else {
        println!("{end}: ended otherwise");
        ExitCode::FAILURE
    }
}
