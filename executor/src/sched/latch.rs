#![doc = include_str!("latch.md")]
//!
//! Used by the records of fibers that are OS threads. Knows nothing of what is waited for.

use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, Ordering};

/// A thread that waits, and the flag that tells its wake from a spurious one (wait.md W4).
pub(crate) struct Latch {
    thread: Thread,
    is_set: AtomicBool,
}

impl Latch {
    /// A latch that the calling thread waits for.
    pub(crate) fn here() -> Self {
        Latch {
            thread: thread::current(),
            is_set: AtomicBool::new(false),
        }
    }

    /// Parks the calling thread, whose latch it is, until the latch is set, and resets it (L3, L4).
    pub(crate) fn wait(&self) {
        // Acquire: pairs with the Release in `set` (L1).
        while !self.is_set.load(Ordering::Acquire) {
            thread::park();
        }
        // Relaxed: whoever sets it next learns of the next wait after this (L4).
        self.is_set.store(false, Ordering::Relaxed);
    }

    /// Ends a wait, or the next one.
    ///
    /// # Safety
    ///
    /// `latch` is alive until it is set, and the caller is the one that sets it (L4). The caller
    /// touches it no more.
    pub(crate) unsafe fn set(latch: *const Latch) {
        // SAFETY: by contract: not set yet.
        let latch = unsafe { &*latch };
        let thread = latch.thread.clone();
        // Release: pairs with the Acquire in `wait`. From here on only our clone is used (L2).
        latch.is_set.store(true, Ordering::Release);
        thread.unpark();
    }
}
