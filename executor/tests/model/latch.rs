//! latch.md: an OS thread waits for a wake, then leaves the frame with the latch.

use std::ptr;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::sched::fiber::FiberRecord;
use crate::sched::latch::Latch;
use crate::sched::wait::{Outcome, WaitList};
use crate::sync::{self, Frame};

/// A latch in the frame of a wait, beside what is waited for.
struct Wait {
    latch: Latch,
    result: UnsafeCell<u32>,
}

impl Wait {
    fn here() -> Arc<Frame<Wait>> {
        Arc::new(Frame::new(Wait {
            latch: Latch::here(),
            result: UnsafeCell::new(0),
        }))
    }

    fn write(&self, result: u32) {
        // SAFETY: loom fails the model if somebody reads meanwhile.
        self.result.with_mut(|place| unsafe { *place = result });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.result.with(|place| unsafe { *place })
    }

    /// Writes a result and ends the wait for it.
    fn finish(&self, result: u32) {
        self.write(result);
        // SAFETY: the waiter has not left: it waits for this.
        unsafe { Latch::set(&raw const self.latch) };
    }
}

/// L1, L2: the result is seen, and the frame may go as soon as the wait has ended.
#[test]
fn a_wait_ends_and_its_frame_goes() {
    explore(|| {
        let frame = Wait::here();
        let waker = {
            let frame = Arc::clone(&frame);
            thread::spawn(move || frame.finish(7))
        };
        frame.latch.wait();
        assert_eq!(frame.read(), 7);
        frame.leave();
        waker.join().expect("the waker ends");
    });
}

/// L3: somebody else unparks the thread, for a reason of his own.
#[test]
fn a_token_without_the_flag_ends_no_wait() {
    explore(|| {
        let frame = Wait::here();
        let stranger = {
            let waiter = sync::thread::current();
            thread::spawn(move || waiter.unpark())
        };
        let waker = {
            let frame = Arc::clone(&frame);
            thread::spawn(move || frame.finish(7))
        };
        frame.latch.wait();
        assert_eq!(frame.read(), 7);
        frame.leave();
        stranger.join().expect("the stranger ends");
        waker.join().expect("the waker ends");
    });
}

/// L4: the same latch twice; the first wake's token may come as late as in the second wait.
#[test]
fn a_latch_waits_again() {
    explore(|| {
        let frame = Wait::here();
        let mut wakers = Vec::new();
        for round in 1..=2 {
            let waker = {
                let frame = Arc::clone(&frame);
                thread::spawn(move || frame.finish(round))
            };
            wakers.push(waker);
            frame.latch.wait();
            assert_eq!(frame.read(), round);
        }
        frame.leave();
        for waker in wakers {
            waker.join().expect("the waker ends");
        }
    });
}

/// A run from outside: its list, its result and the record of its waiting thread.
struct Run {
    record: FiberRecord,
    list: WaitList,
    result: UnsafeCell<u32>,
}

/// L2 and wait.md W3: a worker completes a run, whose frame (record and result) goes when the wait
/// ends.
#[test]
fn an_outside_run_ends_and_its_frame_goes() {
    explore(|| {
        let run = Arc::new(Frame::new(Run {
            record: FiberRecord::here(),
            list: WaitList::new(ptr::null()),
            result: UnsafeCell::new(0),
        }));
        let worker = {
            let run = Arc::clone(&run);
            thread::spawn(move || {
                // SAFETY: nobody reads before the close.
                run.result.with_mut(|result| unsafe { *result = 7 });
                run.list.close(Outcome::READY).wake();
            })
        };
        // SAFETY: the record stays where it is until it was woken.
        if unsafe { run.list.list(&run.record) }.is_ok() {
            run.record.suspend();
        }
        // SAFETY: closed.
        assert_eq!(run.result.with(|result| unsafe { *result }), 7);
        run.leave();
        worker.join().expect("the worker ends");
    });
}
