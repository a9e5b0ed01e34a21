//! How a fiber waits for a lock, for a place, or in a line (lock.md).
//!
//! Used by the public locks. Knows the edge that a wait for a lock has, and not who is called.

use std::ptr;

use super::deadlock::{Closes, closes};
use super::edge::set_edge;
use super::waits::{
    check_allowed, check_cancelled, check_unwinding, point_before_wait, suspend_leaving,
};
use super::{Ask, Awaited, Subject, WaitKind};
use crate::error::Error;
use crate::plant;
use crate::sched::detection::{self, GRAPH};
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::line::Place;
use crate::sched::lock::{Entered, Lock};
use crate::sched::places::{Places, Stand};
use crate::sched::shared::{Shared, Turn};
use crate::sched::wait::{WaitList, Waiters};

/// What a list is to the graph.
fn awaited(list: &WaitList) -> &Awaited {
    // SAFETY: transparent.
    unsafe { &*ptr::from_ref(list).cast::<Awaited>() }
}

/// Takes `lock` for `fiber`, the current one, which waits if need be; `is_over` says that it need not any more. Gives whether
/// it was taken.
///
/// # Errors
///
/// The wait would be part of a deadlock, in a destructor during an unwind, or in a report; or the fiber's work is
/// cancelled, or no stack is left to go on with.
pub(crate) fn wait_for_lock(
    fiber: &FiberRecord,
    lock: &Lock,
    what: Subject,
    is_over: impl Fn() -> bool,
) -> Result<bool, Error> {
    check_unwinding()?;
    check_allowed(fiber, what)?;
    check_cancelled(fiber)?;
    let mut calls = 0;
    while !is_over() {
        point_before_wait(fiber);
        let place = Place::new(fiber, holder::beside(fiber), calls);
        match enter(fiber, lock, &place) {
            Step::Taken => return Ok(true),
            Step::Called => (),
            Step::Deadlock(error) => return Err(error),
            Step::Listed => {
                let ask = Ask::new(fiber, awaited(&place.list), what, WaitKind::Lock);
                suspend_leaving(fiber, &ask, || {
                    // One reason to leave is enough.
                    let _ = leave_edge(fiber);
                    lock.leave(&place);
                })?;
                leave_edge(fiber).inspect_err(|_| lock.leave(&place))?;
            }
        }
        if !plant::is("uncounted_calls") {
            calls += 1;
        }
    }
    Ok(false)
}

/// What came of stepping into the line.
enum Step {
    Taken,
    /// It must suspend.
    Listed,
    /// It was called at once.
    Called,
    Deadlock(Error),
}

fn enter(fiber: &FiberRecord, lock: &Lock, place: &Place) -> Step {
    let holder = holder::of(fiber);
    // SAFETY: whoever steps into the line suspends and was called, or leaves, before the place goes.
    let enter = || unsafe { lock.enter(holder, place) };
    let edge = ptr::from_ref(lock).cast();
    step_in(fiber, place, edge, WaitKind::Lock, enter, || {
        lock.leave(place)
    })
}

/// Takes one of `places` for `holder`, by which `fiber`, the current one, holds; it waits if need be.
///
/// # Errors
///
/// As for [`wait_for_lock`].
pub(crate) fn wait_for_place(
    fiber: &FiberRecord,
    holder: &FiberRecord,
    places: &Places,
    what: Subject,
) -> Result<(), Error> {
    may_wait_in_line(fiber, what)?;
    let stand = Stand {
        place: Place::for_holder(fiber, holder::beside(fiber), holder),
        places,
    };
    let place = &stand.place;
    // SAFETY: whoever steps into the line suspends and was called, or leaves, before the place goes.
    let enter = || unsafe { places.enter(place) };
    let leave = || places.leave(place);
    let edge = ptr::from_ref(&stand).cast();
    wait_in_stand(fiber, place, what, (edge, WaitKind::Place), enter, leave)
}

/// Takes so many of the permits of `shared` for `fiber`, the current one, which waits if need be.
///
/// # Errors
///
/// As for [`wait_for_lock`].
pub(crate) fn wait_for_share(
    fiber: &FiberRecord,
    shared: &Shared,
    count: usize,
    what: Subject,
) -> Result<(), Error> {
    let turn = Turn {
        place: Place::new(fiber, None, count),
        shared,
    };
    let place = &turn.place;
    // SAFETY: whoever steps into the line suspends and was called, or leaves, before the place goes.
    let enter = || unsafe { shared.permits.enter(place) };
    let leave = || shared.permits.leave(place);
    let edge = ptr::from_ref(&turn).cast();
    wait_in_stand(fiber, place, what, (edge, WaitKind::Share), enter, leave)
}

