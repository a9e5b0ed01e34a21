//! Fibers that rest (rest.md): nobody reads the frames of one that goes on.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::rest::{Lookers, Rest};
use crate::sync::{AtomicUsize, Mutex};

/// A fiber's record, a frame of it, and the lock of those who look.
struct Fiber {
    rest: Rest<u32>,
    lookers: Lookers,
    lock: Mutex<()>,
    frame: UnsafeCell<u32>,
}

// SAFETY: loom fails the model if two use the frame at once.
unsafe impl Sync for Fiber {}
// SAFETY: as above.
unsafe impl Send for Fiber {}

impl Fiber {
    /// Reads the frame, if the fiber rests. (Planted: the word is read before it is said that somebody looks.)
    fn look(&self) {
        let guard = self.lock.lock();
        let early = is_planted("rest_late") && !self.rest.what().is_null();
        let looking = self.lookers.begin();
        if early || !is_planted("rest_late") && !self.rest.what().is_null() {
            // SAFETY: loom fails the model if somebody writes meanwhile.
            self.frame.with(|frame| unsafe { *frame });
        }
        drop(looking);
        drop(guard);
    }

    /// Rests for a moment, goes on, and writes to its frame.
    fn wait(&self, what: &u32) {
        self.rest.begin(what);
        thread::yield_now();
        if self.rest.end(&self.lookers) {
            drop(self.lock.lock());
        }
        // SAFETY: loom fails the model if somebody reads meanwhile.
        self.frame.with_mut(|frame| unsafe { *frame += 1 });
    }
}

/// R2, R3: one looks while a fiber rests twice.
#[test]
fn frames_stand_still_while_somebody_looks() {
    explore(|| {
        let fiber = Arc::new(Fiber {
            rest: Rest::new(),
            lookers: Lookers(AtomicUsize::new(0)),
            lock: Mutex::new(()),
            frame: UnsafeCell::new(0),
        });
        let looker = {
            let fiber = Arc::clone(&fiber);
            thread::spawn(move || fiber.look())
        };
        let what = 0;
        fiber.wait(&what);
        fiber.wait(&what);
        looker.join().expect("it ends");
    });
}
