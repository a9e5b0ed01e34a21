//! A pool reduced to what its workers search: a locked queue in place of the deques, an inbox, the
//! stop flag.

use std::sync::Arc;

use crate::plant::is_planted;
use crate::sched::idle::{Idle, Waker};
use crate::sched::ready::{Inbox, ReadyList};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// What a search found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Job,
    /// Something in the inbox.
    Fiber,
    Stop,
    /// It is off duty.
    OffDuty,
}

/// Jobs without a body, and one inbox.
pub(crate) struct Pool {
    /// How many jobs there are. Read without the lock and without an order, as a deque's ends are:
    /// what orders it is the idle protocol.
    jobs: AtomicUsize,
    jobs_lock: Mutex<()>,
    /// 1: yes.
    is_stopping: AtomicUsize,
    /// How many workers are on duty; `None`: all, for good.
    on_duty: Option<AtomicUsize>,
    pub(crate) inbox: Inbox,
    pub(crate) idle: Idle,
}

impl Pool {
    pub(crate) fn new(workers: usize) -> Arc<Pool> {
        Self::with_duty(workers, None)
    }

    /// So many are on duty, until that is changed.
    pub(crate) fn with_duty(workers: usize, on_duty: Option<usize>) -> Arc<Pool> {
        Arc::new(Pool {
            on_duty: on_duty.map(AtomicUsize::new),
            jobs: AtomicUsize::new(0),
            jobs_lock: Mutex::new(()),
            is_stopping: AtomicUsize::new(0),
            inbox: Inbox::new(),
            idle: Idle::new(workers),
        })
    }

    /// idle.md I1.
    pub(crate) fn post(&self) {
        self.push();
        self.idle.job_posted();
    }

    /// idle.md I10: who searches has not come for too long; I12: the poster goes on.
    pub(crate) fn post_neglected(&self) {
        self.push();
        self.idle
            .job_posted_by_worker(Waker::GoesOn, || !is_planted("idle_neglect"));
    }

    fn push(&self) {
        let _guard = self.jobs_lock.lock();
        self.jobs
            .store(self.jobs.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn has_jobs(&self) -> bool {
        self.jobs.load(Ordering::Relaxed) > 0
    }

    fn take(&self) -> bool {
        if !self.has_jobs() {
            return false;
        }
        let _guard = self.jobs_lock.lock();
        let jobs = self.jobs.load(Ordering::Relaxed);
        self.jobs.store(jobs.saturating_sub(1), Ordering::Relaxed);
        jobs > 0
    }

    pub(crate) fn stop(&self) {
        if is_planted("idle_stop") {
            self.idle.wake_all();
        }
        self.is_stopping.store(1, Ordering::Relaxed);
        if !is_planted("idle_stop") {
            self.idle.wake_all();
        }
    }

    /// idle.md I9, as `pool/duty.rs`.
    pub(crate) fn change_duty(&self, count: usize, workers: usize) {
        let on_duty = self.on_duty.as_ref().expect("it changes");
        on_duty.store(count, Ordering::Relaxed);
        if !is_planted("idle_duty_untold") {
            (0..workers).for_each(|worker| {
                self.idle.told(worker);
            });
        }
    }

    fn is_off_duty(&self, worker: usize) -> bool {
        let on_duty = self.on_duty.as_ref();
        on_duty.is_some_and(|count| worker >= count.load(Ordering::Relaxed)) && !self.is_stopping()
    }

    /// Sleeps until `worker` is on duty.
    pub(crate) fn sleep_off_duty(&self, worker: usize) {
        while self.is_off_duty(worker) {
            if self.has_jobs() {
                self.idle.job_posted();
            }
            let is_ready = || !self.is_off_duty(worker) && !is_planted("idle_duty_look");
            self.idle
                .block(worker, is_ready, |wake, guard| wake.wait(guard));
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed) == 1
    }

    /// Moves what is in the inbox to a list of the owner.
    pub(crate) fn collect(&self, ready: &ReadyList) -> bool {
        self.inbox.drain(|fiber| ready.push(fiber));
        !ready.is_empty()
    }

    /// Searches and sleeps until there is something for `worker`; the inbox is that of worker 0.
    pub(crate) fn search(&self, worker: usize) -> Found {
        let has_mail = || worker == 0 && !self.inbox.is_empty();
        let find = || {
            if self.is_stopping() {
                Some(Found::Stop)
            } else if has_mail() {
                Some(Found::Fiber)
            } else if self.is_off_duty(worker) {
                Some(Found::OffDuty)
            } else {
                self.take().then_some(Found::Job)
            }
        };
        self.idle.start_search();
        let found = loop {
            if let Some(found) = find() {
                break found;
            }
            let is_work_there = || {
                let is_there =
                    self.is_stopping() || has_mail() || self.has_jobs() || self.is_off_duty(worker);
                is_there && !is_planted("idle_second_look")
            };
            self.idle
                .sleep(worker, is_work_there, |wake, guard| wake.wait(guard));
        };
        let is_work_left = || self.has_jobs() && !is_planted("idle_last_searcher");
        self.idle.end_search(Waker::GoesOn, is_work_left);
        found
    }

    /// Worker 0, which can start no job, sleeps until something is in its inbox.
    pub(crate) fn block(&self) {
        while self.inbox.is_empty() {
            let is_ready = || !self.inbox.is_empty() && !is_planted("idle_blocked_look");
            self.idle.block(0, is_ready, |wake, guard| wake.wait(guard));
        }
    }
}
