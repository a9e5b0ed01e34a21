//! What waits is told: the report of who waits for what, and the watchdog (W5).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use dagwood::{Cx, Database, Event, Holder, Query, WaitReport};
use dagwood_tests::{Bed, fail_quietly, open, scenarios};

scenarios! {
    pools [1, 2]: w3_a_report_names_waiters_and_what_they_wait_for;
    pools [1, 2]: w3_a_report_names_who_does_forks_and_tasks;
    all [1]: w3_a_report_of_nobody;
    pools [1, 2] unseeded "a clock says when": w3_an_answer_that_comes_too_late;
    pools [1, 2] unseeded "a clock says when": w3_the_watchdog_reports_that_nothing_goes_on;
    pools [1] unseeded "a clock says when": w5_the_watchdog_names_a_worker_in_a_foreign_lock;
    pools [1, 2] unseeded "a clock says when": w3_the_watchdog_is_silent_while_something_goes_on;
    pools [1] unseeded "a clock says when": f5_a_hook_of_the_watchdog_that_panics;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    First,
    Second,
}

impl Query<Event<()>> for Link {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Event<()>>) -> u32 {
        match self {
            Link::First => *cx.get(Link::Second) + 1,
            Link::Second => {
                cx.data().wait(cx);
                1
            }
        }
    }
}

/// Asks until the report is as it should be: fibers come to their waits in their own time.
fn report_when(executor: &dagwood::Executor, is_it: impl Fn(&WaitReport) -> bool) -> WaitReport {
    loop {
        let report = executor.waiters();
        if is_it(&report) {
            return report;
        }
        thread::yield_now();
    }
}

fn w3_a_report_names_waiters_and_what_they_wait_for(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Event::named("the gate"));
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            executor.run(&db, |cx| {
                cx.join(|cx| *cx.get(Link::First), |cx| *cx.get(Link::First))
            })
        });
        // The event's waiter, and who asks for what that one computes.
        let report = report_when(&executor, |report| report.len() == 2);
        let by_awaited = |name: &str| {
            let mut waiters = report.iter().enumerate();
            let found = waiters.find(|(_, waiter)| waiter.awaited() == name);
            found.unwrap_or_else(|| panic!("nobody waits for {name}: {report}"))
        };
        let (index, at_gate) = by_awaited("the gate");
        assert_eq!(at_gate.queries(), ["Link Second", "Link First"]);
        assert_eq!(at_gate.holder(), Holder::Nobody);
        let (_, asker) = by_awaited("Link First");
        assert_eq!(asker.holder(), Holder::Waiter(index));
        assert!(asker.queries().is_empty() && asker.waiting_for().is_none());
        assert!(asker.worker() < bed.workers() && report.silent_workers().is_empty());
        let text = report.to_string();
        assert!(text.starts_with("2 fibers wait\n"), "{text}");
        let line = format!(
            "{index}: Link Second, asked by Link First, on worker {}, waits for the gate, which nobody is known to do",
            at_gate.worker()
        );
        assert!(text.contains(&line), "{text}");
        let dot = report.to_dot();
        assert!(
            dot.starts_with("digraph")
                && dot.contains(&format!("-> f{index} [label=\"Link First\"]")),
            "{dot}"
        );
        open(db.data());
        assert_eq!(run.join().expect("no panic").expect("a value"), (2, 2));
    });
    assert!(executor.waiters().is_empty());
}

/// How one waits for what another does, which waits for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Join,
    Scope,
    Loop,
    Task,
}

/// What waits is begun elsewhere before this comes to its own wait.
fn wait_for_waiter(cx: &Cx<'_, Event<()>>, way: Way) {
    let begun = Arc::new(Event::named("the beginning"));
    let waits = |cx: &Cx<'_, Event<()>>, begun: &Event<()>| {
        open(begun);
        cx.data().wait(cx);
    };
    match way {
        Way::Join => {
            cx.join(|cx| begun.wait(cx), |cx| waits(cx, &begun));
        }
        Way::Scope => cx.scope(|cx, scope| {
            scope.spawn(cx, |cx| waits(cx, &begun));
            begun.wait(cx);
        }),
        Way::Loop => cx.par_for_each(0..2_usize, |cx, item| match item {
            0 => *begun.wait(cx),
            _ => waits(cx, &begun),
        }),
        Way::Task => {
            let begins = Arc::clone(&begun);
            let task = cx.spawn(move |cx| waits(cx, &begins));
            begun.wait(cx);
            task.wait(cx);
        }
    }
}

fn w3_a_report_names_who_does_forks_and_tasks(bed: &Bed) {
    let executor = bed.executor();
    for way in [Way::Join, Way::Scope, Way::Loop, Way::Task] {
        let db = Database::new(Event::named("the gate"));
        thread::scope(|scope| {
            let run = scope.spawn(|| executor.run(&db, |cx| wait_for_waiter(cx, way)));
            let is_it = |report: &WaitReport| {
                report.len() == 2
                    && report
                        .iter()
                        .all(|waiter| waiter.awaited() != "the beginning")
            };
            let report = report_when(&executor, is_it);
            let is_at_gate = |waiter: &&dagwood::Waiter| waiter.awaited() == "the gate";
            let at_gate = report.iter().position(|waiter| is_at_gate(&waiter));
            let at_gate = at_gate.unwrap_or_else(|| panic!("{way:?}: {report}"));
            let other = report.iter().find(|waiter| !is_at_gate(waiter));
            let other = other.unwrap_or_else(|| panic!("{way:?}: {report}"));
            assert_eq!(other.holder(), Holder::Waiter(at_gate), "{way:?}: {report}");
            let is_named = match way {
                Way::Task => other.awaited().starts_with("task at "),
                _ => other.awaited() == "what it forked",
            };
            assert!(is_named, "{way:?}: {report}");
            let (text, dot) = (report.to_string(), report.to_dot());
            let line = format!("waits for {}, which fiber {at_gate} does", other.awaited());
            assert!(text.contains(&line), "{text}");
            let edge = format!("-> f{at_gate} [label=\"{}\"];", other.awaited());
            assert!(dot.contains(&edge), "{dot}");
            let gate = format!("a{at_gate} [label=\"the gate\", shape=box];");
            assert!(dot.contains(&gate), "{dot}");
            open(db.data());
            run.join().expect("no panic").expect("it ends");
        });
    }
}

