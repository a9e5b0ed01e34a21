#![doc = include_str!("wait.md")]
//!
//! Used by slots, tasks, events, joins and runs alike. Knows nothing of what they hold.

use std::cell::Cell;
use std::ptr;

use super::fiber::FiberRecord;
use crate::sync::{AtomicPtr, Ordering};

/// How a wait list ended: a small number that its user names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(u8);

impl Outcome {
    /// Nobody computes, or not yet: the list can be opened by [`WaitList::reopen`]. Zero, so that
    /// zeroed memory is full of such lists.
    pub(crate) const EMPTY: Outcome = Outcome(0);
    /// The value is there.
    pub(crate) const READY: Outcome = Outcome(1);
    /// There will be no value; why is written beside the list.
    pub(crate) const FAILED: Outcome = Outcome(2);

    /// What no list ever ends with: to compare with.
    pub(crate) const NEVER: Outcome = Outcome(7);

    /// An outcome's number is no address: a waiter is aligned to eight.
    fn as_word(self) -> *mut Waiter {
        ptr::without_provenance_mut(usize::from(self.0))
    }

    fn from_word(word: *mut Waiter) -> Option<Outcome> {
        match word.addr() {
            OPEN | WAITER_MIN.. => None,
            small => Some(Outcome(small as u8)),
        }
    }
}

/// The word of an open list without waiters, and the end of a chain of waiters.
const OPEN: usize = 4;

/// No waiter has a smaller address, nor any outcome so large a number.
const WAITER_MIN: usize = 8;

/// An open list without waiters.
fn open() -> *mut Waiter {
    ptr::without_provenance_mut(OPEN)
}

/// One wait of one fiber, in the frame of that wait.
#[repr(align(8))]
pub(crate) struct Waiter {
    fiber: *const FiberRecord,
    next: Cell<*mut Waiter>,
}

impl Waiter {
    pub(crate) fn new(fiber: &FiberRecord) -> Self {
        Waiter {
            fiber,
            next: Cell::new(ptr::null_mut()),
        }
    }
}

/// A word that is open (with the waiters so far) or closed with an outcome.
pub(crate) struct WaitList(AtomicPtr<Waiter>);

impl WaitList {
    /// An open list.
    pub(crate) fn new() -> Self {
        WaitList(AtomicPtr::new(open()))
    }

    /// How it ended; `None` while it is open.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // Acquire: pairs with the AcqRel of `close` (wait.md W1): what the closer wrote is visible.
        Outcome::from_word(self.0.load(Ordering::Acquire))
    }

    /// Whether it is closed with exactly this outcome: the one load of a hit.
    #[inline]
    pub(crate) fn is(&self, outcome: Outcome) -> bool {
        // Acquire: as in `outcome`.
        self.0.load(Ordering::Acquire).addr() == usize::from(outcome.0)
    }

    /// Lists a waiter (W2).
    ///
    /// # Errors
    ///
    /// The outcome, if the list is closed: the waiter is not listed and must not suspend.
    ///
    /// # Safety
    ///
    /// After `Ok`, `waiter` stays where it is until its fiber has been woken by this list.
    pub(crate) unsafe fn list(&self, waiter: &Waiter) -> Result<(), Outcome> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            if let Some(outcome) = Outcome::from_word(head) {
                return Err(outcome);
            }
            waiter.next.set(head);
            let listed = ptr::from_ref(waiter).cast_mut();
            // Release: the closer's AcqRel swap sees `next` and `fiber`. Acquire: as in `outcome`.
            match self
                .0
                .compare_exchange_weak(head, listed, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Closes the list (W1): publishes what was written before, and hands out the waiters, who must
    /// be woken (W3).
    ///
    /// Nothing of what the list belongs to may be touched afterwards, unless something else keeps
    /// it alive.
    #[inline]
    pub(crate) fn close(&self, outcome: Outcome) -> Waiters {
        // AcqRel: Release publishes the result to `outcome`; Acquire sees the waiters' fields.
        Waiters::from_newest(self.0.swap(outcome.as_word(), Ordering::AcqRel))
    }

    /// Takes the waiters off an open list, to be woken and to look again (W6).
    pub(crate) fn detach(&self) -> Waiters {
        let mut head = self.0.load(Ordering::Acquire);
        while head.addr() >= WAITER_MIN {
            // AcqRel: as in `close`.
            match self
                .0
                .compare_exchange_weak(head, open(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Waiters::from_newest(head),
                Err(now) => head = now,
            }
        }
        Waiters(ptr::null_mut())
    }

    /// Opens a list that is [`Outcome::EMPTY`]; `false` if somebody else did or it is not empty.
    #[inline]
    pub(crate) fn reopen(&self) -> bool {
        let empty = Outcome::EMPTY.as_word();
        self.0
            .compare_exchange(empty, open(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// The waiters of a closed list, first come first.
#[must_use = "every waiter must be woken"]
pub(crate) struct Waiters(*mut Waiter);

impl Waiters {
    /// Takes the chain, newest first, and turns it round.
    #[inline]
    fn from_newest(newest: *mut Waiter) -> Waiters {
        let mut rest = newest;
        let mut oldest = ptr::null_mut();
        while rest.addr() >= WAITER_MIN {
            // SAFETY: a listed waiter stays in place until it is woken (`list`), and only the
            // closer wakes it.
            let waiter = unsafe { &*rest };
            rest = waiter.next.replace(oldest);
            oldest = ptr::from_ref(waiter).cast_mut();
        }
        Waiters(oldest)
    }

    /// Wakes all of them.
    #[inline]
    pub(crate) fn wake(self) {
        let mut next = self.0;
        while !next.is_null() {
            // SAFETY: as in `from_newest`; this waiter has not been woken yet.
            let waiter = unsafe { &*next };
            next = waiter.next.get();
            let fiber = waiter.fiber;
            // From here on `waiter` may be gone (W3): the fiber's record is not, it outlives each wait of its fiber.
            // SAFETY: the fiber is suspended or about to, for this list, and is woken once, by us.
            unsafe { FiberRecord::wake(fiber) };
        }
    }
}
