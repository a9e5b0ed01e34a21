//! A slot: the one place of a query's result. States and transitions only; rules: claim.md.
//!
//! Used by the tables, which say where a slot lies, and by `ask.rs`. Knows no key: who runs a provider knows it, and
//! hashed tables keep it beside the slot.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;

use super::record::Record;
use crate::error::Error;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::Awaited;
use crate::sched::wait::{Outcome, Waiters};

/// What a look at a slot finds.
#[must_use]
pub(crate) enum Found<'s, V> {
    Ready(Ready<'s, V>),
    Failed(&'s Error),
    /// Somebody computes it.
    InProgress,
    /// Nobody has begun, or its computation was abandoned.
    Empty,
}

/// A slot that is ready. (Known by the slot's address rather than by the value's, so that a hit and what comes of a miss
/// have one place to read at, and no addition before it.)
pub(crate) struct Ready<'s, V>(&'s Slot<V>);

impl<'s, V> Ready<'s, V> {
    #[inline]
    pub(crate) fn value(self) -> &'s V {
        // SAFETY: nobody writes after the close (C3).
        let stored = unsafe { &*self.0.result.get() };
        // SAFETY: the value was written before the close as ready (C3).
        unsafe { &stored.value }
    }
}

/// The result of one query, or who computes it. Zeroed memory is an empty slot.
///
/// Whoever makes results reusable over changes of the input finds room for their revisions in the
/// [`Record`] that a slot has if its database records.
#[repr(C)]
pub(crate) struct Slot<V> {
    awaited: Awaited,
    /// Written once a claim, by the owner or the decider of a cycle, before the slot is closed.
    result: UnsafeCell<Stored<V>>,
}

/// What the slot's word says is there.
union Stored<V> {
    nothing: (),
    value: ManuallyDrop<V>,
    failure: ManuallyDrop<Error>,
}

// SAFETY: values are `Send + Sync` (`Query`), as is `Error`; they are written before the close and
// only read after it (claim.md C3).
unsafe impl<V: Send + Sync> Send for Slot<V> {}
// SAFETY: as above.
unsafe impl<V: Send + Sync> Sync for Slot<V> {}

impl<V> Slot<V> {
    /// A slot that `owner` has claimed.
    pub(crate) fn claimed(owner: *const FiberRecord) -> Self {
        Slot {
            awaited: Awaited::new(owner),
            result: UnsafeCell::new(Stored { nothing: () }),
        }
    }

    /// An empty slot.
    pub(crate) fn empty() -> Self {
        let slot = Slot::claimed(std::ptr::null());
        // SAFETY: nobody else knows of it.
        unsafe { slot.abandon() }.wake();
        slot
    }

    /// From now on the slot, which is empty, stands for those that are not there yet: nobody can claim it.
    pub(crate) fn become_absent(&self) {
        self.awaited.list.close(Outcome::ABSENT).wake();
    }

