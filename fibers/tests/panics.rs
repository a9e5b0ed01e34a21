//! A body's panic is a value, and no concern of its resumer or of other fibers.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{each_mechanism, expect_panicked, expect_returned, expect_suspended};
use dagwood_fibers::{Fiber, Suspender};

#[test]
fn a_panic_is_a_value_that_keeps_its_message_and_spares_the_pool() {
    each_mechanism(|_, pool| {
        for round in 0..3 {
            let mut fiber = Fiber::new(pool, move |_| panic!("round {round}")).unwrap();
            let payload = expect_panicked(&mut fiber);
            assert_eq!(payload.downcast_ref(), Some(&format!("round {round}")));
            assert!(!thread::panicking());
            fiber.recycle(pool);
        }
        assert_eq!((pool.created(), pool.cached()), (1, 1));
        let mut fiber = Fiber::new(pool, |suspender| suspender.suspend()).unwrap();
        expect_suspended(&mut fiber);
        expect_returned(&mut fiber);
    });
}

#[test]
fn a_panic_after_a_suspension_runs_the_destructors_and_is_a_value() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    each_mechanism(|_, pool| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let captured = Count(Arc::clone(&dropped));
        let mut fiber = Fiber::new(pool, move |suspender| {
            let _local = Count(Arc::clone(&captured.0));
            suspender.suspend();
            panic!("after a suspension");
        })
        .unwrap();
        expect_suspended(&mut fiber);
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        let payload = expect_panicked(&mut fiber);
        assert_eq!(payload.downcast_ref(), Some(&"after a suspension"));
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn any_payload_arrives() {
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, |_| resume_unwind(Box::new(42_u64))).unwrap();
        assert_eq!(expect_panicked(&mut fiber).downcast_ref(), Some(&42_u64));
    });
}

#[test]
fn bodies_catch_their_own_panics_across_interleaved_suspensions() {
    fn body(suspender: &Suspender) {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            suspender.suspend();
            panic!("mine");
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"mine"));
        // The payload is gone, and the next suspension is an ordinary one.
        suspender.suspend();
        assert!(!thread::panicking());
    }
    each_mechanism(|_, pool| {
        let mut fibers: Vec<Fiber> = (0..3).map(|_| Fiber::new(pool, body).unwrap()).collect();
        let mut breaks = Fiber::new(pool, |suspender| {
            suspender.suspend();
            panic!("not caught");
        })
        .unwrap();
        fibers.iter_mut().for_each(expect_suspended);
        expect_suspended(&mut breaks);
        // Each of them suspends inside `catch_unwind`; this one's panic passes them all by.
        expect_panicked(&mut breaks);
        fibers.iter_mut().rev().for_each(expect_suspended);
        fibers.iter_mut().for_each(expect_returned);
    });
}

#[test]
fn resuming_a_finished_fiber_panics() {
    each_mechanism(|_, pool| {
        let mut fiber = Fiber::new(pool, |_| ()).unwrap();
        expect_returned(&mut fiber);
        let again = catch_unwind(AssertUnwindSafe(|| drop(fiber.resume())));
        assert!(again.is_err());
        assert!(fiber.is_done());
        fiber.recycle(pool);
        assert_eq!(pool.cached(), 1);
    });
}
