//! Queries that ask for no fixpoint, asked for in an iteration: computed in place, and forgotten at the end of the round
//! if a provisional value went into them (cycle.md X5, X6).
//!
//! Used by `ask.rs` where its `Cx` belongs to an iteration.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use rustc_hash::FxHashMap;

use super::Iteration;
use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::query::Query;
use crate::query::ask::{Asked, provide, publish, record};
use crate::query::record::{Record, Recorder};
use crate::query::slot::{Ready, Slot};
use crate::query::table::name_of;
use crate::sched::fiber::without_runs;
use crate::sched::graph::{self, Awaited, Frame, Stopped, Subject};
use crate::sched::wait::Outcome;

/// What a query gave in this round.
struct Memo {
    /// A `Slot<V>` that is ready, or why there is none.
    given: Result<Box<dyn Any>, Error>,
    /// Whose provisional values went into it.
    reads: Vec<u32>,
}

/// The plain queries of an iteration, by the addresses of their slots.
#[derive(Default)]
pub(super) struct Plain {
    memos: RefCell<FxHashMap<*const (), Memo>>,
    /// Those that are computed here while another fiber has their claim.
    private: RefCell<FxHashMap<*const (), *const Awaited>>,
}

/// What a provider gave, and the error of the cycle that decided it meanwhile.
type Provided<V> = (Result<V, Payload>, Option<Error>);

/// What it asked for, if that is recorded.
type Noted = Option<Option<Box<Record>>>;

impl Plain {
    /// Other values are there to be read, and nobody reads what came of the old ones: between evaluations.
    pub(super) fn forget(&self) {
        let memos = std::mem::take(&mut *self.memos.borrow_mut());
        drop(memos);
    }
}

impl<'db, D: 'static> Iteration<'db, D> {
    /// Runs the provider of a slot that the current fiber has claimed.
    pub(crate) fn compute<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        if let Some(known) = self.known(asked.slot) {
            // SAFETY: the claim is ours.
            unsafe { asked.slot.abandon() }.wake();
            record(cx, asked.table, asked.slot);
            return known;
        }
        self.begin_reads();
        let ((result, cycle), noted) = self.provide(cx, asked);
        let reads = self.end_reads();
        if cycle.is_some() || reads.is_empty() {
            self.note_reads(&reads);
            record(cx, asked.table, asked.slot);
            if matches!(noted, Some(Some(_))) {
                asked.table.note_box();
            }
            return publish(cx, asked, result, cycle, || noted);
        }
        // SAFETY: the claim is ours, and no cycle has decided it.
        unsafe { asked.slot.abandon() }.wake();
        record(cx, asked.table, asked.slot);
        self.remember(asked, result, reads)
    }

    fn provide<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
    ) -> (Provided<Q::Value>, Noted) {
        let recorder = cx.database().is_recording().then(Recorder::new);
        let provided = provide(cx, asked, || recorder.as_ref());
        (provided, recorder.map(Recorder::finish))
    }

    /// What is known of this round.
    pub(crate) fn known<V: 'static>(&self, slot: &Slot<V>) -> Option<Result<Ready<'db, V>, Error>> {
        let memos = self.plain.memos.borrow();
        let memo = memos.get(&ptr::from_ref(slot).cast())?;
        self.note_reads(&memo.reads);
        Some(match &memo.given {
            Ok(given) => {
                let slot = given.downcast_ref::<Slot<V>>();
                let slot = ptr::from_ref(slot.expect("a slot has one type"));
                // SAFETY: forgotten only when no provider runs (`forget`), and a provider cannot keep what it read
                // (cycle.md X7).
                let slot: &'db Slot<V> = unsafe { &*slot };
                Ok(slot.ready().expect("a memo is ready"))
            }
            Err(error) => Err(error.clone()),
        })
    }

    /// Keeps what came of a provider that no cycle has decided.
    fn remember<Q: Query<D>>(
        &self,
        asked: &Asked<'_, 'db, Q, D>,
        result: Result<Q::Value, Payload>,
        reads: Vec<u32>,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        let given = match result {
            Ok(value) => Ok(value),
            Err(payload) => {
                let error = Error::from_payload(payload);
                if error.is_transient() {
                    self.note_reads(&reads);
                    return Err(error);
                }
                Err(error.in_query(without_runs(|| name_of(asked.key)).text))
            }
        };
        self.keep(asked.slot, given, reads)
    }

    /// Keeps a result for the rest of the round, and gives it.
    fn keep<V: Send + Sync + 'static>(
        &self,
        slot: &Slot<V>,
        given: Result<V, Error>,
        reads: Vec<u32>,
    ) -> Result<Ready<'db, V>, Error> {
        let given = given.map(|value| {
            // SAFETY: made by `Box::into_raw`, just now.
            let slot = unsafe { Box::from_raw(super::member::boxed(value)) };
            slot as Box<dyn Any>
        });
        let place = ptr::from_ref(slot).cast();
        let memo = Memo { given, reads };
        let old = self.plain.memos.borrow_mut().insert(place, memo);
        debug_assert!(old.is_none(), "a query is computed once a round");
        self.known(slot).expect("just put there")
    }

    /// Computes a query whose claim another fiber has, which waits for this iteration (cycle.md X6).
    pub(crate) fn compute_private<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        let place: *const () = ptr::from_ref(asked.slot).cast();
        let open = self.plain.private.borrow().get(&place).copied();
        if let Some(open) = open {
            // SAFETY: in the frame of a call of this below, on this stack.
            let open = unsafe { &*open };
            // It is below on this stack: a cycle without a member that asks for a fixpoint.
            match graph::wait_for(cx.fiber(), open) {
                Err(Stopped::Cycle(error)) => error.raise(),
                Err(Stopped::Refused(error)) => return Err(error),
                Ok(()) | Err(Stopped::Cut) => unreachable!("a wait for what is below"),
            }
        }
        let awaited = Awaited::new(cx.fiber());
        self.plain.private.borrow_mut().insert(place, &raw const awaited);
        self.begin_reads();
        cx.count(|counters| &counters.queries);
        // SAFETY: the kind's functions take a living `Asked` of this type.
        let subject = unsafe { Subject::new(Asked::<Q, D>::PRIVATE, asked) };
        let (result, cycle) = Frame::enter_as(cx.fiber(), &awaited, subject, || {
            catch_unwind(AssertUnwindSafe(|| {
                let cx = cx.in_provider(None);
                asked.key.clone().provide(&cx)
            }))
        });
        let reads = self.end_reads();
        self.plain.private.borrow_mut().remove(&place);
        awaited.list.close(Outcome::READY).wake();
        graph::settle();
        record(cx, asked.table, asked.slot);
        let Some(cycle) = cycle else {
            return self.remember(asked, result, reads);
        };
        without_runs(|| discard(result));
        self.note_reads(&reads);
        if cycle.is_transient() || Frame::is_innermost_in(cx.fiber(), &cycle) {
            cycle.raise();
        }
        let given = asked.key.recover(&cycle).ok_or(cycle);
        self.keep(asked.slot, given, reads)
    }
}
