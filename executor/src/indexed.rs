//! What parallel loops go over: sources of items that can be had by index.

use std::ops::Range;

/// What a parallel loop goes over: items that can be had by index.
///
/// Ranges of integers (but for those that may be wider than `usize`), slices, and references to
/// vectors and arrays are such sources.
pub trait Indexed: Sync {
    /// What the loop's closure gets.
    type Item;

    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at `index`, which is less than [`len`](Self::len).
    fn item(&self, index: usize) -> Self::Item;

    /// As [`item`](Self::item), where that is faster without a check.
    ///
    /// # Safety
    ///
    /// `index` is less than [`len`](Self::len).
    unsafe fn item_unchecked(&self, index: usize) -> Self::Item {
        self.item(index)
    }
}

macro_rules! indexed_ranges {
    ($($number:ty),*) => {$(
        impl Indexed for Range<$number> {
            type Item = $number;

            fn len(&self) -> usize {
                if Range::is_empty(self) { 0 } else { self.end.abs_diff(self.start) as usize }
            }

            fn item(&self, index: usize) -> $number {
                // Wrapping: the index of an `i32` range may be more than an `i32` holds.
                self.start.wrapping_add(index as $number)
            }
        }
    )*};
}

// No more bits than every target's `usize` has.
indexed_ranges!(u8, u16, u32, usize, i8, i16, i32, isize);

impl<'a, T: Sync> Indexed for &'a [T] {
    type Item = &'a T;

    fn len(&self) -> usize {
        <[T]>::len(self)
    }

    fn item(&self, index: usize) -> &'a T {
        &self[index]
    }

    unsafe fn item_unchecked(&self, index: usize) -> &'a T {
        // SAFETY: by contract.
        unsafe { self.get_unchecked(index) }
    }
}

impl<'a, T: Sync> Indexed for &'a Vec<T> {
    type Item = &'a T;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn item(&self, index: usize) -> &'a T {
        &self[index]
    }

    unsafe fn item_unchecked(&self, index: usize) -> &'a T {
        // SAFETY: by contract.
        unsafe { self.get_unchecked(index) }
    }
}

impl<'a, T: Sync, const N: usize> Indexed for &'a [T; N] {
    type Item = &'a T;

    fn len(&self) -> usize {
        N
    }

    fn item(&self, index: usize) -> &'a T {
        &self[index]
    }

    unsafe fn item_unchecked(&self, index: usize) -> &'a T {
        // SAFETY: by contract.
        unsafe { self.get_unchecked(index) }
    }
}

/// Items with their indices: a source of pairs, as [`Iterator::enumerate`] is.
///
/// # Examples
///
/// ```
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// let db = dagwood::Database::new(vec!["zero", "one", "two"]);
/// let named = executor.run(&db, |cx| {
///     cx.par_map(dagwood::Enumerate(cx.data()), |_, (i, word)| format!("{i} {word}"))
/// })?;
/// assert_eq!(named[2], "2 two");
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Copy, Clone, Debug)]
pub struct Enumerate<S>(pub S);

impl<S: Indexed> Indexed for Enumerate<S> {
    type Item = (usize, S::Item);

    fn len(&self) -> usize {
        self.0.len()
    }

    fn item(&self, index: usize) -> (usize, S::Item) {
        (index, self.0.item(index))
    }

    unsafe fn item_unchecked(&self, index: usize) -> (usize, S::Item) {
        // SAFETY: by contract.
        (index, unsafe { self.0.item_unchecked(index) })
    }
}
