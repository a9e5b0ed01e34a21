//! Parallel loops. How they are divided stands in `rest.rs`, what they go over in `indexed.rs`.

use std::panic::resume_unwind;

use crate::cx::Cx;
use crate::error::discard;
use crate::indexed::Indexed;
use crate::rest::for_each_index;

/// So many results are combined one after another; of more, the halves may be combined at the same
/// time.
const COMBINED_IN_TURN: usize = 64;

/// The places of a loop's results.
struct Places<R>(*mut R);

impl<R> Copy for Places<R> {}

impl<R> Clone for Places<R> {
    fn clone(&self) -> Self {
        *self
    }
}

// SAFETY: each place is written by one item only, and the loop waits for all of them.
unsafe impl<R: Send> Sync for Places<R> {}

impl<R> Places<R> {
    /// # Safety
    ///
    /// There is a place with this index, which nobody else touches.
    unsafe fn write(&self, index: usize, result: R) {
        // SAFETY: by contract.
        let place = unsafe { self.0.add(index) };
        // SAFETY: by contract.
        unsafe { place.write(result) };
    }

    /// # Safety
    ///
    /// There are these places, all written, and nobody else touches them while the slice lives.
    #[expect(clippy::mut_from_ref, reason = "the caller answers for it")]
    unsafe fn slice(&self, from: usize, len: usize) -> &mut [R] {
        // SAFETY: by contract.
        let first = unsafe { self.0.add(from) };
        // SAFETY: by contract.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }

    /// # Safety
    ///
    /// There is a place with this index, it was written, and nobody touches it any more.
    unsafe fn discard(&self, index: usize) {
        // SAFETY: by contract.
        let place = unsafe { self.0.add(index) };
        // SAFETY: by contract.
        discard(unsafe { place.read() });
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs `body` on each item, perhaps at the same time, and gives the results in the order of
    /// the items.
    ///
    /// The items are gone through in order; whenever a worker has nothing to do, it gets half of
    /// what is left. While an item waits, all that come after it are given away, so it holds up no
    /// other. (The exception: in a loop over more than 1,024 items, a wait inside a
    /// [`run`](crate::Executor::run) of *another* executor, which takes no `Cx`, holds up its
    /// neighbours, 1/64 of what is left at most.)
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
        let len = items.len();
        let mut results: Vec<R> = Vec::with_capacity(len);
        let places = Places(results.as_mut_ptr());
        let done = for_each_index(self, 0..len, &move |cx, index| {
            // SAFETY: indices are less than `len`, which the items gave.
            let item = unsafe { items.item_unchecked(index) };
            let result = body(cx, item);
            // SAFETY: `index` is less than the capacity, and each is visited once.
            unsafe { places.write(index, result) };
        });
        if let Err(failures) = done {
            let mut next = 0;
            for failed in failures
                .indices
                .into_iter()
                .chain(std::iter::once(len..len))
            {
                for index in next..failed.start {
                    // SAFETY: the loop is over, and this item wrote its place.
                    unsafe { places.discard(index) };
                }
                next = failed.end;
            }
            resume_unwind(failures.first)
        }
        // SAFETY: each item wrote its place.
        unsafe { results.set_len(len) };
        results
    }

    /// Runs `body` on each item, perhaps at the same time.
    ///
    /// # Panics
    ///
    /// As [`par_map`](Self::par_map).
    pub fn par_for_each<S: Indexed>(&self, items: S, body: impl Fn(&Cx<'db, D>, S::Item) + Sync) {
        let done = for_each_index(self, 0..items.len(), &move |cx, index| {
            // SAFETY: indices are less than the number that the items gave.
            let item = unsafe { items.item_unchecked(index) };
            body(cx, item);
        });
        if let Err(failures) = done {
            resume_unwind(failures.first)
        }
    }

    /// Runs `body` on each run of `chunk_len` items (the last may be shorter), perhaps at the same
    /// time, and gives the results in the order of the chunks: for items that are too cheap to be
    /// done one by one.
    ///
    /// # Panics
    ///
    /// If `chunk_len` is zero; else as [`par_map`](Self::par_map), a chunk being one item.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// let db = dagwood::Database::new((0..1000).collect::<Vec<u64>>());
    /// let sums = executor.run(&db, |cx| {
    ///     cx.par_chunks(cx.data(), 400, |_, chunk| chunk.iter().sum::<u64>())
    /// })?;
    /// assert_eq!(sums, [79_800, 239_800, 179_900]);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn par_chunks<T: Sync, R: Send>(
        &self,
        items: &[T],
        chunk_len: usize,
        body: impl Fn(&Cx<'db, D>, &[T]) -> R + Sync,
    ) -> Vec<R> {
        assert!(
            chunk_len > 0,
            "a chunk of a parallel loop holds at least one item"
        );
        self.par_map(0..items.len().div_ceil(chunk_len), |cx, chunk| {
            let from = chunk * chunk_len;
            // No sum that overflows: there may be `usize::MAX` items without a size.
            let len = chunk_len.min(items.len() - from);
            body(cx, &items[from..from + len])
        })
    }

    /// As [`par_chunks`](Self::par_chunks), for items to be changed. `body` also gets the index of
    /// the first item of its chunk.
    ///
    /// # Panics
    ///
    /// As [`par_chunks`](Self::par_chunks).
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// let db = dagwood::Database::new(());
    /// let mut squares = vec![0; 1000];
    /// executor.run(&db, |cx| {
    ///     cx.par_chunks_mut(&mut squares, 64, |_, first, chunk| {
    ///         for (i, square) in chunk.iter_mut().enumerate() {
    ///             *square = (first + i) * (first + i);
    ///         }
    ///     });
    /// })?;
    /// assert_eq!(squares[999], 998_001);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn par_chunks_mut<T: Send>(
        &self,
        items: &mut [T],
        chunk_len: usize,
        body: impl Fn(&Cx<'db, D>, usize, &mut [T]) + Sync,
    ) {
        assert!(
            chunk_len > 0,
            "a chunk of a parallel loop holds at least one item"
        );
        let len = items.len();
        let places = Places(items.as_mut_ptr());
        self.par_for_each(0..len.div_ceil(chunk_len), |cx, chunk| {
            let from = chunk * chunk_len;
            // SAFETY: the items are borrowed for the time of the loop, and each chunk is given to
            // one call only.
            let chunk = unsafe { places.slice(from, chunk_len.min(len - from)) };
            body(cx, from, chunk);
        });
    }

    /// Runs `map` on each item, perhaps at the same time, and combines the results, neighbours with
    /// neighbours, until one is left; `None` without items.
    ///
    /// What is combined with what depends on the number of items only, never on the schedule: so
    /// the result is always the same, also where `combine` is not associative (as with floating
    /// point numbers).
    ///
    /// # Panics
    ///
    /// As [`par_map`](Self::par_map), and if `combine` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// let db = dagwood::Database::new(vec!["a", "bb", "ccc"]);
    /// let all = executor.run(&db, |cx| {
    ///     cx.par_reduce(cx.data(), |_, word| word.to_uppercase(), |a, b| a + &b)
    /// })?;
    /// assert_eq!(all.as_deref(), Some("ABBCCC"));
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn par_reduce<S, R>(
        &self,
        items: S,
        map: impl Fn(&Cx<'db, D>, S::Item) -> R + Sync,
        combine: impl Fn(R, R) -> R + Sync,
    ) -> Option<R>
    where
        S: Indexed,
        R: Send,
    {
        let mut results: Vec<Option<R>> = self.par_map(items, |cx, item| Some(map(cx, item)));
        self.combine(&mut results, &combine)
    }

    fn combine<R: Send>(
        &self,
        results: &mut [Option<R>],
        combine: &(impl Fn(R, R) -> R + Sync),
    ) -> Option<R> {
        if results.len() <= COMBINED_IN_TURN {
            let results = results.iter_mut().filter_map(Option::take);
            return results.reduce(combine);
        }
        let (left, right) = results.split_at_mut(results.len() / 2);
        let (left, right) = self.join(
            |cx| cx.combine(left, combine),
            |cx| cx.combine(right, combine),
        );
        left.zip(right).map(|(left, right)| combine(left, right))
    }
}
