//! Parts of a job that must not wait, since it has said so (`Cx::no_suspend`).
//!
//! Used by contexts, and by whoever is about to wait. Knows nothing of what is waited for.

use std::panic::Location;

use super::{FiberRecord, Wake};

/// Puts back what was said before.
struct Restore<'f> {
    fiber: &'f FiberRecord,
    before: *const Location<'static>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.fiber.no_suspend.set(self.before);
    }
}

impl FiberRecord {
    /// Runs a part of the job on this fiber, the current one, that must not wait; `place` says so.
    pub(crate) fn without_suspending<R>(
        &self,
        place: &'static Location<'static>,
        body: impl FnOnce() -> R,
    ) -> R {
        let before = self.no_suspend.replace(place);
        let _restore = Restore {
            fiber: self,
            before,
        };
        body()
    }

    /// Where it was said that this fiber, the current one, does not wait now, nor one around it.
    pub(crate) fn must_not_suspend(&self) -> Option<&'static Location<'static>> {
        let own = self.no_suspend.get();
        if !own.is_null() {
            // SAFETY: a location is never dropped.
            return Some(unsafe { &*own });
        }
        match self.wake {
            // SAFETY: the outer fiber runs us, so it is alive.
            Wake::Outer(outer) => unsafe { &*outer }.must_not_suspend(),
            Wake::Worker | Wake::Movable | Wake::Thread(_) => None,
        }
    }
}
