//! Where what comes from outside gets into a pool: at once, or, if a schedule says who runs, when it says so (seeded.md T4).

use super::{Pool, Worker};
use crate::error::Error;
use crate::plant;
use crate::priority::Priority;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::job::JobRef;
use crate::sched::seeded::{Post, Seeded};
use crate::schedule::ScheduleLog;

impl Pool {
    /// Gives a job from outside to the pool.
    pub(crate) fn inject(&self, job: JobRef, priority: Priority) {
        match self.seeded() {
            None => self.push_injected(job, priority),
            Some(seeded) => self.post_from_outside(seeded, Post::Job(job, priority)),
        }
    }

    /// Puts a woken fiber into its owner's inbox. `waker`: the worker of the pool that does so.
    pub(crate) fn post_fiber(&self, owner: usize, fiber: &FiberRecord, waker: Option<&Worker>) {
        match self.outside(waker) {
            None => self.push_fiber(owner, fiber, waker),
            Some(seeded) => self.post_from_outside(seeded, Post::Fiber(owner, fiber)),
        }
    }

    /// Wakes a fiber that may move and is not woken yet. `waker`: the worker of the pool that does so. What comes from outside
    /// has not woken it before it is let in: whether it has left its stack by then is no accident.
    pub(in crate::sched) fn wake_movable(
        &self,
        owner: usize,
        fiber: &FiberRecord,
        waker: Option<&Worker>,
    ) {
        match self.outside(waker) {
            None => self.wake_let_in(owner, fiber, waker),
            Some(seeded) => self.post_from_outside(seeded, Post::Fiber(owner, fiber)),
        }
    }

    /// The same, when it was let in; and a pinned fiber.
    pub(in crate::sched) fn wake_let_in(
        &self,
        owner: usize,
        fiber: &FiberRecord,
        waker: Option<&Worker>,
    ) {
        let is_off = |fiber: &FiberRecord| fiber.stance.wake() || plant::is("resumed_on_its_stack");
        if !fiber.is_movable() || is_off(fiber) {
            self.push_fiber(owner, fiber, waker);
        }
    }

    /// Whether the calling thread acts for a worker of this pool.
    fn is_here(&self) -> bool {
        // SAFETY: null, or the current fiber, which is alive, since it runs this.
        let fiber = unsafe { current().as_ref() };
        let is_base = || self.seeded().is_some_and(Seeded::is_base_here);
        fiber.is_some_and(|fiber| fiber.is_of(self.identity())) || is_base()
    }

    /// What lets in what the calling thread hands in, if a schedule says when.
    #[inline]
    pub(super) fn outside(&self, poster: Option<&Worker>) -> Option<&Seeded> {
        self.seeded()
            .filter(|_| poster.is_none() && !self.is_here())
    }

    /// Runs `run`, which waits for a job that it gives to the pool: a failure is told with how to see it again.
    ///
    /// # Errors
    ///
    /// Those of `run`; or it was not the one of the schedule's log.
    pub(crate) fn watching<T>(&self, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let Some(seeded) = self.seeded() else {
            return run();
        };
        let watch = WatchedRun(seeded);
        seeded.run_begins();
        let result = run();
        std::mem::forget(watch);
        seeded.run_ends()?;
        result
    }

    /// `fiber` goes on next, where the caller says (moving.md M3).
    pub(in crate::sched) fn take_on(&self, fiber: &FiberRecord) {
        if !fiber.stance.go_on() {
            let what = "a fiber is resumed before it has left its stack";
            eprintln!("dagwood: {what}, which is a bug of the library; aborting");
            self.seeded().inspect(|seeded| seeded.report(what));
            std::process::abort();
        }
    }

    /// What the schedule has chosen so far, if there is one.
    pub(crate) fn schedule_log(&self) -> Option<ScheduleLog> {
        Some(self.seeded()?.log(self.is_here()))
    }

    /// The pool is about to stop: there are no turns any more.
    pub(super) fn stop_schedule(&self) {
        if let Some(seeded) = self.seeded() {
            if std::thread::panicking() {
                seeded.report("a panic drops the executor");
            }
            seeded.stop(self.is_here());
        }
    }
}

/// A run that has not come to its end.
struct WatchedRun<'p>(&'p Seeded);

impl Drop for WatchedRun<'_> {
    fn drop(&mut self) {
        self.0.report("a panic leaves `run`");
        // The panic goes first.
        let _ = self.0.run_ends();
    }
}
