//! The interner: small numbers for values, and the values for the numbers.
//!
//! For users, and for their keys. It is a table like those of queries, read without a lock; knows
//! no query.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use rustc_hash::FxHasher;

use super::pointers::Pointers;
use crate::sync::{AtomicPtr, Mutex, Ordering, ThreadBound};

/// Values, each of which gets a small number that stands for it: cheap to copy, to compare and to
/// hash, and an index for [`Storage::Dense`](crate::Storage::Dense).
///
/// Looking up a value that is there, and the value of a number, takes no lock and writes nothing
/// shared. Numbers are given from zero on, *in the order in which threads come*: decide nothing by
/// it that others can see, sort by the values. (So an [`Id`] has no order.)
///
/// The hash is fast, and not made for hostile values, as that of
/// [`Query::hash_key`](crate::Query::hash_key).
///
/// In the sequential build an interner can be used only on the thread that made it.
///
/// # Examples
///
/// ```
/// use std::path::{Path, PathBuf};
///
/// use dagwood::Interner;
///
/// let paths = Interner::<PathBuf>::new();
/// let id = paths.intern(Path::new("src/main.rs"));
/// assert_eq!(paths.intern(Path::new("src/main.rs")), id);
/// assert_ne!(paths.intern(Path::new("src/lib.rs")), id);
/// assert_eq!(paths.value(id), Path::new("src/main.rs"));
/// assert_eq!(format!("{:?}", paths.debug(id)), "\"src/main.rs\"");
/// ```
pub struct Interner<T> {
    /// [`Pointers`] to nodes, hashed; null where there is none.
    by_value: AtomicPtr<()>,
    /// [`Pointers`] to nodes, by number.
    by_number: AtomicPtr<()>,
    growth: Mutex<Growth<T>>,
    bound: ThreadBound,
}

/// A value with its number.
struct Node<T> {
    value: T,
    number: u32,
    hash: u32,
}

/// What is changed under the lock.
struct Growth<T> {
    len: usize,
    /// What was replaced: kept for readers.
    replaced: Vec<Pointers<Node<T>>>,
}

/// The number of a value in an [`Interner`].
///
/// It has no order, since numbers are given in the order in which threads come; and its `Debug`
/// shows only the number: [`Interner::debug`] shows the value.
pub struct Id<T> {
    number: u32,
    of: PhantomData<fn() -> T>,
}

/// Shows the value of an [`Id`]; from [`Interner::debug`].
pub struct Shown<'i, T>(&'i T);

// SAFETY: nodes are handed out by reference only, and dropped with the interner.
unsafe impl<T: Send + Sync> Send for Interner<T> {}
// SAFETY: as above; what changes is atomic or locked.
unsafe impl<T: Send + Sync> Sync for Interner<T> {}

/// Pointers of a fresh interner.
const LEN_MIN: usize = 64;

impl<T: Eq + Hash> Interner<T> {
    /// An interner without values.
    pub fn new() -> Self {
        Interner {
            by_value: AtomicPtr::new(Pointers::<Node<T>>::new(LEN_MIN).into_raw()),
            by_number: AtomicPtr::new(Pointers::<Node<T>>::new(LEN_MIN).into_raw()),
            growth: Mutex::new(Growth {
                len: 0,
                replaced: Vec::new(),
            }),
            bound: ThreadBound::new(),
        }
    }

    /// The number of a value, given now if it has none yet.
    ///
    /// # Panics
    ///
    /// If `Hash`, `Eq` or `to_owned` panics; there are 2^32 values already; or (sequential build)
    /// the interner belongs to another thread.
    pub fn intern<V>(&self, value: &V) -> Id<T>
    where
        V: ?Sized + Eq + Hash + ToOwned<Owned = T>,
        T: Borrow<V>,
    {
        self.intern_with(value, || value.to_owned())
    }

    /// The same for a value at hand.
    ///
    /// # Panics
    ///
    /// As [`intern`](Self::intern).
    pub fn intern_owned(&self, value: T) -> Id<T> {
        let hash = hash(&value);
        match self.look(hash, &value) {
            Some(node) => Id::new(node.number),
            None => self.add(hash, value),
        }
    }

