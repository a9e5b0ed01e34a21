//! The slots of a query type whose keys are hashed: an append-only table that is read without a lock. Rules: claim.md C1
//! and C2.
//!
//! Used by `table.rs`.

use std::hint::assert_unchecked;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::Query;
use super::arena::{Arena, this_thread};
use super::pointers::Pointers;
use super::slot::Slot;
use super::table::Placed;
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};

/// Entries of a fresh table.
const ENTRIES_MIN: usize = 64;

/// More than one thread inserts: a number that no thread has.
const MANY: usize = 1;

/// A slot, with its key beside it.
#[repr(C)]
pub(crate) struct Entry<Q: Query<D>, D> {
    /// First, so that a slot's address is its entry's.
    pub(super) slot: Slot<Q::Value>,
    pub(super) key: Q,
}

/// The slots of one query type.
#[repr(C)]
pub(crate) struct Hashed<Q: Query<D>, D> {
    /// The array: as [`Pointers`] to entries, with some bits of the hash where such a pointer has none; null or
    /// [`frozen`] where there is no entry.
    current: AtomicPtr<()>,
    /// The entries. The note of each place is bits of the key's hash ([`nonzero`]), or zero where there is no entry.
    entries: Arena<Entry<Q, D>>,
    /// The thread that inserts, or [`MANY`] (C2). Written under the growth lock.
    inserter: AtomicUsize,
    /// The arrays that were replaced, for readers that still look at them. Its lock is held while a table grows.
    replaced: Mutex<Vec<Pointers<Entry<Q, D>>>>,
    data: PhantomData<fn(D)>,
}

/// The low bits of a pointer to an entry, which begins with words.
const TAG: usize = align_of::<usize>() - 1;

/// What a replaced array has where nothing may be put any more. An address that no entry has, and without a tag.
fn frozen<E>() -> *mut E {
    ptr::without_provenance_mut(TAG + 1)
}

/// Some bits of a hash, from the other end than those that choose the place. Not zero: so null, and [`frozen`], match no
/// tag.
#[inline]
fn tag(hash: u32) -> usize {
    (hash >> 29) as usize & TAG | 1
}

/// An entry's pointer with this tag, from one without, and the other way round.
#[inline]
fn tagged<E>(entry: *mut E, tag: usize) -> *mut E {
    entry.map_addr(|address| address ^ tag)
}

#[inline]
fn untagged<E>(pointer: *mut E) -> *mut E {
    pointer.map_addr(|address| address & !TAG)
}

/// What a probe of one array ends with, if not with what is looked for.
#[derive(Copy, Clone)]
enum End {
    /// A null pointer, at this index.
    Gap(usize),
    /// The array is being replaced.
    Frozen,
}

/// Walks through an array from the hash's place until `is_it` says yes or there is nothing. There is a gap: an array is
/// longer than there are places for entries, and about twice as long once it is not small.
///
/// # Safety
///
/// The array and its entries live as long as `'t`.
#[inline]
unsafe fn probe<'t, E>(
    array: Pointers<E>,
    hash: u32,
    is_it: impl Fn(&E) -> bool,
) -> Result<&'t E, End> {
    // SAFETY: by contract.
    let mask = unsafe { array.mask() };
    let mut index = hash as usize;
    loop {
        index &= mask;
        // SAFETY: by contract, and cut to the length.
        let pointer = unsafe { array.at(index) };
        // Acquire: pairs with the Release of the insertion: the entry's fields are visible.
        let pointer = pointer.load(Ordering::Acquire);
        let entry = tagged(pointer, tag(hash));
        if entry.addr() & TAG == 0 {
            // SAFETY: a pointer with this tag is that of an entry. (Said, so that what is found is not tested.)
            unsafe { assert_unchecked(!entry.is_null()) };
            // SAFETY: as above.
            let entry = unsafe { &*entry };
            if is_it(entry) {
                return Ok(entry);
            }
        } else if pointer.is_null() {
            return Err(End::Gap(index));
        } else if pointer == frozen() {
            return Err(End::Frozen);
        }
        index += 1;
    }
}

/// Puts an entry into an array that nobody else sees yet, and that has a gap.
///
/// # Safety
///
/// The array is not freed.
unsafe fn put<E>(array: Pointers<E>, hash: u32, pointer: *mut E) {
    // SAFETY: by contract.
    let mask = unsafe { array.mask() };
    let mut index = hash as usize & mask;
    // SAFETY: by contract, and cut to the length.
    while !unsafe { array.at(index) }.load(Ordering::Relaxed).is_null() {
        index = (index + 1) & mask;
    }
    // SAFETY: as above.
    unsafe { array.at(index) }.store(pointer, Ordering::Relaxed);
}

