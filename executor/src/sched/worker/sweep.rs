//! What a worker does for work that was cancelled: it ends the waits of its fibers (cancel.md X2), and lets a fiber that
//! refuses to end go (X7).

use std::ptr::NonNull;
use std::sync::Arc;

use super::Worker;
use super::fibers::WorkerFiber;
use crate::sched::cancel::Interrupt;
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::graph::{self, Frame, GivenUp, GivenUpFor, give_up};
use crate::sched::point::Point;
use crate::sched::pool::{Answer, Look, Pool};
use crate::sched::wanted::Findings;

impl Worker {
    /// Ends the waits of its fibers that were cancelled. Called by one of them, which does not wait.
    pub(in crate::sched) fn sweep(&self) {
        self.answer_looks();
        let mut findings = Findings::default();
        let look = |fiber: NonNull<WorkerFiber>| {
            self.holding(fiber, true, |record| self.ends_wait(record, &mut findings));
            false
        };
        let none = self.records.find(look);
        debug_assert!(none.is_none(), "each is looked at");
    }

    /// A sweep has begun.
    pub(in crate::sched) fn note_sweep(&self) {
        self.sweeps_run.set(self.sweeps_run.get().wrapping_add(1));
    }

    /// Says who of its fibers waits for what, if somebody has asked. Runs user code (`Debug`).
    pub(in crate::sched) fn answer_looks(&self) {
        let looks: Vec<Arc<Look>> = self.pool().looks().lock().clone();
        for look in looks.iter().filter(|look| look.misses(self.index)) {
            let mut waits = Vec::new();
            let _ = self.records.find(|fiber| {
                waits.extend(self.holding(fiber, false, graph::seen_wait).flatten());
                false
            });
            let jobs = self.jobs_run.get().wrapping_sub(self.sweeps_run.get());
            look.answer(self.index, Answer { waits, jobs });
        }
    }

    /// Ends the wait of a fiber that stands still, or runs this, if it waits and was cancelled. A circle that is being decided
    /// must stand still, but not for long: who decides it does not wait.
    pub(super) fn ends_wait(&self, record: &FiberRecord, findings: &mut Findings) {
        if record.innermost().ask().is_null() {
            return;
        }
        loop {
            match give_up(record, GivenUpFor::Cancel, |fiber| {
                findings.is_to_end(fiber)
            }) {
                GivenUp::No | GivenUp::Woken => return,
                GivenUp::Unlisted => return self.make_held_ready(record),
                GivenUp::NotNow => {
                    self.point(Point::Stand);
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Its pool, as one whom a token tells.
    pub(crate) fn watcher(&self) -> Arc<dyn Interrupt> {
        // SAFETY: the worker's thread holds the pool until the worker has ended.
        unsafe { Pool::hold(self.pool) }
    }

    /// Whether waits are to note when they began.
    #[inline]
    pub(in crate::sched) fn times_waits(&self) -> bool {
        self.pool().times_waits()
    }

    /// It may be interrupted from outside from now on (attention.md A5).
    pub(crate) fn become_interruptible(&self) {
        self.stores_limits.set(false);
    }

    /// The current fiber goes no further: it gives back what it computes, is reported, and never resumed. Its stack is
    /// not used again.
    #[cold]
    pub(in crate::sched) fn leak_current(&self, fiber: &FiberRecord) {
        let names = || Frame::all_around(fiber.innermost()).filter_map(Frame::name);
        let names: Vec<String> = without_runs(|| names().map(|name| name.text).collect());
        let doing = if names.is_empty() {
            "no query".to_owned()
        } else {
            names.join(", asked by ")
        };
        eprintln!(
            "dagwood: the executor shuts down, and a fiber of worker {} refuses to end (in {doing}): it is not resumed any \
             more, and its stack is lost; its `run` does not return",
            self.index
        );
        Frame::abandon_queries(fiber);
        self.pool().note_stuck(fiber);
        loop {
            fiber.suspend();
        }
    }
}
