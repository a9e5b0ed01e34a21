//! Which of several lines goes next, when each has a level: the highest, but none is passed over for ever.
//!
//! Used where runs' jobs wait to begin, and where fibers wait to go on. Knows nothing of what stands in line.

/// How many levels there are; the highest has the number zero.
pub(crate) const LEVELS: usize = 3;

/// The first in line of a level is passed over by so many of higher levels at most.
pub(crate) const PASSES_MAX: u32 = 16;

/// How often each level was passed over since it last went.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Passes([u32; LEVELS]);

impl Passes {
    /// The level that goes, of those that have something; `None`: none has.
    pub(crate) fn next(&mut self, has: [bool; LEVELS]) -> Option<usize> {
        let highest = has.iter().position(|has| *has)?;
        let is_overdue = |level: &usize| has[*level] && self.0[*level] >= PASSES_MAX;
        let overdue = (highest + 1..LEVELS).rev().find(is_overdue);
        let next = overdue.unwrap_or(highest);
        self.0[next] = 0;
        for (passes, has) in self.0.iter_mut().zip(has).skip(next + 1) {
            // Who comes to an empty line has not been passed over.
            *passes = if has { *passes + 1 } else { 0 };
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_goes_first() {
        let mut passes = Passes::default();
        assert_eq!(passes.next([false; LEVELS]), None);
        assert_eq!(passes.next([false, true, true]), Some(1));
        assert_eq!(passes.next([true, true, true]), Some(0));
        assert_eq!(passes.next([false, false, true]), Some(2));
    }

    #[test]
    fn nobody_is_passed_over_for_ever() {
        let mut passes = Passes::default();
        let order: Vec<usize> = (0..200)
            .filter_map(|_| passes.next([true; LEVELS]))
            .collect();
        for level in 1..LEVELS {
            let places = order.iter().enumerate().filter(|(_, went)| **went == level);
            let places: Vec<usize> = places.map(|(place, _)| place).collect();
            assert!(places[0] <= PASSES_MAX as usize + 1, "{order:?}");
            let gaps = places.windows(2).map(|pair| pair[1] - pair[0] - 1);
            assert!(gaps.max() <= Some(PASSES_MAX as usize + 1), "{order:?}");
        }
    }

    #[test]
    fn who_comes_late_has_not_been_passed_over() {
        let mut passes = Passes::default();
        for _ in 0..100 {
            assert_eq!(passes.next([true, false, false]), Some(0));
        }
        assert_eq!(passes.next([true, true, false]), Some(0));
    }
}
