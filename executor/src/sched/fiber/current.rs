//! The fiber that runs on an OS thread.
//!
//! Used wherever no record is at hand, and by who switches. No thread-local is touched inline: its address must not be
//! kept over a switch.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::FiberRecord;

thread_local! {
    /// The fiber that runs on this OS thread, if any.
    static CURRENT: Cell<*const FiberRecord> = const { Cell::new(ptr::null()) };
}

/// The fiber that runs on this OS thread; null outside. Never inlined: the thread-local's address
/// must not be kept over a switch.
#[inline(never)]
pub(crate) fn current() -> *const FiberRecord {
    CURRENT.with(Cell::get)
}

/// Where this OS thread says which fiber runs on it: for a thread that says so often. Good as long
/// as the thread runs.
#[inline(never)]
pub(crate) fn current_place() -> NonNull<Cell<*const FiberRecord>> {
    CURRENT.with(|current| NonNull::from(current))
}

/// Says which fiber runs on this OS thread from now on, and gives the one before.
#[inline(never)]
pub(crate) fn set_current(fiber: *const FiberRecord) -> *const FiberRecord {
    CURRENT.with(|current| current.replace(fiber))
}

/// Runs user code (a `Debug`, a destructor) that must not call `run`: while a failure is reported, something is open
/// whose frame is gone already, or a cycle stands still and must stay so.
pub(crate) fn without_runs<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: null, or the fiber that runs this, which outlives the call.
    let Some(fiber) = (unsafe { current().as_ref() }) else {
        return body();
    };
    let before = fiber.refuses_runs.replace(true);
    let result = body();
    fiber.refuses_runs.set(before);
    result
}
