//! W5 and F5 for locks of readers and writers, at places where a review found them wrong.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dagwood::locks::{ReadGuard, RwLock};
use dagwood::{CancelToken, Cx, Database, Event, Executor};
use dagwood_tests::{Bed, Meeting, has_line, is_deadlock, open, scenarios, until};

scenarios! {
    pools [1, 2]: w5_who_stands_behind_one_that_leaves_is_told;
    pools [1]: f5_who_was_cancelled_holds_nothing_afterwards;
    pools [1]: w5_a_guard_that_another_dropped_is_not_held;
}

/// What the jobs use.
#[derive(Default)]
struct Data {
    lock: RwLock<u32>,
    gate: Event<()>,
    begun: AtomicUsize,
}

/// Two readers, each of which waits for a writer. The first writer's wait is ended; but before it leaves the line the
/// second reader begins to wait, for the writer behind it, which will wait for that reader from then on.
fn w5_who_stands_behind_one_that_leaves_is_told(bed: &Bed) {
    // Whose writer comes first hangs on the schedule.
    for waits_first in [0, 1] {
        let db = Database::new(Data::default());
        let (both_read, is_waiting) = (Meeting::new(2), AtomicBool::new(false));
        let run = bed.executor().run(&db, |cx| {
            let reads = |cx: &Cx<'_, Data>, index: usize| {
                let Data { lock, begun, .. } = cx.data();
                let reads = lock.read(cx);
                both_read.meet(cx);
                let writes = cx.spawn(|cx| {
                    let Data { lock, begun, .. } = cx.data();
                    begun.fetch_add(1, Ordering::SeqCst);
                    is_deadlock(&lock.checked_write(cx))
                });
                until(cx, || begun.load(Ordering::SeqCst) == 2 && has_line(lock));
                if index == waits_first {
                    is_waiting.store(true, Ordering::SeqCst);
                } else {
                    until(cx, || is_waiting.load(Ordering::SeqCst));
                }
                let is_told = *writes.wait(cx);
                drop(reads);
                is_told
            };
            cx.join(|cx| reads(cx, 0), |cx| reads(cx, 1))
        });
        assert_eq!(run.expect("nothing fails"), (true, true));
        assert!(db.data().lock.try_write().is_some());
    }
}

/// Of an executor that has ended: fibers of another one may have their records where theirs were.
fn f5_who_was_cancelled_holds_nothing_afterwards(bed: &Bed) {
    let (db, count) = (Database::new(Data::default()), bed.at_most_seeded(4, 10));
    let token = CancelToken::new();
    let run = bed.executor().run(&db, |cx| {
        let Data { lock, gate, begun } = cx.data();
        let task = cx.spawn(|cx| {
            cx.data().gate.wait(cx);
        });
        let ended = AtomicUsize::new(0);
        let wait = |cx: &Cx<'_, Data>, _| {
            let run = cx.cancellable(&token, |cx| {
                let _reads = lock.read(cx);
                begun.fetch_add(1, Ordering::SeqCst);
                task.wait(cx);
            });
            assert!(run.is_err_and(|error| error.is_cancelled()));
            ended.fetch_add(1, Ordering::SeqCst);
        };
        let cancel = |cx: &Cx<'_, Data>| {
            until(cx, || begun.load(Ordering::SeqCst) == count);
            token.cancel();
            until(cx, || ended.load(Ordering::SeqCst) == count);
            open(gate);
        };
        cx.join(|cx| cx.par_for_each(0..count, wait), cancel);
    });
    run.expect("nothing fails");

    let (waiting, is_here) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = bed.executor().run(&db, |cx| {
        let lock = &cx.data().lock;
        let reads = |cx: &Cx<'_, Data>| {
            let reads = lock.read(cx);
            is_here.store(true, Ordering::SeqCst);
            until(cx, || waiting.load(Ordering::SeqCst) == 3 * count);
            until(cx, || has_line(lock));
            drop(reads);
        };
        let others = |cx: &Cx<'_, Data>| {
            until(cx, || is_here.load(Ordering::SeqCst));
            let writes = cx.spawn(|cx| {
                cx.data()
                    .lock
                    .checked_write(cx)
                    .map(|mut value| *value += 1)
            });
            // Each waits for the writer, and has nothing.
            cx.par_for_each(0..3 * count, |cx, _| {
                until(cx, || has_line(lock));
                waiting.fetch_add(1, Ordering::SeqCst);
                assert!(writes.wait(cx).is_ok(), "{:?}", writes.wait(cx));
            });
        };
        cx.join(reads, others);
    });
    run.expect("nothing fails");
    assert_eq!(*db.data().lock.try_read().expect("it is free"), 1);
}

thread_local! {
    static KEPT: Cell<Option<ReadGuard<'static, u32>>> = const { Cell::new(None) };
}

/// A fiber leaves its guard to its thread, where another one drops it, and then wants to write; the first waits for that.
fn w5_a_guard_that_another_dropped_is_not_held(bed: &Bed) {
    let db = Database::new(());
    let lock: &'static RwLock<u32> = Box::leak(Box::default());
    let (is_kept, reads_too) = (AtomicBool::new(false), AtomicBool::new(false));
    // Its fibers do not move: guards belong to their thread.
    let builder = Executor::builder().backend(bed.backend()).workers(1);
    let builder = match bed.schedule() {
        Some(schedule) => builder.schedule(schedule),
        None => builder,
    };
    let executor = builder.build().expect("an executor can be made");
    let run = executor.run(&db, |cx| {
        let writes = |cx: &Cx<'_, ()>| {
            until(cx, || is_kept.load(Ordering::SeqCst));
            // Where each fiber has a thread of its own nobody finds it.
            let found = KEPT.take();
            let result = found.map(|reads| {
                drop(reads);
                lock.checked_write(cx).map(|mut value| *value += 1)
            });
            reads_too.store(false, Ordering::SeqCst);
            result
        };
        let keeps = |cx: &Cx<'_, ()>| {
            let keep = |cx: &Cx<'_, ()>| {
                until(cx, || reads_too.load(Ordering::SeqCst));
                KEPT.set(Some(lock.read(cx)));
                is_kept.store(true, Ordering::SeqCst);
            };
            let (_, written) = cx.join(keep, writes);
            KEPT.take();
            written
        };
        let reads = |cx: &Cx<'_, ()>| {
            let reads = lock.read(cx);
            reads_too.store(true, Ordering::SeqCst);
            until(cx, || has_line(lock) || !reads_too.load(Ordering::SeqCst));
            drop(reads);
        };
        cx.join(keeps, reads).0
    });
    let written = run.expect("nothing fails");
    assert!(written.is_none_or(|result| result.is_ok()));
    assert!(lock.try_write().is_some());
}
