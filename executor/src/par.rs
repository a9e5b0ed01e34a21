//! Parallel loops: joins over halves of an indexed source, down to single items.

use std::ops::Range;

use crate::cx::Cx;

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
}

impl<'a, T: Sync> Indexed for &'a Vec<T> {
    type Item = &'a T;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn item(&self, index: usize) -> &'a T {
        &self[index]
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
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs `body` on each item, perhaps at the same time, and gives the results in the order of
    /// the items.
    ///
    /// Each item may be taken by another worker on its own, so an item that waits holds up no
    /// other.
    ///
    /// # Panics
    ///
    /// If it panics on some items, all others are still done; then the panic of the first of them,
    /// in order, goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// let db = dagwood::Database::new(vec!["one", "two", "three"]);
    /// let lengths = executor.run(&db, |cx| cx.par_map(cx.data(), |_, word| word.len()))?;
    /// assert_eq!(lengths, [3, 3, 5]);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn par_map<S, R>(&self, items: S, body: impl Fn(&Cx<'db, D>, S::Item) -> R + Sync) -> Vec<R>
    where
        S: Indexed,
        R: Send,
    {
        let mut results: Vec<Option<R>> = Vec::new();
        results.resize_with(items.len(), || None);
        self.fill(&items, 0, &mut results, &body);
        results
            .into_iter()
            .map(|result| result.expect("each item was done"))
            .collect()
    }

    /// Runs `body` on each item, perhaps at the same time.
    ///
    /// # Panics
    ///
    /// As [`par_map`](Self::par_map).
    pub fn par_for_each<S: Indexed>(&self, items: S, body: impl Fn(&Cx<'db, D>, S::Item) + Sync) {
        self.visit(&items, 0..items.len(), &body);
    }

    /// Results of the items from `first` on, as many as `results` has places.
    fn fill<S: Indexed, R: Send>(
        &self,
        items: &S,
        first: usize,
        results: &mut [Option<R>],
        body: &(impl Fn(&Cx<'db, D>, S::Item) -> R + Sync),
    ) {
        match results {
            [] => (),
            [result] => *result = Some(body(self, items.item(first))),
            _ => {
                let middle = results.len() / 2;
                let (left, right) = results.split_at_mut(middle);
                self.join(
                    |cx| cx.fill(items, first, left, body),
                    |cx| cx.fill(items, first + middle, right, body),
                );
            }
        }
    }

    fn visit<S: Indexed>(
        &self,
        items: &S,
        range: Range<usize>,
        body: &(impl Fn(&Cx<'db, D>, S::Item) + Sync),
    ) {
        match Indexed::len(&range) {
            0 => (),
            1 => body(self, items.item(range.start)),
            len => {
                let middle = range.start + len / 2;
                self.join(
                    |cx| cx.visit(items, range.start..middle, body),
                    |cx| cx.visit(items, middle..range.end, body),
                );
            }
        }
    }
}
