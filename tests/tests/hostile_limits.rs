//! W5, W10 and F5 for limits, at places where a review found them wrong.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{Limit, Mutex};
use dagwood::{Database, Executor};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1]: w10_a_thread_that_ends_gets_in;
    pools [1]: w5_many_who_wait_in_one_line_are_each_looked_at_once;
}

/// Gets in when it is dropped.
struct Late(Arc<Limit>, Arc<AtomicUsize>);

impl Drop for Late {
    fn drop(&mut self) {
        let inside = self
            .0
            .within_blocking(|| self.1.fetch_add(1, Ordering::SeqCst));
        inside.expect("there is room");
    }
}

thread_local! {
    static EARLY: RefCell<Option<Late>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// Where a thread's own record for what it holds is gone already, each call makes another one.
fn w10_a_thread_that_ends_gets_in(_: &Bed) {
    if Executor::backends().len() == 1 {
        // In the sequential build a limit stays on its thread.
        return;
    }
    let (limit, count) = (
        Arc::new(Limit::new("tool", 1)),
        Arc::new(AtomicUsize::new(0)),
    );
    let late = || Some(Late(Arc::clone(&limit), Arc::clone(&count)));
    thread::scope(|scope| {
        let ends = scope.spawn(|| {
            EARLY.set(late());
            limit.within_blocking(|| ()).expect("there is room");
            LATE.set(late());
        });
        // Joined, so that what it keeps has been dropped, too.
        ends.join().expect("it ends");
    });
    assert_eq!((count.load(Ordering::SeqCst), limit.free_places()), (2, 1));
}

/// Who wants to get in has what all who are inside wait for, in two lines: each of them is looked at, and told of, once.
fn w5_many_who_wait_in_one_line_are_each_looked_at_once(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let half = bed.at_most_on_threads(5, bed.scaled(2_000));
    let [wide, narrow] =
        [("wide", 2 * half), ("narrow", 1)].map(|(name, places)| Limit::new(name, places));
    let mutex = Mutex::new(0);
    let run = executor.run(&db, |cx| {
        cx.scope(|cx, scope| {
            narrow.within(cx, |cx| {
                let mut held = mutex.lock(cx);
                for _ in 0..half {
                    scope.spawn(cx, |cx| wide.within(cx, |cx| *mutex.lock(cx) += 1));
                    scope.spawn(cx, |cx| wide.within(cx, |cx| narrow.within(cx, |_| ())));
                }
                while narrow.waiting() < half || wide.free_places() > 0 {
                    cx.yield_now();
                }
                // One worker: whoever is inside waits by now.
                *held += 1;
                wide.checked_within(cx, |_| ())
            })
        })
    });
    let error = run
        .expect("the run goes on")
        .expect_err("all wait for it")
        .to_string();
    let count = |thing: &str| error.matches(thing).count();
    assert_eq!(count("waits for the limit \"wide\""), 1, "{error}");
    assert_eq!(count("waits for the limit \"narrow\""), half, "{error}");
    assert_eq!(count("waits for the mutex"), half, "{error}");
    assert_eq!(mutex.into_inner(), half + 1);
}
