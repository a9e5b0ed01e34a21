#![doc = include_str!("graph.md")]
//!
//! Used by everything that waits. Knows nothing of queries: an awaited thing says by its [`Kind`]
//! what it is called and how a cycle's error is put into it.

mod deadlock;
mod edge;
mod frame;
mod giving_up;
mod locking;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod looks;
mod stuck;
mod subject;
mod waits;

use super::detection::GRAPH;
use super::fiber::FiberRecord;
use super::wait::WaitList;

pub(super) use self::edge::circle_is_decided;
pub(crate) use self::edge::with_inner;
pub(crate) use self::frame::Frame;
pub(crate) use self::giving_up::GivenUpFor;
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(crate) use self::giving_up::{GivenUp, give_up};
pub(crate) use self::locking::{
    may_wait_in_line, wait_for_lock, wait_for_place, wait_for_share, wait_in_line,
};
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) use self::looks::{names_of_ready, seen_wait, undisturbed_by_looks};
pub(crate) use self::subject::{Decide, Kind, Name, Role, Subject};
pub(super) use self::waits::Ask;
pub(crate) use self::waits::{
    Stopped, WaitKind, wait_for, wait_for_begun, wait_for_child, wait_for_or_cut, wait_without_edge,
};

/// The head of everything that a fiber can wait for: who does it, and is it done. Zeroed memory is
/// one that nobody does yet, and that [`WaitList::reopen`] opens.
#[repr(transparent)]
pub(crate) struct Awaited {
    pub(crate) list: WaitList,
}

impl Awaited {
    /// Open; `owner` does it (null before somebody has started, or where nobody is known to, as for events).
    #[inline]
    pub(crate) fn new(owner: *const FiberRecord) -> Self {
        Awaited {
            list: WaitList::new(owner),
        }
    }

    /// Says who does it, the caller (G3).
    pub(crate) fn set_owner(&self, owner: &FiberRecord) {
        if !self.list.set_owner(owner) {
            self.set_owner_of_waiters(owner);
        }
    }

    #[cold]
    fn set_owner_of_waiters(&self, owner: &FiberRecord) {
        let _guard = GRAPH.lock();
        // SAFETY: the lock is held, all that has an owner is waited for by an edge, and whoever does it closes it.
        unsafe { self.list.set_owner_of_waiters(owner) };
        // They may all have been taken off before we had the lock: nobody lists itself meanwhile.
        self.list.set_owner(owner);
    }
}

/// Who does `awaited` now, if it is open and somebody does.
///
/// The graph's lock is held; the owner's record is alive then (G4).
pub(super) fn owner_of<'a>(awaited: &Awaited) -> Option<&'a FiberRecord> {
    // SAFETY: the lock is held, and all that an edge leads to is waited for by edges.
    let owner = unsafe { awaited.list.owner() };
    // SAFETY: null or a fiber that has not closed `awaited` yet; its record is not freed while the
    // lock is held (G4).
    unsafe { owner.as_ref() }
}

/// Whether a fiber does `awaited` now, and does not wait itself.
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) fn is_being_done(awaited: &Awaited) -> bool {
    let _guard = GRAPH.lock();
    owner_of(awaited).is_some_and(|owner| owner.innermost().ask().is_null())
}

/// What `fiber` waits for, if it waits.
pub(super) fn edge_of<'a>(fiber: &FiberRecord) -> Option<&'a Awaited> {
    // SAFETY: an edge is removed, under the lock that is held, before the fiber leaves the frame
    // that borrows it (G1).
    unsafe { fiber.edge.get().as_ref() }
}

/// Frees a fiber's record, which `take` takes out of its place, under the lock, so that no walk sees it go (G4).
pub(crate) fn retire<T>(take: impl FnOnce() -> T) {
    let _guard = GRAPH.lock();
    drop(take());
}

/// Waits until no walk is under way: after this a record in the caller's frame, whose work is all
/// closed, may go (G4).
pub(crate) fn settle() {
    drop(GRAPH.lock());
}
