//! W5, W10 and F5 for locks of readers and writers, condition variables, barriers and channels.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::{Barrier, Condvar, Mutex, RwLock, channel};
use dagwood::{CancelToken, Cx, Database, Error, Event};
use dagwood_tests::{Bed, Meeting, open, scenarios};

scenarios! {
    all [4, 1, 2]: w5_readers_and_writers_over_a_parallel_loop;
    pools [2, 1]: w5_readers_do_not_overtake_a_writer;
    pools [4, 1, 2]: w5_a_queue_of_a_mutex_and_a_condition_variable;
    pools [4, 1, 2]: w5_a_barrier_of_more_jobs_than_workers;
    pools [4, 1, 2]: w5_a_pipeline_of_channels;
    pools [2, 1]: w5_a_channel_without_room_hands_over;
    all [2, 1]: w5_a_closed_channel_gives_back_what_is_sent;
    pools [2, 1]: w10_threads_outside_and_jobs_share_a_channel;
    pools [2, 1]: f5_who_is_cancelled_while_it_receives_loses_no_value;
    pools [2, 1]: f5_who_is_cancelled_while_it_waits_to_be_told_passes_it_on;
    all [1]: w5_nobody_can_end_a_wait_on_the_sequential_backend;
}

fn w5_readers_and_writers_over_a_parallel_loop(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        // Both are the same whenever nobody writes.
        let lock = RwLock::new((0, 0));
        let run = executor.run(&db, |cx| {
            cx.par_for_each(0..64, |cx, item| {
                if item % 4 == 0 {
                    let mut pair = lock.write(cx);
                    pair.0 += 1;
                    let more: usize = cx
                        .par_map(0..16_usize, |_, part| part / 15)
                        .into_iter()
                        .sum();
                    pair.1 += more;
                } else {
                    let pair = lock.read(cx);
                    let seen = cx.par_map(0..4_usize, |_, _| pair.0);
                    assert_eq!(seen, [pair.1; 4]);
                }
            });
        });
        run.expect("it ends");
        assert_eq!(lock.into_inner(), (16, 16));
    }
}

fn w5_readers_do_not_overtake_a_writer(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let (lock, held) = (RwLock::new(0), Event::new());
    let run = executor.run(&db, |cx| {
        let reader = |cx: &Cx<'_, ()>| {
            let guard = lock.read(cx);
            open(&held);
            // Others may read, until one waits to write.
            while lock.try_read().is_some() {
                cx.yield_now();
            }
            drop(guard);
            *lock.read(cx)
        };
        let writer = |cx: &Cx<'_, ()>| {
            held.wait(cx);
            *lock.write(cx) = 1;
        };
        cx.join(reader, writer).0
    });
    assert_eq!(run.expect("it ends"), 1, "the writer came first");
}

fn w5_a_queue_of_a_mutex_and_a_condition_variable(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let count = bed.scaled(200);
    let (stock, told) = (Mutex::new(Vec::new()), Condvar::new());
    let run = executor.run(&db, |cx| {
        let taken = |cx: &Cx<'_, ()>| {
            cx.par_map(0..count, |cx, _| {
                let mut stock = told.wait_while(cx, stock.lock(cx), |stock| stock.is_empty());
                stock.pop().expect("it is not empty")
            })
        };
        let bring = |cx: &Cx<'_, ()>| {
            for item in 0..count {
                stock.lock(cx).push(item);
                if item % 3 == 0 {
                    told.notify_all();
                } else {
                    told.notify_one();
                }
            }
        };
        cx.join(taken, bring).0
    });
    let mut taken = run.expect("it ends");
    taken.sort_unstable();
    assert_eq!(taken, Vec::from_iter(0..count));
}

fn w5_a_barrier_of_more_jobs_than_workers(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let jobs = bed.at_most_on_threads(20, 100);
    let rounds = 5;
    let (barrier, come, last) = (Barrier::new(jobs), AtomicUsize::new(0), AtomicUsize::new(0));
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..jobs, |cx, _| {
            for round in 0..rounds {
                come.fetch_add(1, Ordering::SeqCst);
                let is_last = barrier.wait(cx);
                last.fetch_add(usize::from(is_last), Ordering::SeqCst);
                assert!(come.load(Ordering::SeqCst) >= (round + 1) * jobs);
                barrier.wait(cx);
                assert!(come.load(Ordering::SeqCst) <= (round + 2) * jobs);
            }
        });
    });
    run.expect("it ends");
    assert_eq!(last.into_inner(), rounds, "one a round");
}

fn w5_a_pipeline_of_channels(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let count = bed.scaled(1_000);
    for room in [0, 1, 7] {
        let (first, second) = (channel(room), channel(room));
        let (from, to) = (first.1, second.0);
        let mut seen = Vec::new();
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                let sender = first.0;
                scope.spawn(cx, move |cx| {
                    for item in 0..count {
                        sender.send(cx, item).expect("there is a receiver");
                    }
                });
                scope.spawn(cx, move |cx| {
                    while let Some(item) = from.recv(cx) {
                        to.send(cx, item + 1).expect("there is a receiver");
                    }
                });
                while let Some(item) = second.1.recv(cx) {
                    seen.push(item);
                }
            });
        });
        run.expect("it ends");
        assert_eq!(seen, Vec::from_iter(1..=count), "in order");
    }
}

