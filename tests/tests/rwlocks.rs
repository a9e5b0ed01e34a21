//! W5, W10 and F5 for locks of readers and writers: a deadlock is told if one of those who hold the lock waits for
//! who wants it, whatever the others do, and only then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dagwood::locks::{Limit, Mutex, RwLock};
use dagwood::{CancelToken, Cx, Database, Event, Query};
use dagwood_tests::{Bed, Meeting, has_line, is_deadlock, open, scenarios, until};

scenarios! {
    all [2, 1]: w5_who_holds_it_waits_for_itself;
    pools [2, 1, 3]: w5_two_locks_crosswise_are_a_deadlock;
    pools [2, 1, 3]: w5_one_reader_that_waits_is_enough;
    pools [2, 1, 3]: w5_it_is_none_as_long_as_all_readers_can_go_on;
    pools [2, 1, 3]: w5_a_reader_behind_a_writer_waits_for_its_own_lock;
    pools [2, 3]: w5_a_lock_held_over_a_join_whose_half_wants_it;
    pools [2, 3]: w5_a_lock_and_a_query_are_a_deadlock;
    pools [2, 1]: w5_a_lock_and_a_limit_are_a_deadlock;
    pools [2, 1]: w5_readers_that_want_to_write_wait_for_themselves;
    all [1]: w10_threads_outside_crosswise_are_a_deadlock;
    pools [3, 1]: f5_who_is_cancelled_in_the_line_lets_others_go;
    pools [1, 2]: f5_a_leaked_guard_holds_for_good;
}

fn is_free<T>(lock: &RwLock<T>) -> bool {
    lock.try_write().is_some()
}

fn run<'db, T: Send>(
    bed: &Bed,
    db: &'db Database<()>,
    body: impl FnOnce(&Cx<'db, ()>) -> T + Send,
) -> T {
    let run = bed.executor().run(db, body);
    run.expect("the job keeps its errors")
}

fn w5_who_holds_it_waits_for_itself(bed: &Bed) {
    let (db, lock) = (Database::new(()), RwLock::new(0));
    run(bed, &db, |cx| {
        let writes = lock.write(cx);
        let again = lock.checked_read(cx).map(drop);
        let text = again.expect_err("it has it").to_string();
        assert!(
            text.starts_with("deadlock: a job waits for the lock of readers and writers made at "),
            "{text}"
        );
        assert!(is_deadlock(&lock.checked_write(cx)));
        assert!(is_deadlock(&lock.write_blocking()));
        drop(writes);
        let reads = (lock.read(cx), lock.read(cx));
        assert!(is_deadlock(&lock.checked_write(cx)));
        drop(reads);
    });
    assert!(is_free(&lock));
}

fn w5_two_locks_crosswise_are_a_deadlock(bed: &Bed) {
    let db = Database::new(());
    let take = |cx: &Cx<'_, ()>, lock: &RwLock<()>, writes: bool| match writes {
        true => lock.checked_write(cx).map(drop),
        false => lock.checked_read(cx).map(drop),
    };
    for held_to_write in [true, false] {
        let meeting = Meeting::new(2);
        let [left, right] = [(); 2].map(RwLock::new);
        let both = |cx: &Cx<'_, ()>, first: &RwLock<()>, second: &RwLock<()>| {
            let held = match held_to_write {
                true => (Some(first.write(cx)), None),
                false => (None, Some(first.read(cx))),
            };
            meeting.meet(cx);
            let result = take(cx, second, true);
            drop(held);
            result
        };
        let results = run(bed, &db, |cx| {
            cx.join(|cx| both(cx, &left, &right), |cx| both(cx, &right, &left))
        });
        // One wait is ended; the other one gets what it wants.
        let ends = [is_deadlock(&results.0), is_deadlock(&results.1)];
        assert!(ends[0] != ends[1], "{results:?}");
        assert!(is_free(&left) && is_free(&right));
    }
}

/// Two read; a writer, which has a mutex, waits for both. One of them wants the mutex; the other goes on all the time.
fn w5_one_reader_that_waits_is_enough(bed: &Bed) {
    let db = Database::new(());
    let (lock, mutex) = (RwLock::new(0), Mutex::new(0));
    let (all_read, is_told) = (Meeting::new(3), AtomicBool::new(false));
    let told = run(bed, &db, |cx| {
        let goes_on = |cx: &Cx<'_, ()>| {
            let _reads = lock.read(cx);
            all_read.meet(cx);
            until(cx, || is_told.load(Ordering::SeqCst));
        };
        let wants = |cx: &Cx<'_, ()>| {
            let reads = lock.read(cx);
            all_read.meet(cx);
            until(cx, || has_line(&lock));
            let result = mutex.checked_lock(cx).map(drop);
            drop(reads);
            is_told.store(true, Ordering::SeqCst);
            result
        };
        let writes = |cx: &Cx<'_, ()>| {
            let held = mutex.lock(cx);
            all_read.meet(cx);
            let result = lock.checked_write(cx).map(drop);
            drop(held);
            is_told.store(true, Ordering::SeqCst);
            result
        };
        let (_, (wants, writes)) = cx.join(goes_on, |cx| cx.join(wants, writes));
        [is_deadlock(&wants), is_deadlock(&writes)]
    });
    assert!(told[0] != told[1], "{told:?}");
    assert!(is_free(&lock));
}

