//! Walks that come back to who adds an edge, and what they came through: a circle of queries, or waits with a lock, or
//! places, among them (lock.md, deadlocks).
//!
//! Used by whoever adds an edge, under the graph's lock. Decides nothing: a circle of queries is `cycle.rs`'s.

use std::fmt::{self, Write};
use std::ptr;

use super::stuck::Stuck;
use super::{Awaited, Frame, WaitKind, owner_of};
use crate::error::Error;
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::line::Place;
use crate::sched::lock::Lock;
use crate::sched::permits::Standing;
use crate::sched::places::Stand;
use crate::sched::shared::{self, Turn};
use crate::sched::wait::Waiters;

/// What an edge would close.
#[must_use]
pub(super) enum Closes<'w> {
    Nothing,
    /// A circle of queries, tasks and forks.
    Cycle,
    /// Waits, some of them for locks or places, that all wait for each other.
    Deadlock(Deadlock<'w>),
}

/// Waits that all wait for each other. They stand still while the graph's lock is held.
pub(super) struct Deadlock<'w> {
    /// Whose wait is ended.
    victim: &'w FiberRecord,
    /// What for.
    thing: Thing<'w>,
    /// The waits, from the finder's.
    text: String,
}

/// What an edge of this kind from `fiber` to `first` would close. The graph's lock is held; the edge to a lock, or to
/// places, is one to the whole.
pub(super) fn closes(fiber: &FiberRecord, first: *const Awaited, kind: WaitKind) -> Closes<'_> {
    let is_finder = |owner: &FiberRecord| {
        let is_beside = || holder::beside(fiber).is_some_and(|beside| ptr::eq(owner, beside));
        ptr::eq(owner, fiber) || !owner.has_worker() && is_beside()
    };
    let first = Hop {
        waiter: fiber,
        awaited: first,
        kind,
    };
    let mut victim = None;
    let mut hop = first;
    loop {
        if victim.is_none() {
            victim = hop.thing().map(|thing| (hop.waiter, thing));
        }
        if let WaitKind::Place | WaitKind::Share = hop.kind {
            // Several have it: they are looked at below.
            break;
        }
        let Some(owner) = hop.owner() else {
            return Closes::Nothing;
        };
        if is_finder(owner) {
            break;
        }
        match Hop::on_from(owner) {
            Some(next) => hop = next,
            None => return Closes::Nothing,
        }
    }
    let Some((victim, thing)) = victim else {
        return Closes::Cycle;
    };
    if plant::is("unseen_deadlock") {
        return Closes::Nothing;
    }
    match Stuck::around(first, is_finder) {
        Some(waits) => Closes::Deadlock(Deadlock {
            victim,
            thing,
            text: describe_all(&waits),
        }),
        None => Closes::Nothing,
    }
}

/// One wait on a walk. What it is for is alive, and its waiter stands still or is the finder, while the graph's lock is
/// held (graph.md G1).
#[derive(Copy, Clone)]
pub(super) struct Hop<'w> {
    pub(super) waiter: &'w FiberRecord,
    awaited: *const Awaited,
    kind: WaitKind,
}

/// What has a line.
#[derive(Copy, Clone)]
pub(super) enum Thing<'w> {
    Lock(&'w Lock),
    Places(&'w Stand<'w>),
    Share(&'w Turn<'w>),
}

impl<'w> Thing<'w> {
    /// Does something with the place at which `fiber` waits, if it is in the line.
    pub(super) fn with_place<R>(
        self,
        fiber: &FiberRecord,
        body: impl FnOnce(&Place) -> R,
    ) -> Option<R> {
        match self {
            Thing::Lock(lock) => lock.with_place(fiber, body),
            Thing::Places(stand) => stand.places.with_place(&stand.place, body),
            Thing::Share(turn) => turn.shared.permits.with_place(&turn.place, body),
        }
    }
}

