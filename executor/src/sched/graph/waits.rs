//! How a fiber waits, from the look whether it must to the time when it goes on: by an edge, or without one.
//!
//! Used by everything that waits. Knows the edge it adds, and not what else is in the graph.

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Instant;

use super::edge::{Added, Ended, add_edge, end_wait, lose_edge};
use super::giving_up::GivenUpFor;
use super::{Awaited, Subject, owner_of};
use crate::error::Error;
use crate::plant;
use crate::sched::cancel::Interrupt;
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::wanted::{self, Foreign, end_of};

/// Suspends `fiber` until `awaited` was closed; `what` is its name for reports.
///
/// # Errors
///
/// The error of a cycle that this wait is part of (the wait never returns to its asker: raise it);
/// or that no stack is left to go on with while this one waits, or that the fiber's work is cancelled.
pub(crate) fn wait_for(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Stopped> {
    wait_in_ask(fiber, awaited, what, WaitKind::Ask)
}

/// As [`wait_for`], in an iteration: gives [`Stopped::Cut`] where the wait would be part of a cycle through a query that
/// asks for a fixpoint (graph.md G9).
pub(crate) fn wait_for_or_cut(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Stopped> {
    wait_in_ask(fiber, awaited, what, WaitKind::Iterated)
}

fn wait_in_ask(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
    kind: WaitKind,
) -> Result<(), Stopped> {
    if awaited.list.outcome().is_some() {
        return Ok(());
    }
    check_unwinding().map_err(Stopped::Refused)?;
    check_allowed(fiber, what).map_err(Stopped::Refused)?;
    check_cancelled(fiber).map_err(Stopped::Refused)?;
    wait_on_edge(fiber, awaited, what, kind).map_err(Stopped::of)
}

/// Suspends `fiber` until `awaited`, a child that borrows from it and is not opened again, is
/// closed, come what may.
///
/// Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn wait_for_child(fiber: &FiberRecord, awaited: &Awaited) -> Option<Error> {
    let mut cycle = None;
    if awaited.list.outcome().is_none() {
        // It cannot be left: it is told afterwards.
        cycle = check_allowed(fiber, Subject::CHILD).err();
    }
    while awaited.list.outcome().is_none() {
        // Once a cycle is decided the child goes on; it may run into another.
        let waited = wait_on_edge(fiber, awaited, Subject::CHILD, WaitKind::Child);
        cycle = cycle.or(waited.err());
    }
    cycle
}

/// The same for a child that nobody does before `begin` sets it going: the fiber is listed first, so that it waits
/// however soon the child ends.
pub(crate) fn wait_for_begun(
    fiber: &FiberRecord,
    awaited: &Awaited,
    begin: impl FnOnce(),
) -> Option<Error> {
    point_before_wait(fiber);
    // SAFETY: the current fiber, which suspends below; its record outlives it.
    let mut ask = Ask::new(fiber, awaited, Subject::CHILD, WaitKind::Child);
    // SAFETY: as above.
    let Added::Waiting = (unsafe { add_edge(fiber, awaited, &mut ask) }) else {
        unreachable!("it is open, and nobody does it");
    };
    begin();
    let cycle = wait_listed(fiber, awaited, ask).err();
    cycle.or(wait_for_child(fiber, awaited))
}

/// As [`wait_for`], for what is owned by nobody (events): no edge, no cycle.
pub(crate) fn wait_without_edge(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Error> {
    let mut ask = Ask::new(fiber, awaited, what, WaitKind::Ask);
    while awaited.list.outcome().is_none() {
        check_unwinding()?;
        check_allowed(fiber, what)?;
        check_cancelled(fiber)?;
        if sees_end(fiber, awaited) {
            break;
        }
        point_before_wait(fiber);
        // SAFETY: the current fiber, which suspends if it was listed; its record outlives it.
        if let Ok(before) = unsafe { awaited.list.list(fiber) } {
            ask.before = before;
            suspend(fiber, &ask)?;
        }
    }
    Ok(())
}

/// Whether `awaited` is closed in the next moment (wait.md W9).
fn sees_end(fiber: &FiberRecord, awaited: &Awaited) -> bool {
    let is_over = || awaited.list.outcome().is_some();
    let worker = fiber.worker();
    worker.is_some_and(|worker| worker.sees_end(fiber, is_over))
}

/// A point for a schedule, which the closer may use to come first.
pub(super) fn point_before_wait(fiber: &FiberRecord) {
    fiber
        .worker()
        .inspect(|worker| worker.point_before_wait(fiber));
}

fn wait_on_edge(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
    kind: WaitKind,
) -> Result<(), Error> {
    if sees_end(fiber, awaited) {
        return Ok(());
    }
    let mut ask = Ask::new(fiber, awaited, what, kind);
    point_before_wait(fiber);
    // SAFETY: the current fiber, which suspends below if it was listed; its record outlives it.
    match unsafe { add_edge(fiber, awaited, &mut ask) } {
        Added::Waiting => wait_listed(fiber, awaited, ask),
        Added::Done => Ok(()),
        Added::Closes(cycle) => Err(cycle.decide()),
        Added::CalledBack(error) => Err(error),
    }
}

/// Suspends `fiber`, which has an edge and is listed, until the wait has ended.
fn wait_listed(fiber: &FiberRecord, awaited: &Awaited, mut ask: Ask) -> Result<(), Error> {
    loop {
        suspend_leaving(fiber, &ask, || lose_edge(fiber, ask.kind))?;
        // SAFETY: the current fiber, which was woken, and suspends above if it is listed again.
        match unsafe { end_wait(fiber, awaited, &mut ask) } {
            Ended::ListedAgain => (),
            Ended::Done => return Ok(()),
            Ended::Cycle(error, owner) => {
                owner.inspect(|owner| owner.interrupt());
                return Err(error);
            }
        }
    }
}

/// Suspends `fiber`, which is listed; `ask` says where and behind whom.
///
/// # Errors
///
/// It was given up.
fn suspend(fiber: &FiberRecord, ask: &Ask) -> Result<(), Error> {
    suspend_leaving(fiber, ask, || ())
}

/// As [`suspend`]; if the wait was given up, `leave` takes the fiber out of what only the caller knows: before the fiber
/// is told of a cancellation, since it may end there for ever.
///
/// # Errors
///
/// It was given up.
pub(super) fn suspend_leaving(
    fiber: &FiberRecord,
    ask: &Ask,
    leave: impl FnOnce(),
) -> Result<(), Error> {
    fiber.begin_rest(ask);
    if wanted::reason_of(fiber).is_some() {
        // It is wanted as far as it can tell; once it stands still, others, and its own worker, can tell better.
        fiber.watcher().inspect(|pool| pool.interrupt());
    }
    fiber.suspend();
    fiber.end_rest();
    if wanted::reason_of(fiber).is_some() {
        // Another fiber may have lowered the attention word meanwhile.
        fiber.raise_attention();
    }
    match fiber.given_up.replace(GivenUpFor::Nothing) {
        GivenUpFor::Nothing => Ok(()),
        GivenUpFor::Shortage => {
            leave();
            Err(fiber.shortage())
        }
        GivenUpFor::Cancel => {
            leave();
            let reason = wanted::reason_of(fiber).expect("a reason stays");
            Err(wanted::told(fiber, wanted::end(fiber, reason)))
        }
    }
}

/// Why a wait did not come to its end.
pub(crate) enum Stopped {
    /// It is part of a cycle: its asker must not go on.
    Cycle(Error),
    /// It could not begin.
    Refused(Error),
    /// It is part of a cycle that its asker iterates: it goes on without.
    Cut,
}

impl Stopped {
    fn of(error: Error) -> Stopped {
        if error.is_exhausted() || error.is_cancelled() || error.is_deadlock() || error.is_refused()
        {
            Stopped::Refused(error)
        } else if error.is_cut() {
            Stopped::Cut
        } else {
            Stopped::Cycle(error)
        }
    }
}

/// What a wait on an edge is to the graph.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// For a child, which borrows from the waiter: it cannot be called back.
    Child,
    /// An ask.
    Ask,
    /// An ask in an iteration, which can be cut (G9).
    Iterated,
    /// For a lock: the edge is one to the whole of it (lock.md).
    Lock,
    /// For one of several places: the edge is one to where the fiber stands for it (lock.md).
    Place,
    /// For a lock that several may hold: the edge is one to where the fiber stands for it (lock.md).
    Share,
}

impl WaitKind {
    /// Whether it can be called back.
    pub(in crate::sched) fn is_ask(self) -> bool {
        self != WaitKind::Child
    }
}

/// An ask must not wait in a destructor that an unwind runs.
pub(super) fn check_unwinding() -> Result<(), Error> {
    if std::thread::panicking() && !plant::is("wait_while_unwinding") {
        Err(Error::unwinding())
    } else {
        Ok(())
    }
}

/// What has said that it does not wait, does not. Nor does user code while a failure, or who waits, is reported: it would
/// stand on what the report reads, or keep a circle from being decided (graph.md G5).
pub(super) fn check_allowed(fiber: &FiberRecord, what: Subject) -> Result<(), Error> {
    if fiber.refuses_runs() && !plant::is("waiting_report") {
        return Err(Error::wait_in_report());
    }
    match fiber.must_not_suspend() {
        Some(place) => Err(refusal(place, what)),
        None => Ok(()),
    }
}

#[cold]
fn refusal(place: &'static Location<'static>, what: Subject) -> Error {
    let what = without_runs(|| what.name());
    let what = what.map_or_else(|| "what was forked".to_owned(), |name| name.text);
    Error::no_suspend(place, &what)
}

/// Cancelled work does not begin to wait (cancel.md X2).
pub(super) fn check_cancelled(fiber: &FiberRecord) -> Result<(), Error> {
    match end_of(fiber) {
        Some(error) => Err(wanted::told(fiber, error)),
        None => Ok(()),
    }
}

/// A wait of a suspended fiber, in the frame of the wait: what its worker knows of it.
pub(in crate::sched) struct Ask {
    pub(super) awaited: NonNull<Awaited>,
    /// Behind whom the fiber was listed (wait.md W7).
    pub(super) before: *const FiberRecord,
    pub(super) kind: WaitKind,
    pub(super) what: Subject,
    /// Since when, if somebody looks at the clock.
    pub(super) since: Option<Instant>,
    foreign: Foreign,
}

impl Ask {
    pub(super) fn new(
        fiber: &FiberRecord,
        awaited: &Awaited,
        what: Subject,
        kind: WaitKind,
    ) -> Self {
        let is_timed = fiber
            .host()
            .worker()
            .is_some_and(|worker| worker.times_waits());
        Ask {
            awaited: NonNull::from(awaited),
            before: ptr::null(),
            kind,
            what,
            since: is_timed.then(Instant::now),
            foreign: Foreign::new(),
        }
    }

    /// The fiber was listed, behind `before`. The lock is held.
    pub(super) fn listed(
        &mut self,
        fiber: &FiberRecord,
        awaited: &Awaited,
        before: *const FiberRecord,
    ) {
        self.before = before;
        if self.kind.is_ask() {
            self.foreign.note(fiber, owner_of(awaited));
        }
    }

    /// The pool of who does what it is for, if that one may have gone on for it alone. The lock is held.
    pub(super) fn owner_to_tell(&self) -> Option<Arc<dyn Interrupt>> {
        // SAFETY: borrowed by the frame of the wait, as this is.
        let awaited = unsafe { self.awaited.as_ref() };
        let owner = || owner_of(awaited).and_then(FiberRecord::watcher);
        self.foreign.is_counted().then(owner).flatten()
    }
}
