//! Making, reusing, freeing and leaking stacks.

mod common;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{STACK_BYTES, each_mechanism, expect_returned, expect_suspended};
use dagwood_fibers::{Fiber, Mechanism, StackPool, Suspender, leaked};

/// A body that stores where on its stack it runs.
fn record_place(place: &Arc<AtomicUsize>) -> impl FnOnce(&Suspender) + Send + 'static {
    let place = Arc::clone(place);
    move |_| {
        let local = 0_u8;
        place.store(std::ptr::from_ref(&local).addr(), Ordering::Relaxed);
    }
}

#[test]
fn stacks_are_reused_last_in_first_out() {
    each_mechanism(|_, pool| {
        let places: Vec<Arc<AtomicUsize>> = (0..4).map(|_| Arc::default()).collect();
        let place = |index: usize| places[index].load(Ordering::Relaxed);
        let mut first = Fiber::new(pool, record_place(&places[0])).unwrap();
        let mut second = Fiber::new(pool, record_place(&places[1])).unwrap();
        expect_returned(&mut first);
        expect_returned(&mut second);
        first.recycle(pool);
        second.recycle(pool);
        assert_eq!((pool.created(), pool.cached()), (2, 2));

        let mut third = Fiber::new(pool, record_place(&places[2])).unwrap();
        let mut fourth = Fiber::new(pool, record_place(&places[3])).unwrap();
        expect_returned(&mut third);
        expect_returned(&mut fourth);
        assert_ne!(place(0), place(1));
        assert_eq!(place(2), place(1));
        assert_eq!(place(3), place(0));
        assert_eq!((pool.created(), pool.cached()), (2, 0));
    });
}

#[test]
fn ten_thousand_rounds_make_one_stack() {
    each_mechanism(|_, pool| {
        let rounds = Arc::new(AtomicUsize::new(0));
        for _ in 0..10_000 {
            let counted = Arc::clone(&rounds);
            let mut fiber = Fiber::new(pool, move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
            expect_returned(&mut fiber);
            fiber.recycle(pool);
        }
        assert_eq!(rounds.load(Ordering::Relaxed), 10_000);
        assert_eq!((pool.created(), pool.cached()), (1, 1));
        assert_eq!(Arc::strong_count(&rounds), 1);
    });
}

#[test]
fn a_pool_moves_to_another_thread_with_its_stacks() {
    each_mechanism(|mechanism, _| {
        let mut pool = StackPool::new(mechanism, STACK_BYTES).unwrap();
        let mut fiber = Fiber::new(&mut pool, |_| ()).unwrap();
        expect_returned(&mut fiber);
        fiber.recycle(&mut pool);
        let created = std::thread::spawn(move || {
            let mut fiber = Fiber::new(&mut pool, |suspender| suspender.suspend()).unwrap();
            expect_suspended(&mut fiber);
            expect_returned(&mut fiber);
            fiber.recycle(&mut pool);
            pool.created()
        });
        assert_eq!(created.join().unwrap(), 1);
    });
}

#[test]
fn a_stack_of_another_size_does_not_enter_the_pool() {
    each_mechanism(|mechanism, pool| {
        let mut smaller = StackPool::new(mechanism, STACK_BYTES / 2).unwrap();
        let mut fiber = Fiber::new(&mut smaller, |_| ()).unwrap();
        expect_returned(&mut fiber);
        fiber.recycle(pool);
        assert_eq!((pool.cached(), smaller.cached()), (0, 0));
    });
}

#[test]
fn a_finished_fiber_is_freed_when_dropped() {
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, |_| ()).unwrap();
        expect_returned(&mut fiber);
        drop(fiber);
        assert_eq!((pool.created(), pool.cached()), (1, 0));
    });
}

#[test]
fn an_unstarted_fiber_drops_its_body() {
    each_mechanism(|_, pool| {
        let captured = Arc::new(());
        let large = [0_u8; 4096];
        let small_body = Arc::clone(&captured);
        let large_body = Arc::clone(&captured);
        let small = Fiber::new(pool, move |_| drop(small_body)).unwrap();
        let boxed = Fiber::new(pool, move |_| drop((large_body, large))).unwrap();
        let third = Arc::clone(&captured);
        let recycled = Fiber::new(pool, move |_| drop(third)).unwrap();
        assert!(!small.is_done());
        assert_eq!(Arc::strong_count(&captured), 4);
        drop(small);
        drop(boxed);
        recycled.recycle(pool);
        assert_eq!(Arc::strong_count(&captured), 1);
    });
}

/// The only test of this program that leaks: the count is the process's.
#[test]
fn a_suspended_fiber_is_leaked_and_counted_never_unwound() {
    each_mechanism(|_, pool| {
        let before = leaked();
        let captured = Arc::new(());
        let suspended = |pool: &mut StackPool| {
            let captured = Arc::clone(&captured);
            let mut fiber = Fiber::new(pool, move |suspender| {
                suspender.suspend();
                drop(captured);
            })
            .unwrap();
            expect_suspended(&mut fiber);
            fiber
        };
        drop(suspended(pool));
        assert_eq!(leaked(), before + 1);
        suspended(pool).recycle(pool);
        assert_eq!(leaked(), before + 2);
        assert_eq!(Arc::strong_count(&captured), 3, "a leaked body was dropped");
        assert_eq!((pool.created(), pool.cached()), (2, 0));

        // Neither the pool nor a finished or unstarted fiber is the worse for it.
        let mut fiber = Fiber::new(pool, |_| ()).unwrap();
        expect_returned(&mut fiber);
        fiber.recycle(pool);
        drop(Fiber::new(pool, |_| ()).unwrap());
        assert_eq!(leaked(), before + 2);
    });
}

#[test]
fn an_unavailable_mechanism_is_an_error_that_says_what_there_is() {
    for mechanism in [Mechanism::Switch, Mechanism::Thread] {
        match StackPool::new(mechanism, STACK_BYTES) {
            Ok(pool) => {
                assert!(Mechanism::available().contains(&mechanism));
                assert_eq!(pool.mechanism(), mechanism);
            }
            Err(error) => {
                assert!(!Mechanism::available().contains(&mechanism));
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                let message = error.to_string();
                let available = format!("available: {:?}", Mechanism::available());
                assert!(message.ends_with(&available), "{message}");
            }
        }
    }
}

#[test]
fn a_stack_that_cannot_be_had_is_an_error_and_drops_the_body() {
    each_mechanism(|mechanism, _| {
        let error = StackPool::new(mechanism, usize::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        // Half of the address space: none or one can be had, two never.
        let mut pool = StackPool::new(mechanism, usize::MAX / 2).unwrap();
        let captured = Arc::new(());
        let made = [(); 2].map(|()| {
            let body = Arc::clone(&captured);
            Fiber::new(&mut pool, move |_| drop(body)).ok()
        });
        let count = made.iter().flatten().count();
        assert!(count < made.len());
        assert_eq!(Arc::strong_count(&captured), 1 + count);
        assert_eq!((pool.created(), pool.cached()), (count, 0));
    });
}
