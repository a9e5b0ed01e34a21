#![doc = include_str!("graph.md")]
//!
//! Used by everything that waits. Knows nothing of queries: an awaited thing says by its [`Kind`] what it is called and
//! how a cycle's error is put into it.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::cycle::Cycle;
use super::fiber::FiberRecord;
use super::pool::Worker;
use super::wait::{Outcome, WaitList, Waiter, Waiters};
use crate::error::Error;
use crate::sync::{AtomicPtr, GlobalLock, Ordering};

/// What an awaited thing is to the wait graph.
pub(crate) struct Kind {
    /// Its name in the report of a cycle: (kind, key). `None`: it is not named (a join's half).
    pub(crate) describe: Option<unsafe fn(NonNull<Awaited>) -> Name>,
    /// Puts a cycle's error in, and closes it: queries only, others end when their fibers have unwound.
    pub(crate) fail: Option<unsafe fn(NonNull<Awaited>, &Error) -> Waiters>,
}

/// What a thing is called in reports, ordered by kind, then by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// The head of everything that a fiber can wait for: is it done, who does it, what is it.
pub(crate) struct Awaited {
    pub(crate) list: WaitList,
    /// The fiber that does it; null before somebody started (or where nobody is known to, as for events).
    owner: AtomicPtr<FiberRecord>,
    pub(super) kind: &'static Kind,
}

impl Awaited {
    pub(crate) fn new(kind: &'static Kind, owner: *const FiberRecord) -> Self {
        Awaited {
            list: WaitList::new(),
            owner: AtomicPtr::new(owner.cast_mut()),
            kind,
        }
    }

    /// Says who does it (graph.md G3).
    pub(crate) fn set_owner(&self, owner: *const FiberRecord) {
        // Release: pairs with the Acquire in `find_cycle`.
        self.owner.store(owner.cast_mut(), Ordering::Release);
    }
}

/// A provider or a job that runs on a fiber, in the frame of its call.
pub(crate) struct Frame {
    pub(super) awaited: NonNull<Awaited>,
    pub(super) below: *const Frame,
    /// The cycle that decided it, if any (an identity, for comparison only).
    pub(super) cycle: Cell<usize>,
}

impl Frame {
    /// Enters a frame on `fiber` for the time of `body`, which must not unwind and does `awaited`. The pointer may be
    /// turned back into what `awaited` is the head of. Gives `body`'s result, and the cycle
    /// that decided this frame meanwhile, if any (zero: none).
    pub(crate) fn enter<R>(
        fiber: &FiberRecord,
        awaited: NonNull<Awaited>,
        body: impl FnOnce() -> R,
    ) -> (R, usize) {
        let below = fiber.frames.get();
        let frame = Frame {
            awaited,
            below,
            cycle: Cell::new(0),
        };
        fiber.frames.set(&raw const frame);
        let result = body();
        fiber.frames.set(below);
        (result, frame.cycle.get())
    }

    /// The cycle that decided the innermost frame of `fiber`; zero: none.
    pub(crate) fn innermost_cycle(fiber: &FiberRecord) -> usize {
        let innermost = fiber.frames.get();
        // SAFETY: a fiber's frames are alive while they are linked (`enter` unlinks them).
        unsafe { innermost.as_ref() }.map_or(0, |frame| frame.cycle.get())
    }
}

/// One lock for the edges of the whole process (graph.md G1).
static GRAPH: GlobalLock = GlobalLock::new();

/// Suspends `fiber` until `awaited` is closed, and tells how it ended.
///
/// # Errors
///
/// The error of a cycle that this wait is part of (the wait never returns to its asker: raise it), or that no stack is
/// left to go on with while this one waits.
pub(crate) fn wait_for(fiber: &FiberRecord, awaited: &Awaited) -> Result<Outcome, Stopped> {
    if let Some(outcome) = awaited.list.outcome() {
        return Ok(outcome);
    }
    prepare_suspension(fiber).map_err(Stopped::Refused)?;
    wait_on_edge(fiber, awaited).map_err(Stopped::Cycle)
}

/// Suspends `fiber` until `awaited`, a child that borrows from it, is closed, come what may.
///
/// Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn wait_for_child(fiber: &FiberRecord, awaited: &Awaited) -> Option<Error> {
    if awaited.list.outcome().is_some() {
        return None;
    }
    debug_assert!(
        !std::thread::panicking(),
        "forks stay private during an unwind"
    );
    if let Some(worker) = fiber.worker() {
        worker.prepare_child_wait();
    }
    let cycle = wait_on_edge(fiber, awaited).err()?;
    // Whoever closes a cycle does not suspend for it; the child ends now that the cycle is decided.
    park(fiber, awaited);
    Some(cycle)
}

