//! Memory for the entries of one hashed table: buckets that double in size, handed out in blocks and freed together.
//!
//! Used by `hashed.rs`. An entry never moves, and costs no allocation of its own; a thread keeps the block that it fills
//! to itself, so that a place costs no read-modify-write. To each place belongs a *note*, a number; those of a block lie
//! together at its end, where they take no room in the cache lines of who looks at entries. Knows nothing of entries and
//! of what notes say; what lies in places is dropped by their user.

use std::alloc::Layout;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::pieces;
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Mutex, Ordering};

/// The places of a block, at least: what is left at a block's end is less than one, and must be little of it.
const BLOCK_LEN_MIN: usize = 24;

/// A block has so many bytes at least.
const BLOCK_BYTES_MIN: usize = 1024;

/// Enough for every number of blocks.
const BUCKETS: usize = (usize::BITS - BLOCK_BYTES_MIN.ilog2()) as usize;

/// So many arenas a thread finds its block of at once.
const BLOCKS_KEPT: usize = 8;

/// So many more blocks it puts aside for those that were displaced.
const BLOCKS_ASIDE: usize = 64;

/// Places for values of one type, handed out one by one and never taken back.
pub(crate) struct Arena<T> {
    /// A number that no other arena of the process has, ever.
    identity: usize,
    /// What was allocated: the first has one block, each other one twice as many as that before.
    buckets: [AtomicPtr<u8>; BUCKETS],
    /// The blocks that were handed out.
    used: AtomicUsize,
    /// Held while a bucket is made.
    growth: Mutex<()>,
    places: PhantomData<fn(T) -> T>,
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

    /// What was displaced there and is not used up.
    static ASIDE: [Cell<Kept>; BLOCKS_ASIDE] = const { [const { Cell::new(NOBODY) }; BLOCKS_ASIDE] };
}

/// A number that no other living thread has: not zero, and even. Never inlined, as [`Arena::place`].
#[inline(never)]
pub(crate) fn this_thread() -> usize {
    KEPT.with(|kept| ptr::from_ref(kept).addr())
}

/// The identity of the next arena.
static IDENTITIES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);

impl<T> Arena<T> {
    /// The size of a block, and what its address is a multiple of: so a place says where its block begins.
    const BLOCK_BYTES: usize = {
        let mut bytes = BLOCK_BYTES_MIN;
        while bytes / (size_of::<T>() + size_of::<AtomicU32>()) < BLOCK_LEN_MIN {
            bytes *= 2;
        }
        bytes
    };

    /// The places of a block.
    pub(crate) const BLOCK_LEN: usize =
        Self::BLOCK_BYTES / (size_of::<T>() + size_of::<AtomicU32>());

    /// Where the notes of a block begin, in bytes.
    const NOTES: usize = Self::BLOCK_BYTES - Self::BLOCK_LEN * size_of::<AtomicU32>();

