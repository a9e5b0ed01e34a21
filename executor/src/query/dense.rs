//! The slots of a query type whose keys are small numbers: pages of slots behind a directory, made when they are first
//! needed, and read without a lock. Rules: claim.md C7.
//!
//! Used by `table.rs`. A slot never moves. Knows no key.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::pointers::Pointers;
use super::slot::Slot;
use crate::sync::{AtomicPtr, Mutex, Ordering};

/// Slots in a page: what is looked up at once.
const PAGE_LEN: usize = 256;

/// The most pages that are allocated at once.
const CHUNK_PAGES_MAX: usize = 4096;

/// Indices are smaller: a page number then fits into a directory of 128 MiB.
pub(crate) const INDEX_END: u64 = 1 << 32;

/// Memory for pages, allocated together. Which of them are used says the directory.
struct Chunk<V> {
    first_page: usize,
    pages: usize,
    start: *mut Slot<V>,
}

/// What is kept until the table is dropped.
struct Kept<V> {
    chunks: Vec<Chunk<V>>,
    replaced: Vec<Pointers<Slot<V>>>,
    /// What stands in directories where there is no page: slots that are [absent](Slot::is_absent).
    absent: *mut Slot<V>,
}

// SAFETY: only pointers on their way to the table's drop; slots are `Send` and `Sync`.
unsafe impl<V: Send + Sync> Send for Kept<V> {}

/// The slots of one query type, by index.
#[repr(C)]
pub(crate) struct Dense<V> {
    /// Where the pages are, as [`Pointers`]. A longer one takes its place when it becomes too short.
    directory: AtomicPtr<()>,
    /// Held while pages are added.
    kept: Mutex<Kept<V>>,
}

impl<V> Dense<V> {
    pub(crate) fn new() -> Self {
        Dense {
            directory: AtomicPtr::new(Pointers::<Slot<V>>::new(0).into_raw()),
            kept: Mutex::new(Kept {
                chunks: Vec::new(),
                replaced: Vec::new(),
                absent: ptr::null_mut(),
            }),
        }
    }

    #[inline]
    fn directory(&self) -> Pointers<Slot<V>> {
        // Acquire: pairs with the Release in `lengthen`.
        let directory = self.directory.load(Ordering::Acquire);
        // SAFETY: only those are stored there.
        unsafe { Pointers::from_raw(directory) }
    }

    /// The slot with this index, or, if its page is not there, perhaps one that is [absent](Slot::is_absent).
    #[inline]
    pub(crate) fn find(&self, index: usize) -> Option<&Slot<V>> {
        let directory = self.directory();
        // SAFETY: directories are freed with the table.
        if index / PAGE_LEN >= unsafe { directory.len() } {
            return None;
        }
        // SAFETY: as above, and looked at just now.
        let page = unsafe { directory.at(index / PAGE_LEN) };
        // Acquire: pairs with the Release in `add_page`: the page is zeroed.
        let page = page.load(Ordering::Acquire);
        // Wrapping: inside the page (`displaced`).
        let slot = page.wrapping_add(index);
        // SAFETY: a directory that has a length has a page everywhere, if only the absent one.
        let slot = unsafe { NonNull::new_unchecked(slot) };
        // SAFETY: pages are freed with the table, and zeroed memory is an empty slot.
        Some(unsafe { slot.as_ref() })
    }

    /// The slot with this index; its page is made if need be.
    ///
    /// # Panics
    ///
    /// If the index is not less than [`INDEX_END`].
    pub(crate) fn reach(&self, index: usize) -> &Slot<V> {
        let found = self.find(index).filter(|slot| !slot.is_absent());
        found.unwrap_or_else(|| self.add_page(index))
    }

