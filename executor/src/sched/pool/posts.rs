//! What is posted, to all workers of a pool or to one: put where it is found, and somebody woken for it (idle.md I4).
//!
//! Used by workers, wakers and threads outside. Knows nothing of how workers sleep.

use super::{Pool, Seat, Worker};
use crate::plant;
use crate::priority::Priority;
use crate::sched::fiber::FiberRecord;
use crate::sched::idle::Waker;
use crate::sched::job::JobRef;
use crate::sched::point::Point;
use crate::sync::Ordering;

impl Seat {
    /// Puts a woken fiber into the inbox. The first that comes there says so to the job that runs (attention.md A6).
    fn deliver(&self, fiber: &FiberRecord) {
        if self.inbox.push(fiber) {
            self.attention.raise();
        }
    }
}

impl Pool {
    /// Puts a job where any worker finds it, whoever calls.
    pub(in crate::sched) fn push_injected(&self, job: JobRef, priority: Priority) {
        let push = || self.injected.push(job, priority);
        self.posting(None, push, || {
            !plant::is("unannounced_job") && self.idle.job_posted()
        });
    }

    pub(crate) fn take_injected(&self) -> Option<JobRef> {
        self.injected.take()
    }

    /// Puts a woken fiber into its owner's inbox, whoever calls. `waker`: the worker of the pool that does so.
    pub(in crate::sched) fn push_fiber(
        &self,
        owner: usize,
        fiber: &FiberRecord,
        waker: Option<&Worker>,
    ) {
        // Once pushed, `fiber` may be gone.
        if !fiber.is_movable() {
            return self.post_to(owner, waker, |seat| seat.deliver(fiber));
        }
        if fiber.is_bound.get() {
            self.take_on(fiber);
            return self.post_to(owner, waker, |seat| seat.deliver(fiber));
        }
        let seat = &self.seats[owner];
        let push = || {
            seat.shared.push(fiber);
            if seat.inbox.ring() {
                seat.attention.raise();
            }
        };
        let wake = || self.idle.fiber_posted(owner) || self.idle.job_posted();
        let is_woken = self.posting(waker, push, wake);
        if is_woken && self.has_statistics {
            seat.counters.wakes.add();
        }
    }

    /// Gives a fiber without a job back to the worker that made it (moving.md M6).
    pub(in crate::sched) fn post_home(&self, home: usize, fiber: &FiberRecord, poster: &Worker) {
        self.post_to(home, Some(poster), |seat| seat.deliver(fiber));
    }

    /// Gives a job to one worker alone.
    pub(crate) fn post_job(&self, worker: usize, job: JobRef, poster: &Worker) {
        self.post_to(worker, Some(poster), |seat| seat.own_jobs.push(job));
    }

    /// The same from a thread that is no worker of the pool's.
    pub(crate) fn post_job_as_outsider(&self, worker: usize, job: JobRef) {
        self.post_to(worker, None, |seat| seat.own_jobs.push(job));
    }

    /// Pushes what only `worker` takes, and wakes it (idle.md I4).
    #[inline]
    fn post_to(&self, worker: usize, poster: Option<&Worker>, push: impl FnOnce(&Seat)) {
        let seat = &self.seats[worker];
        let wake = || self.idle.fiber_posted(worker);
        let is_woken = self.posting(poster, || push(seat), wake);
        if is_woken && self.has_statistics {
            seat.counters.wakes.add();
        }
    }

    /// A worker is no searcher any more (idle.md I5).
    pub(crate) fn end_search(&self, searcher: &Worker, waker: Waker) {
        let wake = || self.idle.end_search(waker, || self.has_jobs());
        if self.posting(Some(searcher), || (), wake) {
            searcher.count(|counters| &counters.wakes);
        }
    }

    /// Whether there is a job from outside.
    pub(in crate::sched) fn has_injected(&self) -> bool {
        !self.injected.is_empty()
    }

    /// Whether there is a job that any worker may start, or a fiber that any may resume.
    pub(crate) fn has_jobs(&self) -> bool {
        self.has_unbegun() || self.has_shared_fibers()
    }

    /// Whether there is a job that any worker may start.
    pub(super) fn has_unbegun(&self) -> bool {
        self.has_injected() || self.seats.iter().any(|seat| !seat.stealer.is_empty())
    }

    /// Whether there is a fiber that any worker may resume.
    pub(super) fn has_shared_fibers(&self) -> bool {
        self.moves_fibers && self.seats.iter().any(|seat| !seat.shared.is_empty())
    }

    /// Shows work, by `push`, and wakes somebody for it, by `wake`: noted for the audit of sleepers, and with points of a
    /// schedule for `worker`, if it is one of the pool that does so. Whether somebody was woken.
    #[inline]
    pub(crate) fn posting(
        &self,
        worker: Option<&Worker>,
        push: impl FnOnce(),
        wake: impl FnOnce() -> bool,
    ) -> bool {
        if self.is_watched {
            return self.posting_watched(worker, push, wake);
        }
        push();
        wake()
    }

    #[cold]
    fn posting_watched(
        &self,
        worker: Option<&Worker>,
        push: impl FnOnce(),
        wake: impl FnOnce() -> bool,
    ) -> bool {
        self.posting.fetch_add(1, Ordering::SeqCst);
        push();
        worker.inspect(|worker| worker.point(Point::Posted));
        let is_woken = wake();
        self.posting.fetch_sub(1, Ordering::SeqCst);
        worker.inspect(|worker| worker.point(Point::Woken));
        is_woken
    }
}
