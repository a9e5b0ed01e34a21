//! Memoised queries: what a user writes, and how an ask is served.

mod arena;
pub(crate) mod ask;
pub(crate) mod database;
mod slot;
mod table;

use std::fmt::Debug;
use std::hash::Hash;

use crate::cx::Cx;

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

    /// Computes the value.
    fn provide(self, cx: &Cx<'_, D>) -> Self::Value;
}
