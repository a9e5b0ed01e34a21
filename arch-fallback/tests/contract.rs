//! The contract over parked threads, and what is special to threads.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use dagwood_arch_fallback::{Fiber, Resumed, StackPool, leaked};

const STACK_BYTES: usize = 256 * 1024;

fn finish(mut fiber: Fiber, pool: &mut StackPool) {
    assert!(matches!(fiber.resume(), Resumed::Finished(Ok(()))));
    assert!(fiber.is_done());
    fiber.recycle(pool);
}

#[test]
fn exactly_one_of_resumer_and_fiber_runs() {
    const ROUNDS: usize = 2000;
    let mut pool = StackPool::new(STACK_BYTES);
    let fiber_runs = Arc::new(AtomicBool::new(false));
    let steps = Arc::new(AtomicUsize::new(0));
    let mut fiber = Fiber::new(&mut pool, {
        let (fiber_runs, steps) = (Arc::clone(&fiber_runs), Arc::clone(&steps));
        move |suspender| {
            for _ in 0..ROUNDS {
                assert!(!fiber_runs.swap(true, Ordering::Relaxed));
                // A load and a store: an increment is lost if the other side runs in between.
                let step = steps.load(Ordering::Relaxed);
                thread::yield_now();
                steps.store(step + 1, Ordering::Relaxed);
                assert!(fiber_runs.swap(false, Ordering::Relaxed));
                suspender.suspend();
            }
        }
    })
    .unwrap();
    for round in 0..ROUNDS {
        assert_eq!(steps.load(Ordering::Relaxed), 2 * round);
        assert!(matches!(fiber.resume(), Resumed::Suspended));
        assert!(!fiber_runs.load(Ordering::Relaxed));
        let step = steps.load(Ordering::Relaxed);
        thread::yield_now();
        steps.store(step + 1, Ordering::Relaxed);
    }
    finish(fiber, &mut pool);
    assert_eq!(steps.load(Ordering::Relaxed), 2 * ROUNDS);
}

#[test]
fn a_body_waits_for_its_first_resume() {
    let mut pool = StackPool::new(STACK_BYTES);
    let started = Arc::new(AtomicBool::new(false));
    // One fiber on a new thread, one on a reused one.
    for created in [1, 1] {
        started.store(false, Ordering::Relaxed);
        let fiber = Fiber::new(&mut pool, {
            let started = Arc::clone(&started);
            move |_| started.store(true, Ordering::Relaxed)
        })
        .unwrap();
        assert_eq!(pool.created(), created);
        // Another fiber runs from its start to its end meanwhile.
        let mut others = StackPool::new(STACK_BYTES);
        finish(Fiber::new(&mut others, |_| ()).unwrap(), &mut others);
        assert!(!started.load(Ordering::Relaxed));
        finish(fiber, &mut pool);
        assert!(started.load(Ordering::Relaxed));
    }
}

thread_local! {
    static ON_EXIT: RefCell<Vec<Farewell>> = const { RefCell::new(Vec::new()) };
}

/// Pushed into a thread-local by a body; says when the thread has ended.
struct Farewell(Arc<Mutex<Vec<&'static str>>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // Late, so that who does not wait for the thread is found out.
        for _ in 0..1000 {
            thread::yield_now();
        }
        self.0.lock().unwrap().push("thread ended");
    }
}

#[test]
fn a_recycled_thread_keeps_its_thread_locals_and_the_pool_joins_it() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut pool = StackPool::new(STACK_BYTES);
    for expected in [0, 1] {
        let log = Arc::clone(&log);
        let fiber = Fiber::new(&mut pool, move |_| {
            let left_by_others = ON_EXIT.with_borrow(Vec::len);
            assert_eq!(left_by_others, expected);
            ON_EXIT.with_borrow_mut(|values| values.push(Farewell(log)));
        })
        .unwrap();
        finish(fiber, &mut pool);
    }
    assert_eq!((pool.created(), pool.cached()), (1, 1));
    log.lock().unwrap().push("pool dropped");
    drop(pool);
    log.lock().unwrap().push("after");
    assert_eq!(
        *log.lock().unwrap(),
        ["pool dropped", "thread ended", "thread ended", "after"]
    );
}

