//! claim.md: who computes a slot, who waits for it, who takes it over, and how an entry comes into a table that grows.

use std::ptr;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::fiber::FiberRecord;
use crate::sched::wait::{Outcome, WaitList};
use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};

/// A slot, reduced to its wait list, its value, and how often it was begun.
struct Slot {
    list: WaitList,
    value: UnsafeCell<usize>,
    begun: AtomicUsize,
    /// How many claims end without a value.
    abandoned: usize,
}

// SAFETY: loom fails the model if two use the value at once.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// An empty slot, as zeroed memory is one.
    fn empty(abandoned: usize) -> Arc<Slot> {
        let list = WaitList::new(ptr::null());
        list.close(Outcome::EMPTY).wake();
        Arc::new(Slot {
            list,
            value: UnsafeCell::new(0),
            begun: AtomicUsize::new(0),
            abandoned,
        })
    }

    /// As `ask.rs` does it: looks, claims, computes, publishes or gives up, waits.
    fn ask(&self) -> usize {
        loop {
            match self.list.outcome() {
                Some(Outcome::READY) => return self.read(),
                Some(_) if self.list.reopen(ptr::null()) => self.compute(),
                Some(_) => (),
                None => self.wait(),
            }
        }
    }

    /// Of a claim that is ours.
    fn compute(&self) {
        let claims = self.begun.fetch_add(1, Ordering::Relaxed);
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.value.with_mut(|value| unsafe { *value += 1 });
        let outcome = if claims < self.abandoned {
            Outcome::EMPTY
        } else {
            Outcome::READY
        };
        self.list.close(outcome).wake();
    }

    fn read(&self) -> usize {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.value.with(|value| unsafe { *value })
    }

    fn wait(&self) {
        let fiber = FiberRecord::here();
        // SAFETY: the current fiber, whose record stays here until it was woken.
        if unsafe { self.list.list(&fiber) }.is_ok() {
            fiber.suspend();
        }
    }
}

fn ask_at_once(abandoned: usize) {
    let slot = Slot::empty(abandoned);
    let askers = [0, 1].map(|_| {
        let slot = Arc::clone(&slot);
        thread::spawn(move || slot.ask())
    });
    let expected = abandoned + 1;
    assert_eq!(slot.ask(), expected);
    for asker in askers {
        assert_eq!(asker.join().expect("the asker ends"), expected);
    }
}

/// C1, C3, C4: three askers of an empty slot: one computes, all see the value.
#[test]
fn one_asker_computes_and_all_see_the_value() {
    explore(|| ask_at_once(0));
}

/// C4: the first claim is abandoned: whoever comes or waits takes it over, once.
#[test]
fn an_abandoned_claim_is_taken_over_once() {
    explore(|| ask_at_once(1));
}

/// A table with one entry in its array, and a larger array that takes its place.
struct Table {
    old: AtomicPtr<Entry>,
    new: AtomicPtr<Entry>,
    is_replaced: AtomicUsize,
    growth: Mutex<()>,
}

/// What is inserted.
struct Entry(UnsafeCell<u32>);

// SAFETY: loom fails the model if two use it at once.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    fn new(mark: u32) -> *mut Entry {
        Box::into_raw(Box::new(Entry(UnsafeCell::new(mark))))
    }

    /// Written again before it is shown to anybody, so that loom knows of the write.
    fn write(&self, mark: u32) {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.0.with_mut(|value| unsafe { *value = mark });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.0.with(|value| unsafe { *value })
    }
}

fn frozen() -> *mut Entry {
    ptr::without_provenance_mut(8)
}

impl Table {
    fn array(&self) -> &AtomicPtr<Entry> {
        if self.is_replaced.load(Ordering::Acquire) == 1 {
            &self.new
        } else {
            &self.old
        }
    }

    /// As `Hashed::find_or_claim`: the entry that is there in the end, and whether it is ours.
    fn insert(&self, entry: *mut Entry) -> (*mut Entry, bool) {
        loop {
            let array = self.array();
            let found = array.load(Ordering::Acquire);
            if found == frozen() {
                drop(self.growth.lock());
            } else if !found.is_null() {
                return (found, false);
            } else if array
                .compare_exchange(ptr::null_mut(), entry, Ordering::Release, Ordering::Relaxed)
                .is_ok()
            {
                return (entry, true);
            }
        }
    }

