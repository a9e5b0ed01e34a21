//! A pool reduced to what its workers search: a locked queue in place of the deques, an inbox, the
//! stop flag.

use std::sync::Arc;

use crate::plant::is_planted;
use crate::sched::idle::Idle;
use crate::sched::ready::{Inbox, ReadyList};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// What a search found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Job,
    /// Something in the inbox.
    Fiber,
    Stop,
}

/// Jobs without a body, and one inbox.
pub(crate) struct Pool {
    /// How many jobs there are. Read without the lock and without an order, as a deque's ends are:
    /// what orders it is the idle protocol.
    jobs: AtomicUsize,
    jobs_lock: Mutex<()>,
    /// 1: yes.
    is_stopping: AtomicUsize,
    pub(crate) inbox: Inbox,
    pub(crate) idle: Idle,
}

impl Pool {
    pub(crate) fn new(workers: usize) -> Arc<Pool> {
        Arc::new(Pool {
            jobs: AtomicUsize::new(0),
            jobs_lock: Mutex::new(()),
            is_stopping: AtomicUsize::new(0),
            inbox: Inbox::new(),
            idle: Idle::new(workers),
        })
    }

    /// idle.md I1.
    pub(crate) fn post(&self) {
        let guard = self.jobs_lock.lock();
        self.jobs
            .store(self.jobs.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        drop(guard);
        self.idle.job_posted();
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
                let is_there = self.is_stopping() || has_mail() || self.has_jobs();
                is_there && !is_planted("idle_second_look")
            };
            self.idle
                .sleep(worker, is_work_there, |wake, guard| wake.wait(guard));
        };
        let is_work_left = || self.has_jobs() && !is_planted("idle_last_searcher");
        self.idle.end_search(is_work_left);
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
