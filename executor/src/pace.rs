//! How many items of a parallel loop a fiber takes at once, between two looks for attention.
//!
//! Used by `rest.rs`. A look costs as much as some ten cheap items, so there should be few; but who wants a part of the loop
//! waits for the next one, and cheap items cannot be told from dear ones but by the clock. Knows no item.

use std::time::{Duration, Instant};

/// Each of the last so many items is taken alone: in loops over no more, nothing is ever hidden from others (fork.md K7).
pub(crate) const SINGLE: usize = 1024;

/// Of more, at most so large a part of what is left is taken.
const PART: usize = 64;

/// And no more than take about so long.
const BLOCK_MAX: Duration = Duration::from_micros(50);

/// After so many items the clock is read at the latest. (It costs as much as a hundred of the cheapest.)
const UNTIMED_MAX: usize = 4096;

/// What is known of the items that one fiber has done.
pub(crate) struct Pace {
    /// The most items at once: as many as take [`BLOCK_MAX`], as far as is known. Doubled at most from one look at the clock
    /// to the next, so that nobody waits longer than the loop has run.
    most: usize,
    /// Since the last look at the clock.
    taken: usize,
    /// The last look, or `None` where nobody waits, or must not wait by the clock.
    looked: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(is_timed: bool) -> Self {
        Pace {
            most: if is_timed { 1 } else { usize::MAX },
            taken: 0,
            looked: is_timed.then(Instant::now),
        }
    }

    /// How many of `left` items, more than none, come next.
    #[inline]
    pub(crate) fn take(&mut self, left: usize) -> usize {
        if left <= SINGLE {
            return 1;
        }
        if self.taken >= self.most.min(UNTIMED_MAX) {
            self.look();
        }
        let count = self.most.min(left / PART);
        self.taken += count;
        count
    }

    #[cold]
    fn look(&mut self) {
        let Some(looked) = self.looked else { return };
        let now = Instant::now();
        let took = now.duration_since(looked).as_nanos().max(1);
        let in_time = self.taken as u128 * BLOCK_MAX.as_nanos() / took;
        let doubled = self.most.saturating_mul(2);
        self.most = usize::try_from(in_time).map_or(doubled, |most| most.clamp(1, doubled));
        self.taken = 0;
        self.looked = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_clock_a_part_of_what_is_left_comes_next() {
        let mut pace = Pace::new(false);
        let mut left = 1_000_000;
        while left > SINGLE {
            let count = pace.take(left);
            assert_eq!(count, left / PART);
            left -= count;
        }
        assert!((1..=left).all(|left| pace.take(left) == 1));
    }

    #[test]
    fn at_first_no_block_takes_longer_than_all_before() {
        let mut pace = Pace::new(true);
        let mut taken = 0;
        for _ in 0..100 {
            let count = pace.take(usize::MAX);
            assert!(count <= taken + 1, "{count} after {taken}");
            taken += count;
        }
    }

    #[test]
    fn of_items_that_take_long_one_comes_at_once() {
        let mut pace = Pace::new(true);
        for most in [64, 32, 1] {
            // As if one item took a tenth of a millisecond.
            pace.most = most;
            pace.taken = most;
            let long = Duration::from_micros(100) * most as u32;
            pace.looked = Instant::now().checked_sub(long);
            assert_eq!(pace.take(1 << 20), 1);
        }
    }
}
