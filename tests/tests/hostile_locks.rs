//! W5, W10 and F3 for the locks, at places where a review found them wrong.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dagwood::locks::{Condvar, Mutex};
use dagwood::{CancelToken, Cx, Database, Event, Executor, Query};
use dagwood_tests::{Bed, open, scenarios};

scenarios! {
    pools [1, 2]: w5_a_report_whose_words_want_a_lock;
    pools [1] unseeded "it spins until others wait": w10_who_was_called_and_has_not_run_is_in_no_circle;
    pools [1, 2]: f3_who_is_cancelled_lets_another_be_told;
}

/// A query whose `Debug` wants a lock.
#[derive(Clone)]
struct Wordy(Arc<Mutex<()>>);

impl PartialEq for Wordy {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Wordy {}

impl Hash for Wordy {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Wordy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.lock_blocking() {
            Ok(_) => f.write_str("it is free"),
            Err(error) => write!(f, "{error}"),
        }
    }
}

impl Query<Event<()>> for Wordy {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Event<()>>) -> u32 {
        cx.data().wait(cx);
        7
    }
}

/// A report is made by a worker that looks at fibers which stand still: it would stand on their frames while they go on.
fn w5_a_report_whose_words_want_a_lock(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Event::named("the gate"));
    let lock = Arc::new(Mutex::new(()));
    thread::scope(|scope| {
        let held = lock.lock_blocking().expect("nobody else has it");
        let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Wordy(Arc::clone(&lock)))));
        let report = loop {
            let report = executor.waiters();
            if !report.is_empty() {
                break report.to_string();
            }
            thread::yield_now();
        };
        assert!(report.contains("must not wait"), "{report}");
        open(db.data());
        assert_eq!(run.join().expect("no panic").expect("a value"), 7);
        drop(held);
    });
}

/// Takes the lock while it computes; zero if it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnderLock;

impl Query<Mutex<u32>> for UnderLock {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Mutex<u32>>) -> u32 {
        cx.data().checked_lock(cx).map_or(0, |value| *value)
    }
}

/// Who computes a query is called to a lock, and its thread does something else yet. Another takes the lock and asks for the
/// query; a third asks for it, too, and must not go round for ever.
fn w10_who_was_called_and_has_not_run_is_in_no_circle(bed: &Bed) {
    let executor = bed.executor();
    let (second, third) = (bed.executor(), bed.executor());
    let db = Database::new(Mutex::new(5));
    let goes_on = AtomicBool::new(false);
    let spin = || {
        while !goes_on.load(Ordering::Acquire) {
            std::hint::spin_loop();
            thread::yield_now();
        }
    };
    let has_begun = AtomicBool::new(false);
    let is_waiting = |executor: &Executor| {
        while executor.waiters().is_empty() {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let held = db.data().lock_blocking().expect("nobody else has it");
        let first = scope.spawn(|| {
            executor.run(&db, |cx| {
                // The second half runs when the first, on the one worker, waits for the lock.
                let other = |_: &Cx<'_, _>| {
                    has_begun.store(true, Ordering::Release);
                    spin();
                };
                cx.join(|cx| *cx.get(UnderLock), other).0
            })
        });
        while !has_begun.load(Ordering::Acquire) {
            thread::yield_now();
        }
        drop(held);
        let second_run = scope.spawn(|| {
            second.run(&db, |cx| {
                let _held = cx.data().lock(cx);
                *cx.get(UnderLock)
            })
        });
        is_waiting(&second);
        let third_run = scope.spawn(|| third.run(&db, |cx| *cx.get(UnderLock)));
        is_waiting(&third);
        goes_on.store(true, Ordering::Release);
        // It comes back to the lock, which is held by one that waits for it: that is a deadlock, and it says zero.
        for run in [first, second_run, third_run] {
            assert_eq!(run.join().expect("no panic").expect("a value"), 0);
        }
    });
}

/// One of two that wait is told, wants the mutex again, and is cancelled: the other one must be told instead.
fn f3_who_is_cancelled_lets_another_be_told(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let items = Mutex::new(0_u32);
    let more = Condvar::new();
    let waiting = Mutex::new(0_u32);
    let token = CancelToken::new();
    // Takes one when there is one.
    let take = |cx: &Cx<'_, ()>| {
        let mut items = items.lock(cx);
        *waiting.lock(cx) += 1;
        while *items == 0 {
            items = more.checked_wait(cx, items)?;
        }
        *items -= 1;
        Ok::<_, dagwood::Error>(())
    };
    let wait_until = |count: u32| {
        while *waiting.lock_blocking().expect("no deadlock") < count {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| executor.run_cancellable(&db, &token, take));
        wait_until(1);
        let second = scope.spawn(|| executor.run(&db, take));
        wait_until(2);
        let mut held = items.lock_blocking().expect("no deadlock");
        *held += 1;
        more.notify_one();
        token.cancel();
        let first = first.join().expect("no panic");
        assert!(!matches!(first, Ok(Ok(()))), "it cannot have taken one");
        drop(held);
        let second = second.join().expect("no panic");
        second.expect("a value").expect("it was told");
    });
    assert_eq!(items.into_inner(), 0);
}
