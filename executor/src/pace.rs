//! How many items of a parallel loop a fiber takes at once, between two looks for attention.
//!
//! Used by `rest.rs`. A look costs as much as some ten cheap items, so there should be few; but who wants a part of the loop
//! waits for the next one, and cheap items cannot be told from dear ones but by the clock. Knows no item.

use std::time::{Duration, Instant};

/// Each of the last so many items is taken alone: in loops over no more, nothing is ever hidden from others (fork.md K7).
pub(crate) const SINGLE: usize = 1024;

/// Of more, at most so large a part of what is left is taken, whatever the clock says. (With 1,024 a loop of cheap items took
/// a twentieth longer on two workers, with 256 a fiftieth.)
const PART: usize = 64;

/// The same without a clock.
const UNTIMED_PART: usize = 1024;

/// No more are taken than take about so long, if they are like those before. Little, since dear items may follow cheap ones.
const BLOCK_MAX: Duration = Duration::from_micros(10);

/// What is known of the items that one fiber has done.
pub(crate) struct Pace {
    /// `None` where nobody waits for a part of the loop, or a schedule says who runs.
    clock: Option<Clock>,
}

struct Clock {
    /// The most items at once: as many as take [`BLOCK_MAX`], as far as is known. Doubled at most from one look to the next,
    /// so that where all take as long nobody waits longer than the loop has run. After so many the clock is read again. (It costs
    /// as much as a hundred of the cheapest.)
    most: usize,
    /// Since the last look.
    done: usize,
    looked: Instant,
}

impl Pace {
    pub(crate) fn new(is_timed: bool) -> Self {
        let clock = || Clock {
            most: 1,
            done: 0,
            looked: Instant::now(),
        };
        Pace {
            clock: is_timed.then(clock),
        }
    }

    /// How many of `left` items, more than [`SINGLE`], come next.
    #[inline]
    pub(crate) fn take(&mut self, left: usize) -> usize {
        match &mut self.clock {
            None => left / UNTIMED_PART,
            Some(clock) => clock.most().min(left / PART),
        }
    }

    /// So many of them are done.
    #[inline]
    pub(crate) fn done(&mut self, count: usize) {
        if let Some(clock) = &mut self.clock {
            clock.done += count;
        }
    }
}

impl Clock {
    #[inline]
    fn most(&mut self) -> usize {
        if self.done >= self.most {
            self.look();
        }
        self.most
    }

    #[cold]
    fn look(&mut self) {
        let now = Instant::now();
        let took = now.duration_since(self.looked).as_nanos().max(1);
        let in_time = self.done as u128 * BLOCK_MAX.as_nanos() / took;
        let doubled = self.most.saturating_mul(2);
        self.most = usize::try_from(in_time).map_or(doubled, |most| most.clamp(1, doubled));
        self.done = 0;
        self.looked = now;
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
            assert_eq!(count, left / UNTIMED_PART);
            pace.done(count);
            left -= count;
        }
    }

    #[test]
    fn at_first_there_are_no_more_than_were_done_before() {
        let mut pace = Pace::new(true);
        let mut done = 0;
        for _ in 0..100 {
            let count = pace.take(usize::MAX);
            assert!(count <= done + 1, "{count} after {done}");
            pace.done(count);
            done += count;
        }
    }

    #[test]
    fn of_items_that_take_long_one_comes_at_once() {
        for most in [64, 32, 1] {
            // As if each item took a tenth of a millisecond.
            let long = Duration::from_micros(100) * 64;
            let looked = Instant::now()
                .checked_sub(long)
                .expect("the clock has run so long");
            let done = 64;
            let clock = Some(Clock { most, done, looked });
            assert_eq!(Pace { clock }.take(1 << 20), 1);
        }
    }

    #[test]
    fn items_that_say_that_those_behind_them_are_free_count_alone() {
        let mut pace = Pace::new(true);
        for _ in 0..10_000 {
            pace.take(1 << 20);
            pace.done(1);
            let clock = pace.clock.as_ref().expect("it is timed");
            assert!(clock.done <= clock.most);
        }
    }
}
