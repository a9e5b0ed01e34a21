//! Stands in for the library's fibers: a fiber is a loom thread, which counts its wakes.

use std::cell::Cell;
use std::ptr;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::Thread;

/// What the protocols under test need of a fiber.
pub(crate) struct FiberRecord {
    thread: Thread,
    wakes: AtomicUsize,
    pub(crate) next_ready: Cell<*const FiberRecord>,
}

// SAFETY: `next_ready` belongs to whoever wakes the fiber, as in the library.
unsafe impl Send for FiberRecord {}
// SAFETY: as above.
unsafe impl Sync for FiberRecord {}

impl FiberRecord {
    /// The record of the calling loom thread.
    pub(crate) fn here() -> Self {
        FiberRecord {
            thread: loom::thread::current(),
            wakes: AtomicUsize::new(0),
            next_ready: Cell::new(ptr::null()),
        }
    }

    /// # Safety
    ///
    /// As for the library's: `fiber` is alive until it is woken.
    pub(crate) unsafe fn wake(fiber: *const FiberRecord) {
        // SAFETY: by contract.
        let record = unsafe { &*fiber };
        let thread = record.thread.clone();
        record.wakes.fetch_add(1, Ordering::Release);
        thread.unpark();
    }

    /// Waits for the wake, which must come exactly once.
    pub(crate) fn suspend(&self) {
        while self.wakes.load(Ordering::Acquire) == 0 {
            loom::thread::park();
        }
        assert_eq!(self.wakes.load(Ordering::Acquire), 1, "woken once");
    }
}
