//! The ready-queue hand-off (wait.md W4, idle.md I4): wakers put fibers into the inbox of an owner
//! that drains it and goes to sleep.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::pool::{Found, Pool};
use crate::explore;
use crate::plant::is_planted;
use crate::sched::fiber::FiberRecord;
use crate::sched::ready::{ReadyList, SharedReady};
use crate::sync::Frame;

/// A suspended fiber: its record, and what its waker has for it.
#[repr(C)]
struct Suspended {
    record: FiberRecord,
    answer: UnsafeCell<u32>,
}

impl Suspended {
    fn new() -> Arc<Frame<Suspended>> {
        Arc::new(Frame::new(Suspended {
            record: FiberRecord::here(),
            answer: UnsafeCell::new(0),
        }))
    }
}

/// What a waker does.
fn wake(pool: &Pool, fiber: &Frame<Suspended>) {
    // SAFETY: the fiber is suspended and reads after it was resumed.
    fiber.answer.with_mut(|answer| unsafe { *answer = 7 });
    pool.inbox.push(&fiber.record);
    pool.idle.fiber_posted(0);
}

/// What the owner does until it has resumed so many fibers, whose records end then.
fn resume(pool: &Pool, fibers: &[Arc<Frame<Suspended>>]) {
    let ready = ReadyList::new();
    let mut resumed = 0;
    while resumed < fibers.len() {
        if !pool.collect(&ready) {
            assert_eq!(pool.search(0), Found::Fiber);
            continue;
        }
        let record = ready.pop().expect("just seen");
        let fiber = fibers
            .iter()
            .find(|fiber| std::ptr::eq(&fiber.record, record.as_ptr()));
        let fiber = fiber.expect("one of those that were woken, and once");
        // SAFETY: its waker has written before it pushed.
        assert_eq!(fiber.answer.with(|answer| unsafe { *answer }), 7);
        fiber.leave();
        resumed += 1;
    }
    assert!(ready.is_empty());
}

/// I4: one fiber, whose owner goes to sleep meanwhile.
#[test]
fn a_fiber_reaches_its_sleepy_owner() {
    explore(|| {
        let pool = Pool::new(1);
        let fiber = Suspended::new();
        let owner = {
            let pool = Arc::clone(&pool);
            let fibers = [Arc::clone(&fiber)];
            thread::spawn(move || resume(&pool, &fibers))
        };
        wake(&pool, &fiber);
        owner.join().expect("the owner ends");
    });
}

/// I4, W4: two wakers, each with a fiber; the owner drains once or twice, and sleeps in between.
#[test]
fn two_fibers_reach_their_sleepy_owner() {
    explore(|| {
        let pool = Pool::new(1);
        let fibers = [Suspended::new(), Suspended::new()];
        let owner = {
            let pool = Arc::clone(&pool);
            let fibers = fibers.clone();
            thread::spawn(move || resume(&pool, &fibers))
        };
        let waker = {
            let pool = Arc::clone(&pool);
            let fiber = Arc::clone(&fibers[1]);
            thread::spawn(move || wake(&pool, &fiber))
        };
        wake(&pool, &fibers[0]);
        waker.join().expect("the waker ends");
        owner.join().expect("the owner ends");
    });
}

/// moving.md M3: a waker shares a fiber and rings, another puts one into the inbox; the owner, which sleeps in between, finds
/// both. (Planted: the bell is rung first.)
#[test]
fn a_bell_reaches_the_owner() {
    explore(|| {
        let pool = Pool::new(1);
        let shared = Arc::new(SharedReady::new());
        let fibers = [Suspended::new(), Suspended::new()];
        let owner = {
            let (pool, shared) = (Arc::clone(&pool), Arc::clone(&shared));
            thread::spawn(move || {
                let ready = ReadyList::new();
                let mut found = 0;
                while found < 2 {
                    if pool.inbox.drain(|fiber| ready.push(fiber)) {
                        found += u32::from(shared.pop().is_some());
                        if !shared.is_empty() {
                            pool.inbox.ring();
                        }
                    }
                    while ready.pop().is_some() {
                        found += 1;
                    }
                    if found < 2 && pool.inbox.is_empty() {
                        assert_eq!(pool.search(0), Found::Fiber);
                    }
                }
            })
        };
        let sharer = {
            let (pool, fiber) = (Arc::clone(&pool), Arc::clone(&fibers[1]));
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if is_planted("ready_bell") {
                    pool.inbox.ring();
                }
                shared.push(&fiber.record);
                if !is_planted("ready_bell") {
                    pool.inbox.ring();
                }
                pool.idle.fiber_posted(0);
            })
        };
        wake(&pool, &fibers[0]);
        sharer.join().expect("it ends");
        owner.join().expect("the owner ends");
    });
}
