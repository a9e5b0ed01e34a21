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
    const OF_WORKER: &'static JobKind = &JobKind::whole(Self::sweep);
    const OF_ALL: &'static JobKind = &JobKind::whole(Self::spread);

    /// What one worker does.
    pub(super) fn of_worker() -> Self {
        Self::new(Self::OF_WORKER)
    }

    /// Posts the sweep of each worker.
    pub(super) fn of_all() -> Self {
        Self::new(Self::OF_ALL)
    }

    fn new(kind: &'static JobKind) -> Self {
        Sweep {
            job: Job::new(kind),
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
    unsafe fn begin(job: NonNull<Job>, fiber: &FiberRecord) -> &Worker {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct.
        let sweep = unsafe { job.cast::<Self>().as_ref() };
        // Before the look: who posts from now on posts anew.
        sweep.posted.lower();
        let worker = fiber.worker().expect("a worker runs it");
        worker.note_sweep();
        worker
    }

    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    unsafe fn sweep(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract.
        unsafe { Self::begin(job, fiber) }.sweep();
    }

    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    unsafe fn spread(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract.
        let worker = unsafe { Self::begin(job, fiber) };
        worker.pool().post_sweeps(worker);
    }
}

impl Pool {
    /// Each worker is to end what was cancelled, as soon as it comes to its loop.
    fn post_sweeps(&self, poster: &Worker) {
        for (index, seat) in self.seats().iter().enumerate() {
            if let Some(job) = seat.sweep.post() {
                self.post_job(index, job, poster);
            }
        }
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
            return self.post_sweeps(worker);
        }
        if let Some(job) = self.spread.post() {
            match self.outside(None) {
                None => self.push_injected(job),
                Some(seeded) => self.post_from_outside(seeded, Post::Job(job)),
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
