//! Memory that ends while others may have its address: how a model sees a touch that comes too
//! late.
//!
//! Nothing is freed in earnest before the model ends, so that a late touch is found by loom and not
//! by a crash.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};

/// The memory of one tracked thing, which ends when the thing is dropped.
pub(crate) struct Place(UnsafeCell<()>);

// SAFETY: loom fails the model if two use it at once.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    pub(crate) fn new() -> Self {
        Place(UnsafeCell::new(()))
    }

    /// Each use of the thing comes through here.
    pub(crate) fn touch(&self) {
        self.0.with(|_| ());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

/// A `Cell<*const T>` that is tracked: one at a time may use it.
pub(crate) struct Link<T>(UnsafeCell<*const T>);

impl<T> Link<T> {
    pub(crate) fn new() -> Self {
        Link(UnsafeCell::new(std::ptr::null()))
    }

    pub(crate) fn get(&self) -> *const T {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.0.with(|link| unsafe { *link })
    }

    pub(crate) fn set(&self, to: *const T) {
        self.replace(to);
    }

    pub(crate) fn replace(&self, to: *const T) -> *const T {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.0.with_mut(|link| unsafe { link.replace(to) })
    }
}

/// What lies in a frame: its owner ends it while others may still have its address.
pub(crate) struct Frame<T>(std::cell::UnsafeCell<ManuallyDrop<T>>);

// SAFETY: only the owner ends it, and what lies in it is tracked.
unsafe impl<T> Sync for Frame<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Frame<T> {}

impl<T> Frame<T> {
    pub(crate) fn new(value: T) -> Self {
        Frame(std::cell::UnsafeCell::new(ManuallyDrop::new(value)))
    }

    /// The owner leaves the frame: whatever touches it from here on is an error.
    pub(crate) fn leave(&self) {
        MEMORY.0.fetch_add(1, Ordering::Relaxed);
        // SAFETY: called once, by the owner; a use that is not ordered before fails the model.
        let value = unsafe { &mut *self.0.get() };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(value) };
    }

    /// The owner leaves the frame, and the next call puts its own into the same memory.
    pub(crate) fn leave_to(&self, next: T) {
        self.leave();
        // SAFETY: as in `leave`.
        unsafe { *self.0.get() = ManuallyDrop::new(next) };
    }
}

impl<T> Deref for Frame<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: as in `leave`: late uses find what loom tracks.
        unsafe { &*self.0.get() }
    }
}

loom::lazy_static! {
    /// Touched by whoever leaves a frame and by whoever has woken somebody, so that loom tries both
    /// orders of the two. Relaxed: it orders nothing.
    static ref MEMORY: Memory = Memory(AtomicUsize::new(0));
}

struct Memory(AtomicUsize);

/// A point where somebody who was just woken may run on, and leave its frame, before the caller
/// goes on.
pub(crate) fn frames_may_end() {
    MEMORY.0.fetch_add(1, Ordering::Relaxed);
}
