//! A join's half (join.rs): a thief closes it, the owner takes the result and leaves the frame.

use std::ptr;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::sched::fiber::FiberRecord;
use crate::sched::wait::{Outcome, WaitList};
use crate::sync::Frame;

/// The half, in the frame of the join.
struct Half {
    list: WaitList,
    result: UnsafeCell<u32>,
}

impl Half {
    fn new() -> Self {
        Half {
            list: WaitList::new(ptr::null()),
            result: UnsafeCell::new(0),
        }
    }

    /// What the thief does, last of all.
    fn finish(&self, result: u32) {
        // SAFETY: nobody reads before the close.
        self.result.with_mut(|place| unsafe { *place = result });
        self.list.close(Outcome::READY).wake();
    }

    /// What the owner does: probes, then waits.
    fn wait(&self, fiber: &FiberRecord, probes: u32) -> u32 {
        if !(0..probes).any(|_| self.list.outcome().is_some()) {
            // SAFETY: the record stays where it is until the fiber was woken.
            if unsafe { self.list.list(fiber) }.is_ok() {
                fiber.suspend();
            }
        }
        // SAFETY: closed.
        self.result.with(|place| unsafe { *place })
    }
}

/// wait.md W1, W3: the frame is left as soon as the owner has seen the close, by a probe or by its
/// wake; the thief touches it no more.
#[test]
fn the_frame_of_a_join_goes_after_the_close() {
    explore(|| {
        let fiber = FiberRecord::here();
        let half = Arc::new(Frame::new(Half::new()));
        let thief = {
            let half = Arc::clone(&half);
            thread::spawn(move || half.finish(7))
        };
        assert_eq!(half.wait(&fiber, 1), 7);
        half.leave();
        thief.join().expect("the thief ends");
    });
}

/// The same, where the next join of that fiber lies in the same memory and has a thief of its own.
#[test]
fn the_next_join_lies_in_the_same_frame() {
    explore(|| {
        let fiber = FiberRecord::here();
        let half = Arc::new(Frame::new(Half::new()));
        let mut thieves = Vec::new();
        for round in 1..=2 {
            let thief = {
                let half = Arc::clone(&half);
                thread::spawn(move || half.finish(round))
            };
            thieves.push(thief);
            assert_eq!(half.wait(&fiber, 1), round);
            half.leave_to(Half::new());
        }
        for thief in thieves {
            thief.join().expect("the thief ends");
        }
    });
}
