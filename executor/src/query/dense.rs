//! The slots of a query type whose keys are small numbers: pages of slots behind a directory, made when they are first
//! needed, and read without a lock. Rules: claim.md C7.
//!
//! Used by `table.rs`. A slot never moves. Knows no key.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use super::slot::Slot;
use crate::sync::{AtomicPtr, Mutex, Ordering};

/// Slots in a page: what is looked up at once.
const PAGE_LEN: usize = 256;

/// The most pages that are allocated at once.
const CHUNK_PAGES_MAX: usize = 4096;

/// Indices are smaller: a page number then fits into a directory of 128 MiB, of which only what is used is touched.
pub(crate) const INDEX_END: u64 = 1 << 32;

/// Where the pages are; null where there is none. A longer one takes its place when it becomes too short.
struct Directory<V> {
    pages: Box<[AtomicPtr<Slot<V>>]>,
}

/// Pages that were allocated together.
struct Chunk<V> {
    first_page: usize,
    pages: usize,
    start: *mut Slot<V>,
}

/// What is kept until the table is dropped.
struct Kept<V> {
    chunks: Vec<Chunk<V>>,
    replaced: Vec<*mut Directory<V>>,
}

// SAFETY: only pointers on their way to the table's drop; slots are `Send` and `Sync`.
unsafe impl<V: Send + Sync> Send for Kept<V> {}

/// The slots of one query type, by index.
pub(crate) struct Dense<V> {
    directory: AtomicPtr<Directory<V>>,
    /// Held while pages are added.
    kept: Mutex<Kept<V>>,
}

impl<V> Dense<V> {
    pub(crate) fn new() -> Self {
        Dense {
            directory: AtomicPtr::new(Box::into_raw(Box::new(Directory::new(0)))),
            kept: Mutex::new(Kept {
                chunks: Vec::new(),
                replaced: Vec::new(),
            }),
        }
    }

    fn directory(&self) -> &Directory<V> {
        // Acquire: pairs with the Release in `reach`.
        let directory = self.directory.load(Ordering::Acquire);
        // SAFETY: directories are freed with the table.
        unsafe { &*directory }
    }

    /// The slot with this index, if its page is there.
    #[inline]
    pub(crate) fn find(&self, index: usize) -> Option<&Slot<V>> {
        // Acquire: pairs with the Release in `add_chunk`: the page is zeroed.
        let page = self.directory().pages.get(index / PAGE_LEN)?.load(Ordering::Acquire);
        if page.is_null() {
            return None;
        }
        // SAFETY: inside the page.
        let slot = unsafe { page.add(index % PAGE_LEN) };
        // SAFETY: pages are freed with the table, and zeroed memory is an empty slot.
        Some(unsafe { &*slot })
    }

    /// The slot with this index; its page is made if need be.
    ///
    /// # Panics
    ///
    /// If the index is not less than [`INDEX_END`].
    #[inline]
    pub(crate) fn reach(&self, index: usize) -> &Slot<V> {
        self.find(index).unwrap_or_else(|| self.add_page(index))
    }

    #[cold]
    fn add_page(&self, index: usize) -> &Slot<V> {
        assert!(
            (index as u64) < INDEX_END,
            "the index {index} of a key is too large: `Storage::Dense` is for indices below 2^32"
        );
        let page = index / PAGE_LEN;
        let mut kept = self.kept.lock();
        if page >= self.directory().pages.len() {
            self.lengthen(page + 1, &mut kept);
        }
        if self.directory().pages[page].load(Ordering::Relaxed).is_null() {
            self.add_chunk(page, &mut kept);
        }
        drop(kept);
        self.find(index).expect("its page was added")
    }

