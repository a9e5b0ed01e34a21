//! Ending a wait that is not over (graph.md G8).
//!
//! Used by workers, for the fibers that they own. Knows why a fiber waits no longer, and not what it does then.

use std::ptr;

use super::edge::is_deciding;
use super::{edge_of, owner_of};
use crate::sched::detection::GRAPH;
use crate::sched::fiber::FiberRecord;

/// Why a wait was given up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum GivenUpFor {
    /// It was not.
    Nothing,
    /// There is no fiber to go on with (stand.md S3).
    Shortage,
    /// It was cancelled (cancel.md X2).
    Cancel,
}

/// What came of giving up a wait.
#[must_use]
pub(crate) enum GivenUp {
    /// Nothing: it is no ask, or ends by itself.
    No,
    /// Nothing now: a circle is being decided, and must stand still.
    NotNow,
    /// It was taken off its list: the caller makes the fiber ready.
    Unlisted,
    /// It was woken, or is about to be.
    Woken,
}

/// Ends the ask that `fiber` waits in, a suspended fiber of the calling worker, or held by it (moving.md M4), with an error
/// (G8): because no fiber can be made (stand.md S3), or, if it was cancelled and nobody else wants what it computes, for
/// that (cancel.md X2).
///
/// `is_due` says of it, under the graph's lock, whether it is to end.
pub(crate) fn give_up(
    fiber: &FiberRecord,
    why: GivenUpFor,
    is_due: impl FnOnce(&FiberRecord) -> bool,
) -> GivenUp {
    let guard = GRAPH.lock();
    let fiber = fiber.innermost();
    // SAFETY: null, or in a frame of the fiber, which stands still.
    let Some(ask) = (unsafe { fiber.ask().as_ref() }) else {
        return GivenUp::No;
    };
    // SAFETY: borrowed by that frame.
    let awaited = unsafe { ask.awaited.as_ref() };
    let is_over = fiber.given_up.get() != GivenUpFor::Nothing
        || fiber.is_called_back()
        || awaited.list.outcome().is_some();
    if !ask.kind.is_ask() || is_over || !is_due(fiber) {
        return GivenUp::No;
    }
    if is_deciding() {
        return GivenUp::NotNow;
    }
    // What it waited for may be wanted by nobody now (cancel.md X4).
    let owner = edge_of(fiber).and_then(owner_of);
    let owner = owner.and_then(FiberRecord::watcher);
    fiber.edge.set(ptr::null());
    fiber.given_up.set(why);
    // It is suspended in that wait, and nobody resumes it before the caller lets it go.
    let is_newest = awaited.list.unlist_newest(fiber, ask.before);
    // SAFETY: the lock is held.
    // Else those above it look again; whoever takes it off its list, we or who closes it, wakes it.
    let woken = (!is_newest).then(|| unsafe { awaited.list.detach() });
    drop(guard);
    owner.inspect(|owner| owner.interrupt());
    match woken {
        None => GivenUp::Unlisted,
        Some(woken) => {
            woken.wake();
            GivenUp::Woken
        }
    }
}
