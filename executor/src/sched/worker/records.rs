//! Memory for the records of a worker's fibers: groups of a page or so, since a million of them count.
//!
//! Used by `fibers.rs`, on the worker's thread. Knows nothing of what a record holds.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// How many records lie in a group.
const GROUP: usize = 15;

/// Places for records, filled from the first to the last. When all that were filled are empty again, the group goes:
/// a place is used once. The places come first: a record's distance from its group tells which is its.
#[repr(C)]
struct Group<T> {
    places: [MaybeUninit<T>; GROUP],
    head: Head<T>,
}

struct Head<T> {
    /// How many places have been filled.
    filled: Cell<usize>,
    /// The places in which a record lies: a bit each.
    live: Cell<u32>,
    older: Cell<*const Group<T>>,
    newer: Cell<*const Group<T>>,
}

impl<T> Group<T> {
    /// # Safety
    ///
    /// The group lives.
    unsafe fn head<'a>(group: *const Self) -> &'a Head<T> {
        // SAFETY: by contract.
        unsafe { &(*group).head }
    }
}

/// Which place a record lies in: for the record to keep.
pub(super) struct Home<T> {
    group: *const Group<T>,
}

/// A worker's records.
pub(super) struct Records<T> {
    /// Where the next go. Never empty and full at once, save for a moment.
    newest: Cell<*const Group<T>>,
}

impl<T> Records<T> {
    pub(super) fn new() -> Self {
        Records {
            newest: Cell::new(ptr::null()),
        }
    }

    /// Puts a record at a place of its own; `make` is told where that is.
    pub(super) fn add(&self, make: impl FnOnce(Home<T>) -> T) -> NonNull<T> {
        let group = self.group_with_room();
        let record = make(Home { group });
        // SAFETY: the newest group lives.
        let head = unsafe { Group::head(group) };
        let index = head.filled.replace(head.filled.get() + 1);
        head.live.set(head.live.get() | 1 << index);
        // SAFETY: within the group.
        let place = unsafe { &raw mut (*group.cast_mut()).places[index] };
        // SAFETY: an empty place of a living group, which nobody else knows.
        let record = unsafe { (*place).write(record) };
        NonNull::from(record)
    }

    fn group_with_room(&self) -> *const Group<T> {
        let newest = self.newest.get();
        // SAFETY: null, or alive.
        let head = (!newest.is_null()).then(|| unsafe { Group::head(newest) });
        if head.is_some_and(|head| head.filled.get() < GROUP) {
            return newest;
        }
        let group = new_group(newest);
        self.newest.set(group);
        if let Some(head) = head {
            head.newer.set(group);
            if head.live.get() == 0 {
                // SAFETY: full, and empty again.
                unsafe { self.free(newest) };
            }
        }
        group
    }

    /// Takes a record out again, and frees its place.
    ///
    /// # Safety
    ///
    /// It comes from [`add`](Self::add) of this very value, which told it `home`, and nobody uses it any more.
    pub(super) unsafe fn take(&self, record: NonNull<T>, home: Home<T>) -> T {
        // SAFETY: by contract: written by `add`, and taken once.
        let taken = unsafe { record.read() };
        let bytes = record.addr().get() - home.group.addr();
        // SAFETY: a group lives while a record does, and this one is counted until now.
        let head = unsafe { Group::head(home.group) };
        head.live
            .set(head.live.get() & !(1 << (bytes / size_of::<T>())));
        if head.live.get() == 0 && !ptr::eq(home.group, self.newest.get()) {
            // SAFETY: no record is left, and no other will come.
            unsafe { self.free(home.group) };
        }
        taken
    }

