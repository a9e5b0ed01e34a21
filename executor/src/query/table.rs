//! The slots of one query type: an append-only hash table that is read without a lock. Rules:
//! claim.md C1 and C2.

use std::hash::Hasher;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use rustc_hash::FxHasher;

use super::Query;
use super::arena::Arena;
use super::slot::Slot;
use crate::sched::fiber::FiberRecord;
use crate::sync::{AtomicPtr, Mutex, Ordering};

/// Entries of a fresh table.
const ENTRIES_MIN: usize = 64;

/// A slot that was found, or that we put there.
pub(crate) enum Placed<'t, Q: Query<D>, D> {
    Found(&'t Slot<Q, D>),
    /// Ours: claimed for the fiber that asked.
    Inserted(&'t Slot<Q, D>),
}

/// Open addressing over pointers to slots. Entries go from null to a slot or, in a table that is
/// being replaced, to [`frozen`]; nothing else changes.
struct Array<S> {
    entries: Box<[AtomicPtr<S>]>,
}

/// The slots of one query type.
pub(crate) struct Table<Q: Query<D>, D> {
    current: AtomicPtr<Array<Slot<Q, D>>>,
    slots: Arena<Slot<Q, D>>,
    /// The arrays that were replaced, for readers that still look at them. Its lock is held while a
    /// table grows.
    replaced: Mutex<Vec<Retired<Slot<Q, D>>>>,
    data: PhantomData<fn(D)>,
}

/// An array that was replaced; freed with the table.
struct Retired<S>(*mut Array<S>);

// SAFETY: only a pointer on its way to the table's drop; the slots are `Send` and `Sync`.
unsafe impl<S: Send + Sync> Send for Retired<S> {}

/// The entry of a replaced array where nothing may be put any more. An address that no slot has.
fn frozen<S>() -> *mut S {
    ptr::without_provenance_mut(1)
}

/// What a probe of one array ends with.
enum Probe<'t, S> {
    Hit(&'t S),
    /// A null entry, at this index.
    Gap(usize),
    /// The array is being replaced.
    Frozen,
}

impl<S> Array<S> {
    fn new(len: usize) -> Self {
        debug_assert!(len.is_power_of_two());
        // Zeroed by the allocator, which for much memory costs nothing until it is touched.
        let entries = Box::<[AtomicPtr<S>]>::new_zeroed_slice(len);
        // SAFETY: all bits zero is a null pointer.
        let entries = unsafe { entries.assume_init() };
        Array { entries }
    }

    /// Puts a slot into an array that nobody else sees yet, and that has a gap.
    fn put(&self, start: usize, slot: *mut S) {
        let mask = self.entries.len() - 1;
        let mut index = start & mask;
        while !self.entries[index].load(Ordering::Relaxed).is_null() {
            index = (index + 1) & mask;
        }
        self.entries[index].store(slot, Ordering::Relaxed);
    }

    /// Walks from `start` until `is_it` says yes or there is no slot.
    #[inline]
    fn probe(&self, start: usize, is_it: impl Fn(&S) -> bool) -> Probe<'_, S> {
        let mask = self.entries.len() - 1;
        let mut index = start & mask;
        loop {
            // Acquire: pairs with the Release of the insertion: the slot's fields are visible.
            let entry = self.entries[index].load(Ordering::Acquire);
            if entry.is_null() {
                return Probe::Gap(index);
            }
            if entry == frozen() {
                return Probe::Frozen;
            }
            // SAFETY: a slot in an array lives as long as its table.
            let slot = unsafe { &*entry };
            if is_it(slot) {
                return Probe::Hit(slot);
            }
            index = (index + 1) & mask;
            if index == start & mask {
                // Full: more threads insert at once than half the array. Each of them is about to
                // grow it.
                return Probe::Frozen;
            }
        }
    }
}

impl<Q: Query<D>, D> Table<Q, D> {
    pub(crate) fn new() -> Self {
        Table {
            current: AtomicPtr::new(Box::into_raw(Box::new(Array::new(ENTRIES_MIN)))),
            slots: Arena::new(),
            replaced: Mutex::new(Vec::new()),
            data: PhantomData,
        }
    }

    /// The hash of a key: fast, not for hostile keys. Runs the key's `Hash`.
    #[inline]
    pub(crate) fn hash(key: &Q) -> u64 {
        let mut hasher = FxHasher::default();
        key.hash(&mut hasher);
        hasher.finish()
    }

