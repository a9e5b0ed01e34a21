//! How a worker stays in place for a while with a fiber that is about to wait. Used by crowds.
//!
//! To everybody else it runs a job that lasts so long, and comes to no scheduling point meanwhile: nobody need be told.

use std::thread;
use std::time::{Duration, Instant};

use super::Worker;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{Awaited, is_being_done};
use crate::sched::wanted::reason_of;

/// How long it sleeps between two looks: at first, and when it has stayed for some time.
const LOOK: Duration = Duration::from_micros(50);
const LOOK_LATER: Duration = Duration::from_micros(400);

impl Worker {
    /// Stays in place with `fiber`, the current one, as long as another fiber does `awaited` without waiting itself; until
    /// `is_over`, or the time is up, or the work of `fiber` is cancelled, or there is something else to do here that was
    /// begun before. `true`: it is over.
    ///
    /// Under a schedule no clock is asked, and nobody stays.
    pub(crate) fn lingers(
        &self,
        fiber: &FiberRecord,
        awaited: &Awaited,
        at_most: Duration,
        is_over: impl Fn() -> bool,
    ) -> bool {
        if self.has_schedule || thread::panicking() {
            return false;
        }
        // Others may have nothing to do.
        self.publish_all(fiber);
        let start = Instant::now();
        loop {
            let stayed = start.elapsed();
            let has_other = || reason_of(fiber).is_some() || self.has_begun_work();
            let stays = stayed < at_most && !has_other() && is_being_done(awaited);
            if is_over() || !stays {
                return is_over();
            }
            thread::sleep((stayed / 4).clamp(LOOK, LOOK_LATER));
        }
    }

    /// Whether a fiber of its own can go on, or it was given a job that no other may start.
    pub(super) fn has_begun_work(&self) -> bool {
        self.has_ready_fiber() || self.has_own_jobs()
    }
}
