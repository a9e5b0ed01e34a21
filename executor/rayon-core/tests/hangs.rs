//! What hangs or overflows on rayon's own threads, by the number of rayon's issue, on the backend that pools run on by default
//! (`DAGWOOD_RAYON_BACKEND` says another).
//!
//! Not here: #592, #1205 and #1251 with a lock that is awaited, which must be one of `dagwood::locks` (one of `std`
//! blocks the worker's thread, and its holder may be one of that worker's fibers): `benches/tests/rayon_locks.rs`; what overflows
//! on rayon's own, shown there: `benches/tests/rayon_depth.rs`; #1142 and #1311, which are about the lock of std in rayon's
//! `par_bridge`: its own test `par_bridge_recursion` ends (step `rayon`), but nothing that we do can make that lock suspend; with a
//! lock that is awaited: `benches/tests/rayon_locks.rs`.
#![cfg(any(feature = "fibers", feature = "threads"))]

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, TryLockError, mpsc};

use rayon_core::{ThreadPool, ThreadPoolBuilder, join, scope, yield_local, yield_now};

fn pool(workers: usize) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    builder.build().expect("a pool can be made")
}

/// A parallel loop over `from..to` by joins, down to single items.
fn each(from: usize, to: usize, body: &(impl Fn(usize) + Sync)) {
    if to - from == 1 {
        return body(from);
    }
    let middle = from.midpoint(to);
    join(|| each(from, middle, body), || each(middle, to, body));
}

fn sum(count: usize) -> usize {
    let sum = AtomicUsize::new(0);
    each(0, count, &|i| {
        sum.fetch_add(i, Ordering::Relaxed);
    });
    sum.into_inner()
}

/// Takes what `try_take` gives, and lets others go first until it does.
fn take<G>(mut try_take: impl FnMut() -> Result<G, TryLockError<G>>) -> G {
    loop {
        if let Ok(guard) = try_take() {
            return guard;
        }
        yield_now();
    }
}

/// #592: the thread that waits inside the inner loop steals an outer item, which takes the same lock. Here nothing else
/// runs on top of a waiting stack: who wants the lock yields until its holder has come to its end, wherever that waits.
#[test]
fn w5_a_mutex_is_held_over_an_inner_loop() {
    for workers in [1, 2, 4] {
        let lock = Mutex::new(0);
        pool(workers).install(|| each(0, 64, &|_| *take(|| lock.try_lock()) += sum(16)));
        assert_eq!(lock.into_inner().unwrap(), 64 * 120);
    }
}

/// #1205: the same with readers and writers.
#[test]
fn w5_a_lock_of_readers_is_held_over_an_inner_loop() {
    for workers in [1, 2, 4] {
        let lock = RwLock::new(0);
        pool(workers).install(|| {
            each(0, 64, &|i| {
                if i % 4 == 0 {
                    *take(|| lock.try_write()) += sum(16);
                } else {
                    black_box(*take(|| lock.try_read()) + sum(16));
                }
            });
        });
        assert_eq!(lock.into_inner().unwrap(), 16 * 120);
    }
}

/// #1251: a cell whose initialiser runs a loop, asked for by the items of another. (With one worker: nobody comes second.)
#[test]
fn w6_a_cell_is_initialised_by_a_loop_inside_a_loop() {
    let cell = OnceLock::new();
    let runs = AtomicUsize::new(0);
    let initialise = || {
        runs.fetch_add(1, Ordering::Relaxed);
        sum(100)
    };
    pool(1).install(|| each(0, 64, &|_| assert_eq!(*cell.get_or_init(initialise), 4950)));
    assert_eq!(runs.into_inner(), 1);
}

/// Uses some of the stack while `body` runs.
#[inline(never)]
fn with_frame(body: impl FnOnce()) {
    let frame = black_box([0_u8; 16 << 10]);
    body();
    black_box(&frame);
}

/// #1064: jobs that yield run on top of each other.
#[test]
fn d1_jobs_that_yield_do_not_pile_up() {
    let small = ThreadPoolBuilder::new()
        .num_threads(1)
        .stack_size(128 << 10);
    let ended = AtomicUsize::new(0);
    small.build().unwrap().scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|_| {
                with_frame(|| {
                    yield_local();
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            });
        }
    });
    assert_eq!(ended.into_inner(), 200);
}

