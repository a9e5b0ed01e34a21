//! Query types that ask for a fixpoint where they lie on a cycle: how a type says so, and how an ask for one is served.
//!
//! Used by `ask.rs`. What happens inside is `iteration.rs`; rules: cycle.md.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Query;
use super::ask::{Asked, record};
use super::iteration::{Iteration, Want, Wanted};
use super::slot::{Found, Ready, Slot};
use super::table::Table;
use crate::cx::Cx;
use crate::error::Error;
use crate::run::{Run, run_here};
use crate::sched::graph::{self, Stopped, Subject};
use crate::sched::wanted::{end_of, told};

/// How a query type takes part in cycles: by iteration from a first value until nothing changes
/// ([`Query::FIXPOINT`]).
///
/// # Examples
///
/// ```
/// use std::collections::BTreeSet;
///
/// use dagwood::{Cx, Database, Executor, Fixpoint, Query};
///
/// /// What can be reached from a node, itself included.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// struct Reachable(usize);
///
/// impl Query<Vec<Vec<usize>>> for Reachable {
///     type Value = BTreeSet<usize>;
///     const FIXPOINT: Option<Fixpoint<Self, Self::Value>> = Some(Fixpoint::new(|_| BTreeSet::new()));
///
///     fn provide(self, cx: &Cx<'_, Vec<Vec<usize>>>) -> BTreeSet<usize> {
///         let mut reached = BTreeSet::from([self.0]);
///         for next in &cx.data()[self.0] {
///             reached.extend(cx.get(Reachable(*next)));
///         }
///         reached
///     }
/// }
///
/// // 0 and 1 are a cycle, which leads to 2.
/// let db = Database::new(vec![vec![1], vec![0, 2], vec![]]);
/// Executor::builder().workers(2).build()?.run(&db, |cx| {
///     assert_eq!(cx.get(Reachable(0)), cx.get(Reachable(1)));
///     assert_eq!(cx.get(Reachable(0)).len(), 3);
///     assert_eq!(cx.get(Reachable(2)).len(), 1);
/// })?;
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Debug)]
pub struct Fixpoint<Q, V> {
    pub(super) initial: fn(&Q) -> V,
    pub(super) is_same: fn(&V, &V) -> bool,
    pub(super) rounds_max: u32,
}

impl<Q, V> Clone for Fixpoint<Q, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q, V> Copy for Fixpoint<Q, V> {}

impl<Q, V> Fixpoint<Q, V> {
    /// What [`rounds_max`](Self::rounds_max) is, unless it is set.
    pub const ROUNDS_MAX: u32 = 100_000;

    /// Iteration from what `initial` gives for each member's key, until a round gives what the one before gave.
    ///
    /// For the least fixpoint, `initial` gives the least value, and the provider gives no less for greater answers.
    pub const fn new(initial: fn(&Q) -> V) -> Self
    where
        V: PartialEq,
    {
        Fixpoint {
            initial,
            is_same: V::eq,
            rounds_max: Self::ROUNDS_MAX,
        }
    }

    /// After so many rounds in which something changed the members fail, with an error that
    /// [says so](crate::Error::is_diverged). Of a cycle's members the least counts.
    #[must_use]
    pub const fn rounds_max(mut self, rounds: u32) -> Self {
        self.rounds_max = rounds;
        self
    }
}

/// Asks for a query of a type that asks for fixpoints, and that was not found ready.
#[cold]
#[inline(never)]
pub(super) fn ask<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    key: Q,
) -> Result<Ready<'db, Q::Value>, Error> {
    let slot = table.reach(Table::place(&key), &key, cx.fiber());
    let gate = cx.database().gate();
    let mut want = None;
    loop {
        if let Some(result) = result_of(cx, table, slot) {
            return result;
        }
        if let Some(iteration) = cx.run().iteration() {
            return iteration.read(cx, table, slot, key);
        }
        if let Some(error) = end_of(cx.fiber()) {
            return Err(told(cx.fiber(), error));
        }
        cx.settle_item();
        if gate.claim(cx.fiber()) {
            iterate(cx, table, slot, &key)?;
            continue;
        }
        let want = want.get_or_insert_with(|| Want::of(cx.run().region()));
        let wanted = Wanted::new(table, slot, want);
        cx.database().wanted().lock().push(wanted);
        let is_over = || slot.is_decided() || gate.is_empty();
        let Some(_waiting) = cx
            .database()
            .crowd()
            .join(cx.fiber(), gate.awaited(), is_over)
        else {
            continue;
        };
        let asked = Asked {
            table,
            slot,
            key: &key,
        };
        // SAFETY: the kind's functions take a living `Asked` of this type.
        let what = unsafe { Subject::new(Asked::<Q, D>::KIND, &asked) };
        match graph::wait_for(cx.fiber(), gate.awaited(), what) {
            Ok(()) => (),
            Err(Stopped::Cycle(error)) => error.raise(),
            Err(Stopped::Refused(error)) => return Err(error),
            Err(Stopped::Cut) => unreachable!("not a wait that can be cut"),
        }
    }
}

/// The result, if it is there.
fn result_of<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &Table<Q, D>,
    slot: &'db Slot<Q::Value>,
) -> Option<Result<Ready<'db, Q::Value>, Error>> {
    let result = match slot.look() {
        Found::Ready(ready) => Ok(ready),
        Found::Failed(error) => Err(error.clone()),
        // In progress: for a moment, while its entry is made or its result is published.
        Found::InProgress | Found::Empty => return None,
    };
    record(cx, table, slot);
    Some(result)
}

/// Decides `slot`, and what it needs. The database's gate is ours, and is given back.
fn iterate<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    slot: &'db Slot<Q::Value>,
    key: &Q,
) -> Result<(), Error> {
    let gate = cx.database().gate();
    let iteration = Iteration::new(gate, cx.run(), cx.fiber());
    // SAFETY: the counters are those of the run around, which outlives this one.
    let run = unsafe { Run::iterating(cx.run(), &raw const iteration) };
    let fiber = cx.fiber();
    // User code (`initial`, `eq`, a destructor) may panic.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let decide = |cx: &Cx<'db, D>| iteration.decide(cx, table, slot, key);
        run_here(&run, decide, fiber.executor(), fiber.segment_bytes())
    }));
    // SAFETY: the claim is ours.
    unsafe { gate.abandon() }.wake();
    match ended {
        Ok(ended) => ended?,
        Err(payload) => resume_unwind(payload),
    }
}
