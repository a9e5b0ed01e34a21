//! Sweeps (cancel.md X2): whoever does not push one again is seen by the one that is in the queue.

use std::sync::Arc;

use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::posted::Posted;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// A worker's queue with its sweep in it, or not, and two fibers' reasons to end.
struct Worker {
    posted: Posted,
    queue: Mutex<u32>,
    reasons: [AtomicUsize; 2],
    /// What the sweeps have seen.
    seen: [AtomicUsize; 2],
}

impl Worker {
    /// Gives one of the fibers a reason, and interrupts.
    fn cancel(&self, fiber: usize) {
        self.reasons[fiber].store(1, Ordering::Relaxed);
        if self.posted.raise() {
            *self.queue.lock() += 1;
        }
    }

    /// Runs a sweep, if one is in the queue.
    fn sweep(&self) {
        let mut queue = self.queue.lock();
        if *queue == 0 {
            return;
        }
        *queue -= 1;
        drop(queue);
        if !is_planted("sweep_late") {
            self.posted.lower();
        }
        for (reason, seen) in self.reasons.iter().zip(&self.seen) {
            if reason.load(Ordering::Relaxed) == 1 {
                seen.store(1, Ordering::Relaxed);
            }
        }
        if is_planted("sweep_late") {
            self.posted.lower();
        }
    }
}

/// X2: two that cancel, and a worker that sweeps meanwhile, and once more when both are done.
#[test]
fn a_sweep_sees_what_was_cancelled_before_it_was_posted() {
    explore(|| {
        let worker = Arc::new(Worker {
            posted: Posted::new(),
            queue: Mutex::new(0),
            reasons: [AtomicUsize::new(0), AtomicUsize::new(0)],
            seen: [AtomicUsize::new(0), AtomicUsize::new(0)],
        });
        let cancel = |fiber| {
            let worker = Arc::clone(&worker);
            thread::spawn(move || worker.cancel(fiber))
        };
        let cancels = [cancel(0), cancel(1)];
        worker.sweep();
        for cancel in cancels {
            cancel.join().expect("it ends");
        }
        worker.sweep();
        worker.sweep();
        for seen in &worker.seen {
            assert_eq!(seen.load(Ordering::Relaxed), 1, "nobody ends the wait");
        }
    });
}
