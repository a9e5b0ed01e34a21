//! Suspending and resuming: order, values, depth, and which thread runs the body.

mod common;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{each_mechanism, expect_returned, expect_suspended};
use dagwood_fibers::{Fiber, Mechanism, StackPool, Suspender};

#[test]
fn a_body_starts_at_the_first_resume_and_alternates_with_its_resumer() {
    each_mechanism(|_, pool| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut fiber = Fiber::new(pool, {
            let log = Arc::clone(&log);
            move |suspender| {
                for step in ["first", "second"] {
                    log.lock().unwrap().push(step);
                    suspender.suspend();
                }
                log.lock().unwrap().push("last");
            }
        })
        .unwrap();
        log.lock().unwrap().push("made");
        expect_suspended(&mut fiber);
        log.lock().unwrap().push("resumer");
        expect_suspended(&mut fiber);
        log.lock().unwrap().push("resumer");
        expect_returned(&mut fiber);
        assert_eq!(
            *log.lock().unwrap(),
            ["made", "first", "resumer", "second", "resumer", "last"]
        );
    });
}

#[test]
fn values_pass_both_ways_through_captured_cells() {
    each_mechanism(|_, pool| {
        let cell = Arc::new(AtomicUsize::new(0));
        let mut fiber = Fiber::new(pool, {
            let cell = Arc::clone(&cell);
            move |suspender| {
                for _ in 0..100 {
                    cell.fetch_add(1, Ordering::Relaxed);
                    suspender.suspend();
                }
            }
        })
        .unwrap();
        for round in 0..100 {
            cell.store(round * 10, Ordering::Relaxed);
            expect_suspended(&mut fiber);
            assert_eq!(cell.load(Ordering::Relaxed), round * 10 + 1);
        }
        expect_returned(&mut fiber);
    });
}

#[test]
fn a_thousand_fibers_interleave_and_keep_their_locals() {
    const FIBERS: usize = 1000;
    const ROUNDS: usize = 5;
    each_mechanism(|mechanism, pool| {
        let sum = Arc::new(AtomicUsize::new(0));
        let mut fibers: Vec<Fiber> = (0..FIBERS)
            .map(|id| {
                let sum = Arc::clone(&sum);
                let body = move |suspender: &Suspender| {
                    let mut steps = Vec::new();
                    for round in 0..ROUNDS {
                        steps.push(id * ROUNDS + round);
                        suspender.suspend();
                    }
                    sum.fetch_add(steps.iter().sum(), Ordering::Relaxed);
                };
                Fiber::new(pool, body).unwrap()
            })
            .collect();
        for round in 0..ROUNDS {
            // Another order each time.
            for index in 0..FIBERS {
                expect_suspended(&mut fibers[(index * 7 + round) % FIBERS]);
            }
        }
        assert_eq!(sum.load(Ordering::Relaxed), 0);
        for fiber in fibers.iter_mut().rev() {
            expect_returned(fiber);
        }
        assert_eq!(sum.load(Ordering::Relaxed), (0..FIBERS * ROUNDS).sum());
        assert_eq!(pool.created(), FIBERS);
        for fiber in fibers {
            fiber.recycle(pool);
        }
        assert!(pool.cached() > 0, "the last ones stay at hand");
    });
}

thread_local! {
    static MARK: Cell<usize> = const { Cell::new(0) };
}

/// Never inlined, so that no address of the thread-local is kept over a suspension.
#[inline(never)]
fn mark(set: Option<usize>) -> usize {
    if let Some(value) = set {
        MARK.set(value);
    }
    MARK.get()
}

#[test]
fn a_switch_keeps_the_resumers_thread_and_a_thread_is_its_own() {
    each_mechanism(|mechanism, pool| {
        let resumer = thread::current().id();
        let seen = Arc::new(Mutex::new(Vec::new()));
        mark(Some(1));
        let mut fiber = Fiber::new(pool, {
            let seen = Arc::clone(&seen);
            move |suspender| {
                for _ in 0..2 {
                    seen.lock()
                        .unwrap()
                        .push((thread::current().id(), mark(None)));
                    mark(Some(2));
                    suspender.suspend();
                }
            }
        })
        .unwrap();
        expect_suspended(&mut fiber);
        let after_suspension = mark(None);
        mark(Some(3));
        expect_suspended(&mut fiber);
        expect_returned(&mut fiber);

        let seen = seen.lock().unwrap();
        assert_eq!(seen[0].0, seen[1].0, "the fiber changed threads");
        let marks = [seen[0].1, after_suspension, seen[1].1];
        match mechanism {
            Mechanism::Switch => {
                assert_eq!(seen[0].0, resumer);
                assert_eq!(marks, [1, 2, 3]);
            }
            Mechanism::Thread => {
                assert_ne!(seen[0].0, resumer);
                assert_eq!(marks, [0, 1, 2]);
            }
        }
    });
}

