//! The threads backend: how many run, how many may block, and what happens when the system gives no more.
#![cfg(feature = "threads")]

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Backend, Cx, Database, Event};
use dagwood_tests::{Bed, Gated, Meeting, open, run_scenario};

/// How many jobs are between two waits now, and the most that were at once.
#[derive(Default)]
struct Running {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Running {
    fn work(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        // Gives another that runs too early the time to be seen. (Yields would take long on a busy machine.)
        for _ in 0..2_000 {
            std::hint::spin_loop();
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn never_more_run_than_workers(bed: &Bed) {
    const JOBS: usize = 100;
    let running = Running::default();
    let meetings: Vec<Meeting> = (0..10).map(|_| Meeting::new(JOBS)).collect();
    let run = bed.executor().run(&Database::new(()), |cx| {
        cx.par_for_each(0..JOBS, |cx, _| {
            for meeting in &meetings {
                running.work();
                meeting.meet(cx);
            }
            running.work();
        });
    });
    run.expect("nothing fails");
    let peak = running.peak.into_inner();
    assert!(peak <= bed.workers(), "{peak} ran at once");
}

#[test]
fn w3_never_more_run_than_workers() {
    let name = "w3_never_more_run_than_workers";
    run_scenario(
        name,
        Backend::Threads,
        &[1, 2, 4],
        never_more_run_than_workers,
    );
}

/// The system refuses the hundredth thread of each worker.
fn thread_creation_fails(bed: &Bed) {
    const ASKERS: usize = 1000;
    let executor = bed.builder().limit_threads(99).build();
    let executor = executor.expect("there are threads enough to begin with");
    for _ in 0..3 {
        let db = Database::new(Event::new());
        let refused = Event::new();
        let ask = |cx: &Cx<'_, Event<()>>, item| match cx.try_get(Gated(item)) {
            Ok(value) => {
                assert_eq!(*value, item);
                0
            }
            Err(error) => {
                assert!(error.is_exhausted(), "{error}");
                let message = error.to_string();
                assert!(message.contains("no further thread"), "{message}");
                // Only the first sets it.
                let _ = refused.set(());
                1
            }
        };
        let open_after_a_refusal = |cx: &Cx<'_, Event<()>>| {
            // This wait may be the one that is refused.
            let is_refused = refused.try_wait(cx).is_err();
            open(cx.data());
            usize::from(is_refused)
        };
        let refusals = executor.run(&db, |cx| {
            let asked = |cx: &Cx<'_, _>| cx.par_map(0..ASKERS, ask);
            let (own, others) = cx.join(open_after_a_refusal, asked);
            own + others.into_iter().sum::<usize>()
        });
        let refusals = refusals.expect("errors are held back");
        assert!(refusals > 0 && refusals < ASKERS, "{refusals} were refused");
        // What was refused is not remembered as failed.
        let again = executor.run(&db, |cx| cx.par_map(0..ASKERS, |cx, i| *cx.get(Gated(i))));
        assert_eq!(again.expect("now nobody waits"), Vec::from_iter(0..ASKERS));
    }
}

#[test]
fn f7_the_hundredth_thread_is_refused() {
    let name = "f7_the_hundredth_thread_is_refused";
    run_scenario(name, Backend::Threads, &[1, 4], thread_creation_fails);
}

/// A number from `/proc/self/status`, in bytes; zero where there is none.
fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// What the blocked threads take, each: resident, and in page tables.
fn block_many(bed: &Bed) {
    const THREADS: usize = 10_000;
    let executor = bed.executor();
    let all_wait = Event::new();
    let waiting = AtomicUsize::new(0);
    let before = ["VmRSS", "VmPTE"].map(status_bytes);
    let sum: usize = executor
        .run(&Database::new(()), |cx| {
            let wait = |cx: &Cx<'_, ()>, item: usize| {
                if waiting.fetch_add(1, Ordering::SeqCst) + 1 < THREADS {
                    all_wait.wait(cx);
                } else {
                    let after = ["VmRSS", "VmPTE"].map(status_bytes);
                    let [resident, tables] =
                        [0, 1].map(|i| (after[i] - before[i]) / THREADS as u64);
                    println!(
                        "each blocked thread: {resident} bytes resident, {tables} of page tables"
                    );
                    let _ = all_wait.set(());
                }
                item
            };
            cx.par_map(0..THREADS, wait).into_iter().sum()
        })
        .expect("there are threads enough");
    assert_eq!(sum, THREADS * (THREADS - 1) / 2);
}

#[test]
#[ignore = "takes ten thousand threads: run it alone"]
fn w3_ten_thousand_threads_block() {
    run_scenario(
        "w3_ten_thousand_threads_block",
        Backend::Threads,
        &[1, 4],
        block_many,
    );
}
