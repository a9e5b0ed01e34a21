//! Cells with the signatures of atomics and locks: the sequential build runs on one thread.
//!
//! What makes the `Sync` impls true: every value that holds one of these is reached only through a
//! `Cx` (which is neither `Send` nor `Sync`, and is made by `run` on the thread of the database),
//! or checks [`ThreadBound`] first.

use std::cell::{Cell, RefCell, RefMut};
use std::thread::ThreadId;

pub(crate) use std::sync::atomic::Ordering;

macro_rules! cell_atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(Cell<$value>);

        // SAFETY: used on one thread only; `ThreadBound` and `Cx` keep it so (module header).
        unsafe impl Sync for $name {}

        #[allow(
            dead_code,
            reason = "a twin of the parallel build's, which uses all of it"
        )]
        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(Cell::new(value))
            }

            pub(crate) fn load(&self, _: Ordering) -> $value {
                self.0.get()
            }

            pub(crate) fn store(&self, value: $value, _: Ordering) {
                self.0.set(value);
            }

            pub(crate) fn swap(&self, value: $value, _: Ordering) -> $value {
                self.0.replace(value)
            }
        }
    };
}

cell_atomic!(AtomicBool, bool);
cell_atomic!(AtomicUsize, usize);
cell_atomic!(AtomicU32, u32);
cell_atomic!(AtomicU64, u64);

impl AtomicUsize {
    pub(crate) fn fetch_add(&self, more: usize, _: Ordering) -> usize {
        self.0.replace(self.0.get().wrapping_add(more))
    }

    pub(crate) fn fetch_sub(&self, less: usize, _: Ordering) -> usize {
        self.0.replace(self.0.get().wrapping_sub(less))
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        _: Ordering,
        _: Ordering,
    ) -> Result<usize, usize> {
        if self.0.get() == current {
            Ok(self.0.replace(new))
        } else {
            Err(self.0.get())
        }
    }
}

/// Orders nothing: there is one thread.
pub(crate) fn fence(_: Ordering) {}

/// A pointer cell with the signature of `AtomicPtr`.
#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(Cell<*mut T>);

// SAFETY: as for the other cells: used on one thread only (module header).
unsafe impl<T> Send for AtomicPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for AtomicPtr<T> {}

impl<T> AtomicPtr<T> {
    pub(crate) const fn new(value: *mut T) -> Self {
        AtomicPtr(Cell::new(value))
    }

    pub(crate) fn load(&self, _: Ordering) -> *mut T {
        self.0.get()
    }

    pub(crate) fn store(&self, value: *mut T, _: Ordering) {
        self.0.set(value);
    }

    pub(crate) fn swap(&self, value: *mut T, _: Ordering) -> *mut T {
        self.0.replace(value)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        _: Ordering,
        _: Ordering,
    ) -> Result<*mut T, *mut T> {
        if self.0.get() == current {
            Ok(self.0.replace(new))
        } else {
            Err(self.0.get())
        }
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.compare_exchange(current, new, success, failure)
    }
}

/// A `RefCell` with the signature of a mutex.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(RefCell<T>);

// SAFETY: used on one thread only (module header), and `T` may be given to another thread with its
// mutex.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex(RefCell::new(value))
    }

    pub(crate) fn lock(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }
}

/// Whether another thread can end a wait.
pub(crate) const HAS_THREADS: bool = false;

/// Ties a value to the thread that made it: what keeps the cells above on one thread.
#[derive(Debug)]
pub(crate) struct ThreadBound(ThreadId);

impl ThreadBound {
    pub(crate) fn new() -> Self {
        ThreadBound(std::thread::current().id())
    }

    /// Whether the calling thread may use the value.
    pub(crate) fn is_here(&self) -> bool {
        std::thread::current().id() == self.0
    }
}

/// A lock of the whole process, which nobody contends: what it guards is reached from one thread
/// only.
#[derive(Debug)]
pub(crate) struct GlobalLock;

/// What [`GlobalLock::lock`] gives.
pub(crate) struct GlobalGuard;

impl Drop for GlobalGuard {
    fn drop(&mut self) {}
}

impl GlobalLock {
    pub(crate) const fn new() -> Self {
        GlobalLock
    }

    /// Holds the lock until the guard is dropped.
    pub(crate) fn lock(&self) -> GlobalGuard {
        GlobalGuard
    }
}
