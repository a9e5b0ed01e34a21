//! Memory for the entries of one hashed table: buckets that double in size, handed out in blocks and freed together.
//!
//! Used by `hashed.rs`. An entry never moves, and costs no allocation of its own; a thread keeps the block that it fills
//! to itself, so that a place costs no read-modify-write. Knows nothing of entries; what lies in them is dropped by their
//! user.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};

/// Places in a block, and in the first bucket; each bucket has twice as many as the one before.
pub(crate) const BLOCK_LEN: usize = 32;

/// Enough for every number of places.
const BUCKETS: usize = (usize::BITS - BLOCK_LEN.ilog2()) as usize;

/// So many arenas a thread has a block of at once.
const BLOCKS_KEPT: usize = 8;

/// Zeroed places for values of one type, handed out one by one and never taken back.
pub(crate) struct Arena<T> {
    /// A number that no other arena of the process has, ever.
    identity: usize,
    buckets: [AtomicPtr<T>; BUCKETS],
    used: AtomicUsize,
    /// Held while a bucket is made.
    growth: Mutex<()>,
}

/// What a thread has left of a block.
#[derive(Copy, Clone)]
struct Kept {
    arena: usize,
    next: *mut (),
    left: usize,
}

/// The identity that no arena has.
const NOBODY: Kept = Kept {
    arena: 0,
    next: ptr::null_mut(),
    left: 0,
};

thread_local! {
    /// The blocks of this OS thread, by the low bits of their arenas' identities.
    static KEPT: [Cell<Kept>; BLOCKS_KEPT] = const { [const { Cell::new(NOBODY) }; BLOCKS_KEPT] };
}

/// A number that no other living thread has: not zero, and even.
pub(crate) fn this_thread() -> usize {
    KEPT.with(|kept| ptr::from_ref(kept).addr())
}

/// The identity of the next arena.
static IDENTITIES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);

impl<T> Arena<T> {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let next = |identity: usize| identity.checked_add(1);
        // It may not begin anew: threads keep blocks of arenas that are gone.
        let identity = IDENTITIES.fetch_update(Relaxed, Relaxed, next);
        Arena {
            identity: identity.expect("fewer tables are made than a word can count"),
            buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
            used: AtomicUsize::new(0),
            growth: Mutex::new(()),
        }
    }

    /// A zeroed place that nobody else has, and that stays until the arena is dropped. `block_begun` hears how many
    /// places are in use or kept when a new block is begun.
    ///
    /// No user code runs, and no fiber is switched, while the thread's own block is looked at.
    pub(crate) fn place(&self, block_begun: impl FnOnce(usize)) -> NonNull<T> {
        let place = self.take_kept().or_else(|| {
            block_begun(self.begin_block());
            self.take_kept()
        });
        place.expect("a block has places")
    }

    fn take_kept(&self) -> Option<NonNull<T>> {
        KEPT.with(|kept| {
            let kept = &kept[self.identity % BLOCKS_KEPT];
            let Kept { arena, next, left } = kept.get();
            if arena != self.identity || left == 0 {
                return None;
            }
            let next = next.cast::<T>();
            // Wrapping: behind the last place of a bucket there is nothing.
            kept.set(Kept {
                arena,
                next: next.wrapping_add(1).cast(),
                left: left - 1,
            });
            NonNull::new(next)
        })
    }

    /// Keeps a new block for this thread. What is left of another arena's block is lost.
    #[cold]
    fn begin_block(&self) -> usize {
        // Relaxed: only the number counts.
        let index = self.used.fetch_add(BLOCK_LEN, Ordering::Relaxed);
        let (bucket, offset) = locate(index);
        // Acquire: pairs with the Release in `add_bucket`.
        let mut start = self.buckets[bucket].load(Ordering::Acquire);
        if start.is_null() {
            start = self.add_bucket(bucket);
        }
        // SAFETY: `offset` is less than the bucket's length (`locate`).
        let next = unsafe { start.add(offset) };
        KEPT.with(|kept| {
            kept[self.identity % BLOCKS_KEPT].set(Kept {
                arena: self.identity,
                next: next.cast(),
                left: BLOCK_LEN,
            });
        });
        index + BLOCK_LEN
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
        let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
        if start.is_null() {
            handle_alloc_error(layout);
        }
        // Release: pairs with the Acquire in `begin_block`.
        self.buckets[bucket].store(start, Ordering::Release);
        start
    }

    /// Every place that was handed out, or may still be, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = NonNull<T>> {
        // Acquire: as in `begin_block`; what lies in a place is for its user to know.
        let starts = self
            .buckets
            .iter()
            .map(|start| start.load(Ordering::Acquire));
        let mut left = self.used.load(Ordering::Acquire);
        starts.enumerate().flat_map(move |(bucket, start)| {
            let len = if start.is_null() {
                0
            } else {
                left.min(BLOCK_LEN << bucket)
            };
            left -= left.min(BLOCK_LEN << bucket);
            // Wrapping: never behind the bucket's end.
            (0..len).filter_map(move |offset| NonNull::new(start.wrapping_add(offset)))
        })
    }

    /// The memory it has, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let is_there = |bucket: &usize| !self.buckets[*bucket].load(Ordering::Relaxed).is_null();
        (0..BUCKETS)
            .filter(is_there)
            .map(|bucket| layout_of::<T>(bucket).size())
            .sum()
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
    let bucket = (index / BLOCK_LEN + 1).ilog2() as usize;
    (bucket, index - BLOCK_LEN * ((1 << bucket) - 1))
}

fn layout_of<T>(bucket: usize) -> Layout {
    Layout::array::<T>(BLOCK_LEN << bucket).expect("so many were asked for one by one")
}

#[cfg(test)]
mod tests {
    use super::{Arena, BLOCK_LEN, locate};

    /// Numbers fill bucket after bucket without a gap or an overlap.
    #[test]
    fn numbers_fill_the_buckets_in_order() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == BLOCK_LEN << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    /// More arenas than a thread keeps blocks of, in turn: each place is given once, and `places` has it.
    #[test]
    fn places_are_given_once() {
        let arenas: Vec<Arena<u64>> = (0..20).map(|_| Arena::new()).collect();
        let mut given = vec![Vec::new(); arenas.len()];
        for round in 0..200 {
            for (index, arena) in arenas.iter().enumerate() {
                if (round + index) % 3 != 0 {
                    given[index].push(arena.place(|_| ()));
                }
            }
        }
        for (arena, given) in arenas.iter().zip(given) {
            let all: std::collections::HashSet<_> = arena.places().collect();
            let distinct: std::collections::HashSet<_> = given.iter().copied().collect();
            assert_eq!(distinct.len(), given.len());
            assert!(distinct.is_subset(&all));
        }
    }
}
