//! The keys of the workloads whose operations are hits and misses, and the loops over them.
//!
//! The numbers from 0 to N lie on one ring in random order; the result of each is its successor on the ring. So one table
//! serves independent asks, in shuffled order, and chains of asks, in which each key is the result before.

use std::hash::Hash;
use std::sync::Arc;

use dagwood::{Cx, Query, Storage};

/// The ring, and the keys in another random order.
#[derive(Debug)]
pub(super) struct Ring {
    /// The successor of each number.
    next: Vec<u32>,
    /// All numbers, shuffled.
    order: Vec<u32>,
}

/// A key of such a workload.
pub(super) trait Key:
    Query<Arc<Ring>, Value = u64> + Copy + Eq + Hash + Send + Sync + 'static
{
    /// The key of a number.
    fn of(number: u32) -> Self;
    /// The key that is given as a result.
    fn of_value(value: u64) -> Self;
    /// What it is computed from.
    fn number(self) -> u32;
    /// The key as a result.
    fn value(self) -> u64;
}

/// A key that is hashed: its numbers are spread.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hashed(pub(super) u64);

/// A key that is an index.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dense(pub(super) u32);

/// Spreads numbers; odd, so that it can be undone.
const SPREAD: u64 = 0xd134_2543_de82_ef95;

/// Undoes it.
const UNSPREAD: u64 = inverse(SPREAD);

/// The inverse of an odd number modulo 2^64, by Newton.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

impl Key for Hashed {
    #[inline]
    fn of(number: u32) -> Self {
        Hashed(u64::from(number).wrapping_mul(SPREAD))
    }

    #[inline]
    fn of_value(value: u64) -> Self {
        Hashed(value)
    }

    #[inline]
    fn number(self) -> u32 {
        self.0.wrapping_mul(UNSPREAD) as u32
    }

    #[inline]
    fn value(self) -> u64 {
        self.0
    }
}

impl Query<Arc<Ring>> for Hashed {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Arc<Ring>>) -> u64 {
        cx.data().compute(self)
    }
}

impl Key for Dense {
    #[inline]
    fn of(number: u32) -> Self {
        Dense(number)
    }

    #[inline]
    fn of_value(value: u64) -> Self {
        Dense(value as u32)
    }

    #[inline]
    fn number(self) -> u32 {
        self.0
    }

    #[inline]
    fn value(self) -> u64 {
        self.0.into()
    }
}

impl Query<Arc<Ring>> for Dense {
    type Value = u64;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0 as usize,
        key: |index| Dense(index as u32),
    };

    fn provide(self, cx: &Cx<'_, Arc<Ring>>) -> u64 {
        cx.data().compute(self)
    }
}

impl Ring {
    /// A ring of so many numbers, at least one.
    pub(super) fn new(len: u32) -> Self {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |bound: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % bound as u64) as usize
        };
        let mut walk: Vec<u32> = (0..len).collect();
        let mut order = walk.clone();
        for i in (1..walk.len()).rev() {
            walk.swap(i, below(i + 1));
            order.swap(i, below(i + 1));
        }
        let mut next = vec![0; walk.len()];
        for (i, &number) in walk.iter().enumerate() {
            next[number as usize] = walk[(i + 1) % walk.len()];
        }
        Ring { next, order }
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// The keys, shuffled.
    pub(super) fn keys<K: Key>(&self) -> Vec<K> {
        self.order.iter().copied().map(K::of).collect()
    }

    /// The result of a key.
    #[inline]
    pub(super) fn compute<K: Key>(&self, key: K) -> u64 {
        K::of(self.next[key.number() as usize]).value()
    }

    /// The successor of a number.
    pub(super) fn next(&self, number: u32) -> u32 {
        self.next[number as usize]
    }

    /// The sum of all results.
    pub(super) fn sum<K: Key>(&self) -> u64 {
        let value = |&number: &u32| K::of(number).value();
        self.next.iter().map(value).fold(0, u64::wrapping_add)
    }
}

/// Asks for all keys, again and again: the asks may overlap. Gives the sum of the results.
#[inline]
pub(super) fn flow<K: Copy>(keys: &[K], rounds: u32, mut get: impl FnMut(K) -> u64) -> u64 {
    let mut sum = 0_u64;
    for _ in 0..rounds {
        for &key in keys {
            sum = sum.wrapping_add(get(key));
        }
    }
    sum
}

/// Asks for so many keys, each of which is the result before. Gives the sum of the results.
#[inline]
pub(super) fn chain<K: Copy>(
    first: K,
    asks: u64,
    key: impl Fn(u64) -> K,
    mut get: impl FnMut(K) -> u64,
) -> u64 {
    let mut sum = 0_u64;
    let mut next = first;
    for _ in 0..asks {
        let value = get(next);
        sum = sum.wrapping_add(value);
        next = key(value);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_one_and_keys_can_be_undone() {
        let ring = Ring::new(1000);
        let sums = [ring.sum::<Hashed>(), ring.sum::<Dense>()];
        let hashed = chain(Hashed::of(0), 1000, Hashed::of_value, |key| {
            ring.compute(key)
        });
        let dense = chain(Dense::of(0), 1000, Dense::of_value, |key| ring.compute(key));
        assert_eq!([hashed, dense], sums);
        assert_eq!(
            flow(&ring.keys(), 1, |key: Hashed| ring.compute(key)),
            sums[0]
        );
        let mut numbers: Vec<u32> = ring.keys().into_iter().map(Hashed::number).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
    }
}
