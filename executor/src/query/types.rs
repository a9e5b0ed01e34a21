//! The tables of a database, by query type: found without a hash map.
//!
//! Used by `database.rs`. Knows no query and no slot.

use std::any::TypeId;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ptr;

use super::Query;
use super::table::{Head, Table};
use crate::sync::{AtomicPtr, Ordering};

/// Query types are spread over this many lists by the low bits of their `TypeId`: so many that few are not the first of theirs.
const LISTS: usize = 256;

/// The tables of a database with data `D`.
pub(super) struct Types<D> {
    /// Each ends with [`END`], so that a look at the first finds something.
    lists: [AtomicPtr<Head>; LISTS],
    /// Exactly this `D`: a table is found by the query's type alone, and a query's value may differ from one `D` to a
    /// subtype of it.
    exactly: PhantomData<fn(D) -> D>,
}

/// The type that no query is of.
struct Nothing;

/// The end of all lists.
struct End(Head);

// SAFETY: never written, and no function of it is ever called.
unsafe impl Sync for End {}

static END: End = End(Head::of_nothing(id::<Nothing>()));

fn end() -> *mut Head {
    (&raw const END.0).cast_mut()
}

impl<D> Types<D> {
    pub(super) fn new() -> Self {
        Types {
            lists: std::array::from_fn(|_| AtomicPtr::new(end())),
            exactly: PhantomData,
        }
    }

    /// The table of a query type. One load, one compare, unless a type that came later shares the list.
    #[inline]
    pub(super) fn table<Q: Query<D>>(&self) -> &Table<Q, D>
    where
        D: 'static,
    {
        let first = self.first::<Q>();
        // SAFETY: the end, or a table, which lives as long as the database.
        if ptr::eq(unsafe { (*first).id }, id::<Q>()) {
            // SAFETY: a table with this id was made with these types (`table_slowly`), and begins with its head.
            unsafe { &*first.cast::<Table<Q, D>>() }
        } else {
            self.table_slowly()
        }
    }

    /// Where the types with a query type's low bits are.
    #[inline]
    fn list<Q: Query<D>>(&self) -> &AtomicPtr<Head> {
        &self.lists[low_bits::<Q>() % LISTS]
    }

    #[inline]
    fn first<Q: Query<D>>(&self) -> *mut Head {
        // Acquire: pairs with the Release in `table_slowly`.
        self.list::<Q>().load(Ordering::Acquire)
    }

    /// The table of a query type, if it has been asked for.
    pub(super) fn known_table<Q: Query<D>>(&self) -> Option<&Table<Q, D>>
    where
        D: 'static,
    {
        find(self.first::<Q>())
    }

    /// The table of a query type that is not known, is not the first of its list, or not under this [`id`].
    #[cold]
    #[inline(never)]
    fn table_slowly<Q: Query<D>>(&self) -> &Table<Q, D>
    where
        D: 'static,
    {
        if let Some(known) = self.known_table() {
            return known;
        }
        let list = self.list::<Q>();
        let table: *mut Table<Q, D> = Box::into_raw(Box::new(Table::new()));
        let mut first = list.load(Ordering::Acquire);
        loop {
            if let Some(known) = find(first) {
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

    /// The heads of all tables, in no order that means anything.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Head> {
        let first = |list: &AtomicPtr<Head>| list.load(Ordering::Acquire).cast_const();
        self.lists.iter().map(first).flat_map(|first| {
            // SAFETY: the end, or a table, which lives as long as the database.
            let next = |head: &&Head| unsafe { head.next.as_ref() };
            // SAFETY: as above.
            let walk = std::iter::successors(unsafe { first.as_ref() }, next);
            walk.filter(|head| !ptr::eq(*head, end()))
        })
    }

    /// Frees all tables.
    pub(super) fn free(&mut self) {
        // All are taken out before the first is freed: if a destructor panics, no record is left that names a table
        // which is gone. (The tables behind it are leaked.)
        let firsts = self
            .lists
            .each_ref()
            .map(|list| list.swap(end(), Ordering::Acquire));
        for mut next in firsts {
            while !ptr::eq(next, end()) {
                let head = next;
                // SAFETY: tables are freed here only, and this is ours alone now.
                next = unsafe { (*head).next };
                // SAFETY: as above.
                let free = unsafe { (*head).free };
                // SAFETY: `free` belongs to the table's own type.
                unsafe { free(head) };
            }
        }
    }
}

impl<D> Drop for Types<D> {
    fn drop(&mut self) {
        self.free();
    }
}

/// The table of `Q` in the list that begins with `head`, the end at least.
fn find<'db, Q: Query<D>, D: 'static>(mut head: *const Head) -> Option<&'db Table<Q, D>> {
    loop {
        // SAFETY: the end, or a table, which lives as long as the database.
        let found = unsafe { &*head };
        if *found.id == TypeId::of::<Q>() {
            // SAFETY: as in `table`.
            return Some(unsafe { &*head.cast::<Table<Q, D>>() });
        }
        head = found.next;
        if head.is_null() {
            return None;
        }
    }
}

/// Where a type's id lies: perhaps in several places of a program. But what lies at one place is one id, so who finds it at
/// the same place need not compare it.
pub(super) const fn id<Q: 'static>() -> &'static TypeId {
    const { &TypeId::of::<Q>() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::Cx;

    /// So many types that some share a list.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Key<const N: usize>;

    impl<const N: usize> Query<()> for Key<N> {
        type Value = ();

        fn provide(self, _: &Cx<'_, ()>) {}
    }

    fn place<const N: usize>(types: &Types<()>) -> *const Head {
        let table = types.table::<Key<N>>();
        assert!(ptr::eq(
            table,
            types.known_table().expect("it was asked for")
        ));
        // As from a part of the program that has the id at another place.
        assert!(ptr::eq(table, types.table_slowly()));
        ptr::from_ref(table).cast()
    }

    #[test]
    fn each_type_has_one_table_also_where_they_share_a_list() {
        macro_rules! places {
            ($types:expr, $($tens:literal)*) => {[$(
                place::<{ 10 * $tens }>($types), place::<{ 10 * $tens + 1 }>($types), place::<{ 10 * $tens + 2 }>($types),
                place::<{ 10 * $tens + 3 }>($types), place::<{ 10 * $tens + 4 }>($types), place::<{ 10 * $tens + 5 }>($types),
                place::<{ 10 * $tens + 6 }>($types), place::<{ 10 * $tens + 7 }>($types), place::<{ 10 * $tens + 8 }>($types),
                place::<{ 10 * $tens + 9 }>($types),
            )*]};
        }
        let mut types = Types::new();
        assert!(types.known_table::<Key<0>>().is_none());
        let first =
            places!(&types, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26);
        let again =
            places!(&types, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26);
        assert!(first.len() > LISTS);
        assert_eq!(first, again);
        let mut distinct = first.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), first.len());
        assert_eq!(types.heads().count(), first.len());
        types.free();
        assert_eq!(types.heads().count(), 0);
    }
}
