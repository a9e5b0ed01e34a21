#![doc = include_str!("moving.md")]
//!
//! The word by which one party of several makes a fiber that may move ready. Knows nothing of queues.

use crate::sync::{AtomicU32, Ordering};

/// It is off its stack: at the base, or nobody's.
const LEFT: u32 = 1;

/// It was woken.
const WOKEN: u32 = 2;

/// Somebody wants to look at its wait, and found it on its stack or woken.
const LOOK: u32 = 4;

/// Where a fiber stands between its wait and its next turn.
pub(crate) struct Stance(pub(super) AtomicU32);

/// What a fiber left behind on its stack.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum OnLeaving {
    /// It waits.
    Waits,
    /// It waits, and is held by the caller, who is to look at its wait, and lets it go (M5).
    IsLookedFor,
    /// It was woken before: the caller makes it ready.
    IsReady,
}

impl Stance {
    /// Of a fiber on its stack.
    pub(crate) fn new() -> Self {
        Stance(AtomicU32::new(0))
    }

    /// The fiber has left its stack, or who held it lets it go (M1, M4).
    pub(crate) fn leave(&self) -> OnLeaving {
        let mut stance = self.0.load(Ordering::Relaxed);
        loop {
            let (next, what) = match stance & (WOKEN | LOOK) {
                0 => (stance | LEFT, OnLeaving::Waits),
                LOOK => (stance & !LOOK, OnLeaving::IsLookedFor),
                _ => (stance | LEFT, OnLeaving::IsReady),
            };
            // AcqRel: Release: who resumes it finds all that it wrote. Acquire: sees what its waker wrote, and who looks.
            let swapped =
                self.0
                    .compare_exchange_weak(stance, next, Ordering::AcqRel, Ordering::Relaxed);
            match swapped {
                Ok(_) => return what,
                Err(now) => stance = now,
            }
        }
    }

    /// The fiber was woken (M2). `true`: the caller makes it ready; else it touches it no more.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        // AcqRel: as in `leave`, the other way round.
        let before = self.0.fetch_or(WOKEN, Ordering::AcqRel);
        before & LEFT != 0
    }

    /// The fiber, which is ready, goes on: called by the one that takes it (M3). `false`: it has not left its stack, or was
    /// not woken, which is a bug of the library.
    #[must_use]
    pub(crate) fn go_on(&self) -> bool {
        // Acquire: sees what those wrote who looked for it (M5).
        let before = self.0.swap(0, Ordering::AcqRel);
        before & (LEFT | WOKEN) == LEFT | WOKEN
    }

    /// Keeps a fiber that waits from being resumed, until [`leave`](Self::leave) (M4). `false`: it runs, or will; then, if
    /// `is_noted`, its base looks when it waits again (M5).
    #[must_use]
    pub(crate) fn hold(&self, is_noted: bool) -> bool {
        let mut stance = self.0.load(Ordering::Relaxed);
        loop {
            let is_waiting = stance & (LEFT | WOKEN) == LEFT;
            let next = match (is_waiting, is_noted) {
                // As if on its stack.
                (true, _) => 0,
                (false, true) => stance | LOOK,
                (false, false) => return false,
            };
            // AcqRel: Acquire sees the wait; Release shows what made the caller look.
            let swapped =
                self.0
                    .compare_exchange_weak(stance, next, Ordering::AcqRel, Ordering::Relaxed);
            match swapped {
                Ok(_) => return is_waiting,
                Err(now) => stance = now,
            }
        }
    }
}
