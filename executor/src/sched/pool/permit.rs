//! Permits of a pool's workers: where they are given back, wanted and passed on. Rules: tokens.md.
//!
//! Used where workers block and are woken. A pool without a jobserver has none of it.

use std::sync::Arc;

use super::{Pool, Seat, Worker};
use crate::make::Jobserver;
use crate::sched::idle::{SleepGuard, Waker};
use crate::sched::tokens::{Called, Workers};
use crate::sync::{AtomicBool, MutexGuard, Ordering};

/// The permits of a pool's workers.
pub(super) struct Permits {
    jobserver: Jobserver,
    flags: Box<[Flags]>,
}

/// One worker's.
#[derive(Default)]
struct Flags {
    has_permit: AtomicBool,
    is_refused: AtomicBool,
}

impl Permits {
    pub(super) fn new(jobserver: &Jobserver, workers: usize) -> Self {
        Permits {
            jobserver: jobserver.clone(),
            flags: (0..workers).map(|_| Flags::default()).collect(),
        }
    }

    fn has(&self, worker: usize) -> bool {
        // Relaxed: written by the worker itself, or ordered by N5.
        self.flags[worker].has_permit.load(Ordering::Relaxed)
    }

    fn set(&self, worker: usize, has_permit: bool) {
        self.flags[worker]
            .has_permit
            .store(has_permit, Ordering::Relaxed);
    }

    fn take_refusal(&self, worker: usize) -> bool {
        self.flags[worker].is_refused.swap(false, Ordering::Relaxed)
    }
}

impl Workers for Pool {
    fn grant(&self, worker: usize) {
        self.permits().inspect(|permits| permits.set(worker, true));
        self.tell(worker);
    }

    fn refuse(&self, worker: usize) {
        if let Some(permits) = self.permits() {
            permits.flags[worker]
                .is_refused
                .store(true, Ordering::Relaxed);
        }
        self.tell(worker);
    }

    fn has_permit(&self, worker: usize) -> bool {
        self.permits().is_some_and(|permits| permits.has(worker))
    }

    fn has_work_for(&self, worker: usize) -> bool {
        // A bell alone is none.
        let seat = self.seat(worker);
        seat.has_more_than_a_bell() || self.has_jobs() && !self.is_off_duty(worker)
    }

    fn call(&self) {
        // All, since who has just got a permit may not know it yet.
        (0..self.seats().len()).for_each(|worker| self.ring_at(worker));
    }
}

impl Pool {
    fn permits(&self) -> Option<&Permits> {
        self.permits.as_ref()
    }

    /// A worker's flag was written (N5), perhaps by another executor's worker, or by the keeper.
    fn tell(&self, worker: usize) {
        self.idle.told(worker);
        if let Some(seeded) = self.seeded() {
            seeded.told_from_outside(self);
        }
    }

    /// From now on its workers share the permits of its jobserver, if it has one, until the pool [leaves](Self::leave_permits).
    pub(super) fn join_permits(self: &Arc<Self>) {
        if let Some(permits) = self.permits() {
            let workers = Arc::clone(self) as Arc<dyn Workers>;
            permits.jobserver.tokens().join(self.identity(), workers);
        }
    }

    pub(super) fn leave_permits(&self) {
        if let Some(permits) = self.permits() {
            permits.jobserver.tokens().leave(self.identity());
        }
    }

    /// Whether its workers need permits.
    pub(in crate::sched) fn has_permits(&self) -> bool {
        self.permits.is_some()
    }

    /// Whether a worker, which does not answer, has no permit to do so with.
    pub(super) fn lacks_permit(&self, worker: usize) -> bool {
        let lacks = |permits: &Permits| !permits.has(worker);
        self.permits().is_some_and(lacks)
    }

    /// A worker is about to block, with its sleeper's lock held: its permit is others' (N1). `true`: so it was, and there may be something
    /// for it by now.
    pub(super) fn gives_permit_back(&self, worker: usize, guard: &mut SleepGuard<'_>) -> bool {
        let Some(permits) = self.permits().filter(|permits| permits.has(worker)) else {
            return false;
        };
        permits.set(worker, false);
        let id = self.identity();
        MutexGuard::unlocked(guard, || permits.jobserver.tokens().give_back(id));
        true
    }

    /// A worker begins, or has blocked and is no searcher: it goes on when it has a permit (N1), or the pool stops.
    pub(crate) fn obtain_permit(&self, sleeper: &Worker) {
        self.obtain_permit_for(|| has_begun(sleeper), sleeper);
    }

