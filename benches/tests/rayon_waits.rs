//! Waits inside a scope, and for another pool, by the numbers of rayon's issues: on dagwood all ends; on rayon it hangs.
#![cfg(any(feature = "fibers", feature = "threads"))]

#[path = "common/hanging.rs"]
mod hanging;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use dagwood::locks::{self, Semaphore};
use dagwood::{Backend, Cx, Database, Event, Executor};
use hanging::{comes_to_no_end, hangs_on_rayon, spin};

/// Two executors of one worker each, of each of our backends that have workers.
fn pairs() -> impl Iterator<Item = [Executor; 2]> {
    let backends = Executor::backends().iter();
    let backends = backends.filter(|one| **one != Backend::Sequential);
    backends.map(|backend| {
        [(); 2].map(|()| {
            let builder = Executor::builder().backend(*backend).workers(1);
            builder.build().expect("an executor can be made")
        })
    })
}

fn rayons_pool() -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build().expect("a pool can be made")
}

const ITEMS: usize = 100;

/// rayon#835: the body of a scope waits for what its spawned closures send.
#[test]
fn w3_rayon_835_the_body_of_a_scope_receives_from_its_closures() {
    for [executor, _] in pairs() {
        let sum = executor.run(&Database::new(()), |cx| {
            let (sender, receiver) = locks::channel(1);
            cx.scope(|cx, scope| {
                for item in 0..ITEMS {
                    let sender = sender.clone();
                    scope.spawn(cx, move |cx| sender.send(cx, item).expect("it is awaited"));
                }
                (0..ITEMS)
                    .map(|_| receiver.recv(cx).expect("all send"))
                    .sum::<usize>()
            })
        });
        assert_eq!(sum.expect("it ends"), ITEMS * (ITEMS - 1) / 2);
    }
    hangs_on_rayon("rayon_835_receives");
}

#[test]
#[ignore = "hangs"]
fn rayon_835_receives() {
    static RECEIVES: AtomicBool = AtomicBool::new(false);
    comes_to_no_end(&RECEIVES, || {
        rayons_pool().scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move |_| sender.send(1).expect("it is awaited"));
            RECEIVES.store(true, Ordering::SeqCst);
            assert_eq!(receiver.recv(), Ok(1));
        });
    });
}

/// rayon#835: the body of a scope spawns no more than so many closures at once, and waits for one of them to end.
#[test]
fn w3_rayon_835_the_body_of_a_scope_is_throttled() {
    for [executor, _] in pairs() {
        let (slots, ended) = (Semaphore::new(2), AtomicUsize::new(0));
        let run = executor.run(&Database::new(()), |cx| {
            cx.scope(|cx, scope| {
                for item in 0..ITEMS {
                    let permit = slots.acquire(cx);
                    assert!(ended.load(Ordering::SeqCst) + 2 > item, "too many at once");
                    let ended = &ended;
                    scope.spawn(cx, move |_| {
                        ended.fetch_add(1, Ordering::SeqCst);
                        drop(permit);
                    });
                }
            });
        });
        run.expect("it ends");
        assert_eq!(ended.into_inner(), ITEMS);
    }
    hangs_on_rayon("rayon_835_throttles");
}

#[test]
#[ignore = "hangs"]
fn rayon_835_throttles() {
    static THROTTLES: AtomicBool = AtomicBool::new(false);
    comes_to_no_end(&THROTTLES, || {
        // One slot: full, until the closure that was spawned has emptied it.
        let (slots, taken) = mpsc::sync_channel(1);
        let taken = Mutex::new(taken);
        rayons_pool().scope(|scope| {
            for _ in 0..2 {
                slots.send(()).expect("it is awaited");
                let taken = &taken;
                scope.spawn(move |_| {
                    let taken = taken.lock().expect("not poisoned");
                    taken.recv().expect("it was sent");
                });
                THROTTLES.store(true, Ordering::SeqCst);
            }
        });
    });
}

/// What is shared with a job of the first executor.
#[derive(Default)]
struct Shared {
    mutex: locks::Mutex<u32>,
    wanted: Event<()>,
}

/// rayon#765: a job holds a lock while it waits for another pool; meanwhile its own pool has another job that wants it.
#[test]
fn w5_rayon_765_a_lock_is_held_over_a_run_of_another_pool() {
    for [here, there] in pairs() {
        let db = Database::new(Shared::default());
        let run = here.run(&db, |cx| {
            let mut held = cx.data().mutex.lock(cx);
            let wants = cx.spawn(|cx: &Cx<'_, Shared>| {
                cx.data().wanted.set(()).expect("set once");
                let mut held = cx.data().mutex.lock(cx);
                assert_eq!(*held, 1, "who was first has ended");
                *held += 1;
            });
            let waits = there.run(&db, |cx| *cx.data().wanted.wait(cx));
            waits.expect("it ends");
            *held += 1;
            drop(held);
            wants.wait(cx);
        });
        run.expect("it ends");
        assert_eq!(*db.data().mutex.lock_blocking().expect("it is free"), 2);
    }
    hangs_on_rayon("rayon_765");
}

#[test]
#[ignore = "hangs"]
fn rayon_765() {
    static MUTEX: Mutex<u32> = Mutex::new(0);
    static WANTED: AtomicBool = AtomicBool::new(false);
    comes_to_no_end(&WANTED, || {
        let there = rayons_pool();
        rayons_pool().install(|| {
            let mut held = MUTEX.lock().expect("not poisoned");
            rayon::spawn(|| {
                WANTED.store(true, Ordering::SeqCst);
                *MUTEX.lock().expect("not poisoned") += 1;
            });
            // Who waits for the other pool takes that job, on top of the lock.
            there.install(|| spin(&WANTED));
            *held += 1;
        });
    });
}
