//! A slot: the one place of a query's result. States and transitions only; rules: claim.md.

use std::cell::UnsafeCell;
use std::fmt::Debug;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use super::Query;
use crate::error::{Error, discard};
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{Awaited, Kind, Name};
use crate::sched::wait::{Outcome, Waiters};

/// What a look at a slot finds.
#[must_use]
pub(crate) enum Found<'s, V> {
    Ready(&'s V),
    Failed(&'s Error),
    /// Somebody computes it.
    InProgress,
    /// Its computation was abandoned.
    Empty,
}

/// The result of one query, or who computes it. Begins with its head, so that the wait graph can
/// give it back to us.
#[repr(C)]
pub(crate) struct Slot<Q: Query<D>, D> {
    pub(crate) awaited: Awaited,
    pub(crate) hash: u64,
    pub(crate) key: Q,
    /// Written once, by the owner, before the slot is closed as ready.
    value: UnsafeCell<MaybeUninit<Q::Value>>,
    /// Written once, by the owner or the decider of a cycle, before the slot is closed as failed.
    failure: UnsafeCell<Option<Error>>,
}

// SAFETY: key and value are `Send + Sync` (`Query`), as is `Error`; the cells are written before
// the close and only read after it (claim.md C3).
unsafe impl<Q: Query<D>, D> Send for Slot<Q, D> {}
// SAFETY: as above.
unsafe impl<Q: Query<D>, D> Sync for Slot<Q, D> {}

impl<Q: Query<D>, D> Slot<Q, D> {
    const KIND: &'static Kind = &Kind {
        query: Some(std::any::type_name::<Q>),
        describe: Some(Self::describe_head),
        fail: Some(Self::fail_head),
    };

    /// A slot that `owner` has claimed.
    pub(crate) fn claimed(key: Q, hash: u64, owner: *const FiberRecord) -> Self {
        Slot {
            awaited: Awaited::new(Self::KIND, owner),
            hash,
            key,
            value: UnsafeCell::new(MaybeUninit::uninit()),
            failure: UnsafeCell::new(None),
        }
    }

    /// The value, if the slot is closed as `ready`: [`Outcome::READY`], or what never is (to count
    /// hits elsewhere).
    #[inline]
    pub(crate) fn value_if(&self, ready: Outcome) -> Option<&Q::Value> {
        // SAFETY: a slot is never closed with any other outcome that an asker's tag can be.
        self.awaited
            .list
            .is(ready)
            .then(|| unsafe { self.value_unchecked() })
    }

    /// # Safety
    ///
    /// The slot is ready.
    #[inline]
    unsafe fn value_unchecked(&self) -> &Q::Value {
        // SAFETY: nobody writes after the close (C3).
        let value = unsafe { &*self.value.get() };
        // SAFETY: written before the close as ready (C3).
        unsafe { value.assume_init_ref() }
    }

    /// Looks at the slot.
    pub(crate) fn look(&self) -> Found<'_, Q::Value> {
        match self.awaited.list.outcome() {
            None => Found::InProgress,
            // SAFETY: just seen to be ready.
            Some(Outcome::READY) => Found::Ready(unsafe { self.value_unchecked() }),
            Some(Outcome::EMPTY) => Found::Empty,
            Some(_) => {
                // SAFETY: nobody writes after the close (C3).
                let failure = unsafe { &*self.failure.get() };
                Found::Failed(failure.as_ref().expect("written before the close"))
            }
        }
    }

    /// Claims an abandoned slot for `owner`; `false`: somebody else was faster.
    pub(crate) fn reclaim(&self, owner: *const FiberRecord) -> bool {
        let is_ours = self.awaited.list.reopen();
        if is_ours {
            self.awaited.set_owner(owner);
        }
        is_ours
    }

    /// Publishes the value and wakes the waiters.
    ///
    /// # Safety
    ///
    /// The caller owns the claim.
    pub(crate) unsafe fn complete(&self, value: Q::Value) -> &Q::Value {
        // SAFETY: the owner alone writes before the close (C3), and nobody reads.
        let cell = unsafe { &mut *self.value.get() };
        cell.write(value);
        self.awaited.list.close(Outcome::READY).wake();
        // SAFETY: just written and closed.
        unsafe { self.value_unchecked() }
    }

    /// Publishes a failure; the waiters must be woken.
    ///
    /// # Safety
    ///
    /// The caller owns the claim, or decides a cycle in which the owner is stuck.
    pub(crate) unsafe fn fail(&self, error: Error) -> Waiters {
        // SAFETY: as in `complete`.
        unsafe { *self.failure.get() = Some(error) };
        self.awaited.list.close(Outcome::FAILED)
    }

    /// Gives the claim back without a result; the waiters, who must be woken, look again and one of
    /// them claims.
    ///
    /// # Safety
    ///
    /// The caller owns the claim.
    pub(crate) unsafe fn abandon(&self) -> Waiters {
        self.awaited.set_owner(std::ptr::null());
        self.awaited.list.close(Outcome::EMPTY)
    }

    /// What the query is called in reports. Runs the key's `Debug`.
    pub(crate) fn name(&self) -> Name {
        let kind = std::any::type_name::<Q>();
        Name {
            kind,
            text: describe(kind, &self.key),
        }
    }

    /// # Safety
    ///
    /// `head` is the head of a living slot of this type.
    unsafe fn describe_head(head: NonNull<Awaited>) -> Name {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct.
        unsafe { head.cast::<Self>().as_ref() }.name()
    }

    /// # Safety
    ///
    /// As for `describe_head`, and the caller decides a cycle in which the slot's owner is stuck.
    unsafe fn fail_head(head: NonNull<Awaited>, error: &Error) -> Waiters {
        // SAFETY: as in `describe_head`.
        let slot = unsafe { head.cast::<Self>().as_ref() };
        // SAFETY: by contract.
        unsafe { slot.fail(error.clone()) }
    }
}

impl<Q: Query<D>, D> Drop for Slot<Q, D> {
    fn drop(&mut self) {
        if self.awaited.list.is(Outcome::READY) {
            // SAFETY: written (ready) and dropped once, here.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

/// The key's `Debug` text, with the type's name before it unless it begins with it.
fn describe(kind: &str, key: &impl Debug) -> String {
    let short = kind
        .split('<')
        .next()
        .and_then(|path| path.rsplit("::").next())
        .unwrap_or(kind);
    let text = catch_unwind(AssertUnwindSafe(|| format!("{key:?}"))).unwrap_or_else(|payload| {
        discard(payload);
        "(its Debug panicked)".to_owned()
    });
    if text.starts_with(short) {
        text
    } else {
        format!("{short} {text}")
    }
}
