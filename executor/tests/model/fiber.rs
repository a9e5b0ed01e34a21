//! Stands in for the library's fibers: a fiber is a loom thread that waits by the library's own
//! latch, and counts its wakes.

use super::latch::Latch;
use crate::plant::is_planted;
use crate::priority::Priority;
use crate::sync::{AtomicPtr, AtomicUsize, Link, Ordering};

/// What the protocols under test need of a fiber.
pub(crate) struct FiberRecord {
    latch: Latch,
    /// Since it last suspended.
    wakes: AtomicUsize,
    is_nobody: bool,
    pub(crate) next: Link<FiberRecord>,
    pub(crate) owner: AtomicPtr<FiberRecord>,
}

// SAFETY: what others touch is tracked.
unsafe impl Send for FiberRecord {}
// SAFETY: as above.
unsafe impl Sync for FiberRecord {}

impl FiberRecord {
    /// The record of the calling loom thread.
    pub(crate) fn here() -> Self {
        FiberRecord {
            latch: Latch::here(),
            wakes: AtomicUsize::new(0),
            is_nobody: false,
            next: Link::new(),
            owner: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The record of a fiber that must not be woken.
    pub(crate) fn nobody() -> Self {
        FiberRecord {
            is_nobody: true,
            ..Self::here()
        }
    }

    /// All are of one level here.
    pub(crate) fn priority(&self) -> Priority {
        Priority::default()
    }

    /// # Safety
    ///
    /// As for the library's: `fiber` is alive until it is woken.
    pub(crate) unsafe fn wake(fiber: *const FiberRecord) {
        // SAFETY: by contract.
        let record = unsafe { &*fiber };
        assert!(
            !record.is_nobody,
            "woken through a frame that is used again"
        );
        record
            .wakes
            .fetch_add(1 + usize::from(is_planted("wait_twice")), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { Latch::set(&raw const record.latch) };
    }

    /// Waits for the wake, which must come exactly once.
    pub(crate) fn suspend(&self) {
        self.latch.wait();
        assert_eq!(self.wakes.swap(0, Ordering::Relaxed), 1, "woken once");
    }
}
