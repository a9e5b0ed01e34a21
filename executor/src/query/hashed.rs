//! The slots of a query type whose keys are hashed: an append-only table that is read without a lock. Rules: claim.md C1
//! and C2.
//!
//! Used by `table.rs`.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::Query;
use super::arena::Arena;
use super::slot::Slot;
use super::table::Placed;
use crate::sched::fiber::FiberRecord;
use crate::sync::{AtomicPtr, Mutex, Ordering};

/// Entries of a fresh table.
const ENTRIES_MIN: usize = 64;

/// A slot, with its key beside it.
#[repr(C)]
pub(crate) struct Entry<Q: Query<D>, D> {
    /// First, so that a slot's address is its entry's.
    pub(super) slot: Slot<Q::Value>,
    pub(super) key: Q,
    /// Bits of the key's hash: enough for a table of 2^31 entries. Not zero, which is what an unused place has.
    hash: u32,
}

/// A pointer to an entry, with some bits of the hash where the pointer has none: null, [`frozen`] or an entry.
struct Array<E> {
    pointers: Box<[AtomicPtr<E>]>,
}

/// The slots of one query type.
pub(crate) struct Hashed<Q: Query<D>, D> {
    current: AtomicPtr<Array<Entry<Q, D>>>,
    entries: Arena<Entry<Q, D>>,
    /// The arrays that were replaced, for readers that still look at them. Its lock is held while a table grows.
    replaced: Mutex<Vec<Retired<Entry<Q, D>>>>,
    data: PhantomData<fn(D)>,
}

/// An array that was replaced; freed with the table.
struct Retired<E>(*mut Array<E>);

// SAFETY: only a pointer on its way to the table's drop; entries are `Send` and `Sync`.
unsafe impl<E: Send + Sync> Send for Retired<E> {}

/// What a replaced array has where nothing may be put any more. An address that no entry has.
fn frozen<E>() -> *mut E {
    ptr::without_provenance_mut(1)
}

/// The bits of a pointer to an entry that are free: an entry begins with words.
const TAG: usize = align_of::<usize>() - 1;

/// `entry` with some bits of its hash, from above those that choose the place.
fn tagged<E>(entry: *mut E, hash: u32) -> *mut E {
    entry.map_addr(|address| address | tag(hash))
}

fn tag(hash: u32) -> usize {
    (hash >> 28) as usize & TAG
}

fn untagged<E>(pointer: *mut E) -> *mut E {
    pointer.map_addr(|address| address & !TAG)
}

/// What a probe of one array ends with.
enum Probe<'t, E> {
    Hit(&'t E),
    /// A null pointer, at this index.
    Gap(usize),
    /// The array is being replaced.
    Frozen,
}

impl<E> Array<E> {
    fn new(len: usize) -> Self {
        debug_assert!(len.is_power_of_two());
        // Zeroed by the allocator, which for much memory costs nothing until it is touched.
        let pointers = Box::<[AtomicPtr<E>]>::new_zeroed_slice(len);
        // SAFETY: all bits zero is a null pointer.
        let pointers = unsafe { pointers.assume_init() };
        Array { pointers }
    }

    /// Puts an entry into an array that nobody else sees yet, and that has a gap.
    fn put(&self, hash: u32, pointer: *mut E) {
        let mask = self.pointers.len() - 1;
        let mut index = hash as usize & mask;
        while !self.pointers[index].load(Ordering::Relaxed).is_null() {
            index = (index + 1) & mask;
        }
        self.pointers[index].store(pointer, Ordering::Relaxed);
    }

