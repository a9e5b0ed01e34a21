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

    /// Nobody ever can: it stands where nothing is yet.
    pub(crate) const ABSENT: Outcome = Outcome(3);

    /// What no list ever ends with: to compare with.
    pub(crate) const NEVER: Outcome = Outcome(7);

    /// The word of a list that ended so, with an address beside the number (W1), or null.
    fn as_word(self, past: *mut ()) -> *mut FiberRecord {
        past.map_addr(|address| address | self.0).cast()
    }

    #[inline]
    fn from_word(word: *mut FiberRecord) -> Option<Outcome> {
        match word.addr() & KIND {
            WAITER if !word.is_null() => None,
            OPEN | QUEUED => None,
            number => Some(Outcome(number)),
        }
    }
}

/// What a word is stands in the low bits: the number of an outcome, or one of the next two. The rest is an address.
pub(super) const KIND: usize = 7;

/// It is open, and the address is that of the newest waiter. (Null is [`Outcome::EMPTY`].)
const WAITER: usize = 0;

/// It is open without waiters, and the address is that of its owner, or null.
const OPEN: usize = 4;

/// It is a lock's (lock.md): the address is that of the holder, or null, and those who wait stand in a line elsewhere.
pub(super) const QUEUED: usize = 5;

/// An open list without waiters.
pub(super) fn open(owner: *const FiberRecord) -> *mut FiberRecord {
    const { assert!(align_of::<FiberRecord>() > KIND) };
    owner.cast_mut().map_addr(|address| address | OPEN)
}

/// The address in a word.
pub(super) fn address_in(word: *mut FiberRecord) -> *mut FiberRecord {
    word.map_addr(|address| address & !KIND)
}

