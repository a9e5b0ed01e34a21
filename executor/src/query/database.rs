//! The database: a user's data and the tables of all its queries.

use std::any::TypeId;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ptr;

use super::Query;
use super::table::Table;
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
    lists: [AtomicPtr<TypeHead>; LISTS],
    /// Exactly this `D`: a table is found by the query's type alone, and a query's value may differ
    /// from one `D` to a subtype of it.
    exactly: PhantomData<fn(D) -> D>,
    pub(crate) bound: ThreadBound,
}

/// The head of a query type's table, which begins with it.
struct TypeHead {
    query: TypeId,
    next: *mut TypeHead,
    free: unsafe fn(*mut TypeHead),
}

#[repr(C)]
struct TypeNode<Q: Query<D>, D> {
    head: TypeHead,
    table: Table<Q, D>,
}

impl<D> Database<D> {
    /// A database without results.
    pub fn new(data: D) -> Self {
        Database {
            data,
            lists: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            exactly: PhantomData,
            bound: ThreadBound::new(),
        }
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
    fn add_table<Q: Query<D>>(&self, list: &AtomicPtr<TypeHead>) -> &Table<Q, D>
    where
        D: 'static,
    {
        let head = TypeHead {
            query: TypeId::of::<Q>(),
            next: ptr::null_mut(),
            free: free::<Q, D>,
        };
        let node: *mut TypeNode<Q, D> = Box::into_raw(Box::new(TypeNode {
            head,
            table: Table::new(),
        }));
        let mut first = list.load(Ordering::Acquire);
        loop {
            if let Some(table) = find::<Q, D>(first) {
                // SAFETY: not shared, since nobody was told of it.
                drop(unsafe { Box::from_raw(node) });
                return table;
            }
            // SAFETY: as above: ours until the compare-and-swap below.
            unsafe { (*node).head.next = first };
            // Release: pairs with the Acquire of readers. Acquire on failure: they are read above.
            match list.compare_exchange(first, node.cast(), Ordering::Release, Ordering::Acquire) {
                // SAFETY: nodes live as long as the database.
                Ok(_) => return unsafe { &(*node).table },
                Err(now) => first = now,
            }
        }
    }

    fn free_tables(&mut self) {
        for list in &self.lists {
            let mut next = list.swap(ptr::null_mut(), Ordering::Acquire);
            while !next.is_null() {
                let head = next;
                // SAFETY: nodes are freed here only, and this database is ours alone now.
                next = unsafe { (*head).next };
                // SAFETY: as above.
                let free = unsafe { (*head).free };
                // SAFETY: `free` was stored with the node's own types.
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
fn find<'db, Q: Query<D>, D: 'static>(mut head: *const TypeHead) -> Option<&'db Table<Q, D>> {
    // SAFETY: null or a node, which lives as long as the database.
    while let Some(found) = unsafe { head.as_ref() } {
        if found.query == TypeId::of::<Q>() {
            // SAFETY: a node with this id was made with these types (`add_table`).
            return Some(unsafe { &(*head.cast::<TypeNode<Q, D>>()).table });
        }
        head = found.next;
    }
    None
}

/// # Safety
///
/// `head` begins a node with these types that nobody uses any more.
unsafe fn free<Q: Query<D>, D>(head: *mut TypeHead) {
    // SAFETY: by contract; made by `Box::into_raw`.
    drop(unsafe { Box::from_raw(head.cast::<TypeNode<Q, D>>()) });
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