    /// Walks from the hash's place until `is_it` says yes or there is nothing. The array has a gap: at most half of it
    /// is ever filled.
    #[inline]
    fn probe(&self, hash: u32, is_it: impl Fn(&E) -> bool) -> Probe<'_, E> {
        let mask = self.pointers.len() - 1;
        let mut index = hash as usize & mask;
        loop {
            // Acquire: pairs with the Release of the insertion: the entry's fields are visible.
            let pointer = self.pointers[index].load(Ordering::Acquire);
            if pointer.addr() & TAG == tag(hash) && pointer.addr() > TAG {
                // SAFETY: an entry in an array lives as long as its table.
                let entry = unsafe { &*untagged(pointer) };
                if is_it(entry) {
                    return Probe::Hit(entry);
                }
            } else if pointer.addr() <= TAG {
                return if pointer.is_null() { Probe::Gap(index) } else { Probe::Frozen };
            }
            index = (index + 1) & mask;
        }
    }
}

impl<Q: Query<D>, D> Hashed<Q, D> {
    /// A table; `is_used`: the query type keeps its slots here.
    pub(crate) fn new(is_used: bool) -> Self {
        let entries = if is_used { ENTRIES_MIN } else { 1 };
        Hashed {
            current: AtomicPtr::new(Box::into_raw(Box::new(Array::new(entries)))),
            entries: Arena::new(),
            replaced: Mutex::new(Vec::new()),
            data: PhantomData,
        }
    }

    /// The bits of a key's hash that are used. Runs the key's `Hash`.
    #[inline]
    pub(crate) fn hash(key: &Q) -> u32 {
        let hash = key.hash_key();
        // The lower half is good (the default hasher sees to that); the upper half makes the worst of bad ones better.
        (hash ^ (hash >> 32)) as u32
    }

    #[inline]
    fn array(&self) -> &Array<Entry<Q, D>> {
        // Acquire: pairs with the Release in `grow`.
        let array = self.current.load(Ordering::Acquire);
        // SAFETY: arrays are freed with the table.
        unsafe { &*array }
    }

    /// The entry of `key`, if it is there. Runs the key's `Eq`.
    #[inline]
    pub(crate) fn find(&self, hash: u32, key: &Q) -> Option<&Entry<Q, D>> {
        match self.array().probe(hash, |entry| entry.key == *key) {
            Probe::Hit(entry) => Some(entry),
            Probe::Gap(_) | Probe::Frozen => None,
        }
    }

    /// The slot of `key`, put there and claimed for `owner` if it was not there. Runs the key's `Eq` and `Clone`.
    pub(crate) fn find_or_claim(
        &self,
        hash: u32,
        key: &Q,
        owner: &FiberRecord,
    ) -> Placed<'_, Q::Value> {
        // What we made; kept over lost races. If the key's `Eq` panics meanwhile, it stays, unseen, until the table is
        // dropped.
        let mut fresh: Option<NonNull<Entry<Q, D>>> = None;
        loop {
            let array = self.array();
            let gap = match array.probe(hash, |entry| entry.key == *key) {
                Probe::Hit(entry) => {
                    if let Some(lost) = fresh {
                        self.forget(lost);
                    }
                    return Placed::Found(&entry.slot);
                }
                Probe::Gap(gap) => gap,
                Probe::Frozen => {
                    // Wait for whoever grows the table, then look at the new array.
                    drop(self.replaced.lock());
                    std::hint::spin_loop();
                    continue;
                }
            };
            let entry = *fresh.get_or_insert_with(|| self.make(hash, key, owner));
            // Release: pairs with the Acquire in `probe`. If somebody was faster, we probe again: it may be our key.
            let put = array.pointers[gap].compare_exchange(
                ptr::null_mut(),
                tagged(entry.as_ptr(), hash),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if put.is_ok() {
                // SAFETY: entries live as long as the table.
                return Placed::Claimed(unsafe { &(*entry.as_ptr()).slot });
            }
        }
    }

    /// A claimed entry that is in no array yet. Runs the key's `Clone`.
    #[inline]
    fn make(&self, hash: u32, key: &Q, owner: &FiberRecord) -> NonNull<Entry<Q, D>> {
        let entry = Entry {
            slot: Slot::claimed(owner),
            key: key.clone(),
            hash: nonzero(hash),
        };
        let place = self.entries.place(|len| self.make_room(len));
        // SAFETY: ours alone, and large enough.
        unsafe { place.write(entry) };
        place
    }