    fn intern_with<V>(&self, value: &V, own: impl FnOnce() -> T) -> Id<T>
    where
        V: ?Sized + Eq + Hash,
        T: Borrow<V>,
    {
        let hash = hash(value);
        match self.look(hash, value) {
            Some(node) => Id::new(node.number),
            None => self.add(hash, own()),
        }
    }

    /// The number of a value, if it has one.
    ///
    /// # Panics
    ///
    /// As [`intern`](Self::intern).
    pub fn find<V>(&self, value: &V) -> Option<Id<T>>
    where
        V: ?Sized + Eq + Hash,
        T: Borrow<V>,
    {
        self.look(hash(value), value)
            .map(|node| Id::new(node.number))
    }

    /// The value with this number.
    ///
    /// # Panics
    ///
    /// If the number comes from another interner, which has more values; or (sequential build) the
    /// interner belongs to another thread.
    pub fn value(&self, id: Id<T>) -> &T {
        self.check();
        let numbers = pointers::<T>(&self.by_number);
        let index = id.number as usize;
        // SAFETY: what was replaced is freed with the interner.
        let is_there = index < unsafe { numbers.len() };
        assert!(is_there, "{id:?} is of another interner");
        // SAFETY: as above.
        let node = unsafe { numbers.at(index) };
        // Acquire: pairs with the Release in `add`.
        let node = node.load(Ordering::Acquire);
        // SAFETY: null, or a node, which is freed with the interner.
        let node = unsafe { node.as_ref() };
        &node
            .unwrap_or_else(|| panic!("{id:?} is of another interner"))
            .value
    }

