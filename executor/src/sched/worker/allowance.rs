//! How often a worker asks itself to show more, where what it shows may come back at once.
//!
//! Knows no job.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// So often in the long run. Showing the parts of a loop and taking them back costs about a hundredth of this.
const PERIOD: Duration = Duration::from_micros(20);

/// So many times at once: a short loop, whose next item may be a long leaf, should show all it has each time.
const AT_ONCE: u32 = 32;

/// May ask now, or later.
pub(super) struct Allowance {
    /// When it would have asked the last time, had it asked once in each period. `None`: never.
    spent_until: Cell<Option<Instant>>,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Allowance {
            spent_until: Cell::new(None),
        }
    }

    /// Whether it may ask, which counts as having asked.
    pub(super) fn takes(&self, now: Instant) -> bool {
        let spent_until = self.spent_until.get().map_or(now, |until| until.max(now));
        let may = spent_until - now < PERIOD * AT_ONCE;
        if may {
            self.spent_until.set(Some(spent_until + PERIOD));
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_some_times_at_once_and_then_once_in_a_period() {
        let allowance = Allowance::new();
        let start = Instant::now();
        let asked = |now| (0..1000).filter(|_| allowance.takes(now)).count();
        assert_eq!(asked(start), AT_ONCE as usize);
        for period in 1..100 {
            assert_eq!(asked(start + PERIOD * period), 1);
        }
        assert_eq!(asked(start + PERIOD * 200), AT_ONCE as usize);
    }
}
