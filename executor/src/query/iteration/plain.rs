//! Queries that ask for no fixpoint, asked for in an iteration: computed in place, and anew when a provisional value that
//! went into them is another (cycle.md X5, X6).
//!
//! Used by `ask.rs` where its `Cx` belongs to an iteration.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use rustc_hash::FxHashMap;

use super::Iteration;
use super::bundles::Read;
use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::query::Query;
use crate::query::ask::{Asked, publish, record};
use crate::query::record::{Record, Recorder};
use crate::query::slot::{Ready, Slot};
use crate::query::table::name_of;
use crate::sched::fiber::without_runs;
use crate::sched::graph::{self, Awaited, Decide, Frame, Kind, Name, Role, Stopped, Subject};
use crate::sched::wait::{Outcome, Waiters};

/// What a query gave.
struct Memo {
    /// A `Slot<V>` that is ready, or why there is none.
    given: Result<Box<dyn Any>, Error>,
    /// Whose provisional values went into it.
    read: Option<Read>,
    good: Good,
}

/// How long a memo is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    /// As long as what went into it is as it was at this time.
    From(u64),
    /// In this round.
    In(u64),
}

/// The plain queries of an iteration, by the addresses of their slots.
#[derive(Default)]
pub(super) struct Plain {
    memos: RefCell<FxHashMap<*const (), Memo>>,
    /// Those that are computed here while another fiber has their claim.
    private: RefCell<FxHashMap<*const (), *const Awaited>>,
    /// The number of the round.
    round: Cell<u64>,
}

impl Plain {
    /// Forgets all: between evaluations.
    pub(super) fn forget(&self) {
        let memos = std::mem::take(&mut *self.memos.borrow_mut());
        drop(memos);
    }

    /// Other values are there to be read: between evaluations.
    pub(super) fn end_round(&self) {
        self.round.set(self.round.get() + 1);
    }
}

/// A query that is being computed in an iteration: what the wait graph is told of.
struct Inside<'a, 'db, Q: Query<D>, D: 'static> {
    asked: &'a Asked<'a, 'db, Q, D>,
    iteration: &'a Iteration<'db, D>,
    /// How many evaluations were under way before it.
    depth: usize,
    /// Whether another fiber has its claim.
    is_private: bool,
}

impl<Q: Query<D>, D: 'static> Inside<'_, '_, Q, D> {
    const KIND: &'static Kind = &Kind {
        role: Role::Work,
        query: Some(std::any::type_name::<Q>),
        describe: Some(Self::describe),
        decide: Some(Decide {
            put: Self::put,
            close: Self::close,
        }),
        is_provisional: Some(Self::is_provisional),
        abandon: Some(Self::abandon),
    };

    /// # Safety
    ///
    /// `inside` is a living one of this type.
    unsafe fn asked<'a>(inside: NonNull<()>) -> NonNull<()>
    where
        Self: 'a,
    {
        // SAFETY: by contract.
        NonNull::from(unsafe { inside.cast::<Self>().as_ref() }.asked).cast()
    }

    /// # Safety
    ///
    /// As for `asked`.
    unsafe fn describe(inside: NonNull<()>) -> Name {
        // SAFETY: by contract.
        let asked = unsafe { Self::asked(inside) };
        // SAFETY: alive as `inside` is.
        unsafe { Asked::<Q, D>::describe(asked) }
    }

    /// # Safety
    ///
    /// As for [`Asked::put`], and it is not provisional.
    unsafe fn put(inside: NonNull<()>, cycle: &Error) -> Outcome {
        // SAFETY: by contract.
        let asked = unsafe { Self::asked(inside) };
        // SAFETY: by contract; the claim is the iteration's, which is stuck or the caller.
        unsafe { Asked::<Q, D>::put(asked, cycle) }
    }

    /// # Safety
    ///
    /// As for `put`, which gave the outcome.
    unsafe fn close(inside: NonNull<()>, outcome: Outcome) -> Waiters {
        // SAFETY: by contract.
        let asked = unsafe { Self::asked(inside) };
        // SAFETY: by contract.
        unsafe { Asked::<Q, D>::close(asked, outcome) }
    }

    /// # Safety
    ///
    /// As for [`Asked::abandon`].
    unsafe fn abandon(inside: NonNull<()>) -> Waiters {
        // SAFETY: by contract.
        let this = unsafe { inside.cast::<Self>().as_ref() };
        let slot = this.asked.slot;
        if this.is_private || slot.is_decided() {
            // The claim is another's, or a cycle has ended it.
            return Waiters::none();
        }
        // SAFETY: by contract.
        let asked = unsafe { Self::asked(inside) };
        // SAFETY: by contract; the claim is the iteration's.
        unsafe { Asked::<Q, D>::abandon(asked) }
    }

    /// Whether it, or what it waits for on this stack, has read a provisional value; or is not here to be decided.
    ///
    /// # Safety
    ///
    /// As for `asked`, and its fiber is the current one, or stuck while the graph's lock is held.
    unsafe fn is_provisional(inside: NonNull<()>) -> bool {
        // SAFETY: by contract.
        let inside = unsafe { inside.cast::<Self>().as_ref() };
        let reads = inside.iteration.reads.borrow();
        inside.is_private || reads[inside.depth..].iter().any(|reads| !reads.is_empty())
    }
}