/// As [`wait_for`], for what is owned by nobody (events): no edge, no cycle.
pub(crate) fn wait_without_edge(fiber: &FiberRecord, awaited: &Awaited) -> Result<Outcome, Error> {
    if awaited.list.outcome().is_none() {
        prepare_suspension(fiber)?;
        park(fiber, awaited);
    }
    Ok(closed(awaited))
}

fn wait_on_edge(fiber: &FiberRecord, awaited: &Awaited) -> Result<Outcome, Error> {
    if let Err(cycle) = add_edge(fiber, awaited) {
        return Err(cycle.decide(fiber));
    }
    park(fiber, awaited);
    remove_edge(fiber);
    fiber.take_cycle().map_or_else(|| Ok(closed(awaited)), Err)
}

/// Why a wait did not come to its end.
pub(crate) enum Stopped {
    /// It is part of a cycle: its asker must not go on.
    Cycle(Error),
    /// It could not begin.
    Refused(Error),
}

fn prepare_suspension(fiber: &FiberRecord) -> Result<(), Error> {
    if std::thread::panicking() {
        return Err(Error::unwinding());
    }
    fiber.worker().map_or(Ok(()), Worker::prepare_suspension)
}

fn closed(awaited: &Awaited) -> Outcome {
    awaited
        .list
        .outcome()
        .expect("a wake comes after the close (wait.md W1)")
}

fn park(fiber: &FiberRecord, awaited: &Awaited) {
    let waiter = Waiter::new(fiber);
    // SAFETY: `waiter` lies in this frame, which is not left before `suspend` returns, that is, before the wake.
    if unsafe { awaited.list.list(&waiter) }.is_ok() {
        fiber.suspend();
    }
}

/// Adds the edge of `fiber`, unless it closes a cycle (G2).
fn add_edge(fiber: &FiberRecord, awaited: &Awaited) -> Result<(), Cycle> {
    let _guard = GRAPH.lock();
    if is_cycle(fiber, awaited) {
        return Err(Cycle::mark(fiber, awaited));
    }
    fiber.edge.set(awaited);
    Ok(())
}

fn remove_edge(fiber: &FiberRecord) {
    let _guard = GRAPH.lock();
    fiber.edge.set(ptr::null());
}

/// Runs `body` on `inner`, a record of this same OS thread, while `outer` waits for `awaited`, which `body` does.
pub(crate) fn with_inner<R>(outer: &FiberRecord, awaited: &Awaited, body: impl FnOnce() -> R) -> R {
    // No cycle can close here: what `awaited` belongs to has not started.
    let before = {
        let _guard = GRAPH.lock();
        outer.edge.replace(awaited)
    };
    let result = body();
    let _guard = GRAPH.lock();
    outer.edge.set(before);
    result
}

/// Who does `awaited` now, if it is open and somebody does.
///
/// The graph's lock is held; the owner's record is alive then (G4).
pub(super) fn owner_of<'a>(awaited: &Awaited) -> Option<&'a FiberRecord> {
    // Acquire: pairs with the Release in `set_owner`.
    let owner = awaited.owner.load(Ordering::Acquire);
    if awaited.list.outcome().is_some() {
        return None;
    }
    // SAFETY: null or a fiber that has not closed `awaited` yet; its record is not freed while the lock is held (G4).
    unsafe { owner.as_ref() }
}

/// What `fiber` waits for, if it waits.
pub(super) fn edge_of<'a>(fiber: &FiberRecord) -> Option<&'a Awaited> {
    // SAFETY: an edge is removed, under the lock that is held, before the fiber leaves the frame that borrows it (G1).
    unsafe { fiber.edge.get().as_ref() }
}

/// Whether an edge from `fiber` to `first` would close a cycle. The lock is held.
fn is_cycle(fiber: &FiberRecord, first: &Awaited) -> bool {
    let mut awaited = first;
    loop {
        let Some(owner) = owner_of(awaited) else {
            return false;
        };
        if ptr::eq(owner, fiber) {
            return true;
        }
        match edge_of(owner) {
            Some(next) => awaited = next,
            None => return false,
        }
    }
}

/// Frees a fiber's record under the lock, so that no walk sees it go (G4).
pub(crate) fn retire<T>(record: Box<T>) {
    let _guard = GRAPH.lock();
    drop(record);
}

/// Waits until no walk is under way: after this a record in the caller's frame, whose work is all closed, may go (G4).
pub(crate) fn settle() {
    drop(GRAPH.lock());
}