    /// Shows the value with this number in its `Debug`.
    ///
    /// # Panics
    ///
    /// As [`value`](Self::value).
    pub fn debug(&self, id: Id<T>) -> Shown<'_, T> {
        Shown(self.value(id))
    }

    /// How many values there are: at least as many as were given numbers before this call.
    pub fn len(&self) -> usize {
        self.check();
        self.growth.lock().len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node of a value, if it has one. Runs the value's `Eq`.
    fn look<V>(&self, hash: u32, value: &V) -> Option<&Node<T>>
    where
        V: ?Sized + Eq,
        T: Borrow<V>,
    {
        self.check();
        let nodes = pointers::<T>(&self.by_value);
        // SAFETY: what was replaced is freed with the interner.
        let mask = unsafe { nodes.mask() };
        let mut index = hash as usize;
        loop {
            index &= mask;
            // SAFETY: as above, and cut to the length.
            let node = unsafe { nodes.at(index) };
            // Acquire: pairs with the Release in `add`: the node's fields are visible.
            let node = node.load(Ordering::Acquire);
            // SAFETY: null, or a node, which is freed with the interner.
            let node = unsafe { node.as_ref() }?;
            if node.hash == hash && node.value.borrow() == value {
                return Some(node);
            }
            index += 1;
        }
    }

    /// Gives a value a number. Its `Eq` runs under no lock: what has come meanwhile is compared
    /// before the lock is taken, until nothing more has come.
    #[cold]
    fn add(&self, hash: u32, value: T) -> Id<T> {
        let node = Box::new(Node {
            value,
            number: 0,
            hash,
        });
        loop {
            let seen = self.growth.lock().len;
            if let Some(known) = self.look(hash, &node.value) {
                return Id::new(known.number);
            }
            let mut growth = self.growth.lock();
            if growth.len == seen {
                let number = self.put(node, &mut growth);
                return Id::new(number);
            }
        }
    }

    /// Puts a node into both tables. The lock is held; no user code runs.
    fn put(&self, mut node: Box<Node<T>>, growth: &mut Growth<T>) -> u32 {
        let number = u32::try_from(growth.len).expect("fewer than 2^32 values");
        growth.len += 1;
        self.make_room(growth);
        node.number = number;
        let hash = node.hash;
        let node = Box::into_raw(node);
        // SAFETY: long enough (`make_room`).
        let by_number = unsafe { pointers::<T>(&self.by_number).at(number as usize) };
        // Release: pairs with the Acquire in `value`. First, so that who finds the number finds the
        // value.
        by_number.store(node, Ordering::Release);
        // SAFETY: has a gap (`make_room`).
        unsafe { place(pointers::<T>(&self.by_value), hash, node) };
        number
    }

    /// Sees to it that all numbers have a place, and that at most half of the other table is
    /// filled. The lock is held.
    fn make_room(&self, growth: &mut Growth<T>) {
        let numbers = pointers::<T>(&self.by_number);
        // SAFETY: freed with the interner.
        let old = unsafe { numbers.all() };
        if growth.len > old.len() {
            let longer = Pointers::<Node<T>>::new(2 * old.len());
            // SAFETY: not freed.
            for (old, new) in old.iter().zip(unsafe { longer.all() }) {
                new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            // Release: pairs with the Acquire in `pointers`.
            self.by_number.store(longer.into_raw(), Ordering::Release);
            growth.replaced.push(numbers);
        }
        let nodes = pointers::<T>(&self.by_value);
        // SAFETY: freed with the interner.
        let old = unsafe { nodes.all() };
        if 2 * growth.len > old.len() {
            let longer = Pointers::<Node<T>>::new(2 * old.len());
            for node in old {
                let node = node.load(Ordering::Relaxed);
                // SAFETY: null, or a node, which is freed with the interner.
                if let Some(known) = unsafe { node.as_ref() } {
                    // SAFETY: not freed, and larger than what is put into it.
                    unsafe { place(longer, known.hash, node) };
                }
            }
            // Release: as above.
            self.by_value.store(longer.into_raw(), Ordering::Release);
            growth.replaced.push(nodes);
        }
    }

    fn check(&self) {
        assert!(
            self.bound.is_here(),
            "the sequential build uses an interner only on the thread that made it"
        );
    }
}

/// What an interner looks through.
#[inline]
fn pointers<T>(word: &AtomicPtr<()>) -> Pointers<Node<T>> {
    // Acquire: pairs with the Release in `make_room`.
    let raw = word.load(Ordering::Acquire);
    // SAFETY: only those are stored there.
    unsafe { Pointers::from_raw(raw) }
}

/// Puts a node into the first gap from the hash's place on.
///
/// # Safety
///
/// `nodes` is not freed, and has a gap; nobody else puts.
unsafe fn place<T>(nodes: Pointers<Node<T>>, hash: u32, node: *mut Node<T>) {
    // SAFETY: by contract.
    let mask = unsafe { nodes.mask() };
    let mut index = hash as usize & mask;
    // SAFETY: by contract, and cut to the length.
    while !unsafe { nodes.at(index) }.load(Ordering::Relaxed).is_null() {
        index = (index + 1) & mask;
    }
    // Release: pairs with the Acquire in `look`.
    // SAFETY: as above.
    unsafe { nodes.at(index) }.store(node, Ordering::Release);
}

fn hash<V: ?Sized + Hash>(value: &V) -> u32 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish() as u32
}

impl<T> Drop for Interner<T> {
    fn drop(&mut self) {
        let numbers = pointers::<T>(&self.by_number);
        let values = pointers::<T>(&self.by_value);
        // SAFETY: freed below.
        for node in unsafe { numbers.all() } {
            let node = node.load(Ordering::Relaxed);
            if !node.is_null() {
                // SAFETY: made by `Box::into_raw`, and each stands in this table once.
                drop(unsafe { Box::from_raw(node) });
            }
        }
        let replaced = std::mem::take(&mut self.growth.lock().replaced);
        for pointers in replaced.into_iter().chain([numbers, values]) {
            // SAFETY: ours alone now, and freed once.
            unsafe { pointers.free() };
        }
    }
}

impl<T: Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Eq + Hash> fmt::Debug for Interner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Id<T> {
    fn new(number: u32) -> Self {
        Id {
            number,
            of: PhantomData,
        }
    }

    /// The number: an index for [`Storage::Dense`](crate::Storage::Dense).
    pub fn index(self) -> usize {
        self.number as usize
    }

    /// The id with this number. It means nothing to an interner that has not given it.
    pub fn from_index(index: usize) -> Self {
        Id::new(u32::try_from(index).expect("the number of an id is less than 2^32"))
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Id<T> {}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}
