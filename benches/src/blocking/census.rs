//! The count of the threads that are blocked, and the judgement when nobody can go on.
//!
//! Used by the engine, the memo and the monitor. As rustc did it: whoever blocks counts itself, the
//! waker counts it out before it wakes it, and when no thread is left the blocked queries are
//! searched for a cycle. It must not know what a pool is; of threads that are idle the monitor
//! knows.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::active::{Active, Waiter};
use super::cycle;

/// How a wait ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Waited {
    /// What was waited for is done, one way or the other.
    ToTheEnd,
    /// The run is given up.
    InVain,
}

/// Why a run was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A query depends on itself.
    Cycle(String),
    /// None does, and still nobody can go on: what they wait for lies under or behind a blocked
    /// thread.
    Stuck(String),
}

/// Who is blocked.
pub(super) struct Census<K> {
    threads: usize,
    blocked: Mutex<Blocked<K>>,
    /// Whether there is a verdict; read before providers, so that the run ends soon.
    is_over: AtomicBool,
    /// What each thread has begun and gone back to, so that the monitor sees who is not idle.
    steps: Vec<Steps>,
}

struct Blocked<K> {
    waiters: Vec<Arc<Waiter<K>>>,
    verdict: Option<Verdict>,
    /// How often a thread blocked or was released.
    changes: u64,
}

/// A cache line each, and the prefetcher's next one.
#[derive(Default)]
#[repr(align(128))]
struct Steps(AtomicU64);

/// How far things have gone: what does not differ, has not moved.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) blocked: usize,
    changes: u64,
    steps: u64,
}

impl<K: Debug> Census<K> {
    /// Of so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Census {
            threads,
            blocked: Mutex::new(Blocked {
                waiters: Vec::new(),
                verdict: None,
                changes: 0,
            }),
            is_over: AtomicBool::new(false),
            steps: (0..threads).map(|_| Steps::default()).collect(),
        }
    }

    fn blocked(&self) -> MutexGuard<'_, Blocked<K>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Whether the run is given up.
    pub(super) fn is_over(&self) -> bool {
        // Relaxed: it only makes the end come sooner; the verdict itself is behind the lock.
        self.is_over.load(Ordering::Relaxed)
    }

    /// The current thread begins a job, or goes back to one.
    pub(super) fn note(&self) {
        if let Some(at) = rayon_core::current_thread_index() {
            // Relaxed: the answers to the monitor's probes order it.
            self.steps[at].0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How far things have gone.
    pub(super) fn progress(&self) -> Progress {
        let blocked = self.blocked();
        Progress {
            blocked: blocked.waiters.len(),
            changes: blocked.changes,
            // Relaxed: as in `note`.
            steps: (self.steps.iter())
                .map(|steps| steps.0.load(Ordering::Relaxed))
                .sum(),
        }
    }

    /// Blocks the thread until `on` is done; `query` is who waits.
    pub(super) fn wait(&self, query: Option<&Arc<Active<K>>>, on: &Arc<Active<K>>) -> Waited {
        let waiter = Arc::new(Waiter {
            query: query.cloned(),
            on: Arc::clone(on),
            condvar: Condvar::new(),
        });
        let mut latch = on.latch();
        if latch.is_complete {
            return Waited::ToTheEnd;
        }
        latch.waiters.push(Arc::clone(&waiter));
        let all_blocked = {
            let mut blocked = self.blocked();
            blocked.waiters.push(Arc::clone(&waiter));
            blocked.changes += 1;
            blocked.waiters.len() == self.threads
        };
        if all_blocked {
            drop(latch);
            self.judge(&format!("all {} threads are blocked", self.threads));
            latch = on.latch();
        }
        while !latch.is_complete {
            if self.is_over() {
                return Waited::InVain;
            }
            latch = waiter
                .condvar
                .wait(latch)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Waited::ToTheEnd
    }

    /// `on` is done: counts its waiters out, then wakes them.
    pub(super) fn release(&self, on: &Active<K>) {
        let mut latch = on.latch();
        latch.is_complete = true;
        if latch.waiters.is_empty() {
            return;
        }
        let mut blocked = self.blocked();
        for waiter in latch.waiters.drain(..) {
            blocked.waiters.retain(|other| !Arc::ptr_eq(other, &waiter));
            blocked.changes += 1;
            waiter.condvar.notify_one();
        }
    }

    /// Nobody can go on: says why, and calls everybody back.
    pub(super) fn judge(&self, finding: &str) {
        let mut blocked = self.blocked();
        if blocked.verdict.is_some() {
            return;
        }
        blocked.verdict = Some(match cycle::among(&blocked.waiters) {
            Some(text) => Verdict::Cycle(text),
            None => Verdict::Stuck(stuck(finding, &blocked.waiters)),
        });
        // Relaxed: whoever blocks reads it with its latch held, which is taken below.
        self.is_over.store(true, Ordering::Relaxed);
        let waiters = blocked.waiters.clone();
        drop(blocked);
        for waiter in waiters {
            let _latch = waiter.on.latch();
            waiter.condvar.notify_one();
        }
    }

    /// The end of a run.
    pub(super) fn clear(&self) -> Option<Verdict> {
        let mut blocked = self.blocked();
        blocked.waiters.clear();
        // Relaxed: nobody else is in a run now.
        self.is_over.store(false, Ordering::Relaxed);
        blocked.verdict.take()
    }
}

fn stuck<K: Debug>(finding: &str, waiters: &[Arc<Waiter<K>>]) -> String {
    const SHOWN: usize = 4;
    let mut waits: Vec<String> = (waiters.iter().take(SHOWN))
        .map(|waiter| match &waiter.query {
            Some(query) => format!("{:?} waits for {:?}", query.key, waiter.on.key),
            None => format!("the root waits for {:?}", waiter.on.key),
        })
        .collect();
    if waiters.len() > SHOWN {
        waits.push(format!("and {} more", waiters.len() - SHOWN));
    }
    let waits = waits.join("; ");
    format!("{finding}, and there is no cycle of queries: {waits}")
}
