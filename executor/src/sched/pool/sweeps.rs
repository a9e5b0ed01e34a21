//! How a cancellation gets to the workers of a pool: a job for each, which ends the waits of its fibers. Rules: cancel.md.

use std::ptr::NonNull;
use std::sync::Arc;

use super::{Pool, Worker};
use crate::sched::cancel::Interrupt;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::job::{Job, JobKind, JobRef};
use crate::sched::posted::Posted;
use crate::sched::seeded::Post;

/// A job that is there for good, and posted when there is something to end.
#[repr(C)]
pub(crate) struct Sweep {
    job: Job,
    /// Whether it is in a queue, and not started.
    posted: Posted,
}

// SAFETY: a head's kind is changed by the lists of forks only, on which no sweep is ever.
unsafe impl Sync for Sweep {}

impl Sweep {
    const KIND: &'static JobKind = &JobKind::whole(Self::sweep);

    pub(super) fn new() -> Self {
        Sweep {
            job: Job::new(Self::KIND),
            posted: Posted::new(),
        }
    }

    /// The job, to be pushed, unless it is in its queue already (X2).
    fn post(&self) -> Option<JobRef> {
        let is_new = self.posted.raise();
        // SAFETY: it stays in place as long as the pool, which outlives its queues' users, and what it does may be done
        // by any thread. It is started once for each time that it is posted.
        is_new.then(|| unsafe { JobRef::new(NonNull::from(self).cast()) })
    }

    /// # Safety
    ///
    /// `job` is the head of a living sweep, on `fiber`, a worker's.
    unsafe fn sweep(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct.
        let sweep = unsafe { job.cast::<Self>().as_ref() };
        // Before the look: who posts from now on posts anew.
        sweep.posted.lower();
        let worker = fiber.worker().expect("a worker runs it");
        worker.note_sweep();
        worker.sweep();
    }
}

impl Pool {
    /// Each worker is to end what was cancelled, as soon as it comes to its loop. `poster`: the worker of the pool that
    /// says so.
    fn post_sweeps(&self, poster: Option<&Worker>) {
        for (index, seat) in self.seats().iter().enumerate() {
            match (seat.sweep.post(), poster) {
                (Some(job), Some(poster)) => self.post_job(index, job, poster),
                (Some(job), None) => self.post_job_as_outsider(index, job),
                (None, _) => (),
            }
        }
    }

    /// The same, when a schedule has let it in.
    pub(in crate::sched) fn deliver_sweeps(&self) {
        // Before they are posted: who comes from now on hands in anew.
        self.sweeps_outside.lower();
        self.post_sweeps(None);
    }

    /// Makes each worker look at its next scheduling point.
    pub(super) fn raise_all(&self) {
        self.seats().iter().for_each(|seat| seat.attention.raise());
    }
}

impl Interrupt for Pool {
    fn interrupt(&self) {
        self.raise_all();
        // SAFETY: null, or the current fiber, which is alive, since it runs this.
        let worker = unsafe { current().as_ref() }.and_then(FiberRecord::worker);
        if let Some(worker) = worker.filter(|worker| std::ptr::eq(worker.pool(), self)) {
            return self.post_sweeps(Some(worker));
        }
        match self.outside(None) {
            None => self.post_sweeps(None),
            Some(seeded) => {
                if self.sweeps_outside.raise() {
                    self.post_from_outside(seeded, Post::Sweeps);
                }
            }
        }
    }
}

impl Pool {
    /// The pool, as one whom a token tells.
    pub(crate) fn watcher(self: &Arc<Self>) -> Arc<dyn Interrupt> {
        Arc::clone(self) as Arc<dyn Interrupt>
    }
}
