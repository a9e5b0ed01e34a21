//! Locks that are held over a fork, by the numbers of rayon's issues: on dagwood, with its locks, all ends; on rayon, with
//! those of std, it hangs. (That something hangs can be shown by time alone: a child that comes to no end says so itself.)
#![cfg(any(feature = "fibers", feature = "threads"))]

#[path = "common/hanging.rs"]
mod hanging;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};

use dagwood::{Backend, Cx, Database, Event, Executor, locks};
use hanging::{comes_to_no_end, hangs_on_rayon, spin, stands_still};
use rayon::prelude::*;

/// Items of the outer loop, and of the inner.
const OUTER: u32 = 64;
const INNER: u32 = 256;

/// The sum of an inner loop.
const SUM: u32 = INNER * (INNER - 1) / 2;

/// On two of rayon's own threads: one holds something over a fork (`hold` calls what it is given); the other, in the second
/// branch, spawns a job that wants it, too, and goes on once that has begun. So who waits for the branch must take the job. The
/// process ends with [`HANGS`] if this comes to no end.
fn on_rayon(
    hold: impl FnOnce(&dyn Fn()) + Send + 'static,
    want: impl Fn() + Copy + Send + Sync + 'static,
) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    static WANTED: AtomicBool = AtomicBool::new(false);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
    let pool = pool.build().expect("a pool can be made");
    comes_to_no_end(&WANTED, move || {
        pool.install(|| {
            hold(&|| {
                let second = || {
                    BEGUN.store(true, Ordering::SeqCst);
                    rayon::spawn(move || {
                        WANTED.store(true, Ordering::SeqCst);
                        want();
                    });
                    spin(&WANTED);
                };
                rayon::join(|| spin(&BEGUN), second);
            });
        });
    });
}

/// Runs `item` for the items of an outer loop on each of our backends.
fn on_dagwood(item: impl Fn(&Cx<'_, ()>) + Sync) {
    for &backend in Executor::backends() {
        let builder = Executor::builder().backend(backend).workers(3);
        let executor = builder.build().expect("an executor can be made");
        let db = Database::new(());
        for _ in 0..20 {
            let run = executor.run(&db, |cx| {
                cx.par_for_each(0..OUTER as usize, |cx, _| item(cx))
            });
            run.expect("it ends");
        }
    }
}

fn our_inner_loop(cx: &Cx<'_, ()>) -> u32 {
    cx.par_map(0..INNER as usize, |_, item| item as u32)
        .into_iter()
        .sum()
}

/// What is held over a fork, who wants it, that the second branch has begun, and that somebody has wanted it.
struct Held<L> {
    lock: L,
    want: fn(&Cx<'_, Held<L>>),
    begun: Event<()>,
    wanted: Event<()>,
}

/// What [`on_rayon`] does, on each of our pools; `hold` calls [`fork`].
fn over_a_fork<L: Send + Sync + 'static>(
    lock: fn() -> L,
    hold: fn(&Cx<'_, Held<L>>),
    want: fn(&Cx<'_, Held<L>>),
) {
    let backends = Executor::backends().iter();
    for &backend in backends.filter(|one| **one != Backend::Sequential) {
        let builder = Executor::builder().backend(backend).workers(2);
        let executor = builder.build().expect("an executor can be made");
        let held = Database::new(Held {
            lock: lock(),
            want,
            begun: Event::new(),
            wanted: Event::new(),
        });
        executor.run(&held, hold).expect("it ends");
    }
}

fn fork<L: Send + Sync + 'static>(cx: &Cx<'_, Held<L>>) {
    let held = cx.data();
    let second = |cx: &Cx<'_, Held<L>>| {
        held.begun.set(()).expect("set once");
        cx.spawn(|cx| {
            cx.data().wanted.set(()).expect("set once");
            (cx.data().want)(cx);
        });
        *held.wanted.wait(cx)
    };
    cx.join(|cx| *held.begun.wait(cx), second);
}

/// rayon#592: a mutex.
#[test]
fn w5_rayon_592_a_mutex_is_held_over_an_inner_loop() {
    let mutex = locks::Mutex::new(0_u32);
    on_dagwood(|cx| {
        let mut held = mutex.lock(cx);
        *held = held.wrapping_add(our_inner_loop(cx));
    });
    let items = 20 * OUTER * Executor::backends().len() as u32;
    assert_eq!(mutex.into_inner(), items.wrapping_mul(SUM));
    let hold = |cx: &Cx<'_, Held<locks::Mutex<u32>>>| {
        let mut held = cx.data().lock.lock(cx);
        fork(cx);
        *held += 1;
    };
    over_a_fork(
        || locks::Mutex::new(0),
        hold,
        |cx| *cx.data().lock.lock(cx) += 1,
    );
    hangs_on_rayon("rayon_592");
}

#[test]
#[ignore = "hangs"]
fn rayon_592() {
    static MUTEX: Mutex<u32> = Mutex::new(0);
    let hold = |fork: &dyn Fn()| {
        let mut held = MUTEX.lock().expect("not poisoned");
        fork();
        *held += 1;
    };
    on_rayon(hold, || *MUTEX.lock().expect("not poisoned") += 1);
}