/// Lets `enter` put `place` into a line, if need be, and waits until it is called, by an edge to what it lies in, of
/// a kind.
///
/// # Errors
///
/// As for [`wait_for_lock`]: then `leave` has taken the place out of the line, or given back what it was handed.
fn wait_in_stand(
    fiber: &FiberRecord,
    place: &Place,
    what: Subject,
    (edge, kind): (*const Awaited, WaitKind),
    enter: impl FnOnce() -> Entered,
    leave: impl Fn(),
) -> Result<(), Error> {
    match step_in(fiber, place, edge, kind, enter, &leave) {
        Step::Taken | Step::Called => Ok(()),
        Step::Deadlock(error) => Err(error),
        Step::Listed => {
            let ask = Ask::new(fiber, awaited(&place.list), what, kind);
            suspend_leaving(fiber, &ask, || {
                // One reason to leave is enough.
                let _ = leave_edge(fiber);
                leave();
            })?;
            leave_edge(fiber).inspect_err(|_| leave())
        }
    }
}

/// Lets `enter` put `place` into a line, and adds the edge of `fiber`, the current one, to what the line belongs to. If that
/// closes a deadlock, and it is this wait that is ended, it leaves the line instead.
fn step_in(
    fiber: &FiberRecord,
    place: &Place,
    edge: *const Awaited,
    kind: WaitKind,
    enter: impl FnOnce() -> Entered,
    leave: impl FnOnce(),
) -> Step {
    let guard = GRAPH.lock();
    if enter() == Entered::Taken {
        return Step::Taken;
    }
    let mut woken: Option<Waiters> = None;
    if detection::IS_ON {
        match closes(fiber, edge, kind) {
            Closes::Nothing | Closes::Cycle => (),
            Closes::Deadlock(deadlock) => match deadlock.end(fiber) {
                Ok(waiters) => woken = waiters,
                Err(error) => {
                    drop(guard);
                    leave();
                    return Step::Deadlock(error);
                }
            },
        }
    }
    set_edge(fiber, edge, kind);
    // SAFETY: the current fiber, which suspends if it was listed; its record outlives it.
    let listed = unsafe { place.list.list(fiber) };
    if listed.is_err() {
        set_edge(fiber, ptr::null(), kind);
    }
    drop(guard);
    woken.into_iter().for_each(Waiters::wake);
    if listed.is_ok() {
        Step::Listed
    } else {
        Step::Called
    }
}

/// After the wait: the edge goes.
///
/// # Errors
///
/// It was called back from a deadlock.
fn leave_edge(fiber: &FiberRecord) -> Result<(), Error> {
    let _guard = GRAPH.lock();
    set_edge(fiber, ptr::null(), WaitKind::Lock);
    // SAFETY: the lock is held.
    match unsafe { &mut *fiber.cycle.get() }.take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Whether `fiber`, the current one, may begin to wait in a line; a point for a schedule.
///
/// # Errors
///
/// It would be a wait in a destructor during an unwind, or in a report; or the fiber's work is cancelled.
pub(crate) fn may_wait_in_line(fiber: &FiberRecord, what: Subject) -> Result<(), Error> {
    check_unwinding()?;
    check_allowed(fiber, what)?;
    check_cancelled(fiber)?;
    point_before_wait(fiber);
    Ok(())
}

/// Suspends `fiber`, which stands at `place` in a line, until it is called: without an edge, for nobody is known to call it.
///
/// # Errors
///
/// Its work is cancelled, or no stack is left to go on with: then `leave` takes the place out of the line, or gives back
/// what it was handed.
pub(crate) fn wait_in_line(
    fiber: &FiberRecord,
    place: &Place,
    what: Subject,
    leave: impl FnOnce(),
) -> Result<(), Error> {
    let ask = Ask::new(fiber, awaited(&place.list), what, WaitKind::Ask);
    // SAFETY: the current fiber, which suspends if it was listed; its record outlives it.
    match unsafe { place.list.list(fiber) } {
        Ok(_) => suspend_leaving(fiber, &ask, leave),
        Err(_) => Ok(()),
    }
}
