#![doc = include_str!("wait.md")]
//!
//! Used by slots, tasks, events, joins and runs alike. Knows nothing of what they hold.

use std::ptr;

use super::fiber::FiberRecord;
use crate::sync::{AtomicPtr, Ordering};

/// How a wait list ended: a small number that its user names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(usize);

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

    /// An outcome's number is no address: a fiber's record is aligned to eight and more.
    fn as_word(self) -> *mut FiberRecord {
        ptr::without_provenance_mut(self.0)
    }

    fn from_word(word: *mut FiberRecord) -> Option<Outcome> {
        match word.addr() {
            OPEN | WAITER_MIN.. => None,
            small => Some(Outcome(small)),
        }
    }
}

/// The word of an open list without waiters.
const OPEN: usize = 4;

/// No waiter has a smaller address, nor any outcome so large a number.
const WAITER_MIN: usize = 8;

/// An open list without waiters.
fn open() -> *mut FiberRecord {
    ptr::without_provenance_mut(OPEN)
}

/// The newest waiter that a list's word stands for, or null.
fn newest_of(word: *mut FiberRecord) -> *const FiberRecord {
    if word.addr() >= WAITER_MIN {
        word
    } else {
        ptr::null()
    }
}

/// Links a fiber to the next one of the list it is on. A link that is right already is not written:
/// fibers and those who wake them read it on different cores.
pub(super) fn link(fiber: &FiberRecord, next: *const FiberRecord) {
    if fiber.next.get() != next {
        fiber.next.set(next);
    }
}

/// A word that is open (with the waiters so far) or closed with an outcome.
pub(crate) struct WaitList(AtomicPtr<FiberRecord>);

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
        self.0.load(Ordering::Acquire).addr() == outcome.0
    }

    /// Lists a fiber (W2). Gives the one that was listed last before it, or null.
    ///
    /// # Errors
    ///
    /// The outcome, if the list is closed: the fiber is not listed and must not suspend.
    ///
    /// # Safety
    ///
    /// The fiber is the current one. After `Ok` it suspends, and its record stays where it is until
    /// it was woken.
    pub(crate) unsafe fn list(&self, fiber: &FiberRecord) -> Result<*const FiberRecord, Outcome> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            if let Some(outcome) = Outcome::from_word(head) {
                return Err(outcome);
            }
            let before = newest_of(head);
            link(fiber, before);
            let listed = ptr::from_ref(fiber).cast_mut();
            // Release: the closer's AcqRel swap sees the link. Acquire: as in `outcome`.
            match self
                .0
                .compare_exchange_weak(head, listed, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(before),
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
        // AcqRel: Release publishes the result to `outcome`; Acquire sees the waiters' links.
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
        Waiters(ptr::null())
    }

    /// Those who wait now, the newest first.
    ///
    /// # Safety
    ///
    /// As long as the iterator lives, nobody takes waiters off or closes the list.
    pub(crate) unsafe fn waiters(&self) -> impl Iterator<Item = &FiberRecord> {
        // Acquire: pairs with the AcqRel in `list`.
        let mut next = newest_of(self.0.load(Ordering::Acquire));
        std::iter::from_fn(move || {
            // SAFETY: a listed fiber's record stays in place until it is taken off, which nobody does (contract).
            let waiter = unsafe { next.as_ref() }?;
            next = waiter.next.get();
            Some(waiter)
        })
    }

    /// Takes a fiber off, if it is the newest waiter (W7). Else nothing is changed. `before` is what
    /// [`list`](Self::list) gave for it: the link is not ours to read.
    pub(crate) fn unlist_newest(&self, fiber: &FiberRecord, before: *const FiberRecord) -> bool {
        let newest = ptr::from_ref(fiber).cast_mut();
        let before = if before.is_null() {
            open()
        } else {
            before.cast_mut()
        };
        // AcqRel: as in `list`. If it is the newest, its link is what it was when it was listed.
        self.0
            .compare_exchange(newest, before, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
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
pub(crate) struct Waiters(*const FiberRecord);

impl Waiters {
    /// Takes the chain, newest first, and turns it round.
    #[inline]
    fn from_newest(newest: *mut FiberRecord) -> Waiters {
        let mut rest = newest_of(newest);
        let mut oldest = ptr::null();
        // SAFETY: a listed fiber's record stays in place until it is woken (`list`), and only the
        // closer wakes it.
        while let Some(fiber) = unsafe { rest.as_ref() } {
            rest = fiber.next.get();
            link(fiber, oldest);
            oldest = fiber;
        }
        Waiters(oldest)
    }

    /// Wakes all of them.
    #[inline]
    pub(crate) fn wake(self) {
        let mut next = self.0;
        // SAFETY: as in `from_newest`; this fiber has not been woken yet.
        while let Some(fiber) = unsafe { next.as_ref() } {
            // From here on the link is its fiber's again (W3).
            next = fiber.next.get();
            // SAFETY: the fiber is suspended or about to, for this list, and is woken once, by us.
            unsafe { FiberRecord::wake(fiber) };
        }
    }
}