    #[inline]
    fn array(&self) -> &Array<Slot<Q, D>> {
        // Acquire: pairs with the Release in `grow`.
        let array = self.current.load(Ordering::Acquire);
        // SAFETY: arrays are freed with the table.
        unsafe { &*array }
    }

    /// The slot of `key`, if it is there. Runs the key's `Eq`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &Q) -> Option<&Slot<Q, D>> {
        match self
            .array()
            .probe(hash as usize, |slot| slot.hash == hash && slot.key == *key)
        {
            Probe::Hit(slot) => Some(slot),
            Probe::Gap(_) | Probe::Frozen => None,
        }
    }

    /// The slot of `key`, put there and claimed for `owner` if it was not there. Runs the key's
    /// `Eq` and `Clone`.
    pub(crate) fn find_or_claim(
        &self,
        hash: u64,
        key: &Q,
        owner: &FiberRecord,
    ) -> Placed<'_, Q, D> {
        // What we made, and how many there are with it; kept over lost races. If the key's `Eq` panics meanwhile it is
        // not dropped: its place belongs to the arena.
        let mut fresh: Option<(NonNull<Slot<Q, D>>, usize)> = None;
        loop {
            let array = self.array();
            let is_it = |slot: &Slot<Q, D>| slot.hash == hash && slot.key == *key;
            let gap = match array.probe(hash as usize, is_it) {
                Probe::Hit(slot) => {
                    if let Some((lost, _)) = fresh {
                        // SAFETY: made below, never shown to anybody, and dropped once.
                        unsafe { lost.drop_in_place() };
                    }
                    return Placed::Found(slot);
                }
                Probe::Gap(gap) => gap,
                Probe::Frozen => {
                    // Wait for whoever grows the table, then look at the new array.
                    drop(self.replaced.lock());
                    std::hint::spin_loop();
                    continue;
                }
            };
            let (slot, len) = *fresh
                .get_or_insert_with(|| self.slots.place(Slot::claimed(key.clone(), hash, owner)));
            // Release: pairs with the Acquire in `probe`. If somebody was faster, we probe again: it
            // may be our key.
            let put = array.entries[gap].compare_exchange(
                ptr::null_mut(),
                slot.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if put.is_ok() {
                if len * 2 > array.entries.len() {
                    self.grow(len);
                }
                // SAFETY: slots live as long as the table.
                return Placed::Inserted(unsafe { slot.as_ref() });
            }
        }
    }

    /// Replaces the array by one of twice the size, if `len` slots fill half of it. No user code runs: hashes are
    /// in the slots.
    #[cold]
    fn grow(&self, len: usize) {
        let mut replaced = self.replaced.lock();
        let old = self.array();
        if len * 2 <= old.entries.len() {
            return;
        }
        let new = Array::new(old.entries.len() * 2);
        for entry in &old.entries {
            if entry.load(Ordering::Relaxed).is_null() {
                // Relaxed: if an insertion was faster, the next loop acquires it; one after this fails (C2).
                let _ = entry.compare_exchange(
                    ptr::null_mut(),
                    frozen(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        // A loop of its own, without read-modify-writes: the processor then fetches many slots at once.
        for entry in &old.entries {
            // Acquire: the slot's hash.
            let slot = entry.load(Ordering::Acquire);
            if slot != frozen() {
                // SAFETY: slots live as long as the table, and nothing is null any more.
                new.put(unsafe { &*slot }.hash as usize, slot);
            }
        }
        // Release: pairs with the Acquire in `array`.
        let old = self
            .current
            .swap(Box::into_raw(Box::new(new)), Ordering::AcqRel);
        replaced.push(Retired(old));
    }
}

impl<Q: Query<D>, D> Drop for Table<Q, D> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: ours alone now; made by `Box::into_raw`.
        let current = unsafe { Box::from_raw(current) };
        for old in self.replaced.lock().drain(..) {
            // SAFETY: as above; the slots in it are in the current array too.
            drop(unsafe { Box::from_raw(old.0) });
        }
        for entry in &current.entries {
            let slot = entry.load(Ordering::Relaxed);
            if !slot.is_null() {
                // SAFETY: each slot stands in the current array once; its memory is the arena's.
                unsafe { slot.drop_in_place() };
            }
        }
    }
}
