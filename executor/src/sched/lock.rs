#![doc = include_str!("lock.md")]
//!
//! The word and the line of a lock: who holds it, who is called. Used by the public locks through `graph/locking.rs`, which
//! suspends. Knows no edge, and nothing of what the lock guards.

use std::collections::BTreeSet;
use std::panic::Location;
use std::ptr;

use super::fiber::FiberRecord;
use super::line::{Called, Line, Place};
use super::wait::{KIND, Outcome, QUEUED, WaitList, address_in, open};
use crate::sync::{Mutex, Ordering};

/// How often a waiter is called in vain before the lock is kept for it (K5).
const CALLS_MAX: usize = 4;

/// A lock without what it guards.
#[repr(C)]
pub(crate) struct Lock {
    /// Nobody lists itself here: its word says who holds it (K1). First: an edge to it is one to the lock.
    pub(super) word: WaitList,
    waiting: Mutex<Waiting>,
    /// What it is called in errors.
    what: &'static str,
    made_at: &'static Location<'static>,
}

/// Those who wait for a lock.
struct Waiting {
    line: Line,
    /// For whom the lock, which is free, is kept (K5): an address to compare with, or null.
    kept_for: *const FiberRecord,
}

// SAFETY: the address is only compared with.
unsafe impl Send for Waiting {}

/// What came of entering.
#[must_use]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The caller holds the lock.
    Taken,
    /// The caller is in the line, and suspends until it is called.
    Waits,
}

/// A word that says that somebody waits, and who holds the lock, if not null.
fn queued(holder: *const FiberRecord) -> *mut FiberRecord {
    holder.cast_mut().map_addr(|address| address | QUEUED)
}

fn is_queued(word: *mut FiberRecord) -> bool {
    word.addr() & KIND == QUEUED
}

impl Waiting {
    /// The word of a lock with this line that `holder` holds, or nobody (K1).
    fn word(&self, holder: *const FiberRecord) -> *mut FiberRecord {
        if !self.line.is_empty() || !self.kept_for.is_null() {
            queued(holder)
        } else if holder.is_null() {
            ptr::null_mut()
        } else {
            open(holder)
        }
    }

    /// Calls the first, if somebody waits, and keeps the lock for it if it is time (K5).
    fn call_first(&mut self) -> Called {
        let first = self.line.first();
        let kept_for = first.filter(|first| first.amount >= CALLS_MAX);
        self.kept_for = kept_for.map_or(ptr::null(), |first| first.fiber);
        let mut called = Called::nobody();
        self.line.call_first(&mut called);
        called
    }
}

impl Lock {
    pub(crate) fn new(what: &'static str, made_at: &'static Location<'static>) -> Self {
        let word = WaitList::new(ptr::null());
        // Free: as zeroed memory is.
        let _ = word.close(Outcome::EMPTY);
        Lock {
            word,
            waiting: Mutex::new(Waiting {
                line: Line::new(),
                kept_for: ptr::null(),
            }),
            what,
            made_at,
        }
    }

    /// What it is called in errors and reports.
    pub(crate) fn name(&self) -> String {
        format!("the {} made at {}", self.what, self.made_at)
    }

