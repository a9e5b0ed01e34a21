//! How many workers stand: they have no fiber to go on with, and can make none. Rules: stand.md.
//!
//! Knows no worker.

use crate::sync::Mutex;

/// The count, and its lock.
pub(crate) struct Standing {
    workers: usize,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    standing: usize,
    /// How many have looked in turn for an ask to give up, and have none (S5).
    passes: usize,
}

impl Standing {
    pub(crate) fn new(workers: usize) -> Self {
        Standing {
            workers,
            count: Mutex::new(Count::default()),
        }
    }

    /// Counts the calling worker, unless it is the last and nobody has a ready fiber, which `is_any_ready` finds out
    /// under the lock (S2).
    pub(crate) fn begin(&self, is_any_ready: impl FnOnce() -> bool) -> bool {
        let mut count = self.count.lock();
        let is_last = count.standing + 1 == self.workers && !is_any_ready();
        if !is_last {
            count.standing += 1;
        }
        !is_last
    }

    /// Counts the calling worker, the last, and says whether the next one is to look; not, if all have (S5).
    pub(crate) fn begin_last(&self) -> bool {
        let mut count = self.count.lock();
        count.standing += 1;
        count.passes = (count.passes + 1) % self.workers;
        count.passes != 0
    }

    /// Whether any worker stands.
    pub(crate) fn is_any(&self) -> bool {
        self.count.lock().standing > 0
    }

    /// Whether all stand.
    pub(crate) fn is_full(&self) -> bool {
        self.count.lock().standing == self.workers
    }

    /// The calling worker was woken.
    pub(crate) fn end(&self) {
        self.count.lock().standing -= 1;
    }

    /// An ask was given up.
    pub(crate) fn found_one(&self) {
        self.count.lock().passes = 0;
    }
}