    /// Drops an entry that came too late; its place stays unused.
    #[cold]
    fn forget(&self, lost: NonNull<Entry<Q, D>>) {
        // SAFETY: made by `make`, and never shown to anybody.
        let entry = unsafe { lost.read() };
        // SAFETY: as above. Zero: the table's drop passes the place by.
        unsafe { (*lost.as_ptr()).hash = 0 };
        drop(entry);
    }

    /// Sees to it that `len` entries fill at most half of the array.
    #[inline]
    fn make_room(&self, len: usize) {
        if len * 2 > self.array().pointers.len() {
            self.grow(len);
        }
    }

    /// Replaces the array by a larger one. No user code runs: hashes are in the entries.
    #[cold]
    fn grow(&self, len: usize) {
        let mut replaced = self.replaced.lock();
        let old = self.array();
        if len * 2 <= old.pointers.len() {
            return;
        }
        let new = Array::new((len * 2).next_power_of_two());
        for pointer in &old.pointers {
            if pointer.load(Ordering::Relaxed).is_null() {
                // Relaxed: if an insertion was faster, the next loop acquires it; one after this fails (C2).
                let _ = pointer.compare_exchange(
                    ptr::null_mut(),
                    frozen(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        // A loop of its own, without read-modify-writes: the processor then fetches many entries at once.
        for pointer in &old.pointers {
            // Acquire: the entry's hash.
            let pointer = pointer.load(Ordering::Acquire);
            if pointer != frozen() {
                // SAFETY: entries live as long as the table, and nothing is null any more.
                let hash = unsafe { &*untagged(pointer) }.hash;
                new.put(hash, pointer);
            }
        }
        // AcqRel: Release pairs with the Acquire in `array`.
        let old = self
            .current
            .swap(Box::into_raw(Box::new(new)), Ordering::AcqRel);
        replaced.push(Retired(old));
    }

    /// Calls `body` with each entry that is in the table.
    pub(crate) fn for_each(&self, mut body: impl FnMut(&Entry<Q, D>)) {
        for pointer in &self.array().pointers {
            // Acquire: as in `probe`.
            let pointer = pointer.load(Ordering::Acquire);
            if pointer.addr() > TAG {
                // SAFETY: an entry in an array lives as long as its table.
                body(unsafe { &*untagged(pointer) });
            }
        }
    }

    /// The memory it has, in bytes, without what keys and values own.
    pub(crate) fn bytes(&self) -> usize {
        // Arrays at least double: those that were replaced are together at most as long as the present one.
        let array = size_of_val(&*self.array().pointers);
        let replaced = self.replaced.lock();
        // SAFETY: replaced arrays are freed with the table.
        let old = replaced.iter().map(|old| unsafe { size_of_val(&*(*old.0).pointers) });
        array + old.sum::<usize>() + self.entries.bytes()
    }

    /// Drops the entries, in the order in which their places were given.
    pub(crate) fn drop_entries(&mut self) {
        for place in self.entries.places() {
            // SAFETY: zeroed, or written by `make`.
            let is_used = unsafe { (*place.as_ptr()).hash } != 0;
            if is_used {
                // SAFETY: ours alone now, and dropped once; its memory is the arena's.
                unsafe { place.drop_in_place() };
            }
        }
    }
}

/// The bits of a hash that choose an entry's place and tag, save one, which is set: it would matter in a table of 2^32
/// entries only.
fn nonzero(hash: u32) -> u32 {
    hash | 1 << 31
}

impl<Q: Query<D>, D> Drop for Hashed<Q, D> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: ours alone now; made by `Box::into_raw`.
        drop(unsafe { Box::from_raw(current) });
        for old in self.replaced.lock().drain(..) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(old.0) });
        }
    }
}