impl<'w> Hop<'w> {
    /// What `waiter` waits for, if it waits. Who was called to a lock, or to a place, waits no more, though it has not run
    /// yet and its edge stands: another may hold the lock by then. (It walks itself if it steps into the line again.)
    fn of(waiter: &'w FiberRecord) -> Option<Hop<'w>> {
        let is_in_line = |thing: Thing<'_>| thing.with_place(waiter, |_| ()).is_some();
        Self::if_in_line(waiter, is_in_line)
    }

    pub(super) fn if_in_line(
        waiter: &'w FiberRecord,
        is_in_line: impl FnOnce(Thing<'w>) -> bool,
    ) -> Option<Hop<'w>> {
        let awaited = waiter.edge.get();
        if awaited.is_null() {
            return None;
        }
        let hop = Hop {
            waiter,
            awaited,
            kind: waiter.wait_kind.get(),
        };
        let waits = hop.thing().is_none_or(is_in_line) || plant::is("called_waits");
        waits.then_some(hop)
    }

    /// The same, but `None` if it was called back, and runs.
    fn on_from(owner: &'w FiberRecord) -> Option<Hop<'w>> {
        (!owner.is_called_back()).then(|| Hop::of(owner)).flatten()
    }

    fn owner(&self) -> Option<&'w FiberRecord> {
        // SAFETY: alive while the lock is held.
        owner_of(unsafe { &*self.awaited })
    }

    /// Those for whom it waits, and whether for all of them: whom it is done by; any who is inside; of a lock that several
    /// hold who stands first in the line, else all who hold it and wait. Nobody: it is over, or nobody is known to end it.
    /// `finder` is who adds the edge, and has none yet.
    pub(super) fn owners(&self, finder: &'w FiberRecord) -> (Vec<&'w FiberRecord>, bool) {
        let (holders, all) = match self.thing() {
            Some(Thing::Places(stand)) => {
                let holders = stand.places.holders_for(&stand.place).unwrap_or_default();
                let few = match plant::is("one_holder") {
                    true => 1,
                    false => usize::MAX,
                };
                (holders.into_iter().take(few).collect(), false)
            }
            Some(Thing::Share(turn)) => (holders_before(turn, finder), true),
            Some(Thing::Lock(_)) | None => return (Vec::from_iter(self.owner()), false),
        };
        // SAFETY: it has a place, and is not freed before it has run and given that back, nor while the lock is held
        // (lock.md L1); or it has an edge, or is the finder (S2, S3).
        let alive = |holder: *const FiberRecord| unsafe { &*holder };
        (holders.into_iter().map(alive).collect(), all)
    }

    /// What it is for, if that has a line.
    pub(super) fn thing(&self) -> Option<Thing<'w>> {
        match self.kind {
            // SAFETY: an edge of this kind is one to the whole lock.
            WaitKind::Lock => Some(Thing::Lock(unsafe { &*self.awaited.cast() })),
            // SAFETY: an edge of this kind is one to the whole stand, which is in the waiter's frame as long as the edge is
            // there.
            WaitKind::Place => Some(Thing::Places(unsafe { &*self.awaited.cast() })),
            // SAFETY: as above.
            WaitKind::Share => Some(Thing::Share(unsafe { &*self.awaited.cast() })),
            WaitKind::Child | WaitKind::Ask | WaitKind::Iterated => None,
        }
    }

    fn describe(&self, text: &mut String) -> fmt::Result {
        write!(text, "{} waits for ", doing(self.waiter))?;
        match self.thing() {
            Some(Thing::Lock(lock)) => write!(text, "{}", lock.name()),
            Some(Thing::Places(stand)) => text.write_str(stand.places.name()),
            Some(Thing::Share(turn)) => text.write_str(&turn.shared.name()),
            None => {
                let query = self.owner().and_then(|owner| query_of(owner, self.awaited));
                text.write_str(query.unwrap_or("a part of it"))
            }
        }
    }
}

/// For whom one waits who stands in the line of a lock that several hold (S3). The graph's lock is held.
fn holders_before(turn: &Turn<'_>, finder: &FiberRecord) -> Vec<*const FiberRecord> {
    let waits = |fiber: *const FiberRecord| {
        // SAFETY: it stands in the line, whose lock is held: it has not left the frame that its place is in (N2).
        let fiber = unsafe { &*fiber };
        ptr::eq(fiber, finder) || !fiber.edge.get().is_null() && !fiber.is_called_back()
    };
    match turn.shared.permits.standing(&turn.place, waits) {
        Standing::GoesOn => Vec::new(),
        // Nobody overtakes.
        Standing::Behind(first) => vec![first],
        Standing::First => {
            let number = turn.shared.number;
            let mut holders = shared::waiting_holders(number);
            // It is not known yet as one who waits.
            let holds = holder::known_of(finder).is_some_and(|finder| finder.has_share(number));
            holders.extend(holds.then_some(ptr::from_ref(finder)));
            holders
        }
    }
}

/// The waits in words that need no code of the user's: it is under the lock.
fn describe_all(waits: &[Hop<'_>]) -> String {
    let mut text = String::new();
    for hop in waits {
        if !text.is_empty() {
            text.push_str("; ");
        }
        // Writing to a string cannot fail.
        let _ = hop.describe(&mut text);
    }
    text
}

impl Deadlock<'_> {
    /// Ends it: with an error for `finder` to give, if the wait is its own, else by calling the waiter back. The graph's
    /// lock is held; who was called back must be woken.
    pub(super) fn end(self, finder: &FiberRecord) -> Result<Option<Waiters>, Error> {
        let error = Error::deadlock(self.text);
        if ptr::eq(self.victim, finder) {
            return Err(error);
        }
        let called_back = self.thing.with_place(self.victim, |place| {
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

/// One of those who have the places for one of which `fiber` waits, if it does. The graph's lock is held.
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) fn one_inside(fiber: &FiberRecord) -> Option<&FiberRecord> {
    let hop = Hop::of(fiber).filter(|hop| hop.kind == WaitKind::Place)?;
    hop.owners(fiber).0.first().copied()
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