/// What came of a provider.
struct Ran<V> {
    result: Result<V, Payload>,
    /// The error of the cycle that decided it meanwhile.
    cycle: Option<Error>,
    /// Whose provisional values it has read.
    reads: Vec<Read>,
    /// What it asked for, if that is recorded.
    record: Option<Option<Box<Record>>>,
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
        let before = cx.run().failure_count();
        let ran = self.run_plain(cx, asked, asked.slot.awaited(), false);
        let failures = self.failures_since(cx, before);
        record(cx, asked.table, asked.slot);
        let is_decided = asked.slot.is_decided();
        if self.has_given_up() && !is_decided {
            // SAFETY: the claim is ours, and no cycle has decided it.
            unsafe { asked.slot.abandon() }.wake();
            without_runs(|| discard((ran.result, failures)));
            Error::cut().raise();
        }
        let is_left_over = ran.cycle.as_ref().is_some_and(Error::is_left_over);
        let is_final = ran.reads.is_empty() && ran.cycle.is_none();
        if is_decided || is_left_over || is_final {
            self.note_reads(&ran.reads);
            self.forward(failures);
            if matches!(ran.record, Some(Some(_))) {
                asked.table.note_box();
            }
            return publish(cx, asked, ran.result, ran.cycle, || ran.record.flatten());
        }
        // SAFETY: the claim is ours, and no cycle has decided it.
        unsafe { asked.slot.abandon() }.wake();
        without_runs(|| discard(failures));
        self.remember(cx, asked, ran)
    }

    /// What a query below on this stack, which does `awaited`, is in this round as a member of a cycle, if it is one: for
    /// what is left of its forks.
    pub(crate) fn decided<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
        awaited: &Awaited,
    ) -> Option<Result<Ready<'db, Q::Value>, Error>> {
        let (cycle, count) = Frame::cycle_of(cx.fiber(), awaited)?;
        if cycle.is_transient() {
            return None;
        }
        let around = self.reads.borrow();
        let reads = around[around.len() - count..].iter().flatten().copied();
        let reads: Vec<Read> = reads.collect();
        drop(around);
        record(cx, asked.table, asked.slot);
        let given = without_runs(|| asked.as_member(cycle));
        Some(self.keep(asked.slot, given, reads, self.in_this_round()))
    }

    /// Runs a provider that does `awaited`.
    fn run_plain<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
        awaited: &Awaited,
        is_private: bool,
    ) -> Ran<Q::Value> {
        let inside = Inside {
            asked,
            iteration: self,
            depth: self.reads.borrow().len(),
            is_private,
        };
        cx.count(|counters| &counters.queries);
        let recorder = cx.database().is_recording().then(Recorder::new);
        self.begin_reads();
        // SAFETY: the kind's functions take a living `Inside` of this type.
        let subject = unsafe { Subject::new(Inside::<Q, D>::KIND, &inside) };
        let (result, cycle) = Frame::enter_as(cx.fiber(), awaited, subject, || {
            catch_unwind(AssertUnwindSafe(|| {
                let cx = cx.in_provider(recorder.as_ref());
                asked.key.clone().provide(&cx)
            }))
        });
        Ran {
            result,
            cycle,
            reads: self.end_reads(),
            record: recorder.map(Recorder::finish),
        }
    }

    fn in_this_round(&self) -> Good {
        Good::In(self.plain.round.get())
    }

    /// Whether a memo is what would be computed now.
    fn is_good(&self, memo: &Memo) -> bool {
        match (memo.good, memo.read) {
            (Good::From(time), Some(read)) => self.bundles.borrow().is_as_at(read, time),
            (good, _) => good == self.in_this_round(),
        }
    }

    /// What is known with the values of now.
    pub(crate) fn known<V: 'static>(&self, slot: &Slot<V>) -> Option<Result<Ready<'db, V>, Error>> {
        let place: *const () = ptr::from_ref(slot).cast();
        let memos = self.plain.memos.borrow();
        let memo = memos.get(&place)?;
        if !self.is_good(memo) {
            drop(memos);
            let old = self.plain.memos.borrow_mut().remove(&place);
            // The evaluation under way was not given it: it was good no more when that began.
            without_runs(|| discard(old));
            return None;
        }
        self.note_reads(memo.read.as_slice());
        Some(match &memo.given {
            Ok(given) => {
                let slot = given.downcast_ref::<Slot<V>>();
                let slot = ptr::from_ref(slot.expect("a slot has one type"));
                // SAFETY: dropped when no provider runs (`forget`), or above, where it is good no more: then no provider that
                // runs was given it, since what ends it, the end of a round and a node that changes or is decided, comes
                // between two evaluations, which never overlap. And a provider cannot keep what it read (cycle.md X7).
                let slot: &'db Slot<V> = unsafe { &*slot };
                Ok(slot.ready().expect("a memo is ready"))
            }
            Err(error) => Err(error.clone()),
        })
    }

    /// Keeps what came of a provider as long as it is what would be computed, and gives it.
    fn remember<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
        ran: Ran<Q::Value>,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        let Ran {
            result,
            cycle,
            reads,
            ..
        } = ran;
        let given = match (cycle, result) {
            (Some(cycle), result) => {
                without_runs(|| discard(result));
                return self.remember_member(cx, asked, cycle, reads);
            }
            (None, Ok(value)) => Ok(value),
            (None, Err(payload)) => {
                let error = Error::from_payload(payload);
                if error.is_transient() {
                    self.note_reads(&reads);
                    return Err(error);
                }
                Err(error.in_query(without_runs(|| name_of(asked.key)).text))
            }
        };
        let good = Good::From(self.bundles.borrow().clock());
        self.keep(asked.slot, given, reads, good)
    }

    /// Keeps what a query is as a member of a cycle that provisional values have led to: those that any member has read.
    fn remember_member<Q: Query<D>>(
        &self,
        cx: &Cx<'db, D>,
        asked: &Asked<'_, 'db, Q, D>,
        cycle: Error,
        mut reads: Vec<Read>,
    ) -> Result<Ready<'db, Q::Value>, Error> {
        if cycle.is_cancelled() {
            self.note_reads(&reads);
            return Err(cycle);
        }
        if cycle.is_transient() {
            cycle.raise();
        }
        let others = Frame::innermost_queries_in(cx.fiber(), &cycle);
        let around = self.reads.borrow();
        reads.extend(around[around.len() - others..].iter().flatten());
        drop(around);
        let given = without_runs(|| asked.as_member(&cycle));
        let kept = self.keep(asked.slot, given, reads, self.in_this_round());
        if others > 0 {
            cycle.raise();
        }
        kept
    }

    /// Keeps a result as long as it is good, and gives it.
    fn keep<V: Send + Sync + 'static>(
        &self,
        slot: &Slot<V>,
        given: Result<V, Error>,
        reads: Vec<Read>,
        good: Good,
    ) -> Result<Ready<'db, V>, Error> {
        let given = given.map(|value| {
            // SAFETY: made by `Box::into_raw`, just now.
            let slot = unsafe { Box::from_raw(super::member::boxed(value)) };
            slot as Box<dyn Any>
        });
        let place = ptr::from_ref(slot).cast();
        let read = self.bundles.borrow_mut().bundle(reads);
        self.note_reads(read.as_slice());
        let good = if read.is_some() {
            good
        } else {
            self.in_this_round()
        };
        let memo = Memo { given, read, good };
        // Of a member of a cycle the first is kept, which may have been read: this one is the same.
        let mut memos = self.plain.memos.borrow_mut();
        let second = match memos.entry(place) {
            Entry::Vacant(gap) => {
                gap.insert(memo);
                None
            }
            Entry::Occupied(_) => Some(memo),
        };
        drop(memos);
        without_runs(|| discard(second));
        self.known(slot).expect("just put there")
    }

    /// Computes a query whose claim another fiber has, which waits for this iteration (X6).
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
            if let Some(decided) = self.decided(cx, asked, open) {
                return decided;
            }
            // A cycle of plain queries.
            // SAFETY: the kind's functions take a living `Asked` of this type.
            let what = unsafe { Subject::new(Asked::<Q, D>::KIND, asked) };
            match graph::wait_for(cx.fiber(), open, what) {
                Err(Stopped::Cycle(error)) => error.raise(),
                Err(Stopped::Refused(error)) => return Err(error),
                Ok(()) | Err(Stopped::Cut) => unreachable!("a wait for what is below"),
            }
        }
        let awaited = Awaited::new(cx.fiber());
        self.plain
            .private
            .borrow_mut()
            .insert(place, &raw const awaited);
        let before = cx.run().failure_count();
        let ran = self.run_plain(cx, asked, &awaited, true);
        // Who has the claim tells of them.
        let failures = self.failures_since(cx, before);
        without_runs(|| discard(failures));
        self.plain.private.borrow_mut().remove(&place);
        awaited.list.close(Outcome::READY).wake();
        graph::settle();
        record(cx, asked.table, asked.slot);
        self.remember(cx, asked, ran)
    }
}