/// The same, but who wants the mutex does not read.
fn w5_it_is_none_as_long_as_all_readers_can_go_on(bed: &Bed) {
    let db = Database::new(());
    let (lock, mutex) = (RwLock::new(0), Mutex::new(0));
    let all_are_here = Meeting::new(3);
    let (wants_now, end) = (AtomicBool::new(false), Event::new());
    run(bed, &db, |cx| {
        let reads = |cx: &Cx<'_, ()>| {
            let _reads = lock.read(cx);
            all_are_here.meet(cx);
            // For what nobody is known to do.
            end.wait(cx);
        };
        let wants = |cx: &Cx<'_, ()>| {
            all_are_here.meet(cx);
            until(cx, || has_line(&lock));
            wants_now.store(true, Ordering::SeqCst);
            *mutex.lock(cx) += 1;
        };
        let writes = |cx: &Cx<'_, ()>| {
            let mut held = mutex.lock(cx);
            all_are_here.meet(cx);
            *lock.write(cx) += 1;
            *held += 1;
        };
        let opens = |cx: &Cx<'_, ()>| {
            until(cx, || wants_now.load(Ordering::SeqCst));
            cx.yield_now();
            open(&end);
        };
        cx.join(|cx| cx.join(reads, opens), |cx| cx.join(wants, writes));
    });
    assert_eq!((lock.into_inner(), mutex.into_inner()), (1, 2));
}

fn w5_a_reader_behind_a_writer_waits_for_its_own_lock(bed: &Bed) {
    let (db, lock) = (Database::new(()), RwLock::new(0));
    let told = run(bed, &db, |cx| {
        let reads_twice = |cx: &Cx<'_, ()>| {
            let reads = lock.read(cx);
            until(cx, || has_line(&lock));
            let again = lock.checked_read(cx).map(drop);
            drop(reads);
            again
        };
        let writes = |cx: &Cx<'_, ()>| {
            until(cx, || !is_free(&lock));
            lock.checked_write(cx).map(|mut value| *value += 1)
        };
        let (again, write) = cx.join(reads_twice, writes);
        (is_deadlock(&again), write.is_ok())
    });
    assert_eq!(told, (true, true));
    assert_eq!(lock.into_inner(), 1);
}

fn w5_a_lock_held_over_a_join_whose_half_wants_it(bed: &Bed) {
    let (db, lock, begun) = (Database::new(()), RwLock::new(0), Event::new());
    let told = run(bed, &db, |cx| {
        let reads = lock.read(cx);
        let writes = |cx: &Cx<'_, ()>| {
            open(&begun);
            lock.checked_write(cx).map(drop)
        };
        // Elsewhere: it has begun before the first half ends.
        let (_, told) = cx.join(|cx| begun.wait(cx), writes);
        drop(reads);
        told
    });
    assert!(is_deadlock(&told));
    assert!(is_free(&lock));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Wants;

/// What the query wants.
struct Wanted {
    lock: RwLock<u32>,
    begun: Event<()>,
}

impl Query<Wanted> for Wants {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Wanted>) -> u32 {
        // A second time, if the first came to nothing.
        let _ = cx.data().begun.set(());
        *cx.data().lock.write(cx) += 1;
        1
    }
}

fn w5_a_lock_and_a_query_are_a_deadlock(bed: &Bed) {
    let db = Database::new(Wanted {
        lock: RwLock::new(0),
        begun: Event::new(),
    });
    let executor = bed.executor();
    let run = executor.run(&db, |cx| {
        let Wanted { lock, begun } = cx.data();
        let asks = |cx: &Cx<'_, Wanted>| {
            let reads = lock.read(cx);
            begun.wait(cx);
            let value = cx.try_get(Wants).copied();
            drop(reads);
            value
        };
        // Asked elsewhere as well, once the lock is held.
        let asks_first = |cx: &Cx<'_, Wanted>| {
            until(cx, || !is_free(lock));
            cx.try_get(Wants).copied()
        };
        cx.join(asks, asks_first)
    });
    let results = run.expect("the job keeps its errors");
    assert!(is_deadlock(&results.0), "{results:?}");
    // What was to be a part of it is asked anew, or has failed with it.
    assert!(results.1.is_ok() || is_deadlock(&results.1), "{results:?}");
    assert!(is_free(&db.data().lock));
}