    /// What to wait for.
    pub(crate) fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    /// The slot, if it is closed as `ready`: [`Outcome::READY`], or what never is (so that each hit is seen elsewhere).
    #[inline]
    pub(crate) fn ready_if(&self, ready: Outcome) -> Option<Ready<'_, V>> {
        // A slot is never closed with any other outcome that an asker's tag can be.
        self.awaited.list.is(ready).then_some(Ready(self))
    }

    /// Looks at the slot.
    pub(crate) fn look(&self) -> Found<'_, V> {
        match self.awaited.list.outcome() {
            None => Found::InProgress,
            Some(Outcome::READY) => Found::Ready(Ready(self)),
            Some(Outcome::EMPTY) => Found::Empty,
            Some(Outcome::ABSENT) => unreachable!("who finds no slot has one made"),
            Some(_) => {
                // SAFETY: nobody writes after the close (C3).
                let stored = unsafe { &*self.result.get() };
                // SAFETY: what is neither ready nor empty is closed as failed (C4).
                Found::Failed(unsafe { &stored.failure })
            }
        }
    }

    /// The slot, if it is ready.
    pub(crate) fn ready(&self) -> Option<Ready<'_, V>> {
        self.ready_if(Outcome::READY)
    }

    /// The value of a slot that is ready.
    pub(crate) fn into_value(self) -> V {
        assert!(self.is_ready(), "only a ready slot has a value");
        let slot = ManuallyDrop::new(self);
        // SAFETY: nobody else has the slot.
        let stored = unsafe { &*slot.result.get() };
        // SAFETY: written (ready), and moved out once: the slot is not dropped. It has no record: provisional.
        ManuallyDrop::into_inner(unsafe { std::ptr::read(&raw const stored.value) })
    }

    /// Claims an empty slot for `owner`; `false`: somebody else was faster.
    #[inline]
    pub(crate) fn claim(&self, owner: *const FiberRecord) -> bool {
        self.awaited.list.reopen(owner)
    }

    /// Publishes the value, with the record if there is one, and wakes the waiters.
    ///
    /// # Safety
    ///
    /// The caller owns the claim.
    #[inline]
    pub(crate) unsafe fn complete(&self, value: V, record: Option<Box<Record>>) -> Ready<'_, V> {
        // SAFETY: the owner alone writes before the close (C3), and nobody reads.
        let stored = unsafe { &mut *self.result.get() };
        stored.value = ManuallyDrop::new(value);
        let record = record.map_or(std::ptr::null_mut(), Box::into_raw);
        self.awaited
            .list
            .close_with(Outcome::READY, record.cast())
            .wake();
        Ready(self)
    }

    /// Publishes a failure; the waiters must be woken.
    ///
    /// # Safety
    ///
    /// The caller owns the claim, or decides a cycle in which the owner is stuck.
    pub(crate) unsafe fn fail(&self, error: Error) -> Waiters {
        // SAFETY: by contract.
        let failed = unsafe { self.put_failure(error) };
        self.awaited.list.close(failed)
    }

    /// Puts a value in, to be [closed](Self::close) as what this gives.
    ///
    /// # Safety
    ///
    /// As for [`fail`](Self::fail).
    pub(crate) unsafe fn put_value(&self, value: V) -> Outcome {
        // SAFETY: as in `complete`.
        let stored = unsafe { &mut *self.result.get() };
        stored.value = ManuallyDrop::new(value);
        Outcome::READY
    }

    /// Puts a failure in, to be [closed](Self::close) as what this gives.
    ///
    /// # Safety
    ///
    /// As for [`fail`](Self::fail).
    pub(crate) unsafe fn put_failure(&self, error: Error) -> Outcome {
        // SAFETY: as in `complete`.
        let stored = unsafe { &mut *self.result.get() };
        stored.failure = ManuallyDrop::new(error);
        Outcome::FAILED
    }

    /// Closes what was put in, without a record; the waiters must be woken.
    ///
    /// # Safety
    ///
    /// As for [`fail`](Self::fail), and the outcome is what putting gave.
    pub(crate) unsafe fn close(&self, outcome: Outcome) -> Waiters {
        self.awaited.list.close(outcome)
    }

    /// Gives the claim back without a result; the waiters, who must be woken, look again and one of
    /// them claims.
    ///
    /// # Safety
    ///
    /// The caller owns the claim.
    pub(crate) unsafe fn abandon(&self) -> Waiters {
        self.awaited.list.close(Outcome::EMPTY)
    }

    /// What the provider asked for, if anything, and if the slot is ready and its database records.
    pub(crate) fn record(&self) -> Option<&Record> {
        let record = self.awaited.list.past().cast::<Record>();
        // SAFETY: null, or what `complete` closed it with, and freed with the slot.
        unsafe { record.as_ref() }
    }

    /// The memory that its record takes, in bytes.
    pub(crate) fn extra_bytes(&self) -> usize {
        self.record().map_or(0, Record::bytes)
    }

    /// Whether nobody has begun, or the computation was abandoned.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.awaited.list.is(Outcome::EMPTY)
    }

    /// Whether it only stands for a slot that is not there yet.
    #[inline]
    pub(crate) fn is_absent(&self) -> bool {
        self.awaited.list.is(Outcome::ABSENT)
    }

    /// Whether there is a failure.
    pub(crate) fn is_failed(&self) -> bool {
        self.awaited.list.is(Outcome::FAILED)
    }

    /// Whether there is either.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_ready() || self.is_failed()
    }

    /// Whether there is a value.
    pub(crate) fn is_ready(&self) -> bool {
        self.awaited.list.outcome() == Some(Outcome::READY)
    }
}

impl<V> Drop for Slot<V> {
    fn drop(&mut self) {
        let record = self.awaited.list.past().cast::<Record>();
        if !record.is_null() {
            // SAFETY: made by `Box::into_raw` in `complete`, and dropped once, here.
            drop(unsafe { Box::from_raw(record) });
        }
        let stored = self.result.get_mut();
        match self.awaited.list.outcome() {
            Some(Outcome::READY) => {
                // SAFETY: written (ready), and dropped once, here.
                unsafe { ManuallyDrop::drop(&mut stored.value) };
            }
            Some(Outcome::FAILED) => {
                // SAFETY: written (failed), and dropped once, here.
                unsafe { ManuallyDrop::drop(&mut stored.failure) };
            }
            _ => {}
        }
    }
}
