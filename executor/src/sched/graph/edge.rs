//! The edges: how a wait gets one and loses it (graph.md G1, G2), and what keeps still the circles that they close.
//!
//! Used by waits, and by who gives one up; [`with_inner`] is a wait that runs what it waits for. Knows nothing of what
//! wakes a fiber, nor of how a circle is ended.

use std::ptr;
use std::sync::Arc;

use super::deadlock::{Closes, closes};
use super::waits::Ask;
use super::{Awaited, Frame, WaitKind};
use crate::error::Error;
use crate::plant;
use crate::sched::cancel::Interrupt;
use crate::sched::cycle::Cycle;
use crate::sched::detection::{self, GRAPH};
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::shared;
use crate::sched::wait::Waiters;
use crate::sync::Ordering;

/// What came of adding an edge.
#[must_use]
pub(super) enum Added {
    /// It is there, and the fiber is listed: it must suspend.
    Waiting,
    /// What was awaited is closed meanwhile.
    Done,
    /// It would close a cycle, which the caller must decide.
    Closes(Cycle),
    /// The ask ends with this error: it is left over from a decided provider, or cut.
    CalledBack(Error),
}

/// Adds the edge of `fiber` and lists it, unless that closes a cycle (G2).
///
/// # Safety
///
/// As for [`WaitList::list`](crate::sched::wait::WaitList::list).
pub(super) unsafe fn add_edge(fiber: &FiberRecord, awaited: &Awaited, ask: &mut Ask) -> Added {
    let guard = GRAPH.lock();
    let mut woken = None;
    let closed = match detection::IS_ON {
        true => closes(fiber, awaited, ask.kind),
        false => Closes::Nothing,
    };
    if let Closes::Deadlock(deadlock) = closed {
        match deadlock.end(fiber) {
            Ok(waiters) => woken = waiters,
            Err(error) => return Added::CalledBack(error),
        }
    } else if let Closes::Cycle = closed {
        let cycle = Cycle::collect(fiber, awaited, ask.kind);
        let ended = match (cycle.left_over(), cycle.cut()) {
            (Some(left_over), _) => left_over.end(fiber),
            (None, Some(cut)) => cut.end(fiber, &Error::cut()),
            (None, None) => {
                DECIDING.fetch_add(1, Ordering::Relaxed);
                return Added::Closes(cycle);
            }
        };
        match ended {
            Ok(waiters) => woken = waiters,
            Err(error) => return Added::CalledBack(error),
        }
    }
    // SAFETY: the caller's contract.
    let added = match unsafe { awaited.list.list_owned(fiber) } {
        Ok(before) => {
            set_edge(fiber, awaited, ask.kind);
            ask.listed(fiber, awaited, before);
            Added::Waiting
        }
        Err(_) if plant::is("unchecked_listing") => Added::Waiting,
        Err(_) => Added::Done,
    };
    drop(guard);
    // No wake under the lock: a schedule may let another worker go on first.
    woken.into_iter().for_each(Waiters::wake);
    added
}

/// What a wake from a wait on an edge was.
#[must_use]
pub(super) enum Ended {
    /// What was awaited is closed.
    Done,
    /// The wait is part of a cycle, with this error. Who computes what it was for is told, since that may be wanted by
    /// nobody now (cancel.md X4).
    Cycle(Error, Option<Arc<dyn Interrupt>>),
    /// The list was only detached for another's sake: the fiber is listed again.
    ListedAgain,
}

/// After a wake: removes the edge, if the wait has ended.
///
/// # Safety
///
/// As for [`WaitList::list`](crate::sched::wait::WaitList::list); the fiber was woken.
pub(super) unsafe fn end_wait(fiber: &FiberRecord, awaited: &Awaited, ask: &mut Ask) -> Ended {
    let _guard = GRAPH.lock();
    // SAFETY: the lock is held.
    let ended = match unsafe { &mut *fiber.cycle.get() }.take() {
        Some(error) => Ended::Cycle(error, ask.owner_to_tell()),
        // SAFETY: the caller's contract.
        None => match unsafe { awaited.list.list_owned(fiber) } {
            Ok(before) => {
                ask.listed(fiber, awaited, before);
                return Ended::ListedAgain;
            }
            Err(_) => Ended::Done,
        },
    };
    set_edge(fiber, ptr::null(), ask.kind);
    ended
}

/// The edge of `fiber`, the current one; and, if it is an OS thread's, of the record by which that holds locks. The
/// graph's lock is held.
pub(super) fn set_edge(fiber: &FiberRecord, edge: *const Awaited, kind: WaitKind) {
    fiber.edge.set(edge);
    fiber.wait_kind.set(kind);
    if !fiber.has_worker()
        && let Some(beside) = holder::beside(fiber)
    {
        beside.edge.set(edge);
        beside.wait_kind.set(kind);
    }
    if let Some(holder) = holder::known_of(fiber) {
        shared::tell(fiber, holder, !edge.is_null());
    }
}

/// The wait of `fiber`, the current one, was given up: the edge, if it still has it, goes, and what it tells (lock.md S2).
pub(super) fn lose_edge(fiber: &FiberRecord, kind: WaitKind) {
    let _guard = GRAPH.lock();
    set_edge(fiber, ptr::null(), kind);
}

/// Runs `body` on an inner record of this same stack, while `outer` waits for `awaited`, which
/// `body` does. Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn with_inner(
    outer: &FiberRecord,
    awaited: &Awaited,
    body: impl FnOnce(),
) -> Option<Error> {
    let set_edge = |edge: *const Awaited| {
        let _guard = GRAPH.lock();
        outer.edge.set(edge);
        outer.wait_kind.set(WaitKind::Child);
    };
    let was_decided = Frame::innermost_cycle(outer).is_some();
    // No cycle can close here: what `awaited` belongs to has not started.
    set_edge(awaited);
    body();
    set_edge(ptr::null());
    if was_decided {
        None
    } else {
        // A cancellation is none: whoever ran `body` tells of it.
        let cycle = Frame::innermost_cycle(outer);
        cycle.filter(|cycle| !cycle.is_cancelled()).cloned()
    }
}

/// How many circles stand still until they are decided (G5). Changed under the lock; in the sequential build, which has
/// none, by several threads.
static DECIDING: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Whether a circle stands still. The lock is held.
pub(super) fn is_deciding() -> bool {
    DECIDING.load(Ordering::Relaxed) > 0
}

/// A circle was decided. The lock is held.
pub(in crate::sched) fn circle_is_decided() {
    DECIDING.fetch_sub(1, Ordering::Relaxed);
}
