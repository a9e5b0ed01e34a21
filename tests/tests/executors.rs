//! X5: several executors in one process, whose jobs run on each other, and many one after another.

use std::env;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Backend, Cx, Database, Event, Executor};
use dagwood_tests::{Bed, Meeting, child_process, is_emulated, open, scaled, scenarios};

scenarios! {
    pools [1, 2]: x5_two_executors_run_on_each_other;
    pools [1, 2]: x5_who_wakes_all_fibers_of_one_waits_in_the_other;
}

/// Runs on one executor after another, so deep, and calls `body` at the bottom.
fn down<'db>(
    executors: [&Executor; 2],
    db: &'db Database<()>,
    levels: usize,
    body: &(dyn Fn(&Cx<'db, ()>) + Sync),
) {
    let [here, there] = executors;
    let run = here.run(db, |cx| match levels {
        0 => body(cx),
        _ => down([there, here], db, levels - 1, body),
    });
    run.expect("it ends");
}

/// Jobs of one run on the other, and so on, while those of the other do the same; at the bottom all wait for each other.
fn x5_two_executors_run_on_each_other(bed: &Bed) {
    const SIDES: usize = 2;
    let (first, second) = (bed.executor(), bed.executor());
    let db = Database::new(());
    let jobs = bed.at_most_on_threads(4, 16);
    for levels in bed.cases([0, 1, 2, 5]) {
        let bottom = Meeting::new(SIDES * jobs);
        let ended = AtomicUsize::new(0);
        let body = |cx: &Cx<'_, ()>| {
            bottom.meet(cx);
            ended.fetch_add(1, Ordering::SeqCst);
        };
        let side = |here: &Executor, there: &Executor| {
            let run = here.run(&db, |cx| {
                cx.par_for_each(0..jobs, |_, _| down([there, here], &db, levels, &body));
            });
            run.expect("it ends");
        };
        thread::scope(|scope| {
            scope.spawn(|| side(&first, &second));
            side(&second, &first);
        });
        assert_eq!(ended.into_inner(), SIDES * jobs);
    }
}

/// oneTBB#1909: all fibers of one executor wait for what a job does that the other one has not begun; that one's workers,
/// too, wait for what the first is to do.
fn x5_who_wakes_all_fibers_of_one_waits_in_the_other(bed: &Bed) {
    let (first, second) = (bed.executor(), bed.executor());
    let db = Database::new(());
    let jobs = bed.at_most_on_threads(6, 32);
    for _ in 0..bed.scaled(20) {
        let (ask, answer) = (Event::new(), Event::new());
        let waiting = Meeting::new(jobs);
        thread::scope(|scope| {
            scope.spawn(|| {
                let run = first.run(&db, |cx| {
                    cx.par_for_each(0..jobs, |cx, _| {
                        waiting.come();
                        answer.wait(cx);
                    });
                });
                run.expect("it ends");
            });
            let run = second.run(&db, |cx| {
                cx.par_for_each(0..jobs, |cx, job| {
                    waiting.wait(cx);
                    if job == 0 {
                        // Not before all workers of the first wait, or may.
                        let run = first.run(&db, |_| open(&ask));
                        run.expect("it ends");
                    }
                    ask.wait(cx);
                    if job == jobs - 1 {
                        open(&answer);
                    }
                    answer.wait(cx);
                });
            });
            run.expect("it ends");
        });
    }
}

/// What a process has: threads, descriptors, mappings, KiB of memory of its own (the program's file is not). Nothing where there is no `/proc`.
fn possessions() -> Option<[usize; 4]> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| -> Option<usize> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let descriptors = fs::read_dir("/proc/self/fd").ok()?.count();
    let mappings = fs::read_to_string("/proc/self/maps").ok()?.lines().count();
    Some([of("Threads:")?, descriptors, mappings, of("RssAnon:")?])
}

/// The same, as soon as there are no more threads and descriptors than before: the system counts a thread that has been joined for
/// a moment more (and wine what it has for one). What is left after many looks is told as it is.
fn possessions_at_rest(before: Option<[usize; 4]>) -> Option<[usize; 4]> {
    let before = before?;
    let is_more = |now: [usize; 4]| now[0] > before[0] || now[1] > before[1];
    for _ in 0..100_000 {
        if !is_more(possessions()?) {
            break;
        }
        thread::yield_now();
    }
    possessions()
}

/// Starts an executor, lets fibers wait, ends them with it every second time, and shuts it down.
fn start_and_end(backend: Backend, round: usize) {
    let builder = Executor::builder().backend(backend).workers(2);
    let executor = builder.build().expect("an executor can be made");
    let db = Database::new(());
    if backend == Backend::Sequential {
        let run = executor.run(&db, |cx| cx.join(|_| 1, |_| 2));
        run.expect("it ends");
    } else if round.is_multiple_of(2) {
        let meeting = Meeting::new(8);
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..8_usize, |cx, _| meeting.meet(cx))
        });
        run.expect("it ends");
    } else {
        let (never, waits) = (Event::<()>::new(), Meeting::new(4));
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                executor.run(&db, |cx| {
                    cx.par_for_each(0..4_usize, |cx, _| {
                        waits.come();
                        never.wait(cx);
                    });
                })
            });
            executor.run(&db, |cx| waits.wait(cx)).expect("all come");
            executor.shutdown();
            let error = run.join().expect("no panic").expect_err("it was ended");
            assert!(error.is_cancelled(), "{error}");
        });
    }
    executor.shutdown();
}

const CHILD: &str = "DAGWOOD_EXECUTORS_CHILD";

/// In a process of its own: the other tests of this one have threads, too.
#[test]
fn x5_a_thousand_executors_leave_nothing_behind() {
    let child = child_process(module_path!(), "x5_child_process")
        .env(CHILD, "yes")
        .output()
        .expect("this program can be started");
    let text = String::from_utf8_lossy(&child.stdout);
    let error = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{text}{error}", child.status);
    assert!(text.contains("nothing is left behind"), "{text}{error}");
    println!("{text}");
}

#[test]
#[ignore = "counts what its process has; another test starts it"]
fn x5_child_process() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    // The gate has both builds.
    let rounds = scaled(if cfg!(debug_assertions) { 300 } else { 1_000 });
    for &backend in Executor::backends() {
        // What is made once, and kept.
        (0..10 + rounds / 10).for_each(|round| start_and_end(backend, round));
        let before = possessions();
        (0..rounds).for_each(|round| start_and_end(backend, round));
        let after = possessions_at_rest(before);
        println!("{backend}, {rounds} executors: {before:?} before, {after:?} after");
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        let [threads, descriptors, mappings, kib] =
            [0, 1, 2, 3].map(|which| after[which].saturating_sub(before[which]));
        assert_eq!((threads, descriptors), (0, 0), "{before:?}, {after:?}");
        // An emulator's memory is counted with it.
        if is_emulated() {
            continue;
        }
        // An allocator may get itself another arena; a leak would be one for each executor.
        assert!(mappings < rounds / 20, "{before:?}, {after:?}");
        assert!(kib < 256 + rounds / 2, "{before:?}, {after:?}");
    }
    println!("nothing is left behind");
}
