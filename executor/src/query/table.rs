//! The slots of one query type, hashed or by index, as the type chooses; and the head by which the tables of all types
//! hang together. Used by `ask.rs` and `database.rs`.

use std::any::TypeId;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::dense::Dense;
use super::hashed::{Entry, Hashed};
use super::record::Record;
use super::slot::Slot;
use super::types::id;
use super::{Query, Storage};
use crate::error::discard;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::Name;
use crate::sync::{AtomicBool, Ordering};

/// A slot that was found, or that we put there.
pub(crate) enum Placed<'t, V> {
    Found(&'t Slot<V>),
    /// Ours: claimed for the fiber that asked.
    Claimed(&'t Slot<V>),
}

/// Where in its table a key is: the bits of its hash, or its index.
#[derive(Copy, Clone)]
pub(crate) struct Place(usize);

/// The beginning of each table: what can be done with it by those who do not know its type.
pub(crate) struct Head {
    /// The id of the query type ([`id`]).
    pub(super) id: &'static TypeId,
    pub(super) next: *mut Head,
    /// Frees the table.
    pub(super) free: unsafe fn(*mut Head),
    /// Says what the table has: of a head that begins a living table.
    pub(super) measure: unsafe fn(*const Head) -> Measured,
    /// The name of the query with this slot, which is one of the table's.
    pub(super) describe: unsafe fn(*const Head, *const ()) -> Name,
    /// What the query with this slot, which is one of the table's, asked for: null if nothing; `None` unless it is ready.
    pub(super) record: unsafe fn(*const ()) -> Option<*const Record>,
}

/// What one query type has stored.
pub(crate) struct Measured {
    pub(crate) query: &'static str,
    pub(crate) ready: usize,
    pub(crate) bytes: usize,
}

/// The slots of one query type.
#[repr(C)]
pub(crate) struct Table<Q: Query<D>, D> {
    pub(super) head: Head,
    /// Of these two, the one that the type does not choose stays empty. (In this order the address of either's array or
    /// directory lies so near the beginning that an instruction has its offset in a byte.)
    dense: Dense<Q::Value>,
    hashed: Hashed<Q, D>,
    /// Whether slots hold more than values: errors or records, which must be dropped.
    has_boxes: AtomicBool,
}

impl Head {
    /// A head that begins no table.
    pub(super) const fn of_nothing(id: &'static TypeId) -> Head {
        unsafe fn free(_: *mut Head) {}
        unsafe fn measure(_: *const Head) -> Measured {
            unreachable!("no table")
        }
        unsafe fn describe(_: *const Head, _: *const ()) -> Name {
            unreachable!("no table")
        }
        unsafe fn record(_: *const ()) -> Option<*const Record> {
            unreachable!("no table")
        }
        Head {
            id,
            next: std::ptr::null_mut(),
            free,
            measure,
            describe,
            record,
        }
    }
}

impl<Q: Query<D>, D: 'static> Table<Q, D> {
    pub(crate) fn new() -> Self {
        Table {
            head: Head {
                id: id::<Q>(),
                next: std::ptr::null_mut(),
                free: Self::free_head,
                measure: Self::measure_head,
                describe: Self::describe_head,
                record: Self::record_of,
            },
            hashed: Hashed::new(!Self::IS_DENSE),
            dense: Dense::new(),
            has_boxes: AtomicBool::new(false),
        }
    }

    /// Whether slots are found by index.
    pub(crate) const IS_DENSE: bool = matches!(Q::STORAGE, Storage::Dense { .. });

    /// Whether an empty slot may be claimed as soon as it is found: by index it is there before it is asked for.
    pub(crate) const IS_CLAIMED_AT_ONCE: bool = Self::IS_DENSE && Q::FIXPOINT.is_none();

    /// Where a key is. Runs the key's `Hash` or the type's own function.
    #[inline]
    pub(crate) fn place(key: &Q) -> Place {
        Place(match Q::STORAGE {
            Storage::Hashed => Hashed::hash(key) as usize,
            Storage::Dense { index, .. } => index(key),
        })
    }

    /// The slot of `key`, if it is there; by index, perhaps one that only stands for those that are not. Runs the key's `Eq`,
    /// if it is hashed.
    #[inline]
    pub(crate) fn find(&self, place: Place, key: &Q) -> Option<&Slot<Q::Value>> {
        match Q::STORAGE {
            Storage::Hashed => Some(&self.hashed.find(place.0 as u32, key)?.slot),
            Storage::Dense { .. } => self.dense.find(place.0),
        }
    }

    /// The slot of `key`, put there and claimed for `owner` if it was not there. Runs the key's `Eq` and `Clone`, if it is
    /// hashed.
    #[inline]
    pub(crate) fn find_or_claim(
        &self,
        place: Place,
        key: &Q,
        owner: &FiberRecord,
    ) -> Placed<'_, Q::Value> {
        match Q::STORAGE {
            Storage::Hashed => self.hashed.find_or_claim(place.0 as u32, key, owner),
            Storage::Dense { .. } => {
                let slot = self.dense.reach(place.0);
                if slot.claim(owner) {
                    Placed::Claimed(slot)
                } else {
                    Placed::Found(slot)
                }
            }
        }
    }

    /// The slot of `key`, which is put there, empty, if it was not there. `fiber` is the current one.
    pub(crate) fn reach(&self, place: Place, key: &Q, fiber: &FiberRecord) -> &Slot<Q::Value> {
        if Self::IS_DENSE {
            return self.dense.reach(place.0);
        }
        if let Some(slot) = self.find(place, key) {
            return slot;
        }
        match self.find_or_claim(place, key, fiber) {
            Placed::Found(slot) => slot,
            Placed::Claimed(slot) => {
                // SAFETY: the claim is ours.
                unsafe { slot.abandon() }.wake();
                slot
            }
        }
    }

    /// The key of a slot of this table.
    ///
    /// # Safety
    ///
    /// `slot` is a slot of this table that was claimed once.
    pub(crate) unsafe fn key_of(&self, slot: *const ()) -> Q {
        match Q::STORAGE {
            // SAFETY: by contract; a hashed slot begins its entry.
            Storage::Hashed => unsafe { &*slot.cast::<Entry<Q, D>>() }.key.clone(),
            Storage::Dense { key, .. } => key(self.dense.index_of(slot)),
        }
    }

    /// Says that a slot holds an error or a record.
    #[cold]
    pub(crate) fn note_box(&self) {
        // Relaxed: read when the table is dropped.
        self.has_boxes.store(true, Ordering::Relaxed);
    }

    fn measure(&self) -> Measured {
        let (mut ready, mut extra) = (0, 0);
        let mut count = |slot: &Slot<Q::Value>| {
            ready += usize::from(slot.is_ready());
            extra += slot.extra_bytes();
        };
        self.hashed.for_each(|entry| count(&entry.slot));
        self.dense.for_each(count);
        Measured {
            query: std::any::type_name::<Q>(),
            ready,
            bytes: size_of::<Self>() + self.hashed.bytes() + self.dense.bytes() + extra,
        }
    }

    /// # Safety
    ///
    /// `head` begins a table of this type that nobody uses any more.
    unsafe fn free_head(head: *mut Head) {
        // SAFETY: by contract; made by `Box::into_raw`.
        drop(unsafe { Box::from_raw(head.cast::<Self>()) });
    }

    /// # Safety
    ///
    /// `head` begins a living table of this type.
    unsafe fn measure_head(head: *const Head) -> Measured {
        // SAFETY: by contract.
        unsafe { &*head.cast::<Self>() }.measure()
    }

    /// # Safety
    ///
    /// `head` begins a living table of this type, of which `slot` is a slot that was claimed once.
    unsafe fn describe_head(head: *const Head, slot: *const ()) -> Name {
        // SAFETY: by contract.
        let table = unsafe { &*head.cast::<Self>() };
        // SAFETY: by contract.
        name_of(&unsafe { table.key_of(slot) })
    }

    /// # Safety
    ///
    /// `slot` is a slot of a living table of this type.
    unsafe fn record_of(slot: *const ()) -> Option<*const Record> {
        // SAFETY: by contract.
        let slot = unsafe { &*slot.cast::<Slot<Q::Value>>() };
        let record = || slot.record().map_or(std::ptr::null(), std::ptr::from_ref);
        slot.is_ready().then(record)
    }
}

