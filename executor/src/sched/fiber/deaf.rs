//! What cannot be cancelled stays so where it goes (cancel.md X6).
//!
//! Used by whoever gives work away. Knows nothing of what is given.

use super::FiberRecord;

/// Whether what was given away cannot be cancelled, as what it is part of (cancel.md X6): nothing to say where all unwinds.
#[cfg(panic = "unwind")]
#[derive(Copy, Clone)]
pub(crate) struct Deaf;

#[cfg(panic = "unwind")]
impl Deaf {
    #[inline]
    pub(crate) fn of(_: &FiberRecord) -> Self {
        Deaf
    }

    #[inline]
    pub(crate) fn or_of(self, _: &FiberRecord) -> Self {
        self
    }

    #[inline]
    pub(crate) fn during<R>(self, _: &FiberRecord, body: impl FnOnce() -> R) -> R {
        body()
    }
}

/// Whether what was given away cannot be cancelled, as what it is part of (cancel.md X6).
#[cfg(not(panic = "unwind"))]
#[derive(Copy, Clone)]
pub(crate) struct Deaf(bool);

#[cfg(not(panic = "unwind"))]
impl Deaf {
    /// As the running job of `giver`, the current fiber, is.
    pub(crate) fn of(giver: &FiberRecord) -> Self {
        Deaf(giver.is_deaf())
    }

    /// The same if not what runs on `fiber`, the current one, is: for what may be begun on top of a wait for it.
    pub(crate) fn or_of(self, fiber: &FiberRecord) -> Self {
        Deaf(self.0 || fiber.is_deaf())
    }

    /// Runs the part on `fiber`, the current one.
    pub(crate) fn during<R>(self, fiber: &FiberRecord, body: impl FnOnce() -> R) -> R {
        let before = fiber.is_deaf.replace(self.0);
        let result = body();
        fiber.is_deaf.set(before);
        result
    }
}
