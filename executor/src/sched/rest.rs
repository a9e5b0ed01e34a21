#![doc = include_str!("rest.md")]
//!
//! Used by the records of fibers, and by who asks whether a fiber is wanted. Knows nothing of waits.

use std::ptr;

use crate::sync::{AtomicPtr, AtomicUsize, Ordering, fence};

/// How many look at fibers that rest. Changed under the graph's lock.
pub(crate) struct Lookers(pub(crate) AtomicUsize);

/// What a fiber rests in, if it does.
pub(crate) struct Rest<T>(AtomicPtr<T>);

impl<T> Rest<T> {
    pub(crate) fn new() -> Self {
        Rest(AtomicPtr::new(ptr::null_mut()))
    }

    /// The fiber begins to rest (R1).
    pub(crate) fn begin(&self, what: &T) {
        // Release: pairs with the load in `what`: frames and wait are seen as they stand.
        self.0
            .store(ptr::from_ref(what).cast_mut(), Ordering::Release);
    }

    /// The fiber goes on; `true`: only after it has had the lock that who looks holds (R2).
    #[must_use]
    pub(crate) fn end(&self, lookers: &Lookers) -> bool {
        // Relaxed: ordered by the fence, which pairs with that in `Lookers::begin`.
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release of one who has looked.
        lookers.0.load(Ordering::Acquire) > 0
    }

    /// What it rests in, or null (R3).
    pub(crate) fn what(&self) -> *const T {
        // Acquire: pairs with the Release in `begin`.
        self.0.load(Ordering::Acquire)
    }
}

/// Somebody looks, as long as this lives; under the graph's lock.
pub(crate) struct Looking<'l>(&'l Lookers);

impl Lookers {
    /// The caller begins to look, before it reads a word (R3).
    pub(crate) fn begin(&self) -> Looking<'_> {
        // Relaxed: as in `Rest::end`.
        self.0.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Looking(self)
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        // Release: whoever misses us goes on after what we have read.
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}