fn w5_a_channel_without_room_hands_over(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let (sender, receiver) = channel(0);
    assert_eq!(sender.try_send(1), Err(1), "nobody receives");
    assert_eq!(receiver.try_recv(), None);
    let run = executor.run(&db, |cx| {
        let sent = |cx: &Cx<'_, ()>| sender.send(cx, 2);
        cx.join(sent, |cx| receiver.recv(cx))
    });
    assert_eq!(run.expect("it ends"), (Ok(()), Some(2)));
}

fn w5_a_closed_channel_gives_back_what_is_sent(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let run = executor.run(&db, |cx| {
        let (sender, receiver) = channel(2);
        sender.send(cx, Box::new(1)).expect("there is room");
        let other = receiver.clone();
        drop(receiver);
        sender
            .send(cx, Box::new(2))
            .expect("there is another receiver");
        drop(other);
        assert_eq!(
            sender.send(cx, Box::new(3)).map_err(|error| *error.0),
            Err(3)
        );
        let (sender, receiver) = channel(1);
        sender.send(cx, 4).expect("there is room");
        drop(sender);
        assert_eq!((receiver.recv(cx), receiver.recv(cx)), (Some(4), None));
    });
    run.expect("nothing waits");
}

fn w10_threads_outside_and_jobs_share_a_channel(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    let count = bed.scaled(1_000);
    let (sender, receiver) = channel(3);
    let (back, result) = channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for item in 0..count {
                let sent = sender.send_blocking(item).expect("nobody is cancelled");
                sent.expect("there is a receiver");
            }
        });
        scope.spawn(|| {
            let run = executor.run(&db, move |cx| {
                let mut sum = 0;
                while let Some(item) = receiver.recv(cx) {
                    sum += item;
                }
                back.send(cx, sum).expect("there is a receiver");
            });
            run.expect("it ends");
        });
        let sum = result.recv_blocking().expect("nobody is cancelled");
        assert_eq!(sum, Some(count * (count - 1) / 2));
    });
}

fn f5_who_is_cancelled_while_it_receives_loses_no_value(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let (sender, receiver) = channel(0);
        let token = CancelToken::new();
        let come = Meeting::new(4);
        let taken = AtomicUsize::new(0);
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                for _ in 0..4 {
                    let (token, come, taken, receiver) = (&token, &come, &taken, receiver.clone());
                    scope.spawn(cx, move |cx| {
                        let _ = cx.cancellable(token, |cx| {
                            come.come();
                            while receiver.checked_recv(cx).is_ok_and(|value| value.is_some()) {
                                taken.fetch_add(1, Ordering::SeqCst);
                            }
                        });
                    });
                }
                come.wait(cx);
                let mut sent = 0;
                while sent < 10 && sender.try_send(sent).is_ok() {
                    sent += 1;
                }
                token.cancel();
                while sender.try_send(sent).is_ok() {
                    sent += 1;
                }
                sent
            })
        });
        assert_eq!(run.expect("it ends"), taken.into_inner());
    }
}

fn f5_who_is_cancelled_while_it_waits_to_be_told_passes_it_on(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(20) {
        let (is_there, told, token) = (Mutex::new(false), Condvar::new(), CancelToken::new());
        let come = Meeting::new(2);
        let wait = |cx: &Cx<'_, ()>| {
            let guard = is_there.lock(cx);
            come.come();
            drop(told.wait_while(cx, guard, |is_there| !*is_there));
        };
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                scope.spawn(cx, |cx| {
                    let _ = cx.cancellable(&token, wait);
                });
                scope.spawn(cx, wait);
                come.wait(cx);
                *is_there.lock(cx) = true;
                token.cancel();
                // One of them: if it is the cancelled one, it tells the other.
                told.notify_one();
                told.notify_one();
            });
        });
        run.expect("both end");
    }
}

fn w5_nobody_can_end_a_wait_on_the_sequential_backend(bed: &Bed) {
    if !bed.is_sequential() {
        return;
    }
    let executor = bed.executor();
    let db = Database::new(());
    let told: Result<Vec<Error>, Error> = executor.run(&db, |cx| {
        let (sender, receiver) = channel(1);
        let empty = receiver.checked_recv(cx).expect_err("nobody sends");
        sender.send(cx, 1).expect("there is room");
        let full = sender.checked_send(cx, 2).expect_err("nobody receives");
        let mutex = Mutex::new(());
        let condvar = Condvar::new();
        let untold = condvar.checked_wait(cx, mutex.lock(cx)).map(drop);
        let alone = Barrier::new(2)
            .checked_wait(cx)
            .expect_err("nobody else comes");
        assert!(mutex.try_lock().is_some(), "it was given back");
        vec![empty, full, untold.expect_err("nobody tells"), alone]
    });
    for error in told.expect("the run goes on") {
        assert!(error.is_deadlock(), "{error}");
        assert!(
            error.to_string().ends_with("and nothing else runs"),
            "{error}"
        );
    }
}
