//! A line of those who wait for one of something: first come, first served, each at a place in its own frame.
//!
//! Used by locks and permits, which keep a line under a lock of their own (lock.md N1). A line knows no fiber's state: who
//! has listed itself at its place (wait.md) is woken by the place's list.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ptr;

use super::fiber::FiberRecord;
use super::wait::{Outcome, WaitList, Waiters, link};

/// The place of one who waits, in its frame.
#[repr(C)]
pub(crate) struct Place {
    /// What its fiber waits for: closed once, when it is called. First: [`super::graph::Awaited`] looks at it.
    pub(crate) list: WaitList,
    /// Who waits: an address, to compare with.
    pub(crate) fiber: *const FiberRecord,
    /// By what record it holds locks, if that is another one (lock.md K1); else null.
    beside: *const FiberRecord,
    /// How much of it is wanted (permits), or how often the waiter was called in vain (locks).
    pub(super) amount: usize,
    /// What lies beside it in its frame, for whoever calls it, or by what record it gets what it waits for; or null.
    pub(crate) parcel: *const (),
    // The rest is the line's, under its lock.
    next: Cell<*const Place>,
    before: Cell<*const Place>,
    is_in: Cell<bool>,
}

impl Place {
    pub(crate) fn new(fiber: &FiberRecord, beside: Option<&FiberRecord>, amount: usize) -> Self {
        Place {
            beside: beside.map_or(ptr::null(), ptr::from_ref),
            list: WaitList::new(ptr::null()),
            fiber,
            amount,
            parcel: ptr::null(),
            next: Cell::new(ptr::null()),
            before: Cell::new(ptr::null()),
            is_in: Cell::new(false),
        }
    }

    /// The same for what `holder`, its fiber or what that holds locks by, gets by being called.
    pub(crate) fn for_holder(
        fiber: &FiberRecord,
        beside: Option<&FiberRecord>,
        holder: *const FiberRecord,
    ) -> Self {
        Place {
            parcel: holder.cast(),
            ..Place::new(fiber, beside, 0)
        }
    }

    /// The holder that it was made for.
    pub(super) fn holder(&self) -> *const FiberRecord {
        self.parcel.cast()
    }

    /// The same, with something beside it.
    pub(crate) fn with_parcel(fiber: &FiberRecord, parcel: *const ()) -> Self {
        Place {
            parcel,
            ..Place::new(fiber, None, 0)
        }
    }
}

/// Those who wait. Each place in it stays where it is until it is called or has left (N2).
pub(crate) struct Line {
    first: *const Place,
    last: *const Place,
    len: usize,
}

// SAFETY: the places are touched only under the lock that the line lies in, and stay where they are (N2).
unsafe impl Send for Line {}

impl Line {
    pub(crate) const fn new() -> Self {
        Line {
            first: ptr::null(),
            last: ptr::null(),
            len: 0,
        }
    }

    /// How many stand in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Who comes next.
    pub(crate) fn first(&self) -> Option<&Place> {
        // SAFETY: null, or in the line (N2).
        unsafe { self.first.as_ref() }
    }

    /// Puts a place at the end.
    ///
    /// # Safety
    ///
    /// It is in no line, and stays where it is until it is called or has left.
    pub(crate) unsafe fn push(&mut self, place: &Place) {
        place.is_in.set(true);
        place.next.set(ptr::null());
        place.before.set(self.last);
        // SAFETY: null, or in the line (N2).
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(place),
            None => self.first = place,
        }
        self.last = place;
        self.len += 1;
    }

    /// Puts a place at the front.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    pub(crate) unsafe fn push_first(&mut self, place: &Place) {
        place.is_in.set(true);
        place.before.set(ptr::null());
        place.next.set(self.first);
        // SAFETY: null, or in the line (N2).
        match unsafe { self.first.as_ref() } {
            Some(first) => first.before.set(place),
            None => self.last = place,
        }
        self.first = place;
        self.len += 1;
    }

    /// Calls the first: takes it out and closes its place, which may be gone after this. Its fiber must be woken, once the
    /// line's lock is given back (N3). `false`: nobody waits.
    pub(crate) fn call_first(&mut self, called: &mut Called) -> bool {
        let first = self.first;
        // SAFETY: null, or in the line (N2).
        let Some(place) = (unsafe { first.as_ref() }) else {
            return false;
        };
        self.take_out(place);
        called.add(place.list.close(Outcome::READY));
        true
    }

    /// Calls all.
    pub(crate) fn call_all(&mut self, called: &mut Called) {
        while self.call_first(called) {}
    }

    /// Takes a place out again. `false`: it was called.
    pub(crate) fn remove(&mut self, place: &Place) -> bool {
        let is_in = place.is_in.get();
        if is_in {
            self.take_out(place);
        }
        is_in
    }

    /// Whether a place is in it, which is in this line or in none.
    pub(crate) fn has(&self, place: &Place) -> bool {
        place.is_in.get()
    }

    /// All places, from the first on.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        // SAFETY: null, or in the line (N2).
        std::iter::successors(self.first(), |place| unsafe { place.next.get().as_ref() })
    }

    /// Those who wait, each by all records that are named.
    pub(crate) fn names(&self) -> BTreeSet<*const FiberRecord> {
        let names = self.places().map(|place| [place.fiber, place.beside]);
        names.flatten().collect()
    }

    /// The place at which a fiber waits, or one that holds locks by this record.
    pub(crate) fn find(&self, fiber: *const FiberRecord) -> Option<&Place> {
        let is_its = |place: &&Place| ptr::eq(place.fiber, fiber) || ptr::eq(place.beside, fiber);
        self.places().find(is_its)
    }

    fn take_out(&mut self, place: &Place) {
        let (before, next) = (place.before.get(), place.next.get());
        place.is_in.set(false);
        self.len -= 1;
        // SAFETY: null, or in the line (N2).
        match unsafe { before.as_ref() } {
            Some(before) => before.next.set(next),
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.before.set(before),
            None => self.last = before,
        }
    }
}

/// Those who were called, to be woken after the line's lock was given back (N3): linked as the waiters of a list are.
#[must_use = "whoever was called must be woken"]
pub(crate) struct Called {
    first: *const FiberRecord,
    last: *const FiberRecord,
}

impl Called {
    /// Nobody.
    pub(crate) fn nobody() -> Called {
        Called {
            first: ptr::null(),
            last: ptr::null(),
        }
    }

    /// Adds the waiter of a place, if it has listed itself there already.
    fn add(&mut self, waiters: Waiters) {
        if waiters.0.is_null() {
            return;
        }
        // SAFETY: null, or not woken yet: its record stays, and its link is ours (wait.md W3).
        match unsafe { self.last.as_ref() } {
            Some(last) => link(last, waiters.0),
            None => self.first = waiters.0,
        }
        self.last = waiters.0;
    }

    /// Wakes them, in the order in which they were called.
    pub(crate) fn wake(self) {
        Waiters(self.first).wake();
    }
}
