//! Memory for the slots of one table: buckets that double in size, filled by number, freed together.
//!
//! Used by `table.rs`. A slot never moves, and costs no allocation of its own. Knows nothing of slots; what lies in it
//! is dropped by its user.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};

/// Places in the first bucket; each bucket has twice as many as the one before.
const FIRST_LEN: usize = 32;

/// Enough for every number of places.
const BUCKETS: usize = (usize::BITS - FIRST_LEN.ilog2()) as usize;

/// Places for values of one type, handed out one by one and never taken back.
pub(crate) struct Arena<T> {
    buckets: [AtomicPtr<T>; BUCKETS],
    used: AtomicUsize,
    /// Held while a bucket is made.
    growth: Mutex<()>,
}

impl<T> Arena<T> {
    pub(crate) fn new() -> Self {
        Arena {
            buckets: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            used: AtomicUsize::new(0),
            growth: Mutex::new(()),
        }
    }

    /// Moves `value` to a place of its own, which stays until the arena is dropped. Gives the place, and how many are
    /// used now.
    pub(crate) fn place(&self, value: T) -> (NonNull<T>, usize) {
        // Relaxed: only the number counts.
        let index = self.used.fetch_add(1, Ordering::Relaxed);
        let (bucket, offset) = locate(index);
        // Acquire: pairs with the Release in `add_bucket`.
        let mut start = self.buckets[bucket].load(Ordering::Acquire);
        if start.is_null() {
            start = self.add_bucket(bucket);
        }
        // SAFETY: `offset` is less than the bucket's length (`locate`).
        let place = unsafe { start.add(offset) };
        // SAFETY: allocated, and nobody else has this number.
        unsafe { place.write(value) };
        // SAFETY: a place in an allocation is not null.
        (unsafe { NonNull::new_unchecked(place) }, index + 1)
    }

    #[cold]
    fn add_bucket(&self, bucket: usize) -> *mut T {
        let _guard = self.growth.lock();
        let start = self.buckets[bucket].load(Ordering::Acquire);
        if !start.is_null() {
            return start;
        }
        let layout = layout_of::<T>(bucket);
        assert!(layout.size() > 0, "what lies here has an address");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc(layout) }.cast::<T>();
        if start.is_null() {
            handle_alloc_error(layout);
        }
        // Release: pairs with the Acquire in `place`.
        self.buckets[bucket].store(start, Ordering::Release);
        start
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for (bucket, start) in self.buckets.iter().enumerate() {
            let start = start.load(Ordering::Relaxed);
            if !start.is_null() {
                // SAFETY: allocated by `add_bucket` with this layout, and freed once.
                unsafe { dealloc(start.cast(), layout_of::<T>(bucket)) };
            }
        }
    }
}

/// The bucket that has the place with this number, and where in it.
fn locate(index: usize) -> (usize, usize) {
    let bucket = (index / FIRST_LEN + 1).ilog2() as usize;
    (bucket, index - FIRST_LEN * ((1 << bucket) - 1))
}

fn layout_of<T>(bucket: usize) -> Layout {
    Layout::array::<T>(FIRST_LEN << bucket).expect("so many were asked for one by one")
}

#[cfg(test)]
mod tests {
    use super::{FIRST_LEN, locate};

    /// Numbers fill bucket after bucket without a gap or an overlap.
    #[test]
    fn numbers_fill_the_buckets_in_order() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == FIRST_LEN << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }
}
