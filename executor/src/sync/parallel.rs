//! The real thing: std's atomics, parking_lot's locks.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// Whether another thread can end a wait.
pub(crate) const HAS_THREADS: bool = true;

/// Ties a value to the thread that made it, in the sequential build. Here: nothing.
#[derive(Debug, Default)]
pub(crate) struct ThreadBound;

impl ThreadBound {
    pub(crate) fn new() -> Self {
        ThreadBound
    }

    /// Whether the calling thread may use the value.
    pub(crate) fn is_here(&self) -> bool {
        true
    }
}

/// A lock of the whole process.
#[derive(Debug)]
pub(crate) struct GlobalLock(Mutex<()>);

impl GlobalLock {
    pub(crate) const fn new() -> Self {
        GlobalLock(Mutex::new(()))
    }

    /// Holds the lock until the guard is dropped.
    pub(crate) fn lock(&self) -> impl Drop + '_ {
        self.0.lock()
    }
}
