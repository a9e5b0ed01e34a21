//! What comes from outside of a pool that runs under a schedule, and how it gets in.

use super::{Seeded, Sleepers};
use crate::priority::Priority;
use crate::sched::fiber::FiberRecord;
use crate::sched::job::JobRef;
use crate::sched::pool::Pool;

/// Something that a thread outside hands in.
pub(crate) enum Post {
    /// A root job.
    Job(JobRef, Priority),
    /// A fiber that was woken (one that may move: is to be), and the worker that it belongs to.
    Fiber(usize, *const FiberRecord),
    /// The sweeps of all workers.
    Sweeps,
    /// How many workers are on duty.
    Duty(usize),
}

// SAFETY: a job is `Send`; a woken fiber's record belongs to who wakes it until it is in its owner's inbox (wait.md W3),
// and who wakes it has handed it over.
unsafe impl Send for Post {}

impl Sleepers for Pool {
    fn is_notified(&self, worker: usize) -> bool {
        self.idle.is_notified(worker)
    }

    fn deliver(&self, post: Post) {
        match post {
            Post::Job(job, priority) => self.push_injected(job, priority),
            // SAFETY: suspended until it is in its owner's inbox, so its record is alive.
            Post::Fiber(owner, fiber) => self.wake_let_in(owner, unsafe { &*fiber }, None),
            Post::Sweeps => self.deliver_sweeps(),
            Post::Duty(count) => self.change_duty(count),
        };
    }

    fn has_work(&self) -> bool {
        self.has_jobs() || self.has_fiber_posted()
    }
}

impl Pool {
    /// Hands in what comes from outside.
    pub(crate) fn post_from_outside(&self, seeded: &Seeded, post: Post) {
        seeded.post_from_outside(post, self);
    }
}