/// The newest waiter that a list's word stands for, or null.
fn newest_of(word: *mut FiberRecord) -> *const FiberRecord {
    if word.addr() & KIND == WAITER {
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

/// A word that is open (with its owner, or the waiters so far) or closed with an outcome.
pub(crate) struct WaitList(pub(super) AtomicPtr<FiberRecord>);

impl WaitList {
    /// An open list. `owner` does what is waited for; null: nobody yet, or nobody is known to.
    #[inline]
    pub(crate) fn new(owner: *const FiberRecord) -> Self {
        WaitList(AtomicPtr::new(open(owner)))
    }

    /// How it ended; `None` while it is open.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // Acquire: pairs with the AcqRel of `close` (wait.md W1): what the closer wrote is visible.
        Outcome::from_word(self.0.load(Ordering::Acquire))
    }

    /// Whether it is closed with exactly this outcome, and nothing beside it: the one load of a hit.
    #[inline]
    pub(crate) fn is(&self, outcome: Outcome) -> bool {
        // Acquire: as in `outcome`.
        self.0.load(Ordering::Acquire).addr() == outcome.0
    }

    /// What it was closed with beside the outcome, or null; null while it is open.
    pub(crate) fn past(&self) -> *mut () {
        // Acquire: as in `outcome`.
        let word = self.0.load(Ordering::Acquire);
        match Outcome::from_word(word) {
            Some(_) => address_in(word).cast(),
            None => ptr::null_mut(),
        }
    }

    /// Who does it, while it is open; else null (W8).
    ///
    /// # Safety
    ///
    /// The graph's lock is held, and who listed itself did so by [`list_owned`](Self::list_owned).
    pub(crate) unsafe fn owner(&self) -> *const FiberRecord {
        // Acquire: as in `outcome`.
        let word = self.0.load(Ordering::Acquire);
        if Outcome::from_word(word).is_some() {
            return ptr::null();
        }
        // SAFETY: by contract.
        unsafe { owner_in(word) }
    }

    /// Says who does it, if nobody waits; `false`: somebody does.
    pub(crate) fn set_owner(&self, owner: *const FiberRecord) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word.addr() & KIND == OPEN {
            // Release: pairs with the Acquire in `owner`.
            let set =
                self.0
                    .compare_exchange(word, open(owner), Ordering::Release, Ordering::Relaxed);
            match set {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Says who does it to all who wait.
    ///
    /// # Safety
    ///
    /// The graph's lock is held, who listed itself did so by [`list_owned`](Self::list_owned), and it is the caller who
    /// closes the list.
    pub(crate) unsafe fn set_owner_of_waiters(&self, owner: *const FiberRecord) {
        // Acquire: the waiters' links.
        let mut next = newest_of(self.0.load(Ordering::Acquire));
        // SAFETY: a listed fiber's record stays in place until it is woken, by us or under the lock.
        while let Some(waiter) = unsafe { next.as_ref() } {
            // Relaxed: read under the lock.
            waiter.owner.store(owner.cast_mut(), Ordering::Relaxed);
            next = waiter.next.get();
        }
    }

    /// Lists a fiber (W2) that waits for what has no owner. Gives the one that was listed last before it, or null.
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
        // SAFETY: by contract.
        unsafe { self.list_with(fiber, |_| ptr::null()) }
    }

    /// The same for what has one, which the fiber takes along (W8).
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    ///
    /// # Safety
    ///
    /// As for [`list`](Self::list), and the graph's lock is held.
    pub(crate) unsafe fn list_owned(
        &self,
        fiber: &FiberRecord,
    ) -> Result<*const FiberRecord, Outcome> {
        let owner = |word| {
            // SAFETY: by contract.
            unsafe { owner_in(word) }
        };
        // SAFETY: by contract.
        unsafe { self.list_with(fiber, owner) }
    }

    /// # Safety
    ///
    /// As for [`list`](Self::list); `owner` may be called with the list's word while it is open.
    unsafe fn list_with(
        &self,
        fiber: &FiberRecord,
        owner: impl Fn(*mut FiberRecord) -> *const FiberRecord,
    ) -> Result<*const FiberRecord, Outcome> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            if let Some(outcome) = Outcome::from_word(head) {
                return Err(outcome);
            }
            let before = newest_of(head);
            link(fiber, before);
            // Relaxed: read under the lock. Written only where it changes, as the link: it lies beside what wakers read.
            let owner = owner(head).cast_mut();
            if fiber.owner.load(Ordering::Relaxed) != owner {
                fiber.owner.store(owner, Ordering::Relaxed);
            }
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
        self.close_with(outcome, ptr::null_mut())
    }

    /// The same; `past`, which is aligned to eight, or null, is kept beside the outcome.
    #[inline]
    pub(crate) fn close_with(&self, outcome: Outcome, past: *mut ()) -> Waiters {
        debug_assert_eq!(past.addr() & KIND, 0);
        // AcqRel: Release publishes the result to `outcome`; Acquire sees the waiters' links.
        Waiters::from_newest(self.0.swap(outcome.as_word(past), Ordering::AcqRel))
    }

    /// Takes the waiters off an open list, to be woken and to look again (W6).
    ///
    /// # Safety
    ///
    /// The graph's lock is held.
    pub(crate) unsafe fn detach(&self) -> Waiters {
        let mut head = self.0.load(Ordering::Acquire);
        // SAFETY: alive, since no record goes while the lock is held (graph.md G4).
        while let Some(newest) = unsafe { newest_of(head).as_ref() } {
            let owner = newest.owner.load(Ordering::Relaxed);
            // AcqRel: as in `close`.
            match self.0.compare_exchange_weak(
                head,
                open(owner),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
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
            open(fiber.owner.load(Ordering::Relaxed))
        } else {
            before.cast_mut()
        };
        // AcqRel: as in `list`. If it is the newest, its link is what it was when it was listed.
        self.0
            .compare_exchange(newest, before, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Opens a list that is [`Outcome::EMPTY`], for `owner`; `false` if somebody else did or it is not empty.
    #[inline]
    pub(crate) fn reopen(&self, owner: *const FiberRecord) -> bool {
        let empty = Outcome::EMPTY.as_word(ptr::null_mut());
        self.0
            .compare_exchange(empty, open(owner), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// The owner that an open list's word tells of.
///
/// # Safety
///
/// As for [`WaitList::owner`].
unsafe fn owner_in(word: *mut FiberRecord) -> *const FiberRecord {
    // SAFETY: alive: it was listed under the lock, and no record goes while the lock is held (graph.md G4).
    match unsafe { newest_of(word).as_ref() } {
        // Relaxed: written under the lock.
        Some(newest) => newest.owner.load(Ordering::Relaxed),
        None => address_in(word),
    }
}

/// The waiters of a closed list, first come first.
#[must_use = "every waiter must be woken"]
pub(crate) struct Waiters(pub(super) *const FiberRecord);

impl Waiters {
    /// Nobody.
    pub(crate) fn none() -> Waiters {
        Waiters(ptr::null())
    }

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
