//! Counters: what happened, for the untimed runs that ask.

use crate::sync::{AtomicU64, Ordering};

/// What an executor has done since it was built.
///
/// All zero unless the executor was built with [`Builder::statistics`](crate::Builder::statistics).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Providers run.
    pub queries: u64,
    /// Asks that found a result ready.
    pub hits: u64,
    /// Asks, joins, tasks and events that suspended their fiber (on an OS thread: blocked it).
    pub waits: u64,
    /// Fibers made (reused ones are counted once).
    pub fibers_created: u64,
    /// The most fibers that existed at once.
    pub fibers_peak: u64,
    /// The most fibers that were suspended in a wait at once.
    pub suspended_peak: u64,
    /// Jobs taken from another worker's deque.
    pub steals: u64,
    /// Ready fibers that another worker than theirs has resumed.
    pub migrations: u64,
    /// Jobs that let a ready fiber of their worker go first, since it had waited for its turn for a millisecond; none where
    /// there is one worker.
    pub interruptions: u64,
    /// System calls that woke a sleeping worker.
    pub wakes: u64,
    /// Times that a worker was found asleep, 10 ms apart, while there was work for it and nobody was
    /// about to take it: always zero, or a bug.
    pub sleeps_with_work: u64,
}

/// One number that several threads may raise.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Not atomic as a whole: for counters that one thread at a time raises.
    pub(crate) fn add(&self) {
        self.set(self.get() + 1);
    }

    /// Takes one off, as [`add`](Self::add).
    pub(crate) fn sub(&self) {
        self.set(self.get() - 1);
    }

    /// Raises it to `value`, if that is more.
    pub(crate) fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// The counters of one worker; its own thread raises them. Aligned, so that workers do not share a
/// cache line.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) queries: Counter,
    pub(crate) hits: Counter,
    pub(crate) waits: Counter,
    pub(crate) fibers_created: Counter,
    pub(crate) fibers: Counter,
    pub(crate) fibers_peak: Counter,
    pub(crate) suspended_peak: Counter,
    pub(crate) steals: Counter,
    pub(crate) migrations: Counter,
    pub(crate) interruptions: Counter,
    pub(crate) wakes: Counter,
    pub(crate) sleeps_with_work: Counter,
}

impl Counters {
    /// Adds these to `sum`. The peaks of workers are added up: an upper bound of the peak of the
    /// sum.
    pub(crate) fn add_to(&self, sum: &mut Statistics) {
        sum.queries += self.queries.get();
        sum.hits += self.hits.get();
        sum.waits += self.waits.get();
        sum.fibers_created += self.fibers_created.get();
        sum.fibers_peak += self.fibers_peak.get();
        sum.suspended_peak += self.suspended_peak.get();
        sum.steals += self.steals.get();
        sum.migrations += self.migrations.get();
        sum.interruptions += self.interruptions.get();
        sum.wakes += self.wakes.get();
        sum.sleeps_with_work += self.sleeps_with_work.get();
    }
}