    pub(crate) fn new() -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let next = |identity: usize| identity.checked_add(1);
        // It may not begin anew: threads keep blocks of arenas that are gone.
        let identity = IDENTITIES.fetch_update(Relaxed, Relaxed, next);
        const { assert!(size_of::<T>() > 0, "what lies here has an address") };
        Arena {
            identity: identity.expect("fewer tables are made than a word can count"),
            buckets: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
            used: AtomicUsize::new(0),
            growth: Mutex::new(()),
            places: PhantomData,
        }
    }

    /// The note of a place; zero at first.
    ///
    /// # Safety
    ///
    /// The place was given by an arena of this type that lives as long as `'a`.
    #[inline]
    pub(crate) unsafe fn note<'a>(place: NonNull<T>) -> &'a AtomicU32 {
        let place = place.as_ptr();
        let offset = place.addr() % Self::BLOCK_BYTES;
        let number = offset / size_of::<T>();
        let notes = place
            .wrapping_byte_sub(offset)
            .wrapping_byte_add(Self::NOTES);
        // SAFETY: inside the block, which the place's pointer is good for; zeroed when the block was begun.
        unsafe { &*notes.cast::<AtomicU32>().wrapping_add(number) }
    }

    /// A place that nobody else has, whose note is zero, and that stays until the arena is dropped. `block_begun` hears how many
    /// places are in use or kept when a new block is begun.
    ///
    /// No user code runs, and no fiber is switched, while the thread's own block is looked at.
    ///
    /// Never inlined: the thread-local's address must not be kept over a switch.
    #[inline(never)]
    pub(crate) fn place(&self, block_begun: impl FnOnce(usize)) -> NonNull<T> {
        let place = self.take_kept().or_else(|| {
            // This thread has said that it inserts when it began the block that it has put aside.
            if !self.take_aside() {
                block_begun(self.begin_block());
            }
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

    /// Makes this the block that the thread finds at once; the one that was there is put aside.
    fn keep(&self, block: Kept) {
        let displaced = KEPT.with(|kept| kept[self.identity % BLOCKS_KEPT].replace(block));
        if displaced.left > 0 {
            ASIDE.with(|aside| {
                let free = aside.iter().find(|kept| kept.get().left == 0);
                // With so many arenas in use what is left of some block is lost.
                free.unwrap_or(&aside[displaced.arena % BLOCKS_ASIDE])
                    .set(displaced);
            });
        }
    }

    /// Brings back what the thread has put aside of this arena. `false`: nothing.
    #[cold]
    fn take_aside(&self) -> bool {
        let own = ASIDE.with(|aside| {
            let own = aside.iter().find(|kept| {
                let kept = kept.get();
                kept.arena == self.identity && kept.left > 0
            });
            own.map(|kept| kept.replace(NOBODY))
        });
        own.map(|block| self.keep(block)).is_some()
    }

    /// Keeps a new block for this thread, and says how many places there are with it.
    #[cold]
    fn begin_block(&self) -> usize {
        // Relaxed: only the number counts.
        let index = self.used.fetch_add(1, Ordering::Relaxed);
        let (bucket, offset) = locate(index);
        // Acquire: pairs with the Release in `add_bucket`.
        let mut start = self.buckets[bucket].load(Ordering::Acquire);
        if start.is_null() {
            start = self.add_bucket(bucket);
        }
        let block = Self::block(start, offset);
        let notes = block.wrapping_byte_add(Self::NOTES).cast::<u32>();
        // SAFETY: inside the block, which is this thread's alone.
        unsafe { notes.write_bytes(0, Self::BLOCK_LEN) };
        self.keep(Kept {
            arena: self.identity,
            next: block.cast(),
            left: Self::BLOCK_LEN,
        });
        (index + 1) * Self::BLOCK_LEN
    }

    /// The block with this number in the bucket that begins at `start`.
    fn block(start: *mut u8, number: usize) -> *mut T {
        // Wrapping: there are so many (`locate`).
        start.wrapping_add(number * Self::BLOCK_BYTES).cast()
    }

    #[cold]
    fn add_bucket(&self, bucket: usize) -> *mut u8 {
        let _guard = self.growth.lock();
        let start = self.buckets[bucket].load(Ordering::Acquire);
        if !start.is_null() {
            return start;
        }
        let start = pieces::allocate(Self::layout_of(bucket)).as_ptr();
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
            let blocks = if start.is_null() {
                0
            } else {
                left.min(1 << bucket)
            };
            left -= left.min(1 << bucket);
            (0..blocks).flat_map(move |number| {
                let first = Self::block(start, number);
                // Wrapping: never behind the block's end.
                (0..Self::BLOCK_LEN)
                    .filter_map(move |place| NonNull::new(first.wrapping_add(place)))
            })
        })
    }

    /// The memory it has, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let is_there = |bucket: &usize| !self.buckets[*bucket].load(Ordering::Relaxed).is_null();
        (0..BUCKETS)
            .filter(is_there)
            .map(|bucket| Self::layout_of(bucket).size())
            .sum()
    }

    fn layout_of(bucket: usize) -> Layout {
        Layout::from_size_align(Self::BLOCK_BYTES << bucket, Self::BLOCK_BYTES)
            .expect("blocks were asked for one by one")
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for (bucket, start) in self.buckets.iter().enumerate() {
            if let Some(start) = NonNull::new(start.load(Ordering::Relaxed)) {
                // SAFETY: allocated by `add_bucket` with this layout, and freed once.
                unsafe { pieces::free(start, Self::layout_of(bucket)) };
            }
        }
    }
}

/// The bucket that has the block with this number, and where in it.
fn locate(index: usize) -> (usize, usize) {
    let bucket = (index + 1).ilog2() as usize;
    (bucket, index + 1 - (1 << bucket))
}

#[cfg(test)]
mod tests {
    use super::{Arena, locate};

    /// Numbers fill bucket after bucket without a gap or an overlap.
    #[test]
    fn numbers_fill_the_buckets_in_order() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == 1 << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    /// A place's note is its own, whatever the size of places; and no place shares memory with a note.
    #[test]
    fn each_place_has_a_note_of_its_own() {
        fn check<T>() {
            let arena = Arena::<T>::new();
            let places: Vec<_> = (0..200).map(|_| arena.place(|_| ())).collect();
            let mut taken = std::collections::BTreeMap::new();
            for place in &places {
                // SAFETY: the arena lives.
                let note = unsafe { Arena::note(*place) };
                assert_eq!(note.load(super::Ordering::Relaxed), 0);
                taken.insert(place.addr().get(), size_of::<T>());
                taken.insert(std::ptr::from_ref(note).addr(), 4);
                assert_eq!(place.addr().get() % align_of::<T>(), 0);
            }
            assert_eq!(taken.len(), 400);
            let ends = taken.iter().map(|(start, len)| start + len);
            assert!(
                ends.zip(taken.keys().skip(1))
                    .all(|(end, next)| end <= *next)
            );
        }
        check::<u8>();
        check::<[u64; 4]>();
        check::<[u64; 5]>();
        check::<[u32; 77]>();
        check::<[u64; 1000]>();
    }

    /// More arenas than a thread finds blocks of at once, in turn: each place is given once, `places` has it, and no
    /// block is begun before the one before it is used up.
    #[test]
    fn places_are_given_once() {
        let arenas: Vec<Arena<u64>> = (0..40).map(|_| Arena::new()).collect();
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
            assert!(all.len() < given.len() + Arena::<u64>::BLOCK_LEN);
        }
    }
}