    /// The same for a worker that is to go on, also if it has nothing begun (stand.md).
    pub(super) fn obtain_permit_at_once(&self, sleeper: &Worker) {
        self.obtain_permit_for(|| true, sleeper);
    }

    fn obtain_permit_for(&self, has_begun: impl Fn() -> bool, sleeper: &Worker) {
        let Some(permits) = self.permits() else {
            return;
        };
        let (id, worker) = (self.identity(), sleeper.index());
        if permits.has(worker) {
            return;
        }
        let tokens = permits.jobserver.tokens();
        while !permits.has(worker) && !self.is_stopping() {
            permits.take_refusal(worker);
            // Answers bells, with which it would not sleep.
            sleeper.collect_ready();
            let is_begun = has_begun();
            if !is_begun && !self.has_work_for(worker) {
                // It may have been listed for what others have done meanwhile; if it was granted a permit by now, it looks again.
                tokens.unlist(id, worker);
                if !permits.has(worker) {
                    self.sleep_without_permit(sleeper);
                }
            } else if tokens.want(id, worker, is_begun) {
                permits.set(worker, true);
            } else {
                let flags = &permits.flags[worker];
                let is_over = || {
                    permits.has(worker)
                        || flags.is_refused.load(Ordering::Relaxed)
                        || self.is_stopping()
                        || !is_begun && self.seat(worker).has_given()
                };
                self.idle.block(worker, is_over, |wake, guard| {
                    self.rest(worker, wake, guard)
                });
            }
        }
        if !permits.has(worker) {
            tokens.unlist(id, worker);
        }
        sleeper.begin_turn();
    }

    /// There is nothing for a worker that has no permit.
    fn sleep_without_permit(&self, sleeper: &Worker) {
        let worker = sleeper.index();
        if self.is_off_duty(worker) {
            let is_due = || self.seat(worker).has_own() || !self.is_off_duty(worker);
            self.idle
                .block(worker, is_due, |wake, guard| self.rest(worker, wake, guard));
        } else {
            self.idle.start_search();
            self.sleep_counted(sleeper);
            self.end_search(sleeper, Waker::Any);
        }
    }

    /// The same for a worker that has slept, and is counted as a searcher again: it is none while it waits (N4).
    pub(super) fn obtain_permit_as_searcher(&self, sleeper: &Worker) {
        let Some(permits) = self.permits() else {
            return;
        };
        let worker = sleeper.index();
        if permits.has(worker) {
            return;
        }
        if permits
            .jobserver
            .tokens()
            .try_start(self.identity(), worker)
        {
            sleeper.begin_turn();
            return permits.set(worker, true);
        }
        self.end_search(sleeper, Waker::Any);
        self.obtain_permit(sleeper);
        self.idle.start_search();
    }

    /// A worker's inbox has rung: it passes its permit on, if others need it more (N6).
    pub(in crate::sched) fn heed_call(&self, called: &Worker) {
        let worker = called.index();
        let Some(permits) = self.permits().filter(|permits| permits.has(worker)) else {
            return;
        };
        if self.is_stopping() {
            return;
        }
        let tokens = permits.jobserver.tokens();
        // Before it is listed: from then on others write it.
        permits.set(worker, false);
        // A schedule knows no time.
        let turn = self.seeded().is_none().then(|| called.turn());
        match tokens.heed(self.identity(), worker, has_begun(called), turn) {
            Called::Keeps => permits.set(worker, true),
            Called::Soon => {
                permits.set(worker, true);
                self.ring_at(worker);
            }
            Called::Passed => self.obtain_permit(called),
        }
    }
}

impl Pool {
    /// In the middle of a job the bell has rung: if that may have been a call, it rings again, to be heeded at the base (N4).
    pub(in crate::sched) fn puts_call_off(&self, worker: usize) -> bool {
        let may_be_called = self.has_permit(worker);
        if may_be_called {
            self.ring_at(worker);
        }
        may_be_called
    }

    fn ring_at(&self, worker: usize) {
        let seat = self.seat(worker);
        if seat.inbox.ring() {
            seat.attention.raise();
        }
    }
}

impl Seat {
    /// Whether there is something for its worker alone; a bell that was rung is nothing.
    fn has_more_than_a_bell(&self) -> bool {
        self.inbox.has_fibers() || !self.own_jobs.is_empty()
    }

    /// The same, or a fiber of its worker that others may resume, too.
    fn has_given(&self) -> bool {
        self.has_more_than_a_bell() || !self.shared.is_empty()
    }
}

/// Whether a fiber of its own is ready, also one that another may resume, or it has a job of its own. A bell is none of these.
fn has_begun(worker: &Worker) -> bool {
    worker.has_ready() || worker.pool().seat(worker.index()).has_given()
}
