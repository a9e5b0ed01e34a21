//! W9 with all that meets it: fibers that move while hooks run, duty changes, work is cancelled, levels differ, locks are
//! held and the cap is near.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::Mutex;
use dagwood::{CancelToken, Cx, Database, Event, Priority, Query};
use dagwood_tests::{Bed, Random, open, scenarios};

scenarios! {
    pools [3, 2] unseeded "threads outside change the duty and cancel at any time": w9_all_at_once;
}

thread_local! {
    /// The number of the job that runs here.
    static JOB: Cell<usize> = const { Cell::new(0) };
}

#[inline(never)]
fn job() -> usize {
    JOB.get()
}

#[inline(never)]
fn set_job(job: usize) {
    JOB.set(job);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sum(usize);

impl Query<Event<()>> for Sum {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Event<()>>) -> usize {
        if self.0 == 0 {
            cx.data().wait(cx);
            return 0;
        }
        cx.yield_now();
        let (left, right) = cx.join(|cx| *cx.get(Sum(self.0 - 1)), |cx| *cx.get(Sum(self.0 / 2)));
        left.max(right) + 1
    }
}

/// Waits, forks, yields, locks: and finds its number in the thread-local each time.
fn work(cx: &Cx<'_, Event<()>>, number: usize, lock: &Mutex<usize>) {
    let check = || assert_eq!(job(), number, "the thread-local of another job");
    set_job(number);
    let event = Event::new();
    cx.join(|cx| event.wait(cx), |_| open(&event));
    check();
    let mut held = lock.lock(cx);
    cx.yield_now();
    check();
    *held += 1;
    drop(held);
    let task = cx.spawn(|cx| cx.yield_now());
    let _ = task.wait(cx);
    check();
    cx.get(Sum(number % 12));
    check();
    set_job(0);
}

fn w9_all_at_once(bed: &Bed) {
    let builder = bed
        .builder()
        .statistics(true)
        .max_fibers(bed.at_most_on_threads(40, 200));
    let builder = builder.suspend_hooks(|| (job(), set_job(0)).0, set_job);
    // SAFETY: no job keeps a guard of an OS lock over a wait; the thread-local is touched in functions that are not inlined.
    let builder = unsafe { builder.migrate_fibers() };
    let executor = builder.build().expect("an executor can be made");
    let (is_over, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lock = Mutex::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut random = Random::new(7);
            while !is_over.load(Ordering::SeqCst) {
                let count = 1 + random.below(bed.workers());
                executor.set_workers(count).expect("so many there are");
                thread::yield_now();
            }
        });
        let levels = [Priority::Low, Priority::Normal, Priority::High];
        let runs: Vec<_> = (0..3)
            .map(|which| {
                let (executor, lock, ended) = (&executor, &lock, &ended);
                threads.spawn(move || {
                    for round in 0..bed.scaled(40) {
                        let db = Database::new(Event::new());
                        let items = |cx: &Cx<'_, Event<()>>| {
                            cx.join(
                                |cx| {
                                    cx.par_for_each(0..20_usize, |cx, number| {
                                        work(cx, 1 + number, lock)
                                    })
                                },
                                |cx| open(cx.data()),
                            );
                        };
                        let token = CancelToken::new();
                        let run = thread::scope(|canceller| {
                            if (round + which) % 3 == 0 {
                                canceller.spawn(|| {
                                    (0..round % 40).for_each(|_| thread::yield_now());
                                    token.cancel();
                                });
                                executor.run_cancellable(&db, &token, items)
                            } else {
                                executor.run_with_priority(&db, levels[which], items)
                            }
                        });
                        if let Err(error) = run {
                            assert!(error.is_cancelled() || error.is_exhausted(), "{error}");
                        }
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = runs.into_iter().map(|run| run.join()).collect();
        is_over.store(true, Ordering::SeqCst);
        for end in ends {
            end.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        }
    });
    let statistics = executor.statistics();
    assert_eq!(statistics.sleeps_with_work, 0, "{statistics:?}");
}
