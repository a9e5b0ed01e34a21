//! What those who wait for an iteration want of it: decided before it ends, as long as that holds nobody up (cycle.md X1).
//!
//! Used by asks that wait for the gate, and by the iteration at its end.

use std::ptr;
use std::sync::Arc;

use super::Iteration;
use crate::cx::Cx;
use crate::error::{Error, Reason, discard};
use crate::query::Query;
use crate::query::slot::Slot;
use crate::query::table::Table;
use crate::run::Run;
use crate::sched::cancel::{Region, Signal, UNWINDS};
use crate::sched::fiber::without_runs;

/// What one who waits for the gate wants.
pub(crate) struct Wanted<D> {
    table: *const (),
    slot: *const (),
    /// Makes it a node, of a database that has table and slot, unless it is decided.
    node: for<'i, 'db> unsafe fn(&'i Iteration<'db, D>, *const (), *const ()) -> Option<u32>,
    /// Set when nobody waits for it any more, or who does is told to end.
    end: Arc<Signal>,
}

/// Who waits for the gate wants something as long as this is there.
pub(in crate::query) struct Want(Arc<Signal>);

impl Want {
    /// For work of this region.
    pub(in crate::query) fn of(region: &Region) -> Self {
        Want(Arc::new(Signal::on_behalf_of(region)))
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        self.0.set(Reason::Dropped);
    }
}

// SAFETY: tables and slots are `Sync`, and live as long as their database, which has this.
unsafe impl<D> Send for Wanted<D> {}

impl<D: 'static> Wanted<D> {
    pub(in crate::query) fn new<Q: Query<D>>(
        table: &Table<Q, D>,
        slot: &Slot<Q::Value>,
        want: &Want,
    ) -> Self {
        /// # Safety
        ///
        /// Table and slot are of these types, and live for `'db`.
        unsafe fn node<'db, Q: Query<D>, D: 'static>(
            iteration: &Iteration<'db, D>,
            table: *const (),
            slot: *const (),
        ) -> Option<u32> {
            // SAFETY: by contract.
            let table: &'db Table<Q, D> = unsafe { &*table.cast() };
            // SAFETY: by contract.
            let known: &'db Slot<Q::Value> = unsafe { &*slot.cast() };
            if known.is_decided() {
                return None;
            }
            // SAFETY: a slot of this table, which somebody has asked for.
            Some(iteration.node(table, known, || unsafe { table.key_of(slot) }))
        }
        Wanted {
            table: ptr::from_ref(table).cast(),
            slot: ptr::from_ref(slot).cast(),
            node: node::<Q, D>,
            end: Arc::clone(&want.0),
        }
    }

    /// # Safety
    ///
    /// The iteration is of the database that this was made for.
    unsafe fn node(&self, iteration: &Iteration<'_, D>) -> Option<u32> {
        // SAFETY: by contract: the pointers are those of `new`, with the function for their types.
        unsafe { (self.node)(iteration, self.table, self.slot) }
    }
}

impl<'db, D: 'static> Iteration<'db, D> {
    /// Decides what those who wait for the gate want, as long as that needs no wait, so that not each of them comes in
    /// turn (X1).
    pub(super) fn decide_for_others(&self, cx: &Cx<'db, D>) {
        let wanted = std::mem::take(&mut *cx.database().wanted().lock());
        if !UNWINDS {
            // What cannot be unwound would have to wait.
            return;
        }
        self.is_for_others.set(true);
        for wanted in wanted {
            if wanted.end.reason().is_some() {
                continue;
            }
            let decide = |cx: &Cx<'db, D>| {
                // SAFETY: of this database.
                let root = unsafe { wanted.node(self) };
                root.map_or(Ok(()), |root| self.decide_all(cx, root))
            };
            // What goes wrong goes wrong for who wants it; and it ends when that one goes.
            let in_part = |part: &Run<'db, D>, cx: &Cx<'db, D>| part.root_in(cx, decide);
            let decided = || cx.part(&wanted.end, in_part).0;
            let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decided));
            if !matches!(tried, Ok(Ok(Ok(())))) {
                without_runs(|| discard(tried));
                return;
            }
        }
    }
}

impl<D> Iteration<'_, D> {
    /// Must be called before a wait for others: unwinds, if nobody who could be waited for is to be.
    pub(crate) fn may_wait(&self) {
        if self.is_for_others.get() {
            self.has_given_up.set(true);
            Error::cut().raise();
        }
    }

    /// Whether a wait was not to be: what comes of providers now does not count.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.get()
    }
}