    /// The first of the records for which `is_it` says so, the youngest first.
    pub(super) fn find(&self, mut is_it: impl FnMut(NonNull<T>) -> bool) -> Option<NonNull<T>> {
        let mut group = self.newest.get();
        while !group.is_null() {
            // SAFETY: what is linked lives.
            let head = unsafe { Group::head(group) };
            for index in (0..head.filled.get()).rev() {
                // SAFETY: within the group.
                let place = unsafe { &raw const (*group).places[index] };
                let record = NonNull::new(place.cast_mut().cast::<T>()).expect("not at zero");
                if head.live.get() & 1 << index != 0 && is_it(record) {
                    return Some(record);
                }
            }
            group = head.older.get();
        }
        None
    }

    /// # Safety
    ///
    /// No record lies in the group, and nobody uses it any more.
    unsafe fn free(&self, group: *const Group<T>) {
        // SAFETY: by contract: still there.
        let head = unsafe { Group::head(group) };
        let (older, newer) = (head.older.get(), head.newer.get());
        if newer.is_null() {
            self.newest.set(older);
        } else {
            // SAFETY: what is linked lives.
            unsafe { Group::head(newer) }.older.set(older);
        }
        if !older.is_null() {
            // SAFETY: as above.
            unsafe { Group::head(older) }.newer.set(newer);
        }
        let group = group.cast_mut().cast::<MaybeUninit<Group<T>>>();
        // SAFETY: made by `new_group`, and unlinked.
        drop(unsafe { Box::from_raw(group) });
    }
}

fn new_group<T>(older: *const Group<T>) -> *const Group<T> {
    let mut group = Box::<Group<T>>::new_uninit();
    let place = group.as_mut_ptr();
    // SAFETY: a field of the memory just allocated.
    let head = unsafe { &raw mut (*place).head };
    let empty = Head {
        filled: Cell::new(0),
        live: Cell::new(0),
        older: Cell::new(older),
        newer: Cell::new(ptr::null()),
    };
    // SAFETY: as above.
    unsafe { head.write(empty) };
    // The places are empty: they may stay unwritten.
    Box::into_raw(group).cast()
}

impl<T> Clone for Home<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Home<T> {}

impl<T> Drop for Records<T> {
    fn drop(&mut self) {
        let newest = self.newest.get();
        // SAFETY: null, or alive.
        if !newest.is_null() && unsafe { Group::head(newest) }.live.get() == 0 {
            // SAFETY: no record is left in it.
            unsafe { self.free(newest) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    struct Record {
        number: i32,
        _counted: Rc<()>,
        home: Home<Record>,
    }

    #[test]
    fn records_stay_until_they_are_taken() {
        let records = Records::new();
        let counted = Rc::new(());
        let mut kept = Vec::new();
        let take = |(number, record): (i32, NonNull<Record>)| {
            // SAFETY: added below, and not taken yet.
            let home = unsafe { record.as_ref() }.home;
            // SAFETY: as above; taken once.
            let taken = unsafe { records.take(record, home) };
            assert_eq!(taken.number, number);
        };
        for round in 0..10 {
            kept.extend((0..50).map(|number| {
                let number = round * 50 + number;
                let record = |home| Record {
                    number,
                    _counted: Rc::clone(&counted),
                    home,
                };
                (number, records.add(record))
            }));
            // In another order than they came.
            kept.sort_by_key(|(number, _)| number * 7 % 11);
            kept.drain(..40).for_each(take);
        }
        assert_eq!(Rc::strong_count(&counted), 1 + kept.len());
        let number = |record: NonNull<Record>| {
            // SAFETY: only what is there is found.
            unsafe { record.as_ref() }.number
        };
        let youngest = kept.iter().map(|(number, _)| *number).max();
        assert_eq!(records.find(|_| true).map(number), youngest);
        let mut found = Vec::new();
        assert_eq!(
            records.find(|record| {
                found.push(number(record));
                false
            }),
            None
        );
        assert!(found.is_sorted_by(|a, b| a > b), "the youngest first");
        assert_eq!(found.len(), kept.len());
        kept.into_iter().for_each(take);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
