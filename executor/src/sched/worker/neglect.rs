//! Jobs that nobody takes, though somebody searches: that searcher does not run, so another worker is woken (idle.md I10).
//!
//! Used where a worker publishes a job, or takes one back, while others sleep. Knows no job.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::Worker;
use crate::sync::Ordering;

/// How long a worker shows jobs while somebody searches and takes none, before another is woken. To be woken and to take a
/// job lasts some 25 microseconds, where there is a processor to run on.
const LIES_MAX: Duration = Duration::from_micros(50);

/// Since when a worker has relied on others to take what it shows.
pub(super) struct Neglect {
    since: Cell<Option<Instant>>,
}

impl Neglect {
    pub(super) fn new() -> Self {
        Neglect {
            since: Cell::new(None),
        }
    }

    /// Somebody will come: from `now` on.
    fn rely(&self, now: Instant) {
        self.since.set(Some(now));
    }

    /// Its worker shows nothing.
    pub(super) fn forget(&self) {
        self.since.set(None);
    }

    /// Whether it has relied on others for too long. `was_stolen_from`: they have come since it was last asked.
    fn is_over(&self, now: Instant, was_stolen_from: bool) -> bool {
        match self.since.get() {
            Some(since) if !was_stolen_from => now.duration_since(since) >= LIES_MAX,
            _ => {
                self.rely(now);
                false
            }
        }
    }
}

impl Worker {
    /// Whether nobody has come for its jobs for too long.
    #[cold]
    pub(super) fn is_neglected(&self) -> bool {
        // Who searches under a schedule will run; and no clock says what happens.
        if self.has_schedule {
            return false;
        }
        self.neglect.is_over(Instant::now(), self.takes_theft())
    }

    /// Another was woken for its jobs.
    #[cold]
    pub(super) fn relies_on_woken(&self) {
        // What was taken before says nothing of the one that is woken now.
        self.takes_theft();
        self.neglect.rely(Instant::now());
        self.count(|counters| &counters.wakes);
    }

    /// Whether somebody has taken a job since this was last asked.
    fn takes_theft(&self) -> bool {
        let was_stolen_from = &self.seat().was_stolen_from;
        let was = was_stolen_from.load(Ordering::Relaxed);
        // A thief that comes in between is overlooked: then another is woken too early.
        if was {
            was_stolen_from.store(false, Ordering::Relaxed);
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LIES_MAX, Neglect};
    use crate::sched::idle::Waker;
    use crate::sched::worker::testing::{free_executor, worker};
    use crate::{Cx, Database};

    #[test]
    fn the_time_begins_anew_when_somebody_came() {
        let neglect = Neglect::new();
        let start = Instant::now();
        let tick = LIES_MAX / 2;
        assert!(!neglect.is_over(start, false), "it begins now");
        assert!(!neglect.is_over(start + tick, false));
        assert!(neglect.is_over(start + 2 * tick, false));
        assert!(!neglect.is_over(start + 3 * tick, true));
        assert!(!neglect.is_over(start + 4 * tick, false));
        assert!(neglect.is_over(start + 5 * tick, false));
        neglect.rely(start + 5 * tick);
        assert!(
            !neglect.is_over(start + 6 * tick, false),
            "another was woken"
        );
        neglect.forget();
        assert!(!neglect.is_over(start + 9 * tick, false), "it has slept");
    }

    /// Without the rule nobody wakes the other worker.
    #[test]
    fn a_sleeper_comes_though_a_searcher_does_not_run() {
        let executor = free_executor(2);
        let db = Database::new(());
        let thread = || std::thread::current().id();
        let forks_until_another_comes = |cx: &Cx<'_, ()>| {
            let here = thread();
            let start = Instant::now();
            let lies = || {
                let shown = Instant::now();
                while shown.elapsed() < LIES_MAX {}
            };
            while cx.join(|_| lies(), |_| thread()).1 == here {
                assert!(start.elapsed() < Duration::from_secs(60), "nobody comes");
            }
        };
        let run = executor.run(&db, |cx| {
            let idle = &worker(cx).pool().idle;
            while !idle.has_sleepers() {
                std::thread::yield_now();
            }
            idle.start_search();
            forks_until_another_comes(cx);
            idle.end_search(Waker::Any, || false);
        });
        run.expect("a run without a failure");
    }
}
