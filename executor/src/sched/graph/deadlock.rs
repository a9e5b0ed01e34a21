//! Walks that come back to who adds an edge, and what they came through: a circle of queries, or one with a lock on it
//! (lock.md, deadlocks).
//!
//! Used by whoever adds an edge, under the graph's lock. Decides nothing: a circle of queries is `cycle.rs`'s.

use std::fmt::{self, Write};
use std::ptr;

use super::{Awaited, Frame, WaitKind, owner_of};
use crate::error::Error;
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::lock::Lock;
use crate::sched::wait::Waiters;

/// What an edge would close.
#[must_use]
pub(super) enum Closes<'w> {
    Nothing,
    /// A circle of queries, tasks and forks.
    Cycle,
    /// A circle with a lock on it.
    Deadlock(Deadlock<'w>),
}

/// A circle with a lock on it. It stands still while the graph's lock is held.
pub(super) struct Deadlock<'w> {
    /// Whose wait for a lock is ended.
    victim: &'w FiberRecord,
    lock: &'w Lock,
    /// The waits, from the finder's.
    text: String,
}

/// What an edge of this kind from `fiber` to `first` would close. The graph's lock is held; a lock's edge is one to the
/// whole lock.
pub(super) fn closes(fiber: &FiberRecord, first: *const Awaited, kind: WaitKind) -> Closes<'_> {
    let is_finder = |owner: &FiberRecord| {
        let is_beside = || holder::beside(fiber).is_some_and(|beside| ptr::eq(owner, beside));
        ptr::eq(owner, fiber) || !owner.has_worker() && is_beside()
    };
    let mut hop = Hop {
        waiter: fiber,
        awaited: first,
        kind,
    };
    let mut first_lock = None;
    loop {
        let Some(owner) = hop.owner() else {
            return Closes::Nothing;
        };
        if first_lock.is_none() {
            first_lock = hop.lock().map(|lock| (hop.waiter, lock));
        }
        if is_finder(owner) {
            break;
        }
        if owner.is_called_back() {
            return Closes::Nothing;
        }
        match Hop::of(owner) {
            Some(next) => hop = next,
            None => return Closes::Nothing,
        }
    }
    let Some((victim, lock)) = first_lock else {
        return Closes::Cycle;
    };
    if plant::is("unseen_deadlock") {
        return Closes::Nothing;
    }
    let first = Hop {
        waiter: fiber,
        awaited: first,
        kind,
    };
    let text = first.describe_all(is_finder);
    Closes::Deadlock(Deadlock { victim, lock, text })
}

/// One wait on a walk. What it is for is alive, and its waiter stands still or is the finder, while the graph's lock is
/// held (graph.md G1).
struct Hop<'w> {
    waiter: &'w FiberRecord,
    awaited: *const Awaited,
    kind: WaitKind,
}

impl<'w> Hop<'w> {
    /// What `waiter` waits for, if it waits. Who was called to a lock waits no more, though it has not run yet and its edge
    /// stands: another may hold the lock by then. (It walks itself if it steps into the line again.)
    fn of(waiter: &'w FiberRecord) -> Option<Hop<'w>> {
        let awaited = waiter.edge.get();
        if awaited.is_null() {
            return None;
        }
        let hop = Hop {
            waiter,
            awaited,
            kind: waiter.wait_kind.get(),
        };
        let is_in_line = |lock: &Lock| lock.with_place(waiter, |_| ()).is_some();
        let waits = hop.lock().is_none_or(is_in_line) || plant::is("called_waits");
        waits.then_some(hop)
    }

    fn owner(&self) -> Option<&'w FiberRecord> {
        // SAFETY: alive while the lock is held.
        owner_of(unsafe { &*self.awaited })
    }

    /// The lock, if it is for one.
    fn lock(&self) -> Option<&'w Lock> {
        // SAFETY: an edge of this kind is one to the whole lock.
        (self.kind == WaitKind::Lock).then(|| unsafe { &*self.awaited.cast::<Lock>() })
    }

    /// The waits from this one on until it comes back, in words that need no code of the user's: it is under the lock.
    fn describe_all(self, is_finder: impl Fn(&FiberRecord) -> bool) -> String {
        let mut text = String::new();
        let mut hop = self;
        loop {
            // Writing to a string cannot fail.
            let _ = hop.describe(&mut text);
            let owner = hop.owner().filter(|owner| !is_finder(owner));
            match owner.and_then(Hop::of) {
                Some(next) => hop = next,
                None => return text,
            }
            text.push_str("; ");
        }
    }

    fn describe(&self, text: &mut String) -> fmt::Result {
        write!(text, "{} waits for ", doing(self.waiter))?;
        if let Some(lock) = self.lock() {
            return write!(text, "{}", lock.name());
        }
        let query = self.owner().and_then(|owner| query_of(owner, self.awaited));
        text.write_str(query.unwrap_or("a part of it"))
    }
}

impl Deadlock<'_> {
    /// Ends it: with an error for `finder` to give, if the wait is its own, else by calling the waiter back. The graph's
    /// lock is held; who was called back must be woken.
    pub(super) fn end(self, finder: &FiberRecord) -> Result<Option<Waiters>, Error> {
        let error = Error::deadlock(self.text);
        if ptr::eq(self.victim, finder) {
            return Err(error);
        }
        let called_back = self.lock.with_place(self.victim, |place| {
            // SAFETY: whoever stands in the line waits, and cannot leave its wait while the graph's lock is held.
            let waiter = unsafe { &*place.fiber };
            // SAFETY: the lock is held.
            unsafe { *waiter.cycle.get() = Some(error) };
            // SAFETY: as above.
            unsafe { place.list.detach() }
        });
        // None: it was called meanwhile, and runs on.
        Ok(called_back)
    }
}

/// The type of the innermost query on a fiber that stands still, or runs this.
fn doing(fiber: &FiberRecord) -> &'static str {
    let query = Frame::all_around(fiber.innermost()).find_map(|frame| frame.kind().query);
    query.map_or("a job", |name| name())
}

/// The type of the query on `owner` that does `awaited`.
fn query_of(owner: &FiberRecord, awaited: *const Awaited) -> Option<&'static str> {
    let mut frames = Frame::all_of(owner);
    let frame = frames.find(|frame| ptr::eq(frame.awaited.as_ptr(), awaited))?;
    frame.kind().query.map(|name| name())
}
