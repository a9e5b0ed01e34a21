//! Panics on their way from where they happen to where they go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Calls `body`; gives what it panicked with.
pub(crate) fn halt_unwinding<R>(body: impl FnOnce() -> R) -> thread::Result<R> {
    catch_unwind(AssertUnwindSafe(body))
}

/// Lets a panic go on, without calling the panic hook again.
pub(crate) fn resume_unwinding(payload: Payload) -> ! {
    resume_unwind(payload)
}
