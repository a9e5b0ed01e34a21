//! How the waits of a pool's fibers are gathered: each worker is asked for its own, by its sweep.
//!
//! Used by `Executor::waiters` and the watchdog.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;
use crate::sched::cancel::Interrupt;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::graph;
use crate::sync::{Condvar, Mutex};
use crate::waiters::{Holder, SilentWorker, WaitReport, Waiter};

/// A wait, as the fiber's worker saw it.
pub(crate) struct SeenWait {
    pub(crate) fiber: *const FiberRecord,
    pub(crate) owner: *const FiberRecord,
    pub(crate) awaited: String,
    pub(crate) queries: Vec<String>,
    pub(crate) since: Option<Instant>,
}

// SAFETY: the addresses are compared only.
unsafe impl Send for SeenWait {}

/// What a worker answers.
pub(crate) struct Answer {
    pub(crate) waits: Vec<SeenWait>,
    /// How many jobs it has run.
    pub(crate) jobs: u32,
}

/// A question to all workers.
pub(crate) struct Look {
    /// One for each worker; empty once who asked waits no longer.
    answers: Mutex<Vec<Option<Answer>>>,
    answered: Condvar,
}

/// Those that are open.
pub(crate) type Looks = Mutex<Vec<Arc<Look>>>;

impl Look {
    /// Whether this worker has not answered, and somebody waits for it.
    pub(crate) fn misses(&self, worker: usize) -> bool {
        self.answers.lock().get(worker).is_some_and(Option::is_none)
    }

    /// What comes too late is dropped.
    pub(crate) fn answer(&self, worker: usize, answer: Answer) {
        if let Some(place) = self.answers.lock().get_mut(worker) {
            *place = Some(answer);
        }
        self.answered.notify_all();
    }

    /// Waits until all have answered, or so long, and takes what there is by then.
    fn take_answers(&self, patience: Duration) -> Vec<Option<Answer>> {
        let end = Instant::now() + patience;
        let mut answers = self.answers.lock();
        while answers.iter().any(Option::is_none) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.answered.wait_for(&mut answers, left).timed_out() {
                break;
            }
        }
        std::mem::take(&mut *answers)
    }
}

/// The report, and what tells whether anything has happened since the last.
pub(super) struct Seen {
    pub(super) report: WaitReport,
    pub(super) signature: Vec<(usize, Option<Instant>)>,
}

impl Pool {
    /// Asks all workers, and waits so long for their answers.
    pub(super) fn look(&self, patience: Duration) -> Seen {
        let workers = self.seats().len();
        let look = Arc::new(Look {
            answers: Mutex::new((0..workers).map(|_| None).collect()),
            answered: Condvar::new(),
        });
        self.looks.lock().push(Arc::clone(&look));
        self.interrupt();
        // SAFETY: null, or the current fiber, which is alive, since it runs this.
        let here = unsafe { current().as_ref() }.and_then(FiberRecord::worker);
        let here = here.filter(|worker| std::ptr::eq(worker.pool(), self));
        here.inspect(|worker| worker.answer_looks());
        // One worker at a time runs under a schedule, and that is this one.
        let patience = if here.is_some() && self.seeded().is_some() {
            Duration::ZERO
        } else {
            patience
        };
        let answers = look.take_answers(patience);
        self.looks.lock().retain(|other| !Arc::ptr_eq(other, &look));
        self.seen(answers)
    }

    fn seen(&self, answers: Vec<Option<Answer>>) -> Seen {
        let mut report = WaitReport::default();
        let mut signature = Vec::new();
        let mut seen = Vec::new();
        for (worker, answer) in answers.into_iter().enumerate() {
            match answer {
                None => report.silent.push(SilentWorker {
                    worker,
                    ready: self.ready_fibers(worker),
                    lacks_permit: self.lacks_permit(worker),
                }),
                Some(answer) => {
                    signature.push((answer.jobs as usize, None));
                    seen.extend(answer.waits.into_iter().map(|wait| (worker, wait)));
                }
            }
        }
        let fibers = seen.iter().map(|(_, wait)| wait.fiber);
        let indices: HashMap<_, _> = fibers.zip(0..).collect();
        let holders: Vec<Holder> = seen
            .iter()
            .map(|(_, wait)| match indices.get(&wait.owner) {
                _ if wait.owner.is_null() => Holder::Nobody,
                Some(index) => Holder::Waiter(*index),
                None => Holder::Other,
            })
            .collect();
        for ((worker, wait), holder) in seen.into_iter().zip(holders) {
            signature.push((wait.fiber.addr(), wait.since));
            report.waiters.push(Waiter {
                worker,
                awaited: wait.awaited,
                queries: wait.queries,
                holder,
                waiting_for: wait.since.map(|since| since.elapsed()),
            });
        }
        Seen { report, signature }
    }

    /// What runs on the fibers in a worker's inbox, if a watchdog sees to it that they stay there meanwhile.
    fn ready_fibers(&self, worker: usize) -> Vec<&'static str> {
        if !self.has_watchdog() {
            return Vec::new();
        }
        let seat = self.seat(worker);
        graph::names_of_ready(&seat.inbox, &seat.shared)
    }

    /// Who waits for what now.
    pub(crate) fn waiters(&self) -> WaitReport {
        /// A worker that is not in the middle of a job answers within microseconds.
        const PATIENCE: Duration = Duration::from_millis(100);
        self.look(PATIENCE).report
    }
}