    /// Puts a directory of at least `len` pages in the place of the present one. The lock is held.
    fn lengthen(&self, len: usize, kept: &mut Kept<V>) {
        let old = self.directory();
        let new = Directory::new(len.next_power_of_two().max(2 * old.pages.len()));
        for (old, new) in old.pages.iter().zip(&new.pages) {
            // Relaxed: written under the lock; the store below publishes.
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        // AcqRel: Release pairs with the Acquire in `directory`.
        let old = self.directory.swap(Box::into_raw(Box::new(new)), Ordering::AcqRel);
        kept.replaced.push(old);
    }

    /// Allocates `page` and some that follow it: as many as there are already, so that there are few chunks. The lock is
    /// held.
    fn add_chunk(&self, page: usize, kept: &mut Kept<V>) {
        let pages = &self.directory().pages;
        let so_far: usize = kept.chunks.iter().map(|chunk| chunk.pages).sum();
        let is_free = |page: &&AtomicPtr<Slot<V>>| page.load(Ordering::Relaxed).is_null();
        let free = pages[page..].iter().take_while(is_free);
        let count = free.take(so_far.clamp(1, CHUNK_PAGES_MAX)).count();
        let layout = layout_of::<V>(count);
        // SAFETY: a slot has a size.
        let start = unsafe { alloc_zeroed(layout) }.cast::<Slot<V>>();
        if start.is_null() {
            handle_alloc_error(layout);
        }
        kept.chunks.push(Chunk {
            first_page: page,
            pages: count,
            start,
        });
        for (number, page) in pages[page..page + count].iter().enumerate() {
            // SAFETY: inside the chunk.
            let start = unsafe { start.add(number * PAGE_LEN) };
            // Release: pairs with the Acquire in `find`.
            page.store(start, Ordering::Release);
        }
    }

    /// Calls `body` with each slot that there is, and its index.
    pub(crate) fn for_each(&self, mut body: impl FnMut(usize, &Slot<V>)) {
        for (number, page) in self.directory().pages.iter().enumerate() {
            if page.load(Ordering::Acquire).is_null() {
                continue;
            }
            for index in number * PAGE_LEN..(number + 1) * PAGE_LEN {
                body(index, self.find(index).expect("its page is there"));
            }
        }
    }

    /// The index of a slot of this table.
    pub(crate) fn index_of(&self, slot: *const ()) -> usize {
        let kept = self.kept.lock();
        let offset = |chunk: &Chunk<V>| slot.addr().checked_sub(chunk.start.addr());
        let find = |chunk: &Chunk<V>| {
            let number = offset(chunk)? / size_of::<Slot<V>>();
            (number < chunk.pages * PAGE_LEN).then_some(chunk.first_page * PAGE_LEN + number)
        };
        kept.chunks.iter().find_map(find).expect("a slot of this table")
    }

    /// The memory it has, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let kept = self.kept.lock();
        let chunks = kept.chunks.iter().map(|chunk| layout_of::<V>(chunk.pages).size());
        // Directories double: those that were replaced are together as long as the present one.
        chunks.sum::<usize>() + 2 * size_of_val(&*self.directory().pages)
    }

    /// Drops what the slots hold.
    pub(crate) fn drop_slots(&mut self) {
        let range = |chunk: &Chunk<V>| (chunk.start, chunk.pages * PAGE_LEN);
        // User code runs below: not under the lock.
        let ranges: Vec<_> = self.kept.lock().chunks.iter().map(range).collect();
        for (start, len) in ranges {
            for number in 0..len {
                // SAFETY: inside the chunk.
                let slot = unsafe { start.add(number) };
                // SAFETY: zeroed or used, ours alone now, and dropped once.
                unsafe { slot.drop_in_place() };
            }
        }
    }
}

impl<V> Directory<V> {
    fn new(len: usize) -> Self {
        // Zeroed by the allocator, which for much memory costs nothing until it is touched.
        let pages = Box::<[AtomicPtr<Slot<V>>]>::new_zeroed_slice(len);
        // SAFETY: all bits zero is a null pointer.
        let pages = unsafe { pages.assume_init() };
        Directory { pages }
    }
}

impl<V> Drop for Dense<V> {
    fn drop(&mut self) {
        let current = self.directory.load(Ordering::Relaxed);
        let mut kept = self.kept.lock();
        for directory in kept.replaced.drain(..).chain([current]) {
            // SAFETY: ours alone now; made by `Box::into_raw`, and freed once.
            drop(unsafe { Box::from_raw(directory) });
        }
        for chunk in kept.chunks.drain(..) {
            // SAFETY: allocated by `add_chunk` with this layout, and freed once.
            unsafe { dealloc(chunk.start.cast(), layout_of::<V>(chunk.pages)) };
        }
    }
}

fn layout_of<V>(pages: usize) -> Layout {
    let layout = Layout::array::<Slot<V>>(pages * PAGE_LEN);
    debug_assert_ne!(size_of::<Slot<V>>(), 0);
    layout.expect("indices have a limit")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::sched::wait::Outcome;

    #[test]
    fn slots_stay_where_they_are_while_pages_are_added() {
        let table = Dense::<u64>::new();
        let indices = [5, 0, 255, 256, 100_000, 70_000, 4_000_000, 1 << 27, 300];
        let places: Vec<_> = indices.map(|index| ptr::from_ref(table.reach(index))).into();
        for (index, place) in indices.into_iter().zip(places) {
            assert!(ptr::eq(table.find(index).unwrap(), place), "{index}");
            assert_eq!(table.index_of(place.cast()), index);
            assert!(!table.reach(index).awaited().list.is(Outcome::READY));
        }
        assert!(table.find(8_000_000).is_none());
        assert!(table.bytes() < 64 << 20);
    }

    #[test]
    #[should_panic(expected = "too large")]
    fn an_absurd_index_is_refused() {
        Dense::<u64>::new().reach(usize::MAX);
    }
}
