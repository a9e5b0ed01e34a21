//! What waits until a number of things are done.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::raw::Latch;

use crate::registry::guest;

/// Counts what is not done yet.
#[derive(Debug)]
pub(crate) struct CountLatch {
    count: AtomicUsize,
    latch: Latch,
}

impl CountLatch {
    /// Of so many things; closed at once if there are none.
    pub(crate) fn new(count: usize) -> Self {
        let latch = Latch::new();
        if count == 0 {
            latch.close();
        }
        CountLatch {
            count: AtomicUsize::new(count),
            latch,
        }
    }

    /// One more, while at least one is not done.
    pub(crate) fn add(&self) {
        // Relaxed: who adds is one of those that are counted.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// One is done. If it is the last, who waits may free the latch: the caller touches it no more.
    pub(crate) fn count_down(&self) {
        // AcqRel: the last one has seen what the others did, and passes it on.
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.latch.close();
        }
    }

    /// Waits until all are done: a fiber suspends, a guest's thread works meanwhile, any other blocks.
    pub(crate) fn wait(&self) {
        if self.latch.is_closed() {
            return;
        }
        match guest::here() {
            Some(seat) => seat.run(|| self.latch.wait()),
            None => self.latch.wait(),
        }
    }
}
