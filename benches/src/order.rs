//! The order of the engines in each round.
//!
//! Used by the rounds. The order is shuffled, so that no engine always runs first or always after the same other one, and
//! the seed is fixed, so that every comparison of the same engines runs in the same order.

/// A source of orders.
pub(crate) struct Order {
    state: u64,
    first_before: Option<usize>,
}

impl Order {
    /// The same orders every time.
    pub(crate) fn new() -> Self {
        Order {
            state: 0x00da_900d,
            first_before: None,
        }
    }

    /// The order of the next round of `n`; its first is never the first of the round before, unless it is alone.
    pub(crate) fn next(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let chosen = (self.random() % (last as u64 + 1)) as usize;
            order.swap(last, chosen);
        }
        if n > 1 && order.first().copied() == self.first_before {
            order.rotate_left(1);
        }
        self.first_before = order.first().copied();
        order
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_everybody_once_and_another_first() {
        let mut order = Order::new();
        let mut first_before = None;
        let mut firsts = [0; 5];
        for _ in 0..200 {
            let round = order.next(5);
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            assert_ne!(Some(round[0]), first_before);
            first_before = Some(round[0]);
            firsts[round[0]] += 1;
        }
        assert!(firsts.iter().all(|&times| times > 0), "{firsts:?}");
    }

    #[test]
    fn comparisons_repeat_their_orders() {
        let (mut one, mut other) = (Order::new(), Order::new());
        for _ in 0..10 {
            assert_eq!(one.next(4), other.next(4));
        }
    }

    #[test]
    fn one_alone_or_nobody_is_no_trouble() {
        let mut order = Order::new();
        assert_eq!(order.next(1), [0]);
        assert_eq!(order.next(1), [0]);
        assert!(order.next(0).is_empty());
    }
}