    #[cold]
    fn add_page(&self, index: usize) -> &Slot<V> {
        assert!(
            (index as u64) < INDEX_END,
            "the index {index} of a key is too large: `Storage::Dense` is for indices below 2^32"
        );
        let page = index / PAGE_LEN;
        let mut kept = self.kept.lock();
        // SAFETY: directories are freed with the table.
        if page >= unsafe { self.directory().len() } {
            self.lengthen(page + 1, &mut kept);
        }
        // SAFETY: as above, and long enough now.
        let pages = unsafe { self.directory().all() };
        if start_of(pages, page) == kept.absent {
            let start = match kept.memory_of(page) {
                Some(start) => start,
                None => kept.add_chunk(page, pages.len()),
            };
            // SAFETY: the memory of a page, which nobody uses yet.
            unsafe { make_empty(start) };
            // Release: pairs with the Acquire in `find`.
            pages[page].store(displaced(start, page), Ordering::Release);
        }
        drop(kept);
        self.find(index).expect("its page was added")
    }

    /// Puts a directory of at least `len` pages in the place of the present one. The lock is held.
    fn lengthen(&self, len: usize, kept: &mut Kept<V>) {
        if kept.absent.is_null() {
            kept.absent = allocate(1);
            // SAFETY: the memory of a page, just allocated.
            unsafe { make_empty(kept.absent) };
            // SAFETY: a page, whose slots are empty.
            let absent = unsafe { std::slice::from_raw_parts(kept.absent, PAGE_LEN) };
            absent.iter().for_each(Slot::become_absent);
        }
        let old = self.directory();
        // SAFETY: directories are freed with the table.
        let old_pages = unsafe { old.all() };
        let directory = Pointers::new(len.next_power_of_two().max(2 * old_pages.len()));
        // SAFETY: as above.
        let pages = unsafe { directory.all() };
        for (number, page) in pages.iter().enumerate() {
            let old = old_pages
                .get(number)
                .map(|page| page.load(Ordering::Relaxed));
            // Relaxed: written under the lock; the store below publishes.
            page.store(
                old.unwrap_or_else(|| displaced(kept.absent, number)),
                Ordering::Relaxed,
            );
        }
        kept.replaced.push(old);
        // Release: pairs with the Acquire in `directory`.
        self.directory
            .store(directory.into_raw(), Ordering::Release);
    }

    /// Calls `body` with each slot that there is.
    pub(crate) fn for_each(&self, mut body: impl FnMut(&Slot<V>)) {
        for page in self.pages() {
            // SAFETY: pages are freed with the table, and zeroed memory is empty slots.
            let slots = unsafe { std::slice::from_raw_parts(page, PAGE_LEN) };
            slots.iter().for_each(&mut body);
        }
    }

    /// The pages that are there, each by its first slot.
    fn pages(&self) -> impl Iterator<Item = *mut Slot<V>> {
        let kept = self.kept.lock();
        let absent = kept.absent;
        // SAFETY: directories are freed with the table.
        let directory = unsafe { self.directory().all() };
        drop(kept);
        let starts = (0..directory.len()).map(move |page| start_of(directory, page));
        starts.filter(move |start| *start != absent)
    }

    /// The index of a slot of this table.
    pub(crate) fn index_of(&self, slot: *const ()) -> usize {
        let kept = self.kept.lock();
        let offset = |chunk: &Chunk<V>| slot.addr().checked_sub(chunk.start.addr());
        let find = |chunk: &Chunk<V>| {
            let number = offset(chunk)? / size_of::<Slot<V>>();
            (number < chunk.pages * PAGE_LEN).then_some(chunk.first_page * PAGE_LEN + number)
        };
        kept.chunks
            .iter()
            .find_map(find)
            .expect("a slot of this table")
    }

    /// The memory it has, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let kept = self.kept.lock();
        let chunks = kept
            .chunks
            .iter()
            .map(|chunk| layout_of::<V>(chunk.pages).size());
        // SAFETY: directories are freed with the table.
        let bytes = |directory: &Pointers<Slot<V>>| unsafe { directory.bytes() };
        let absent = if kept.absent.is_null() {
            0
        } else {
            layout_of::<V>(1).size()
        };
        let directories = kept.replaced.iter().map(bytes).sum::<usize>() + bytes(&self.directory());
        chunks.sum::<usize>() + absent + directories
    }

    /// Drops what the slots hold.
    pub(crate) fn drop_slots(&mut self) {
        for page in self.pages() {
            for number in 0..PAGE_LEN {
                // SAFETY: inside the page.
                let slot = unsafe { page.add(number) };
                // SAFETY: zeroed or used, ours alone now, and dropped once.
                unsafe { slot.drop_in_place() };
            }
        }
    }
}