impl<Q: Query<D>, D> Drop for Table<Q, D> {
    fn drop(&mut self) {
        let has_boxes = self.has_boxes.load(Ordering::Relaxed);
        if has_boxes || needs_drop::<Q, D>() {
            self.hashed.drop_entries();
            self.dense.drop_slots();
        }
    }
}

/// Whether keys or values have destructors. (A slot has one in any case, for what [`Table::note_box`] tells of.)
fn needs_drop<Q: Query<D>, D>() -> bool {
    std::mem::needs_drop::<Q>() || std::mem::needs_drop::<Q::Value>()
}

/// What a query is called in reports. Runs the key's `Debug`.
pub(crate) fn name_of<Q: Debug>(key: &Q) -> Name {
    let kind = std::any::type_name::<Q>();
    Name {
        kind,
        text: describe(kind, key),
    }
}

/// The key's `Debug` text, with the type's name before it unless it begins with it.
fn describe(kind: &str, key: &impl Debug) -> String {
    let short = kind
        .split('<')
        .next()
        .and_then(|path| path.rsplit("::").next())
        .unwrap_or(kind);
    let text = catch_unwind(AssertUnwindSafe(|| format!("{key:?}"))).unwrap_or_else(|payload| {
        discard(payload);
        "(its Debug panicked)".to_owned()
    });
    if text.starts_with(short) {
        text
    } else {
        format!("{short} {text}")
    }
}
