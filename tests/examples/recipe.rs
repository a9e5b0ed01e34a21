//! A recipe for tests/make/Makefile: `recipe SLOTS BACKEND END WORKERS [DAGWOOD]`.
//!
//! Each job of each recipe takes a slot: a lock on one of as many files as make allows jobs. A job that finds none free is one too
//! many, and the recipe fails. It prints how many operations on the pipe there were for how many suspensions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
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
    let operations = traffic.taken + traffic.given_back;
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

/// Starts the harness on something that does not end, and ends it by a signal when it has tokens.
fn end_by_signal(name: &str, dagwood: &str, backend: Backend, workers: usize) -> bool {
    let workload = ["run", "coarse", "--size", "30000", "--engine"];
    let engine = backend.to_string();
    let mut child = Command::new(dagwood)
        .args(workload)
        .args([&engine, "--workers", &workers.to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("the harness");
    // Nothing tells from outside when it has tokens; a signal that comes too early proves less, and is no failure.
    thread::park_timeout(Duration::from_millis(300));
    let signalled = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    let ended = child.wait().expect("its end");
    signalled.is_ok_and(|status| status.success()) && ended.code().is_none()
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
        end_by_signal(signal, &arguments[5], backend, workers)
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
