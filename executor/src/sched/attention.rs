#![doc = include_str!("attention.md")]
//!
//! Used by fibers, workers and thieves. Knows nothing of stacks but addresses.

use crate::sync::{AtomicUsize, Ordering};

/// Above every address: any compare with it hits.
const RAISED: usize = usize::MAX;

/// The one word that a fiber compares its stack pointer with.
pub(crate) struct Attention(pub(super) AtomicUsize);

impl Attention {
    /// Of a fiber that must look at once (A1).
    pub(crate) fn raised() -> Self {
        Attention(AtomicUsize::new(RAISED))
    }

    /// Of a stack whose limit is not known yet: no compare hits.
    pub(crate) fn calm() -> Self {
        Attention(AtomicUsize::new(0))
    }

    /// Whether a fiber must look whose stack pointer is `here`: because somebody wants it to, or
    /// because little stack is left.
    #[inline]
    pub(crate) fn is_due_at(&self, here: usize) -> bool {
        // Relaxed: a hint; what is looked at is ordered by `lower`.
        here < self.0.load(Ordering::Relaxed)
    }

    /// Whether somebody wants the fiber to look.
    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) == RAISED
    }

    /// Makes the running fiber look at its next scheduling point. Any thread (A2).
    pub(crate) fn raise(&self) {
        // Release: pairs with the Acquire in `lower`: what made the caller want it is seen by who
        // looks. A read-modify-write: goes on with the release of an earlier raise.
        self.0.swap(RAISED, Ordering::Release);
    }

    /// The running fiber is about to look; `limit` is that of its stack (A3).
    pub(crate) fn lower(&self, limit: usize) {
        // Acquire: sees what those saw whose wish this ends.
        self.0.swap(limit, Ordering::AcqRel);
    }

    /// Another stack is about to run here, whose limit is `limit`, and nobody ever raises (A5).
    #[inline]
    pub(crate) fn set(&self, limit: usize) {
        self.0.store(limit, Ordering::Relaxed);
    }

    /// Another stack is about to run here, whose limit is `limit` (A4).
    #[inline]
    pub(crate) fn change_stack(&self, limit: usize) {
        let word = self.0.load(Ordering::Relaxed);
        if word != limit && word != RAISED {
            self.raise();
        }
    }
}
