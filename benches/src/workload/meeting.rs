//! A meeting of jobs that must run at the same time, each on a worker of its own.
//!
//! Used by the workloads about two workers, or about one while the others are busy. It must not
//! know them.

use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After that long somebody is not coming, and an error is better than a hang.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks in a row before a spinning thread lets others have its core, in case the one it waits for
/// has none.
const LOOKS_MAX: u32 = 500;

/// A value on cache lines of its own: two at a time, since some processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct OwnLine<T>(pub(super) T);

/// Where jobs wait for each other without giving up their workers.
pub(super) struct Meeting {
    arrived: AtomicUsize,
    expected: usize,
}

impl Meeting {
    /// A meeting of that many jobs.
    pub(super) fn new(expected: usize) -> Self {
        Meeting {
            arrived: AtomicUsize::new(0),
            expected,
        }
    }

    /// Returns once all have arrived. It spins: who has arrived keeps a worker, so each has another
    /// one.
    pub(super) fn arrive(&self) {
        self.arrive_and(|| ());
    }

    /// The same for who has forked the others: it does `point`, a scheduling point, all the time, since what is forked may be
    /// shown to other workers as late as at the next.
    pub(super) fn arrive_and(&self, point: impl Fn()) {
        // Relaxed: only the count matters.
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let mut is_late = false;
        spin_until(|| {
            point();
            is_late = start.elapsed() > LIMIT;
            is_late || self.arrived.load(Ordering::Relaxed) >= self.expected
        });
        assert!(
            !is_late,
            "a job that spins for another kept it from starting"
        );
    }
}

/// Spins until it is so.
#[inline]
pub(super) fn spin_until(mut is_so: impl FnMut() -> bool) {
    let mut looks = 0;
    while !is_so() {
        looks += 1;
        if looks < LOOKS_MAX {
            hint::spin_loop();
        } else {
            looks = 0;
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_on_before_the_last_has_arrived() {
        let meeting = Meeting::new(3);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    meeting.arrive();
                    assert_eq!(meeting.arrived.load(Ordering::Relaxed), 3);
                });
            }
        });
    }
}