    /// As `Hashed::grow`.
    fn grow(&self) {
        let _guard = self.growth.lock();
        if !is_planted("claim_no_freeze") {
            let _ = self.old.compare_exchange(
                ptr::null_mut(),
                frozen(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        let found = self.old.load(Ordering::Acquire);
        if found != frozen() {
            self.new.swap(found, Ordering::Relaxed);
        }
        self.is_replaced.store(1, Ordering::Release);
    }
}

/// C1, C2: two insert the same key while the table grows: one wins, and both see the winner's entry.
#[test]
fn an_entry_is_inserted_once_while_the_table_grows() {
    explore(|| {
        let table = Arc::new(Table {
            old: AtomicPtr::new(ptr::null_mut()),
            new: AtomicPtr::new(ptr::null_mut()),
            is_replaced: AtomicUsize::new(0),
            growth: Mutex::new(()),
        });
        let insert = |table: &Table, mark: u32| {
            let entry = Entry::new(0);
            // SAFETY: entries are freed at the end of the model only.
            unsafe { &*entry }.write(mark);
            let (found, is_ours) = table.insert(entry);
            // SAFETY: as above.
            let value = unsafe { &*found }.read();
            (entry.expose_provenance(), value, is_ours)
        };
        let grower = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.grow())
        };
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || insert(&table, 1))
        };
        let (entry, value, is_ours) = insert(&table, 2);
        let (other_entry, other_value, is_others) = other.join().expect("it ends");
        grower.join().expect("it ends");
        assert_eq!(value, other_value);
        assert!(is_ours != is_others, "one winner");
        assert!(table.array().load(Ordering::Acquire).addr() >= 16);
        for entry in [entry, other_entry] {
            // SAFETY: made above, and used no more.
            drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<Entry>(entry)) });
        }
    });
}

/// As `Hashed`, as far as a growth by the only inserter matters.
struct Quiet {
    table: Table,
    inserter: AtomicUsize,
}

impl Quiet {
    /// As `Hashed::block_begun`.
    fn say(&self, thread: usize) {
        if thread == 2 && is_planted("claim_unsaid") {
            return;
        }
        let _guard = self.table.growth.lock();
        let inserter = self.inserter.load(Ordering::Relaxed);
        let now = if inserter == 0 { thread } else { 9 };
        self.inserter.store(now, Ordering::Relaxed);
    }

    /// As `Hashed::grow`.
    fn grow(&self) {
        let guard = self.table.growth.lock();
        if self.inserter.load(Ordering::Relaxed) == 9 {
            drop(guard);
            return self.table.grow();
        }
        let found = self.table.old.load(Ordering::Acquire);
        if !found.is_null() {
            self.table.new.swap(found, Ordering::Relaxed);
        }
        self.table.is_replaced.store(1, Ordering::Release);
    }

    /// As `Hashed::find_or_claim`, of a thread that begins its first block.
    fn insert(&self, entry: *mut Entry, thread: usize) -> bool {
        let mut has_said = false;
        loop {
            let array = self.table.array();
            let found = array.load(Ordering::Acquire);
            if found == frozen() {
                drop(self.table.growth.lock());
                continue;
            }
            if !found.is_null() {
                return false;
            }
            if !std::mem::replace(&mut has_said, true) {
                self.say(thread);
                if thread == 1 {
                    self.grow();
                }
            }
            let is_present = ptr::eq(array, self.table.array());
            if is_present
                && array
                    .compare_exchange(ptr::null_mut(), entry, Ordering::Release, Ordering::Relaxed)
                    .is_ok()
            {
                return true;
            }
        }
    }
}

/// C2: one inserts and grows the table, and another inserts the same key for the first time: one wins.
#[test]
fn a_second_inserter_is_seen_by_a_growth() {
    explore(|| {
        let quiet = Arc::new(Quiet {
            table: Table {
                old: AtomicPtr::new(ptr::null_mut()),
                new: AtomicPtr::new(ptr::null_mut()),
                is_replaced: AtomicUsize::new(0),
                growth: Mutex::new(()),
            },
            inserter: AtomicUsize::new(0),
        });
        let second = {
            let quiet = Arc::clone(&quiet);
            thread::spawn(move || {
                let entry = Entry::new(2);
                (entry.expose_provenance(), quiet.insert(entry, 2))
            })
        };
        let entry = Entry::new(1);
        let is_ours = quiet.insert(entry, 1);
        let (other_entry, is_others) = second.join().expect("it ends");
        assert!(is_ours != is_others, "one winner");
        for entry in [entry.expose_provenance(), other_entry] {
            // SAFETY: made above, and used no more.
            drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<Entry>(entry)) });
        }
    });
}
