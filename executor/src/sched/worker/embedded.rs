//! What a worker does for who embeds the scheduler (`raw.rs`) and not for a `Cx`: it may be a guest on a thread that
//! does other things in between, and it yields for jobs that have not started.

use super::Worker;
use crate::error::Error;
use crate::sched::fiber::{FiberRecord, Left};
use crate::sched::job::JobRef;

impl Worker {
    /// Works on the calling thread, whose worker this is, until `job` has said [`leave`](Self::leave) and none of the
    /// worker's fibers waits. `job` goes first.
    ///
    /// # Errors
    ///
    /// There is no stack to begin on: the job was not started.
    pub(crate) fn visit(&self, job: JobRef) -> Result<(), Error> {
        if !self.has_spare_or_makes_one() {
            return Err(self.shortage());
        }
        self.is_leaving.set(false);
        self.next_job.set(Some(job));
        self.note_diversions();
        self.run();
        Ok(())
    }

    /// Ends a [visit](Self::visit), as soon as may be.
    pub(crate) fn leave(&self) {
        self.is_leaving.set(true);
    }

    /// Whether a visit ends now. A fiber that waits keeps it: nobody else resumes it.
    #[inline]
    pub(super) fn may_leave(&self) -> bool {
        self.is_leaving.get() && self.has_nothing_begun()
    }

    fn has_nothing_begun(&self) -> bool {
        self.suspended.get() == 0 && !self.has_ready_fiber()
    }

    /// Lets a ready fiber go on before `record`, the current one, or else (and every so often anyway) a job that has not
    /// started: one of its own, or, if `is_everywhere`, anybody's. `false`: there is none.
    pub(crate) fn yield_to_work(&self, record: &FiberRecord, is_everywhere: bool) -> bool {
        // What it waits for may be a job that it holds.
        self.publish_all(record);
        let is_quick = self.has_quick_successor();
        let has_ready = is_quick || self.has_ready_fiber();
        let looks = !is_quick && (self.ends_period() || !has_ready);
        // It must not run on this stack (invariant 3).
        if looks && self.has_spare_or_makes_one() {
            self.next_job.set(if is_everywhere {
                self.take_job().or_else(|| self.steal())
            } else {
                self.deque.pop().or_else(|| self.take_own_job())
            });
            self.note_diversions();
        }
        if !has_ready && !self.has_next_job() {
            return false;
        }
        self.ready.push(record);
        // A pool of this kind has no hooks.
        self.switch_to_base(record, Left::Waiting);
        true
    }

    /// Whether anything has not started that this worker, or `record`, its current fiber, holds.
    pub(crate) fn has_jobs_of(&self, record: &FiberRecord) -> bool {
        self.deque.len() > 0 || !record.forks.is_empty()
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }
}