impl<V> Kept<V> {
    /// The memory of a page that is not used yet, if there is some.
    fn memory_of(&self, page: usize) -> Option<*mut Slot<V>> {
        let offset = |chunk: &Chunk<V>| page.checked_sub(chunk.first_page);
        let find = |chunk: &Chunk<V>| {
            let number = offset(chunk).filter(|number| *number < chunk.pages)?;
            // SAFETY: inside the chunk.
            Some(unsafe { chunk.start.add(number * PAGE_LEN) })
        };
        // The last one is the largest.
        self.chunks.iter().rev().find_map(find)
    }

    /// Allocates memory for `page` and those around it, as many as there is memory for already, so that there are few chunks
    /// whatever the order of the asks. The directory has `len` pages. Gives that of `page`.
    fn add_chunk(&mut self, page: usize, len: usize) -> *mut Slot<V> {
        let so_far: usize = self.chunks.iter().map(|chunk| chunk.pages).sum();
        // A power of two, as is the length of the directory.
        let pages = 1 << so_far.clamp(1, CHUNK_PAGES_MAX.min(len)).ilog2();
        let first_page = page / pages * pages;
        let start = allocate(pages);
        self.chunks.push(Chunk {
            first_page,
            pages,
            start,
        });
        // SAFETY: inside the chunk.
        unsafe { start.add((page - first_page) * PAGE_LEN) }
    }
}

impl<V> Drop for Dense<V> {
    fn drop(&mut self) {
        let directory = self.directory();
        let mut kept = self.kept.lock();
        for directory in kept.replaced.drain(..).chain([directory]) {
            // SAFETY: ours alone now, and freed once.
            unsafe { directory.free() };
        }
        let absent = (kept.absent, usize::from(!kept.absent.is_null()));
        let chunks = kept
            .chunks
            .drain(..)
            .map(|chunk| (chunk.start, chunk.pages));
        for (start, pages) in chunks.chain([absent]) {
            if pages > 0 {
                // SAFETY: allocated by `allocate` with this layout, and freed once.
                unsafe { dealloc(start.cast(), layout_of::<V>(pages)) };
            }
        }
    }
}

/// What a directory has of the page with this number that begins at `start`: where its table would begin if all pages
/// lay in one row. So an index need not be cut to the page.
fn displaced<V>(start: *mut Slot<V>, page: usize) -> *mut Slot<V> {
    start.wrapping_sub(page.wrapping_mul(PAGE_LEN))
}

/// Where the page with this number begins.
fn start_of<V>(directory: &[AtomicPtr<Slot<V>>], page: usize) -> *mut Slot<V> {
    // Acquire: as in `find`.
    let displaced = directory[page].load(Ordering::Acquire);
    displaced.wrapping_add(page.wrapping_mul(PAGE_LEN))
}

/// Whether a page is zeroed when it is first used: it then lies in the cache for those who ask for its slots next. Large
/// ones the system zeroes, as far as they are touched.
const fn zeroes_pages<V>() -> bool {
    size_of::<Slot<V>>() <= 64
}

/// Makes the slots of a page empty.
///
/// # Safety
///
/// It is the memory of one page, from [`allocate`], and nobody has used it.
unsafe fn make_empty<V>(page: *mut Slot<V>) {
    if zeroes_pages::<V>() {
        // SAFETY: by contract. Zeroed memory is empty slots.
        unsafe { page.write_bytes(0, PAGE_LEN) };
    }
}

