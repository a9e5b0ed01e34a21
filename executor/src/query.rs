//! Memoised queries: what a user writes, and how an ask is served.

mod arena;
pub(crate) mod ask;
pub(crate) mod database;
mod dense;
mod fixpoint;
mod hashed;
pub(crate) mod interner;
pub(crate) mod iteration;
mod pieces;
mod pointers;
pub(crate) mod record;
mod slot;
mod table;
mod types;

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use crate::cx::Cx;
use crate::error::Error;
pub use fixpoint::Fixpoint;

/// A kind of computation whose results are remembered. A value of the type is one query: its *key*.
///
/// `D` is the user's data that the [`Database`](crate::Database) holds. Within one database each
/// query is computed at most once, by its *provider* [`provide`](Query::provide); all who ask get a
/// reference to the same value.
///
/// A provider is a plain function. It should read only `cx.data()` and answers of other queries:
/// then its value, and everything else that the library tells, is the same for every backend,
/// worker count and schedule.
///
/// # Panics in user code
///
/// `Hash`, `Eq` and `Debug` of a key are called by the library, never under a lock. If one of them
/// panics in an ask, the asker unwinds and the tables stay valid; a `Debug` that panics is replaced
/// by a note in reports.
///
/// # Examples
///
/// ```
/// use dagwood::{Cx, Database, Executor, Query};
///
/// /// The n-th Fibonacci number, in linear time.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// struct Fibonacci(u32);
///
/// impl Query<()> for Fibonacci {
///     type Value = u64;
///     fn provide(self, cx: &Cx<'_, ()>) -> u64 {
///         match self.0 {
///             0 | 1 => u64::from(self.0),
///             n => cx.get(Fibonacci(n - 1)) + cx.get(Fibonacci(n - 2)),
///         }
///     }
/// }
///
/// let executor = Executor::builder().workers(2).build()?;
/// let db = Database::new(());
/// assert_eq!(executor.run(&db, |cx| *cx.get(Fibonacci(90)))?, 2_880_067_194_370_816_120);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub trait Query<D>: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// What the provider computes. It is never changed and never moved.
    type Value: Send + Sync + 'static;

    /// Where the results of this type are kept: hashed, unless it says that its keys are small
    /// numbers.
    const STORAGE: Storage<Self> = Storage::Hashed;

    /// Whether queries of this type that lie on a cycle are iterated, from a first value until nothing changes, instead
    /// of being an error: see [`Fixpoint`], and the rules and costs in the module `iteration` of the sources.
    ///
    /// Such a provider may run several times, also against first values of queries that prove to be on no cycle; what it
    /// reads of a query that is not decided yet is only good for this call. What others see is always final. Forks
    /// inside such a provider run in program order, on one worker.
    const FIXPOINT: Option<Fixpoint<Self, Self::Value>> = None;

    /// Computes the value.
    fn provide(self, cx: &Cx<'_, D>) -> Self::Value;

    /// What a query of this type gives if it is a member of a cycle: `None`, as by default, for the error of the cycle.
    ///
    /// Each member of a cycle is told for itself, by its own key; `cycle` is the error with the whole walk
    /// ([`Error::cycle_members`]), the same for all of them and from wherever the cycle is entered. All members are
    /// decided together, when the cycle is found. The ask of a member for the next one never returns: its provider is
    /// unwound. Whoever else asks gets the value like any other.
    ///
    /// If it panics, that panic is the query's failure.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dagwood::{Cx, Database, Error, Executor, Query};
    /// /// The size of a type: of a field's type, if it is wrapped in one.
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct SizeOf(usize);
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Size { Bytes(u64), Infinite(usize) }
    ///
    /// impl Query<Vec<usize>> for SizeOf {
    ///     type Value = Size;
    ///     fn provide(self, cx: &Cx<'_, Vec<usize>>) -> Size {
    ///         match cx.data().get(self.0) {
    ///             None => Size::Bytes(4),
    ///             Some(field) => match cx.get(SizeOf(*field)) {
    ///                 Size::Bytes(bytes) => Size::Bytes(8 + bytes),
    ///                 Size::Infinite(of) => Size::Infinite(*of),
    ///             },
    ///         }
    ///     }
    ///     fn recover(&self, cycle: &Error) -> Option<Size> {
    ///         assert_eq!(cycle.cycle_members().unwrap(), ["SizeOf(0)", "SizeOf(1)"]);
    ///         Some(Size::Infinite(self.0))
    ///     }
    /// }
    ///
    /// // 0 contains 1, which contains 0; 2 contains 1.
    /// let db = Database::new(vec![1, 0, 1]);
    /// Executor::builder().workers(2).build()?.run(&db, |cx| {
    ///     assert_eq!(*cx.get(SizeOf(0)), Size::Infinite(0));
    ///     assert_eq!(*cx.get(SizeOf(1)), Size::Infinite(1));
    ///     assert_eq!(*cx.get(SizeOf(2)), Size::Infinite(1));
    ///     assert_eq!(*cx.get(SizeOf(3)), Size::Bytes(4));
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    fn recover(&self, cycle: &Error) -> Option<Self::Value> {
        let _ = cycle;
        None
    }

    /// The hash by which a hashed key is found; its lower 32 bits are used. Equal keys must always
    /// have equal hashes, else a provider may run more than once for them.
    ///
    /// By default it is a fast hash (FxHash) of what the key's [`Hash`] says. That is *not* made for
    /// hostile keys: whoever chooses them can make them collide, and an ask then walks through all
    /// that do. Where keys come from outside, and nothing limits their number, use a keyed hash:
    ///
    /// ```
    /// use std::hash::{BuildHasher, RandomState};
    /// use std::sync::LazyLock;
    ///
    /// use dagwood::{Cx, Query};
    ///
    /// static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    ///
    /// #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    /// struct Page(String);
    ///
    /// impl Query<()> for Page {
    ///     type Value = usize;
    ///     fn provide(self, _: &Cx<'_, ()>) -> usize {
    ///         self.0.len()
    ///     }
    ///     fn hash_key(&self) -> u64 {
    ///         SECRET.hash_one(self)
    ///     }
    /// }
    /// ```
    #[inline]
    fn hash_key(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Where the results of a query type are kept ([`Query::STORAGE`]).
///
/// # Examples
///
/// ```
/// use dagwood::{Cx, Query, Storage};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// struct LineCount {
///     file: u32,
/// }
///
/// impl Query<Vec<String>> for LineCount {
///     type Value = usize;
///     const STORAGE: Storage<Self> = Storage::Dense {
///         index: |key| key.file as usize,
///         key: |index| LineCount { file: index as u32 },
///     };
///
///     fn provide(self, cx: &Cx<'_, Vec<String>>) -> usize {
///         cx.data()[self.file as usize].lines().count()
///     }
/// }
///
/// let executor = dagwood::Executor::builder().workers(1).build()?;
/// let db = dagwood::Database::new(vec!["a\nb".to_owned()]);
/// assert_eq!(executor.run(&db, |cx| *cx.get(LineCount { file: 0 }))?, 2);
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Storage<Q> {
    /// In a hash table, under the whole key.
    Hashed,
    /// In a table by index: for keys that are numbers and lie close together, such as those of an
    /// [`Interner`](crate::Interner). A hit costs about half as much as a hashed one, a miss a
    /// third. Memory is taken for neighbours, too, some hundred at a time.
    ///
    /// An ask for a key whose index is 2^32 or more panics.
    Dense {
        /// The number of a key, always the same. Keys with one number are one query: all get the
        /// result of the one that was asked for first.
        index: fn(&Q) -> usize,
        /// The key with this number, for reports.
        key: fn(usize) -> Q,
    },
}