#[test]
fn dropping_a_finished_fiber_joins_its_thread() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut pool = StackPool::new(STACK_BYTES);
    let mut fiber = Fiber::new(&mut pool, {
        let log = Arc::clone(&log);
        move |_| ON_EXIT.with_borrow_mut(|values| values.push(Farewell(log)))
    })
    .unwrap();
    assert!(matches!(fiber.resume(), Resumed::Finished(Ok(()))));
    assert!(log.lock().unwrap().is_empty());
    drop(fiber);
    assert_eq!(*log.lock().unwrap(), ["thread ended"]);
}

#[test]
fn a_panic_is_a_value_and_the_thread_serves_on() {
    let mut pool = StackPool::new(STACK_BYTES);
    for _ in 0..100 {
        let mut fiber = Fiber::new(&mut pool, |suspender| {
            suspender.suspend();
            std::panic::resume_unwind(Box::new(7_u8));
        })
        .unwrap();
        assert!(matches!(fiber.resume(), Resumed::Suspended));
        match fiber.resume() {
            Resumed::Finished(Err(payload)) => assert_eq!(payload.downcast_ref(), Some(&7_u8)),
            other => panic!("{other:?}"),
        }
        let again = catch_unwind(AssertUnwindSafe(|| drop(fiber.resume())));
        assert!(again.is_err());
        fiber.recycle(&mut pool);
    }
    assert_eq!(pool.created(), 1);
}

#[test]
fn unstarted_fibers_drop_their_body_and_suspended_ones_are_leaked() {
    let mut pool = StackPool::new(STACK_BYTES);
    let captured = Arc::new(());
    let make = |pool: &mut StackPool| {
        let captured = Arc::clone(&captured);
        Fiber::new(pool, move |suspender| {
            suspender.suspend();
            drop(captured);
        })
        .unwrap()
    };
    drop(make(&mut pool));
    make(&mut pool).recycle(&mut pool);
    assert_eq!(Arc::strong_count(&captured), 1);
    assert_eq!(leaked(), 0);

    let mut fiber = make(&mut pool);
    assert!(matches!(fiber.resume(), Resumed::Suspended));
    drop(fiber);
    assert_eq!(leaked(), 1);
    assert_eq!(Arc::strong_count(&captured), 2);
    assert_eq!(pool.created(), 3);
}

#[test]
fn a_pool_keeps_so_many_idle_threads_and_ends_the_others() {
    let mut pool = StackPool::new(STACK_BYTES);
    let mut fibers: Vec<Fiber> = (0..70)
        .map(|_| Fiber::new(&mut pool, |_| ()).unwrap())
        .collect();
    for fiber in &mut fibers {
        assert!(matches!(fiber.resume(), Resumed::Finished(Ok(()))));
    }
    fibers
        .into_iter()
        .for_each(|fiber| fiber.recycle(&mut pool));
    assert_eq!((pool.created(), pool.cached()), (70, 64));
}

#[test]
fn a_thread_that_is_refused_is_an_error_and_the_pool_serves_on() {
    let mut pool = StackPool::new(STACK_BYTES);
    pool.limit_threads(2);
    let first = Fiber::new(&mut pool, |_| ()).unwrap();
    let mut second = Fiber::new(&mut pool, |_| ()).unwrap();
    let captured = Arc::new(());
    let body = {
        let captured = Arc::clone(&captured);
        move |_: &_| drop(captured)
    };
    assert!(Fiber::new(&mut pool, body).is_err());
    assert_eq!(Arc::strong_count(&captured), 1, "the body was dropped");
    assert!(matches!(second.resume(), Resumed::Finished(Ok(()))));
    second.recycle(&mut pool);
    let mut third = Fiber::new(&mut pool, |_| ()).unwrap();
    assert!(matches!(third.resume(), Resumed::Finished(Ok(()))));
    drop(first);
}