/// Memory for so many pages: zeroed, unless [`make_empty`] does that.
fn allocate<V>(pages: usize) -> *mut Slot<V> {
    let layout = layout_of::<V>(pages);
    let start = if zeroes_pages::<V>() {
        // SAFETY: a slot has a size, and there is at least one page.
        unsafe { alloc(layout) }
    } else {
        // SAFETY: as above.
        unsafe { alloc_zeroed(layout) }
    };
    let start = start.cast::<Slot<V>>();
    if start.is_null() {
        handle_alloc_error(layout);
    }
    start
}

fn layout_of<V>(pages: usize) -> Layout {
    let layout = Layout::array::<Slot<V>>(pages * PAGE_LEN);
    debug_assert_ne!(size_of::<Slot<V>>(), 0);
    layout.expect("indices have a limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::wait::Outcome;

    #[test]
    fn slots_stay_where_they_are_while_pages_are_added() {
        let table = Dense::<u64>::new();
        let indices = [5, 0, 255, 256, 100_000, 70_000, 4_000_000, 1 << 27, 300];
        let places: Vec<_> = indices
            .map(|index| ptr::from_ref(table.reach(index)))
            .into();
        for (index, place) in indices.into_iter().zip(places) {
            assert!(ptr::eq(table.find(index).unwrap(), place), "{index}");
            assert_eq!(table.index_of(place.cast()), index);
            assert!(!table.reach(index).awaited().list.is(Outcome::READY));
        }
        assert!(table.find(1 << 30).is_none());
        assert!(table.find(8_000_000).is_none_or(|slot| !slot.is_ready()));
        assert!(table.bytes() < 64 << 20);
    }

    #[test]
    fn where_there_is_no_slot_nobody_can_claim() {
        let table = Dense::<u64>::new();
        table.reach(1000);
        let absent = table.find(0).expect("the directory is longer");
        assert!(absent.is_absent() && !absent.is_empty());
        assert!(!absent.claim(ptr::null()));
        assert!(!table.reach(0).is_absent() && table.reach(0).claim(ptr::null()));
    }

    /// Memory that comes from another table has its slots still.
    #[test]
    fn pages_are_empty_whatever_lay_there() {
        for _ in 0..5 {
            let table = Dense::<u64>::new();
            for index in (0..100 * PAGE_LEN).step_by(7) {
                assert!(table.reach(index).claim(ptr::null()), "{index}");
            }
            let mut slots = 0;
            table.for_each(|_| slots += 1);
            assert_eq!(slots, 100 * PAGE_LEN);
        }
    }

    /// Sums up the chunks of a table that has been asked for these indices: how many, and how many pages.
    fn chunks(indices: impl Iterator<Item = usize>) -> (usize, usize) {
        let table = Dense::<u64>::new();
        for index in indices {
            let slot = table.reach(index);
            assert_eq!(table.index_of(ptr::from_ref(slot).cast()), index);
        }
        let kept = table.kept.lock();
        let pages = kept.chunks.iter().map(|chunk| chunk.pages);
        (pages.len(), pages.sum())
    }

    #[test]
    fn there_are_few_chunks_whatever_the_order() {
        const LEN: usize = 1 << 18;
        let strided = (0..LEN).map(|number| number.wrapping_mul(0x9E37_79B1) % LEN);
        for (chunks, pages) in [
            chunks(0..LEN),
            chunks((0..LEN).rev()),
            chunks(strided),
            chunks((0..LEN).step_by(1000).rev().chain(0..LEN)),
        ] {
            assert!(chunks < 32, "{chunks} chunks");
            assert!(pages <= 2 * LEN / PAGE_LEN, "{pages} pages");
        }
    }

    #[test]
    fn an_absurd_index_is_refused() {
        // There is none where numbers have 32 bits.
        let Ok(absurd) = usize::try_from(INDEX_END) else {
            return;
        };
        let refused = std::panic::catch_unwind(|| {
            Dense::<u64>::new().reach(absurd);
        });
        let payload = refused.expect_err("it is too large");
        let text = payload.downcast_ref::<String>();
        assert!(text.is_some_and(|text| text.contains("too large")));
    }
}