fn w3_a_report_of_nobody(bed: &Bed) {
    let executor = bed.executor();
    assert!(executor.waiters().is_empty());
    let inside = executor.run(&Database::new(()), |_| executor.waiters().len());
    assert_eq!(inside.expect("runs"), 0);
}

/// Whether who names a [`Slow`] is kept at it.
static IS_KEPT: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slow;

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        while IS_KEPT.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        f.write_str("Slow")
    }
}

impl Query<Event<()>> for Slow {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Event<()>>) {
        cx.data().wait(cx);
    }
}

fn w3_an_answer_that_comes_too_late(bed: &Bed) {
    /// One test at a time uses the flag.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let executor = bed.executor();
    let db = Database::new(Event::named("the gate"));
    IS_KEPT.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Slow)));
        let late = report_when(&executor, |report| !report.silent_workers().is_empty());
        assert!(late.is_empty(), "{late}");
        IS_KEPT.store(false, Ordering::SeqCst);
        let report = report_when(&executor, |report| !report.is_empty());
        let waiter = report.iter().next().expect("one waits");
        assert_eq!(waiter.queries(), ["Slow"]);
        open(db.data());
        run.join().expect("no panic").expect("a value");
    });
}

/// An executor whose watchdog sends its reports.
fn watched(bed: &Bed) -> (dagwood::Executor, mpsc::Receiver<WaitReport>) {
    let (sender, reports) = mpsc::channel();
    let builder = bed.builder().watchdog(Duration::from_millis(20));
    let builder = builder.on_stall(move |report| {
        // The test may have ended.
        let _ = sender.send(report.clone());
    });
    (builder.build().expect("an executor"), reports)
}

fn w3_the_watchdog_reports_that_nothing_goes_on(bed: &Bed) {
    let (executor, reports) = watched(bed);
    let db = Database::new(Event::named("the gate"));
    thread::scope(|scope| {
        let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Link::First)));
        let report = reports.recv().expect("a report");
        let waiter = report.iter().next().expect("one waits");
        assert_eq!((report.len(), waiter.awaited()), (1, "the gate"));
        assert!(waiter.waiting_for().is_some());
        open(db.data());
        assert_eq!(run.join().expect("no panic").expect("a value"), 2);
    });
}

fn w5_the_watchdog_names_a_worker_in_a_foreign_lock(bed: &Bed) {
    let (executor, reports) = watched(bed);
    let db = Database::new(Event::named("the gate"));
    // Held over a wait by one fiber: what another of the same thread does to it blocks the thread.
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().expect("no panic");
    let (asked, ask) = mpsc::channel();
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            let lock = Arc::clone(&lock);
            executor.run(&db, move |cx| {
                cx.join(
                    |cx| *cx.get(Link::First),
                    move |_| {
                        asked.send(()).expect("the test waits");
                        drop(lock.lock());
                    },
                )
            })
        });
        ask.recv().expect("it is asked for");
        open(db.data());
        let is_it = |report: &WaitReport| {
            let mut silent = report.silent_workers().iter();
            silent.any(|silent| silent.worker() == 0 && silent.ready_fibers().len() == 1)
        };
        let report = reports.iter().find(is_it).expect("a report");
        assert!(
            report.silent_workers()[0].ready_fibers()[0].ends_with("Link"),
            "{report}"
        );
        assert!(
            report
                .to_string()
                .contains("is in the middle of a job, or blocked in it"),
            "{report}"
        );
        drop(held);
        assert_eq!(run.join().expect("no panic").expect("a value").0, 2);
    });
}

fn w3_the_watchdog_is_silent_while_something_goes_on(bed: &Bed) {
    let (executor, reports) = watched(bed);
    let (event, jobs) = (Event::<()>::new(), Mutex::new(0));
    executor
        .run(&Database::new(()), |cx: &Cx<'_, ()>| {
            cx.join(
                |cx| event.wait(cx),
                |cx| {
                    let begin = std::time::Instant::now();
                    while begin.elapsed() < Duration::from_millis(200) {
                        let task = cx.spawn(|_| 1);
                        cx.yield_now();
                        *jobs.lock().expect("no panic") += *task.wait(cx);
                    }
                    open(&event);
                },
            );
        })
        .expect("runs");
    assert!(reports.try_recv().is_err());
}

fn f5_a_hook_of_the_watchdog_that_panics(bed: &Bed) {
    let (sender, calls) = mpsc::channel();
    let builder = bed.builder().watchdog(Duration::from_millis(20));
    let builder = builder.on_stall(move |_| {
        // The test may have ended.
        let _ = sender.send(());
        fail_quietly("a hook panics")
    });
    let executor = builder.build().expect("an executor");
    // It is called again, and nobody else is the worse for it.
    for _ in 0..2 {
        let db = Database::new(Event::named("the gate"));
        thread::scope(|scope| {
            let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Link::First)));
            calls.recv().expect("a call");
            open(db.data());
            assert_eq!(run.join().expect("no panic").expect("a value"), 2);
        });
    }
}
