//! Looking at fibers that stand still, for reports of what waits and of what is ready.
//!
//! Used by workers and the pool, when somebody asks for a report. Changes nothing.

use std::ptr;

use super::deadlock::one_inside;
use super::{Frame, Name, edge_of, owner_of};
use crate::plant;
use crate::sched::detection::GRAPH;
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::pool::SeenWait;
use crate::sched::ready::{Inbox, SharedReady};

/// The wait of `fiber`, one of the calling worker's, or held by it, if it waits. Runs user code (`Debug`).
pub(in crate::sched) fn seen_wait(fiber: &FiberRecord) -> Option<SeenWait> {
    let inner = fiber.innermost();
    // SAFETY: null, or in a frame of the fiber, which is suspended: its worker does something else, or holds it.
    let ask = unsafe { inner.ask().as_ref() }?;
    let text = |name: Option<Name>| name.map(|name| name.text);
    without_runs(|| {
        let queries = Frame::all_around(inner).filter_map(|frame| text(frame.name()));
        Some(SeenWait {
            fiber,
            owner: owner_now(inner),
            awaited: text(ask.what.name()).unwrap_or_else(|| "what it forked".to_owned()),
            queries: queries.collect(),
            since: ask.since,
        })
    })
}

/// Who does what `fiber`, which rests, waits for, or one of those who do: an address only, to compare with.
fn owner_now(fiber: &FiberRecord) -> *const FiberRecord {
    let _guard = GRAPH.lock();
    let one_of_several = || one_inside(fiber);
    let owner = edge_of(fiber).and_then(owner_of).or_else(one_of_several);
    owner.map_or(ptr::null(), |owner| owner.host())
}

/// Moves fibers, whom somebody may look at under the graph's lock.
pub(in crate::sched) fn undisturbed_by_looks<R>(drain: impl FnOnce() -> R) -> R {
    let _guard = GRAPH.lock();
    drain()
}

/// What runs on the fibers of an inbox that is drained under the graph's lock, and on those that are shared: the type of
/// the innermost query on each.
pub(in crate::sched) fn names_of_ready(inbox: &Inbox, shared: &SharedReady) -> Vec<&'static str> {
    let _guard = GRAPH.lock();
    // SAFETY: nobody drains it while the lock is held.
    let fibers = unsafe { inbox.fibers() };
    // A fiber that is not drained is not resumed: its frames stand still.
    let name = |fiber: &FiberRecord| {
        Frame::all_around(fiber.innermost()).find_map(|frame| frame.kind().query)
    };
    let name = |fiber: &FiberRecord| name(fiber).filter(|_| !plant::is("nameless_ready"));
    let name = |fiber: &FiberRecord| name(fiber).map_or("a job", |name| name());
    let mut names: Vec<_> = fibers.map(name).collect();
    shared.each(|fiber| names.push(name(fiber)));
    names
}
