//! The database: a user's data and the tables of all its queries.

use std::any::TypeId;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ptr;

use super::Query;
use super::table::{Head, Table};
use crate::sync::{AtomicPtr, Ordering, ThreadBound};

/// Query types are spread over this many lists by the low bits of their `TypeId`.
const LISTS: usize = 64;

/// What queries read (`D`), and all their results so far.
///
/// Results live as long as the database and are handed out by reference. Any number of executors
/// may run on one database at once; each query is still computed once.
///
/// In the sequential build (neither `fibers` nor `threads`) a database can be used only on the
/// thread that made it.
///
/// # Examples
///
/// ```
/// let db = dagwood::Database::new(vec!["a", "b"]);
/// assert_eq!(db.data().len(), 2);
/// ```
pub struct Database<D> {
    data: D,
    lists: [AtomicPtr<Head>; LISTS],
    /// Whether each query records what it asks.
    records: bool,
    /// Exactly this `D`: a table is found by the query's type alone, and a query's value may differ
    /// from one `D` to a subtype of it.
    exactly: PhantomData<fn(D) -> D>,
    pub(crate) bound: ThreadBound,
}

impl<D> Database<D> {
    /// A database without results.
    pub fn new(data: D) -> Self {
        Database {
            data,
            lists: [const { AtomicPtr::new(ptr::null_mut()) }; LISTS],
            records: false,
            exactly: PhantomData,
            bound: ThreadBound::new(),
        }
    }

    /// The same database, in which each query records what it asks ([`record`](Self::record)).
    pub fn record_all(mut self) -> Self {
        self.forget();
        self.records = true;
        self
    }

    /// Forgets all results.
    pub fn forget(&mut self) {
        self.free_tables();
    }

    /// The user's data.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Forgets the results and gives the data back, for instance to change it and to make a new
    /// database.
    pub fn into_data(mut self) -> D {
        self.free_tables();
        // SAFETY: `self` is forgotten below, so the data is moved out once.
        let data = unsafe { ptr::read(&raw const self.data) };
        std::mem::forget(self);
        data
    }

    /// The table of a query type. One load, one compare, when few types share the list.
    #[inline]
    pub(crate) fn table<Q: Query<D>>(&self) -> &Table<Q, D>
    where
        D: 'static,
    {
        let list = &self.lists[low_bits::<Q>() % LISTS];
        // Acquire: pairs with the Release in `add_table`.
        let first = list.load(Ordering::Acquire);
        match find::<Q, D>(first) {
            Some(table) => table,
            None => self.add_table(list),
        }
    }

    #[cold]
    fn add_table<Q: Query<D>>(&self, list: &AtomicPtr<Head>) -> &Table<Q, D>
    where
        D: 'static,
    {
        let table: *mut Table<Q, D> = Box::into_raw(Box::new(Table::new()));
        let mut first = list.load(Ordering::Acquire);
        loop {
            if let Some(known) = find::<Q, D>(first) {
                // SAFETY: not shared, since nobody was told of it.
                drop(unsafe { Box::from_raw(table) });
                return known;
            }
            // SAFETY: as above: ours until the compare-and-swap below.
            unsafe { (*table).head.next = first };
            // Release: pairs with the Acquire of readers. Acquire on failure: they are read above.
            match list.compare_exchange(first, table.cast(), Ordering::Release, Ordering::Acquire) {
                // SAFETY: tables live as long as the database.
                Ok(_) => return unsafe { &*table },
                Err(now) => first = now,
            }
        }
    }

    fn free_tables(&mut self) {
        for list in &self.lists {
            let mut next = list.swap(ptr::null_mut(), Ordering::Acquire);
            while !next.is_null() {
                let head = next;
                // SAFETY: tables are freed here only, and this database is ours alone now.
                next = unsafe { (*head).next };
                // SAFETY: as above.
                let free = unsafe { (*head).free };
                // SAFETY: `free` belongs to the table's own type.
                unsafe { free(head) };
            }
        }
    }
}

impl<D> Drop for Database<D> {
    fn drop(&mut self) {
        self.free_tables();
    }
}

impl<D: std::fmt::Debug> std::fmt::Debug for Database<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// The table of `Q` in the list that begins with `head`.
#[inline]
fn find<'db, Q: Query<D>, D: 'static>(mut head: *const Head) -> Option<&'db Table<Q, D>> {
    // SAFETY: null or a table, which lives as long as the database.
    while let Some(found) = unsafe { head.as_ref() } {
        if found.query == TypeId::of::<Q>() {
            // SAFETY: a table with this id was made with these types (`add_table`), and begins with its head.
            return Some(unsafe { &*head.cast::<Table<Q, D>>() });
        }
        head = found.next;
    }
    None
}

/// Some bits of a type's id; the compiler computes them.
#[inline]
fn low_bits<Q: 'static>() -> usize {
    /// Keeps the last number it is given.
    struct Last(u64);
    impl Hasher for Last {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 << 8) | u64::from(*byte);
            }
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let mut last = Last(0);
    TypeId::of::<Q>().hash(&mut last);
    last.finish() as usize
}