/// Closes all gaps of an array that is being replaced.
fn freeze<E>(pointers: &[AtomicPtr<E>]) {
    for pointer in pointers {
        if pointer.load(Ordering::Relaxed).is_null() {
            // Relaxed: if an insertion was faster, whoever copies acquires it; one after this fails (C2).
            let _ = pointer.compare_exchange(
                ptr::null_mut(),
                frozen(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

/// How long an array must be for the entries of so many places, those of the last block not counted: twice as long, and
/// never full. (Longer ones are looked through faster, but caches hold less of them: measured, it was no gain.)
fn entries_for(len: usize, last_block: usize) -> usize {
    (2 * (len - last_block)).max(len + 1).next_power_of_two()
}

impl<Q: Query<D>, D> Hashed<Q, D> {
    /// A table; `is_used`: the query type keeps its slots here.
    pub(crate) fn new(is_used: bool) -> Self {
        let entries = if is_used { ENTRIES_MIN } else { 1 };
        Hashed {
            current: AtomicPtr::new(Pointers::<Entry<Q, D>>::new(entries).into_raw()),
            entries: Arena::new(),
            inserter: AtomicUsize::new(0),
            replaced: Mutex::new(Vec::new()),
            data: PhantomData,
        }
    }

    /// The bits of a key's hash that are used. Runs the key's `Hash`.
    #[inline]
    pub(crate) fn hash(key: &Q) -> u32 {
        // The lower half: that of the default hasher is good.
        key.hash_key() as u32
    }

    #[inline]
    fn array(&self) -> Pointers<Entry<Q, D>> {
        // Acquire: pairs with the Release in `grow`.
        let array = self.current.load(Ordering::Acquire);
        // SAFETY: only those are stored there.
        unsafe { Pointers::from_raw(array) }
    }

    /// The entry of `key`, if it is there. Runs the key's `Eq`.
    #[inline]
    pub(crate) fn find(&self, hash: u32, key: &Q) -> Option<&Entry<Q, D>> {
        // SAFETY: arrays and entries are freed with the table.
        unsafe { probe(self.array(), hash, |entry: &Entry<Q, D>| entry.key == *key) }.ok()
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
            let is_again = fresh.is_some();
            let array = self.array();
            // SAFETY: arrays and entries are freed with the table.
            let end = unsafe { probe(array, hash, |entry: &Entry<Q, D>| entry.key == *key) };
            let gap = match end {
                Ok(entry) => {
                    if let Some(lost) = fresh {
                        if plant::is("unchecked_claim") {
                            // SAFETY: as below.
                            return Placed::Claimed(unsafe { &(*lost.as_ptr()).slot });
                        }
                        self.forget(lost);
                    }
                    return Placed::Found(&entry.slot);
                }
                Err(End::Gap(gap)) => gap,
                Err(End::Frozen) => {
                    // Wait for whoever grows the table, then look at the new array.
                    drop(self.replaced.lock());
                    std::hint::spin_loop();
                    continue;
                }
            };
            if is_again {
                // Its `Eq` may have waited, and this be another thread than the one that made the entry (moving.md M8).
                self.note_inserter();
            }
            let entry = *fresh.get_or_insert_with(|| self.make(hash, key, owner));
            // No user code from here to the insertion: if this thread is the only inserter, it grows nothing meanwhile.
            if !array.is(self.array()) {
                continue;
            }
            // Release: pairs with the Acquire in `probe`. If somebody was faster, we probe again: it may be our key.
            // SAFETY: inside an array, which is freed with the table.
            let put = unsafe { array.at(gap) }.compare_exchange(
                ptr::null_mut(),
                tagged(entry.as_ptr(), tag(hash)),
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
        };
        let place = self.entries.place(|len| self.block_begun(len));
        // SAFETY: ours alone, and large enough.
        unsafe { place.write(entry) };
        // SAFETY: places live as long as the table.
        let note = unsafe { Arena::note(place) };
        // Relaxed: the insertion publishes it.
        note.store(nonzero(hash), Ordering::Relaxed);
        place
    }

    /// Drops an entry that came too late; its place stays unused.
    #[cold]
    fn forget(&self, lost: NonNull<Entry<Q, D>>) {
        // SAFETY: made by `make`, and never shown to anybody.
        let entry = unsafe { lost.read() };
        // SAFETY: places live as long as the table.
        let note = unsafe { Arena::note(lost) };
        // Zero: the table's drop passes the place by.
        note.store(0, Ordering::Relaxed);
        drop(entry);
    }

    /// This thread is going to insert into a new block, and `len` places are given out.
    #[cold]
    fn block_begun(&self, len: usize) {
        self.note_inserter();
        self.make_room(len);
    }

    /// This thread is going to insert.
    #[cold]
    fn note_inserter(&self) {
        let thread = this_thread();
        // Acquire: pairs with the Release below. Who sees that there are many takes no lock, and sees all the same each
        // array that was published before there were: a later gap in an older one would be closed (C2).
        let inserter = self.inserter.load(Ordering::Acquire);
        if inserter != thread && inserter != MANY {
            let _guard = self.replaced.lock();
            let inserter = self.inserter.load(Ordering::Relaxed);
            let now = if inserter == 0 { thread } else { MANY };
            self.inserter.store(now, Ordering::Release);
        }
    }

    /// How long an array must be for the entries of so many places.
    fn entries_for(len: usize) -> usize {
        entries_for(len, Arena::<Entry<Q, D>>::BLOCK_LEN)
    }

    /// Sees to it that the entries of `len` places fill about half of the array at most.
    #[inline]
    fn make_room(&self, len: usize) {
        // SAFETY: arrays are freed with the table.
        if Self::entries_for(len) > unsafe { self.array().len() } {
            self.grow(len);
        }
    }

    /// Replaces the array by a larger one. No user code runs: hashes are in the notes.
    #[cold]
    fn grow(&self, len: usize) {
        let mut replaced = self.replaced.lock();
        let old = self.array();
        // SAFETY: arrays are freed with the table.
        let pointers = unsafe { old.all() };
        if Self::entries_for(len) <= pointers.len() {
            return;
        }
        let new = Pointers::new(Self::entries_for(len));
        if self.inserter.load(Ordering::Relaxed) == MANY {
            freeze(pointers);
        }
        // A loop of its own, without read-modify-writes: the processor then fetches many entries at once.
        for pointer in pointers {
            // Acquire: the entry's note.
            let pointer = pointer.load(Ordering::Acquire);
            if let (true, Some(place)) =
                (pointer.addr() & TAG != 0, NonNull::new(untagged(pointer)))
            {
                // SAFETY: entries live as long as the table.
                let note = unsafe { Arena::note(place) };
                let hash = hash_of(note.load(Ordering::Relaxed), pointer.addr());
                // SAFETY: freed with the table.
                unsafe { put(new, hash, pointer) };
            }
        }
        // Release: pairs with the Acquire in `array`.
        self.current.store(new.into_raw(), Ordering::Release);
        replaced.push(old);
    }

    /// Calls `body` with each entry that is in the table.
    pub(crate) fn for_each(&self, mut body: impl FnMut(&Entry<Q, D>)) {
        // SAFETY: arrays are freed with the table.
        for pointer in unsafe { self.array().all() } {
            // Acquire: as in `probe`.
            let pointer = pointer.load(Ordering::Acquire);
            if pointer.addr() & TAG != 0 {
                // SAFETY: an entry in an array lives as long as its table.
                body(unsafe { &*untagged(pointer) });
            }
        }
    }

    /// The memory it has, in bytes, without what keys and values own.
    pub(crate) fn bytes(&self) -> usize {
        // SAFETY: arrays are freed with the table.
        let bytes = |array: &Pointers<Entry<Q, D>>| unsafe { array.bytes() };
        let replaced = self.replaced.lock();
        bytes(&self.array()) + replaced.iter().map(bytes).sum::<usize>() + self.entries.bytes()
    }

    /// Drops the entries, in the order in which their places were given.
    pub(crate) fn drop_entries(&mut self) {
        for place in self.entries.places() {
            // SAFETY: places live as long as the table.
            let is_used = unsafe { Arena::note(place) }.load(Ordering::Relaxed) != 0;
            if is_used {
                // SAFETY: written by `make`, ours alone now, and dropped once; its memory is the arena's.
                unsafe { place.drop_in_place() };
            }
        }
    }
}

/// The bits of a hash that choose an entry's place and tag, save one, which is set.
fn nonzero(hash: u32) -> u32 {
    hash | 1 << 31
}

/// The hash that [`nonzero`] was told, given the entry's pointer, whose tag has the bit that is missing. (Where a tag has
/// no room for it, on 32 bits, no table is so large that it would matter.)
fn hash_of(note: u32, pointer: usize) -> u32 {
    if TAG == 7 && pointer & 4 == 0 {
        note & !(1 << 31)
    } else {
        note
    }
}

impl<Q: Query<D>, D> Drop for Hashed<Q, D> {
    fn drop(&mut self) {
        let current = self.array();
        for array in self.replaced.lock().drain(..).chain([current]) {
            // SAFETY: ours alone now, and freed once.
            unsafe { array.free() };
        }
    }
}
