//! How many locks name a fiber as their holder, and what becomes of its record if some still do (lock.md K1).
//!
//! Used by locks, and by who frees records. Knows no lock.

use std::ptr;

use super::{FiberRecord, Wake};
use crate::sched::latch::Latch;
use crate::sync::Ordering;

impl FiberRecord {
    /// A lock's word is about to name it. It is the current fiber, or around it, or the OS thread's own.
    #[inline]
    pub(crate) fn hold(&self) {
        let held = self.locks.get().checked_add(1);
        self.locks
            .set(held.expect("four billion leaked guards are too many"));
    }

    /// A lock's word names it no more. Called on the fiber: guards do not leave that.
    #[inline]
    pub(crate) fn let_go(&self) {
        self.locks.set(self.locks.get() - 1);
    }

    /// How many locks' words name it: when its work has ended, those whose guards were leaked.
    pub(in crate::sched) fn locks_held(&self) -> u32 {
        self.locks.get()
    }

    /// The fiber has ended, but its record stays, since locks name it: from now on it leads nowhere.
    ///
    /// # Safety
    ///
    /// The graph's lock is held, and nobody uses the record but those who hold that.
    pub(in crate::sched) unsafe fn become_nobody(record: *mut FiberRecord) {
        // SAFETY: by contract.
        let wake = unsafe { &raw mut (*record).wake };
        // SAFETY: as above. What was there needs no drop.
        unsafe { wake.write(Wake::Thread(Latch::here())) };
        // SAFETY: as above.
        let worker = unsafe { &(*record).worker };
        worker.store(ptr::null_mut(), Ordering::Relaxed);
    }
}
