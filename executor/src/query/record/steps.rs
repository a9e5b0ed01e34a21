//! Records read: the steps of a provider, made of the entries that were taken down.
//!
//! Used by `Database::record`. Takes down nothing.

use std::fmt;

use rustc_hash::FxHashSet;

use super::{Entry, FORK, JOIN, NEXT, Record};
use crate::query::Query;
use crate::query::database::Database;
use crate::query::table::Table;

/// What a provider asked for, in program order, each query where it was first asked for; from
/// [`Database::record`](crate::Database::record).
pub type Steps<'db, D> = Vec<Step<'db, D>>;

/// A step of a provider.
///
/// What counts is the program, not who ran what where:
///
/// - What a [task](crate::Cx::spawn) asked for stands where it is waited for first, as if it had
///   been asked for there. A task that the provider does not wait for is no part of its record: its
///   result is not known to the provider.
/// - A [broadcast](crate::Cx::broadcast) is a fork with a branch for each worker, so its record
///   depends on their number, as its results do.
/// - Children that concurrent branches spawn into the scope around them stand in the order in which
///   they came: they are concurrent, so neither needs the other's answers.
///
/// Not recorded is what a provider does through a `run` of its own (of another executor, on
/// whatever database): to this database that is like reading a file. Nor is an ask that [had no
/// memory](crate::Error::is_exhausted) to wait: it had no answer.
pub enum Step<'db, D> {
    /// It asked for a query, whether that has a value or failed.
    Ask(Asked<'db, D>),
    /// It forked, by a join, a parallel loop, a scope or a broadcast. The branches that asked for
    /// something, in program order; in a loop each item is one. A scope's first branch is its body.
    Fork(Vec<Steps<'db, D>>),
}

/// A query that was asked for. Its `Debug` is that of the key.
///
/// In the sequential build it can be looked at only on the database's own thread; elsewhere that
/// panics.
pub struct Asked<'db, D> {
    entry: Entry,
    database: &'db Database<D>,
}

impl<D> Clone for Asked<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Asked<'_, D> {}

/// Whether it is the same query of the same database.
impl<D> PartialEq for Asked<'_, D> {
    fn eq(&self, other: &Self) -> bool {
        self.entry.slot == other.entry.slot
    }
}

impl<D> Eq for Asked<'_, D> {}

impl<D> std::hash::Hash for Asked<'_, D> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.entry.slot.hash(state);
    }
}

impl<'db, D: 'static> Asked<'db, D> {
    /// The query, if it is of this type.
    ///
    /// # Panics
    ///
    /// In the sequential build: if the database belongs to another thread.
    pub fn key<Q: Query<D>>(&self) -> Option<Q> {
        self.database.check_thread();
        // SAFETY: tables live as long as the database.
        let head = unsafe { &*self.entry.table };
        if *head.id != std::any::TypeId::of::<Q>() {
            return None;
        }
        // SAFETY: a table with this id was made with these types, and begins with its head.
        let table = unsafe { &*self.entry.table.cast::<Table<Q, D>>() };
        // SAFETY: an ask was for a slot of this table.
        Some(unsafe { table.key_of(self.entry.slot) })
    }

    /// What this query asked for itself, as [`Database::record`] says it: so all that a query depends on can be walked
    /// through, whatever its types. `None` if it has no value: it failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Cx, Database, Executor, Query, Step};
    ///
    /// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    /// struct Down(u32);
    ///
    /// impl Query<()> for Down {
    ///     type Value = u32;
    ///     fn provide(self, cx: &Cx<'_, ()>) -> u32 {
    ///         self.0.checked_sub(1).map_or(0, |n| 1 + *cx.get(Down(n)))
    ///     }
    /// }
    ///
    /// let db = Database::new(()).record_all();
    /// Executor::builder().workers(2).build()?.run(&db, |cx| *cx.get(Down(2)))?;
    /// let steps = db.record(&Down(2)).unwrap();
    /// let [Step::Ask(asked)] = &steps[..] else { panic!() };
    /// assert_eq!(format!("{:?}", asked.steps().unwrap()), "[Down(0)]");
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In the sequential build: if the database belongs to another thread.
    pub fn steps(&self) -> Option<Steps<'db, D>> {
        self.database.check_thread();
        // SAFETY: tables live as long as the database.
        let record_of = unsafe { &*self.entry.table }.record;
        // SAFETY: an ask was for a slot of this table, which lives.
        let record = unsafe { record_of(self.entry.slot) }?;
        // SAFETY: null, or kept by the slot.
        let record: Option<&'db Record> = unsafe { record.as_ref() };
        Some(Asked::steps_of(self.database, record))
    }

    /// The steps of a record of this database; without one there are none.
    pub(in crate::query) fn steps_of(
        database: &'db Database<D>,
        record: Option<&'db Record>,
    ) -> Steps<'db, D> {
        let Some(record) = record else {
            return Vec::new();
        };
        let mut known = FxHashSet::default();
        // The branches of the open forks, each of which ends with the steps of its open branch.
        let mut open: Vec<Vec<Steps<'db, D>>> = vec![vec![Vec::new()]];
        // What is left of the record, and of those of the tasks that are waited for in it, the
        // innermost last.
        let mut left = vec![record.entries.iter()];
        while let Some(entries) = left.last_mut() {
            let Some(entry) = entries.next() else {
                left.pop();
                continue;
            };
            let branches = open
                .last_mut()
                .expect("forks are joined as often as they begin");
            let steps = branches.last_mut().expect("a fork has a branch");
            if entry.is(FORK) {
                open.push(vec![Vec::new()]);
            } else if entry.is(NEXT) {
                branches.push(Vec::new());
            } else if entry.is(JOIN) {
                let mut branches = open.pop().expect("it began");
                branches.retain(|branch| !branch.is_empty());
                let around = open.last_mut().and_then(|branches| branches.last_mut());
                if !branches.is_empty() {
                    around.expect("it began").push(Step::Fork(branches));
                }
            } else if known.insert(entry.slot) {
                match entry.task() {
                    // SAFETY: kept by the record that has the entry, as that is by the slot.
                    Some(task) => left.push(unsafe { &*task }.entries.iter()),
                    None => steps.push(Step::Ask(Asked {
                        entry: *entry,
                        database,
                    })),
                }
            }
        }
        open.pop()
            .and_then(|mut branches| branches.pop())
            .unwrap_or_default()
    }
}

impl<D> fmt::Debug for Asked<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.check_thread();
        // SAFETY: tables live as long as the database.
        let describe = unsafe { &*self.entry.table }.describe;
        // SAFETY: an ask was for a slot of this table, which lives.
        let name = unsafe { describe(self.entry.table, self.entry.slot) };
        f.write_str(&name.text)
    }
}

impl<D> fmt::Debug for Step<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Ask(asked) => asked.fmt(f),
            Step::Fork(branches) => {
                f.write_str("{")?;
                for (number, branch) in branches.iter().enumerate() {
                    let separator = if number > 0 { " | " } else { "" };
                    write!(f, "{separator}{branch:?}")?;
                }
                f.write_str("}")
            }
        }
    }
}
