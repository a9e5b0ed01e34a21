//! The thread that made a pool with `use_current_thread`, and so is its first worker: it works while it waits.

use std::cell::Cell;
use std::sync::Arc;

use dagwood::raw::{Guest, Member, current};

use super::Registry;
use crate::error::{ErrorKind, ThreadPoolBuildError};
use crate::unwind::resume_unwinding;

/// A guest's place in its pool; never freed, as its thread may use it as long as it runs.
pub(crate) struct Seat {
    guest: Guest,
    registry: Arc<Registry>,
}

thread_local! {
    static SEAT: Cell<Option<&'static Seat>> = const { Cell::new(None) };
}

/// The place of the calling thread, if it is a guest, and is not at work. Never inlined: fibers are switched on it.
#[inline(never)]
pub(crate) fn here() -> Option<&'static Seat> {
    // SAFETY: it is looked at only.
    let is_in_a_job = unsafe { current() }.is_some();
    let seat = SEAT.try_with(Cell::get).unwrap_or(None);
    seat.filter(|_| !is_in_a_job)
}

/// Makes the calling thread the worker `member`.
///
/// # Errors
///
/// It is a worker already, or there is no stack to begin with.
pub(super) fn sit_down(
    registry: &Arc<Registry>,
    member: Member,
) -> Result<(), ThreadPoolBuildError> {
    // SAFETY: it is looked at only.
    if unsafe { current() }.is_some() || here().is_some() {
        return Err(ThreadPoolBuildError::new(
            ErrorKind::CurrentThreadAlreadyInPool,
        ));
    }
    let guest = member.into_guest().map_err(ThreadPoolBuildError::io)?;
    let seat = Box::leak(Box::new(Seat {
        guest,
        registry: Arc::clone(registry),
    }));
    SEAT.set(Some(seat));
    Ok(())
}

impl Seat {
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Runs `body` as a job of this worker, on this thread (with dagwood's threads: on one of its own).
    pub(crate) fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        let result = self.guest.run(body);
        result.unwrap_or_else(|payload| resume_unwinding(payload))
    }
}
