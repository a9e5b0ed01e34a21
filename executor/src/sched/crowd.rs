//! Many who wait for one thing, each with a fiber of its own, where what their workers go on with is most often one more of
//! them: what keeps their number small (query/cycle.md X9).
//!
//! Used by asks that wait for an iteration. Knows no query.

use std::time::Duration;

use super::fiber::FiberRecord;
use super::graph::Awaited;
use crate::sync::{AtomicUsize, Ordering};

/// So many wait at once before anybody stays in place first: as many as a worker keeps spare fibers.
const SMALL: usize = 64;

/// For so long, for each so many that wait: a ready fiber, too, waits as long for a job that is under way before it is
/// yielded to.
const FOR_EACH_SMALL: Duration = Duration::from_millis(1);

/// How many wait for one thing.
pub(crate) struct Crowd(AtomicUsize);

/// One of them, as long as this is there.
pub(crate) struct Waiting<'c>(&'c AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Crowd(AtomicUsize::new(0))
    }

    /// `fiber`, the current one, is about to wait for `awaited`. If many do already, it stays in place for a while first, and
    /// its worker begins nothing else meanwhile. `None`: there was nothing left to wait for, which `is_over` says.
    pub(crate) fn join(
        &self,
        fiber: &FiberRecord,
        awaited: &Awaited,
        is_over: impl Fn() -> bool,
    ) -> Option<Waiting<'_>> {
        let waiting = self.0.load(Ordering::Relaxed);
        if waiting >= SMALL
            && let Some(worker) = fiber.worker()
            && worker.lingers(
                fiber,
                awaited,
                FOR_EACH_SMALL * (waiting / SMALL) as u32,
                is_over,
            )
        {
            return None;
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(&self.0))
    }
}
