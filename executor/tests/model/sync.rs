//! The library's `sync`, on loom's atomics, locks and threads.
//!
//! All that can lie in a frame has a [`Place`], so that a touch that is not ordered before the end
//! of the frame fails the model.

#[path = "atomic.rs"]
mod atomic;
#[path = "place.rs"]
mod place;
#[path = "thread.rs"]
pub(crate) mod thread;

pub(crate) use atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
pub(crate) use place::{Frame, Link, Place, frames_may_end};

/// loom's mutex with parking_lot's signature.
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Its guard; empty only inside [`Condvar::wait`].
pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

/// loom's condition variable with parking_lot's signature.
pub(crate) struct Condvar(loom::sync::Condvar);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().expect("models do not poison")))
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held")
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held")
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("held");
        guard.0 = Some(self.0.wait(held).expect("models do not poison"));
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}