#[test]
fn a_pointer_to_the_suspender_serves_from_deep_inside_the_body() {
    fn deep(depth: usize, suspender: &AtomicPtr<Suspender>) {
        if depth > 0 {
            deep(depth - 1, black_box(suspender));
            return;
        }
        let suspender = suspender.load(Ordering::Relaxed);
        // SAFETY: the body below stored it, and that body is what runs here: it calls this function.
        let suspender = unsafe { &*suspender };
        suspender.suspend();
    }
    each_mechanism(|_, pool| {
        let record = Arc::new(AtomicPtr::new(std::ptr::null_mut()));
        let mut fiber = Fiber::new(pool, {
            let record = Arc::clone(&record);
            move |suspender| {
                record.store(std::ptr::from_ref(suspender).cast_mut(), Ordering::Relaxed);
                deep(20, &record);
                deep(10, &record);
            }
        })
        .unwrap();
        expect_suspended(&mut fiber);
        expect_suspended(&mut fiber);
        expect_returned(&mut fiber);
    });
}

#[test]
fn a_fiber_may_resume_another_that_it_made() {
    each_mechanism(|mechanism, pool| {
        let count = Arc::new(AtomicUsize::new(0));
        let mut outer = Fiber::new(pool, {
            let count = Arc::clone(&count);
            move |outer_suspender| {
                let mut pool = StackPool::new(mechanism, common::STACK_BYTES).unwrap();
                let inner_count = Arc::clone(&count);
                let mut inner = Fiber::new(&mut pool, move |suspender| {
                    inner_count.fetch_add(1, Ordering::Relaxed);
                    suspender.suspend();
                    inner_count.fetch_add(10, Ordering::Relaxed);
                })
                .unwrap();
                expect_suspended(&mut inner);
                outer_suspender.suspend();
                expect_returned(&mut inner);
            }
        })
        .unwrap();
        expect_suspended(&mut outer);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        expect_returned(&mut outer);
        assert_eq!(count.load(Ordering::Relaxed), 11);
    });
}

#[test]
fn nearly_the_whole_stack_can_be_used() {
    // The rest is for the frames below the body, a page or two of a thread's start, and the last block.
    const SPARE: usize = 64 * 1024;
    fn descend(top: usize, depth_bytes: usize) -> usize {
        let block = black_box([1_u8; 1024]);
        let here = block.as_ptr().addr();
        let rest = if top - here < depth_bytes {
            descend(top, depth_bytes)
        } else {
            0
        };
        rest + usize::from(block[black_box(512)])
    }
    each_mechanism(|mechanism, _| {
        let stack_bytes = 1024 * 1024;
        let mut pool = StackPool::new(mechanism, stack_bytes).unwrap();
        assert_eq!(pool.stack_bytes(), stack_bytes);
        let blocks = Arc::new(AtomicUsize::new(0));
        let mut fiber = Fiber::new(&mut pool, {
            let blocks = Arc::clone(&blocks);
            move |suspender| {
                let top = std::ptr::from_ref(&suspender).addr();
                blocks.store(descend(top, stack_bytes - SPARE), Ordering::Relaxed);
            }
        })
        .unwrap();
        expect_returned(&mut fiber);
        assert!(blocks.load(Ordering::Relaxed) > 100);
    });
}

#[test]
fn large_and_aligned_captures_arrive_whole() {
    #[derive(Clone, Copy)]
    #[repr(align(128))]
    struct Aligned([u8; 128]);

    each_mechanism(|_, pool| {
        let large = [7_u64; 1024];
        let aligned = Aligned([9; 128]);
        let mut fiber = Fiber::new(pool, move |suspender| {
            assert!(large.iter().all(|&word| word == 7));
            suspender.suspend();
            assert!(large.iter().all(|&word| word == 7));
        })
        .unwrap();
        let mut small = Fiber::new(pool, move |_| {
            assert_eq!(std::ptr::from_ref(&aligned).addr() % 128, 0);
            assert_eq!(aligned.0, [9; 128]);
        })
        .unwrap();
        expect_suspended(&mut fiber);
        expect_returned(&mut small);
        expect_returned(&mut fiber);
    });
}