    /// Takes it, if it is free and nobody waits: one compare-and-swap (K2).
    #[inline]
    pub(crate) fn try_take(&self, holder: *const FiberRecord) -> bool {
        let free = ptr::null_mut();
        // Acquire: pairs with the Release of `give_back`, and of `call_next`. Release: pairs with the Acquire of who walks
        // from the word to the holder's record, which may be new.
        self.word
            .0
            .compare_exchange(free, open(holder), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether somebody holds it, and nobody waits.
    pub(crate) fn is_only_held(&self) -> bool {
        let word = self.word.0.load(Ordering::Relaxed);
        !is_queued(word) && !address_in(word).is_null()
    }

    /// Takes it, if it is free and not kept for somebody, though others may wait.
    pub(crate) fn try_take_from_line(&self, holder: *const FiberRecord) -> bool {
        if self.try_take(holder) {
            return true;
        }
        let waiting = self.waiting.lock();
        let word = self.word.0.load(Ordering::Relaxed);
        let is_free = is_queued(word) && address_in(word).is_null() && waiting.kept_for.is_null();
        if is_free {
            // Release: as in `try_take`. No Acquire: whoever held it last gave it back under this lock (K3).
            self.word.0.store(waiting.word(holder), Ordering::Release);
        }
        is_free
    }

    /// Gives it back: one compare-and-swap if nobody waits (K2).
    #[inline]
    pub(crate) fn give_back(&self, holder: *const FiberRecord) {
        let free = ptr::null_mut();
        // Release: pairs with the Acquire of `try_take` and `enter`.
        if self
            .word
            .0
            .compare_exchange(open(holder), free, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            self.call_next();
        }
    }

    /// Gives it back and calls the first who waits (K4).
    #[cold]
    fn call_next(&self) {
        let mut waiting = self.waiting.lock();
        let called = waiting.call_first();
        // Release: as in `give_back`.
        self.word
            .0
            .store(waiting.word(ptr::null()), Ordering::Release);
        drop(waiting);
        called.wake();
    }

    /// Gives it back and calls all who wait: what they wait for is there (K7).
    pub(crate) fn give_back_to_all(&self) {
        let mut called = Called::nobody();
        let mut waiting = self.waiting.lock();
        waiting.line.call_all(&mut called);
        // Release: as in `give_back`. It is held, so it is kept for nobody.
        self.word
            .0
            .store(waiting.word(ptr::null()), Ordering::Release);
        drop(waiting);
        called.wake();
    }

    /// Takes it for `holder`, or puts `place` into the line: behind the others, or, if it was called before, in front (K3).
    ///
    /// # Safety
    ///
    /// `place` is in no line, and stays where it is until it is called or has [left](Self::leave).
    pub(crate) unsafe fn enter(&self, holder: *const FiberRecord, place: &Place) -> Entered {
        let mut waiting = self.waiting.lock();
        let mut word = self.word.0.load(Ordering::Relaxed);
        while !is_queued(word) {
            let (to, entered) = match address_in(word).is_null() {
                true => (open(holder), Entered::Taken),
                false => (queued(address_in(word)), Entered::Waits),
            };
            // As in `try_take`.
            match self
                .word
                .0
                .compare_exchange(word, to, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if entered == Entered::Taken => return entered,
                Ok(_) => word = to,
                Err(now) => word = now,
            }
        }
        let is_kept = !waiting.kept_for.is_null();
        let is_its = !is_kept || ptr::eq(waiting.kept_for, place.fiber);
        if address_in(word).is_null() && is_its {
            waiting.kept_for = ptr::null();
            // Release: as in `try_take`. No Acquire: whoever held it last gave it back under this lock (K3).
            self.word.0.store(waiting.word(holder), Ordering::Release);
            return Entered::Taken;
        }
        match place.amount {
            // SAFETY: by contract.
            0 => unsafe { waiting.line.push(place) },
            // SAFETY: as above.
            _ => unsafe { waiting.line.push_first(place) },
        }
        Entered::Waits
    }

    /// Leaves the line without the lock: who was called meanwhile lets the next be called instead (K6).
    pub(crate) fn leave(&self, place: &Place) {
        let mut waiting = self.waiting.lock();
        let was_called = !waiting.line.remove(place);
        if ptr::eq(waiting.kept_for, place.fiber) {
            waiting.kept_for = ptr::null();
        }
        let mut called = Called::nobody();
        let word = self.word.0.load(Ordering::Relaxed);
        if is_queued(word) {
            let holder = address_in(word);
            if was_called && holder.is_null() && waiting.kept_for.is_null() {
                called = waiting.call_first();
            }
            // Release: as in `give_back`.
            self.word.0.store(waiting.word(holder), Ordering::Release);
        }
        drop(waiting);
        called.wake();
    }

    /// Those who are in the line, by all records that may be met.
    pub(crate) fn names_in_line(&self) -> BTreeSet<*const FiberRecord> {
        self.waiting.lock().line.names()
    }

    /// Does something with the place at which `fiber` waits, if it is in the line.
    pub(crate) fn with_place<R>(
        &self,
        fiber: *const FiberRecord,
        body: impl FnOnce(&Place) -> R,
    ) -> Option<R> {
        self.waiting.lock().line.find(fiber).map(body)
    }
}