/// #854, #751: jobs that wait for another pool run on top of each other.
#[test]
fn d1_jobs_that_wait_do_not_pile_up() {
    let small = ThreadPoolBuilder::new()
        .num_threads(1)
        .stack_size(128 << 10);
    let (small, other) = (small.build().unwrap(), pool(1));
    let ended = AtomicUsize::new(0);
    small.install(|| {
        each(0, 200, &|_| {
            with_frame(|| {
                ended.fetch_add(other.install(|| 1), Ordering::Relaxed);
            });
        });
    });
    assert_eq!(ended.into_inner(), 200);
}

/// #854: joins as deep as the data. They go on on further stacks.
#[test]
fn d1_joins_go_deeper_than_a_stack() {
    fn deep(levels: usize) -> usize {
        if levels == 0 {
            return 0;
        }
        let (below, _) = join(|| deep(levels - 1), || ());
        below + 1
    }
    for workers in [1, 2] {
        let builder = ThreadPoolBuilder::new().num_threads(workers);
        let pool = builder.stack_size(256 << 10).build().unwrap();
        assert_eq!(pool.install(|| deep(20_000)), 20_000);
    }
}

/// #835: a scope's closure waits for what a spawned one sends. (It yields meanwhile: a `recv` would block the worker.)
#[test]
fn w3_a_scope_waits_for_its_own_closure() {
    for workers in [1, 2] {
        let answer = pool(workers).scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move |_| sender.send(42).unwrap());
            loop {
                if let Ok(answer) = receiver.try_recv() {
                    return answer;
                }
                yield_now();
            }
        });
        assert_eq!(answer, 42);
    }
}

/// #765: pools that install into each other, from many items at once.
#[test]
fn w8_pools_install_into_each_other() {
    let (one, two) = (pool(1), pool(1));
    let sum = AtomicUsize::new(0);
    one.install(|| {
        each(0, 64, &|i| {
            two.install(|| one.install(|| two.install(|| sum.fetch_add(i, Ordering::Relaxed))));
        });
    });
    assert_eq!(sum.into_inner(), 2016);
}

/// A pool that is dropped by a job of its own ends all the same.
#[test]
fn s1_a_pool_is_dropped_by_its_own_job() {
    for workers in [1, 2] {
        let (ended, ends) = mpsc::channel();
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .exit_handler(move |_| ended.send(()).unwrap());
        let pool = Arc::new(pool.build().unwrap());
        let own = Arc::clone(&pool);
        pool.spawn(move || drop(own));
        drop(pool);
        assert_eq!(ends.iter().count(), workers);
    }
}

/// What a scope's closures panic with comes out of the scope, once all have ended.
#[test]
fn f1_a_scope_panics_after_all_have_ended() {
    for workers in [1, 2, 4] {
        let ended = AtomicUsize::new(0);
        let panics = |i| {
            ended.fetch_add(1, Ordering::Relaxed);
            assert!(i != 7, "the seventh");
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool(workers).scope(|scope| {
                let panics = &panics;
                (0..64).for_each(|i| scope.spawn(move |_| panics(i)));
            });
        }));
        assert!(outcome.is_err());
        assert_eq!(ended.into_inner(), 64);
    }
}

/// The thread that made the pool is its first worker: it does what is for it alone while it waits, and nobody else does.
#[test]
fn w3_a_guest_works_while_it_waits() {
    // The thread stays a guest: it is one of its own.
    let guest = std::thread::spawn(|| {
        let builder = ThreadPoolBuilder::new().num_threads(1);
        let pool = builder.use_current_thread().build().unwrap();
        assert_eq!(rayon_core::current_thread_index(), Some(0));
        let (sender, receiver) = mpsc::channel();
        let other = sender.clone();
        pool.spawn(move || sender.send(1).unwrap());
        assert!(receiver.try_recv().is_err(), "nobody has worked yet");
        assert_eq!(pool.broadcast(|context| context.index()), [0]);
        assert_eq!(join(|| 2, || 3), (2, 3));
        scope(|scope| scope.spawn(move |_| other.send(4).unwrap()));
        pool.in_place_scope(|scope| scope.spawn(|_| black_box(())));
        assert_eq!(receiver.iter().take(2).sum::<i32>(), 5);
        assert_eq!(rayon_core::current_thread_index(), Some(0));
    });
    guest.join().unwrap();
}

#[test]
fn f4_what_an_exit_handler_spawns_ends_nothing_again() {
    let (sender, exits) = mpsc::channel();
    let builder = ThreadPoolBuilder::new()
        .num_threads(1)
        .exit_handler(move |worker| {
            sender.send(worker).unwrap();
            rayon_core::spawn(|| ());
        });
    drop(builder.build().unwrap());
    // Ends once the handler, and so the pool, is gone.
    assert_eq!(exits.iter().collect::<Vec<_>>(), [0]);
}