fn w5_a_lock_and_a_limit_are_a_deadlock(bed: &Bed) {
    let (db, lock, limit) = (Database::new(()), RwLock::new(0), Limit::new("tool", 1));
    let meeting = Meeting::new(2);
    let results = run(bed, &db, |cx| {
        let reads = |cx: &Cx<'_, ()>| {
            let reads = lock.read(cx);
            meeting.meet(cx);
            let result = limit.checked_within(cx, |_| ());
            drop(reads);
            result
        };
        let is_inside = |cx: &Cx<'_, ()>| {
            limit.within(cx, |cx| {
                meeting.meet(cx);
                lock.checked_write(cx).map(drop)
            })
        };
        cx.join(reads, is_inside)
    });
    let told = [is_deadlock(&results.0), is_deadlock(&results.1)];
    assert!(told[0] != told[1], "{results:?}");
    assert!(is_free(&lock));
}

fn w5_readers_that_want_to_write_wait_for_themselves(bed: &Bed) {
    let (db, lock) = (Database::new(()), RwLock::new(0));
    let all_read = Meeting::new(4);
    let told = run(bed, &db, |cx| {
        cx.par_map(0..4_usize, |cx, _| {
            let reads = lock.read(cx);
            all_read.meet(cx);
            let told = is_deadlock(&lock.checked_write(cx));
            drop(reads);
            told
        })
    });
    assert_eq!(told, [true; 4]);
    assert!(is_free(&lock));
}

fn w10_threads_outside_crosswise_are_a_deadlock(_: &Bed) {
    if dagwood::Executor::backends().len() == 1 {
        // In the sequential build a lock stays on its thread.
        return;
    }
    let [left, right] = [(); 2].map(RwLock::new);
    let both_hold = std::sync::Barrier::new(2);
    let both = |first: &RwLock<()>, second: &RwLock<()>| {
        let held = first.read_blocking().expect("it is free");
        both_hold.wait();
        let result = second.write_blocking().map(drop);
        drop(held);
        result
    };
    let results = thread::scope(|threads| {
        let other = threads.spawn(|| both(&left, &right));
        let own = both(&right, &left);
        [own, other.join().expect("no panic")]
    });
    let told = results.each_ref().map(is_deadlock);
    assert!(told[0] != told[1], "{results:?}");
    assert!(is_free(&left) && is_free(&right));
}

fn f5_who_is_cancelled_in_the_line_lets_others_go(bed: &Bed) {
    let (db, lock, token) = (Database::new(()), RwLock::new(0), CancelToken::new());
    let has_read = AtomicBool::new(false);
    run(bed, &db, |cx| {
        let holds = |cx: &Cx<'_, ()>| {
            let reads = lock.read(cx);
            until(cx, || has_line(&lock));
            token.cancel();
            // Behind the writer, until that leaves.
            until(cx, || has_read.load(Ordering::SeqCst));
            drop(reads);
        };
        let writes = |cx: &Cx<'_, ()>| {
            until(cx, || !is_free(&lock));
            let run = cx.cancellable(&token, |cx| drop(lock.write(cx)));
            assert!(run.expect_err("it was cancelled").is_cancelled());
        };
        let reads = |cx: &Cx<'_, ()>| {
            // The writer may have left already.
            until(cx, || has_line(&lock) || token.is_cancelled());
            drop(lock.read(cx));
            has_read.store(true, Ordering::SeqCst);
        };
        cx.join(holds, |cx| cx.join(writes, reads));
    });
    assert!(is_free(&lock));
}

fn f5_a_leaked_guard_holds_for_good(bed: &Bed) {
    let (db, lock, other) = (Database::new(()), RwLock::new(0), RwLock::new(0));
    run(bed, &db, |cx| {
        std::mem::forget(lock.read(cx));
        // It waits, as who holds the lock, and ends.
        cx.par_for_each(0..4_usize, |cx, _| *other.write(cx) += 1);
    });
    assert!(lock.try_write().is_none() && lock.try_read().is_some());
    let again = run(bed, &db, |cx| {
        let token = CancelToken::new();
        cx.cancellable(&token, |cx| {
            cx.join(
                |cx| drop(lock.write(cx)),
                |cx| {
                    until(cx, || has_line(&lock));
                    token.cancel();
                },
            );
        })
    });
    assert!(again.is_err_and(|error| error.is_cancelled() || error.is_deadlock()));
}