/// rayon#1205: a lock of readers and writers.
#[test]
fn w5_rayon_1205_a_lock_of_readers_is_held_over_an_inner_loop() {
    let lock = locks::RwLock::new(0_u32);
    let items = AtomicUsize::new(0);
    on_dagwood(|cx| {
        if items.fetch_add(1, Ordering::Relaxed).is_multiple_of(4) {
            let mut held = lock.write(cx);
            *held = held.wrapping_add(our_inner_loop(cx));
        } else {
            let held = lock.read(cx);
            assert_eq!(our_inner_loop(cx), SUM, "{}", *held);
        }
    });
    let written = 5 * OUTER * Executor::backends().len() as u32;
    assert_eq!(lock.into_inner(), written.wrapping_mul(SUM));
    let hold = |cx: &Cx<'_, Held<locks::RwLock<u32>>>| {
        let mut held = cx.data().lock.write(cx);
        fork(cx);
        *held += 1;
    };
    let want = |cx: &Cx<'_, Held<locks::RwLock<u32>>>| assert_eq!(*cx.data().lock.read(cx), 1);
    over_a_fork(|| locks::RwLock::new(0), hold, want);
    hangs_on_rayon("rayon_1205");
}

#[test]
#[ignore = "hangs"]
fn rayon_1205() {
    static LOCK: RwLock<u32> = RwLock::new(0);
    let hold = |fork: &dyn Fn()| {
        let mut held = LOCK.write().expect("not poisoned");
        fork();
        *held += 1;
    };
    on_rayon(hold, || assert_eq!(*LOCK.read().expect("not poisoned"), 1));
}

/// rayon#1251: a cell, whose initialiser forks.
#[test]
fn w6_rayon_1251_a_cell_is_initialised_by_what_forks() {
    for _ in 0..20 {
        let cell = locks::OnceCell::new();
        on_dagwood(|cx| assert_eq!(*cell.get_or_init(cx, our_inner_loop), SUM));
    }
    let hold = |cx: &Cx<'_, Held<locks::OnceCell<u32>>>| {
        let value = cx.data().lock.get_or_init(cx, |cx| {
            fork(cx);
            1
        });
        assert_eq!(*value, 1);
    };
    let want = |cx: &Cx<'_, Held<locks::OnceCell<u32>>>| {
        assert_eq!(*cx.data().lock.get_or_init(cx, |_| 2), 1);
    };
    over_a_fork(locks::OnceCell::new, hold, want);
    hangs_on_rayon("rayon_1251");
}

#[test]
#[ignore = "hangs"]
fn rayon_1251() {
    static CELL: OnceLock<u32> = OnceLock::new();
    let hold = |fork: &dyn Fn()| {
        let value = CELL.get_or_init(|| {
            fork();
            1
        });
        assert_eq!(*value, 1);
    };
    on_rayon(hold, || assert_eq!(*CELL.get_or_init(|| 2), 1));
}

/// An iterator that forks while it is asked for its next item.
struct Forking {
    left: usize,
}

impl Iterator for Forking {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        Some(rayons_inner_loop())
    }
}

fn rayons_inner_loop() -> usize {
    let row = |i| {
        (0..4_usize)
            .into_par_iter()
            .map(move |j| i * j)
            .sum::<usize>()
    };
    (0..8_usize).into_par_iter().map(row).sum()
}

/// rayon#1142, #1311: what shares out an iterator holds a lock while that forks. Rayon's `par_bridge` has a lock of std, on our
/// `rayon-core`, too; with a lock of ours all ends.
#[test]
fn w5_rayon_1142_a_shared_iterator_forks() {
    let items = 20 * OUTER * Executor::backends().len() as u32;
    let shared = locks::Mutex::new(0..items);
    let sum = AtomicUsize::new(0);
    on_dagwood(|cx| {
        let mut iterator = shared.lock(cx);
        assert_eq!(our_inner_loop(cx), SUM);
        let item = iterator.next().expect("there are so many");
        drop(iterator);
        assert_eq!(our_inner_loop(cx), SUM);
        sum.fetch_add(item as usize, Ordering::Relaxed);
    });
    assert!(shared.into_inner().is_empty());
    assert_eq!(sum.into_inner(), (0..items as usize).sum());
    hangs_on_rayon("rayon_1142");
}

/// By chance, at one of the first hundreds of rounds; on a machine that has other things to do a hundred thousand have passed.
#[test]
#[ignore = "hangs"]
fn rayon_1142() {
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8);
    let pool = pool.build().expect("a pool can be made");
    stands_still(&ROUNDS, move || {
        pool.install(|| {
            while ROUNDS.fetch_add(1, Ordering::SeqCst) < 1_000_000 {
                let bridge = Forking { left: 4 }.par_bridge();
                assert_eq!(bridge.map(|_| rayons_inner_loop()).count(), 4);
            }
        });
    });
}
