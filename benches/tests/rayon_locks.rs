//! Locks that are held over a parallel loop, by the numbers of rayon's issues: on dagwood, with its locks, they end; on rayon,
//! with those of std, they hang. (That something hangs can be shown by time alone: a child that comes to no end
//! says so itself.)
#![cfg(any(feature = "fibers", feature = "threads"))]

use std::hint::black_box;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};
use std::thread;
use std::time::Duration;

use dagwood::{Backend, Cx, Database, Event, Executor, locks};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Rounds after which a program counts as one that ends.
const ROUNDS: usize = 50_000;

/// What a child that hangs exits with.
const HANGS: i32 = 86;

/// So long without the end of a round is a hang: a round takes a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// Items of the outer loop, and of the inner.
const OUTER: u32 = 64;
const INNER: u32 = 256;

/// The sum of an inner loop.
const SUM: u32 = INNER * (INNER - 1) / 2;

fn inner_loop() -> u32 {
    let item = |item: u32| (0..100).fold(item, |item, _| black_box(item));
    (0..INNER).into_par_iter().map(item).sum()
}

/// Runs `round` again and again on rayon's own threads, in a process that ends with [`HANGS`] if one of them comes to no end.
fn on_rayon(threads: usize, round: impl Fn() + Send + Sync + 'static) {
    let rounds: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.build().expect("a pool can be made");
    thread::spawn(move || {
        pool.install(|| {
            for _ in 0..ROUNDS {
                round();
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let mut before = usize::MAX;
    loop {
        let now = rounds.load(Ordering::Relaxed);
        if now == ROUNDS {
            println!("all rounds ended");
            exit(0);
        }
        if now == before {
            println!("no round ends after {now}");
            exit(HANGS);
        }
        before = now;
        thread::sleep(PATIENCE);
    }
}

/// Runs the ignored test `name` of this program in a child, which must hang.
fn hangs_on_rayon(name: &str) {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("no round ends after "), "{said}");
    assert_eq!(child.status.code(), Some(HANGS), "{said}");
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

/// rayon#592: who waits inside the inner loop takes another outer item, which wants the same lock.
#[test]
fn w5_rayon_592_a_mutex_is_held_over_an_inner_loop() {
    let mutex = locks::Mutex::new(0_u32);
    on_dagwood(|cx| {
        let mut held = mutex.lock(cx);
        *held = held.wrapping_add(our_inner_loop(cx));
    });
    let items = 20 * OUTER * Executor::backends().len() as u32;
    assert_eq!(mutex.into_inner(), items.wrapping_mul(SUM));
    hangs_on_rayon("rayon_592");
}

#[test]
#[ignore = "hangs"]
fn rayon_592() {
    on_rayon(3, || {
        let mutex = Mutex::new(0);
        (0..OUTER).into_par_iter().for_each(|_| {
            let mut held = mutex.lock().expect("not poisoned");
            *held += inner_loop();
        });
    });
}

/// rayon#1251: a cell whose initialiser forks, and is asked for by another job meanwhile. (Asked for by the items of a loop, it
/// hangs on rayon's threads too rarely to be shown.)
#[test]
fn w6_rayon_1251_a_cell_is_initialised_by_what_forks() {
    for _ in 0..20 {
        let cell = locks::OnceCell::new();
        on_dagwood(|cx| assert_eq!(*cell.get_or_init(cx, our_inner_loop), SUM));
    }
    for &backend in Executor::backends()
        .iter()
        .filter(|one| **one != Backend::Sequential)
    {
        let builder = Executor::builder().backend(backend).workers(2);
        let executor = builder.build().expect("an executor can be made");
        let shared = Database::new((locks::OnceCell::new(), Event::new(), Event::new()));
        let run = executor.run(&shared, |cx: &Cx<'_, Meeting>| {
            let (cell, begun, asked) = cx.data();
            *cell.get_or_init(cx, |cx| {
                let ask = |cx: &Cx<'_, Meeting>| {
                    let _ = asked.set(());
                    assert_eq!(*cell.get_or_init(cx, |_| 2), 1);
                };
                cx.join(
                    |cx| *begun.wait(cx),
                    |cx| {
                        let _ = begun.set(());
                        cx.spawn(ask);
                        *asked.wait(cx)
                    },
                );
                1
            })
        });
        assert_eq!(run.expect("it ends"), 1);
    }
    hangs_on_rayon("rayon_1251");
}

/// A cell, that its initialiser's other branch has begun, and that another job asks for it.
type Meeting = (locks::OnceCell<u32>, Event<()>, Event<()>);

#[test]
#[ignore = "hangs"]
fn rayon_1251() {
    on_rayon(2, || {
        let cell: &OnceLock<u32> = Box::leak(Box::new(OnceLock::new()));
        let asked: &AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        let begun = AtomicUsize::new(0);
        let spin = |flag: &AtomicUsize| {
            while flag.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
        };
        cell.get_or_init(|| {
            rayon::join(
                || spin(&begun),
                || {
                    begun.store(1, Ordering::SeqCst);
                    rayon::spawn(|| {
                        asked.store(1, Ordering::SeqCst);
                        assert_eq!(*cell.get_or_init(|| 2), 1);
                    });
                    spin(asked);
                },
            );
            1
        });
    });
}

/// rayon#1205: the same with readers and writers.
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
    hangs_on_rayon("rayon_1205");
}

#[test]
#[ignore = "hangs"]
fn rayon_1205() {
    on_rayon(3, || {
        let lock = RwLock::new(0_u32);
        (0..OUTER).into_par_iter().for_each(|item| {
            if item % 4 == 0 {
                *lock.write().expect("not poisoned") += inner_loop();
            } else {
                black_box(*lock.read().expect("not poisoned") + inner_loop());
            }
        });
    });
}
