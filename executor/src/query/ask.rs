#![doc = include_str!("claim.md")]
//!
//! How an ask is served. Used by `Cx` only; knows no worker.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use super::record::{Record, Recorder};
use super::slot::{Found, Ready, Slot};
use super::table::{Place, Placed, Table, name_of};
use super::{Query, fixpoint};
use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::plant;
use crate::sched::fiber::without_runs;
use crate::sched::graph::{self, Decide, Frame, Kind, Name, Role, Stopped, Subject};
use crate::sched::room::{self, Here};
use crate::sched::wait::{Outcome, Waiters};
use crate::sched::wanted::{end_of, told};

/// Asks for a query. The fast path: a table's address, a probe, one acquire load.
///
/// # Errors
///
/// The query failed. If the ask itself is part of a cycle it does not return: the provider around
/// it is unwound.
#[inline]
pub(crate) fn ask<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    key: Q,
) -> Result<&'db Q::Value, Error> {
    let table = cx.database().table::<Q>();
    let place = Table::place(&key);
    let ready = match table.find(place, &key) {
        None => compute(cx, table, Start::Absent(place), key),
        Some(slot) => match slot.ready_if(cx.hit_tag()) {
            Some(ready) => Ok(ready),
            None if Table::<Q, D>::IS_CLAIMED_AT_ONCE && slot.is_empty() => {
                compute(cx, table, Start::Empty(slot), key)
            }
            None => ask_again(cx, table, slot, key),
        },
    };
    ready.map(Ready::value)
}

/// What is known of a slot when its query is to be computed.
enum Start<'db, V> {
    /// It is not there yet.
    Absent(Place),
    /// It was empty. Of types whose slots are [claimed at once](Table::IS_CLAIMED_AT_ONCE).
    Empty(&'db Slot<V>),
    /// The current fiber has claimed it.
    Claimed(&'db Slot<V>),
}

/// The ask for a query whose slot is there, but not (as far as the fast path looks) ready. Most often it is, and the hit
/// is to be recorded.
#[cold]
#[inline(never)]
fn ask_again<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    slot: &'db Slot<Q::Value>,
    key: Q,
) -> Result<Ready<'db, Q::Value>, Error> {
    if Table::<Q, D>::IS_DENSE && slot.is_absent() {
        return compute(cx, table, Start::Absent(Table::place(&key)), key);
    }
    match slot.look() {
        Found::Ready(ready) if !cx.run().has_statistics() => {
            record(cx, table, slot);
            Ok(ready)
        }
        _ if Q::FIXPOINT.is_some() => fixpoint::ask(cx, table, key),
        _ => ask_slowly(cx, table, slot, key),
    }
}

/// Everything but a hit.
#[cold]
#[inline(never)]
fn ask_slowly<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    slot: &'db Slot<Q::Value>,
    key: Q,
) -> Result<Ready<'db, Q::Value>, Error> {
    let mut is_hit = true;
    loop {
        match slot.look() {
            Found::Ready(ready) => {
                if is_hit {
                    cx.count(|counters| &counters.hits);
                }
                record(cx, table, slot);
                return Ok(ready);
            }
            Found::Failed(error) => {
                record(cx, table, slot);
                return Err(error.clone());
            }
            Found::Empty if slot.claim(cx.fiber()) => {
                return compute(cx, table, Start::Claimed(slot), key);
            }
            Found::Empty => (),
            Found::InProgress => {
                is_hit = false;
                cx.settle_item();
                let asked = Asked {
                    table,
                    slot,
                    key: &key,
                };
                let iteration = cx.run().iteration();
                if let Some(known) = iteration.and_then(|iteration| iteration.known(slot)) {
                    record(cx, table, slot);
                    return known;
                }
                if let Some(iteration) = iteration {
                    if let Some(decided) = iteration.decided(cx, &asked, slot.awaited()) {
                        return decided;
                    }
                    iteration.may_wait();
                }
                // SAFETY: the kind's functions take a living `Asked` of this type.
                let what = unsafe { Subject::new(Asked::<Q, D>::KIND, &asked) };
                let waited = match iteration {
                    None => graph::wait_for(cx.fiber(), slot.awaited(), what),
                    Some(_) => graph::wait_for_or_cut(cx.fiber(), slot.awaited(), what),
                };
                match (waited, iteration) {
                    (Ok(()), _) => (),
                    (Err(Stopped::Cycle(error)), _) => error.raise(),
                    (Err(Stopped::Refused(error)), _) => return Err(error),
                    (Err(Stopped::Cut), Some(iteration)) => {
                        return iteration.compute_private(cx, &asked);
                    }
                    (Err(Stopped::Cut), None) => unreachable!("only iterations cut"),
                }
            }
        }
    }
}

/// Takes the ask down, if who asks is recorded.
#[inline]
pub(super) fn record<Q: Query<D>, D: 'static>(
    cx: &Cx<'_, D>,
    table: &Table<Q, D>,
    slot: &Slot<Q::Value>,
) {
    if let Some(recorder) = cx.recorder() {
        recorder.ask(&raw const table.head, std::ptr::from_ref(slot).cast());
    }
}

/// A query that the current fiber has claimed: what the wait graph is told of.
pub(crate) struct Asked<'a, 'db, Q: Query<D>, D> {
    pub(super) table: &'db Table<Q, D>,
    pub(super) slot: &'db Slot<Q::Value>,
    pub(super) key: &'a Q,
}

impl<Q: Query<D>, D: 'static> Asked<'_, '_, Q, D> {
    pub(super) const KIND: &'static Kind = &Kind {
        role: Role::Work,
        query: Some(std::any::type_name::<Q>),
        describe: Some(Self::describe),
        decide: Some(Decide {
            put: Self::put,
            close: Self::close,
        }),
        is_provisional: None,
        abandon: Some(Self::abandon),
    };

    /// Publishes a failure; the waiters must be woken.
    ///
    /// # Safety
    ///
    /// As for [`Slot::fail`].
    unsafe fn fail(&self, error: Error) -> Waiters {
        self.table.note_box();
        // SAFETY: by contract.
        unsafe { self.slot.fail(error) }
    }

    /// # Safety
    ///
    /// `asked` is a living one of this type.
    pub(super) unsafe fn describe(asked: NonNull<()>) -> Name {
        // SAFETY: by contract.
        name_of(unsafe { asked.cast::<Self>().as_ref() }.key)
    }

    /// Puts in what the query gives as a member of a cycle.
    ///
    /// # Safety
    ///
    /// As for `describe`, and the claim's owner goes no further.
    pub(super) unsafe fn abandon(asked: NonNull<()>) -> Waiters {
        // SAFETY: as in `describe`.
        let asked = unsafe { asked.cast::<Self>().as_ref() };
        // SAFETY: by contract: nobody else ends the claim.
        unsafe { asked.slot.abandon() }
    }

    /// # Safety
    ///
    /// As for `describe`, and the caller decides a cycle in which the slot's owner is stuck.
    pub(super) unsafe fn put(asked: NonNull<()>, cycle: &Error) -> Outcome {
        // SAFETY: as in `describe`.
        let asked = unsafe { asked.cast::<Self>().as_ref() };
        match asked.as_member(cycle) {
            // SAFETY: by contract.
            Ok(value) => unsafe { asked.slot.put_value(value) },
            Err(error) => {
                asked.table.note_box();
                // SAFETY: by contract.
                unsafe { asked.slot.put_failure(error) }
            }
        }
    }

    /// What the query gives as a member of a cycle. Runs user code (`recover`).
    pub(super) fn as_member(&self, cycle: &Error) -> Result<Q::Value, Error> {
        if plant::is("unasked_recovery") {
            return Err(cycle.clone());
        }
        match catch_unwind(AssertUnwindSafe(|| self.key.recover(cycle))) {
            Ok(recovered) => recovered.ok_or_else(|| cycle.clone()),
            Err(payload) => Err(Error::from_payload(payload).in_query(name_of(self.key).text)),
        }
    }

    /// # Safety
    ///
    /// As for `put`, which gave the outcome.
    pub(super) unsafe fn close(asked: NonNull<()>, outcome: Outcome) -> Waiters {
        // SAFETY: as in `describe`.
        let asked = unsafe { asked.cast::<Self>().as_ref() };
        // SAFETY: by contract.
        unsafe { asked.slot.close(outcome) }
    }
}

/// Claims the slot, if nobody else is faster, runs the provider, and publishes what comes of it.
///
/// All of this is one function, with one small frame. Where queries nest deeply, processors, which remember some 30 returns,
/// guess the others wrongly unless each goes to the same place: a second function a level makes a miss by index take half as
/// long again.
#[cold]
#[inline(never)]
fn compute<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    start: Start<'db, Q::Value>,
    key: Q,
) -> Result<Ready<'db, Q::Value>, Error> {
    if let (Some(_), Start::Absent(_)) = (Q::FIXPOINT, &start) {
        return fixpoint::ask(cx, table, key);
    }
    cx.settle_item();
    // (The key may lie in the asker's frame, far from here.)
    let here = Here::uninit();
    if cx.is_deep_or_cancelled(&raw const here) {
        return compute_otherwise(cx, table, start, key);
    }
    let slot = match start {
        Start::Absent(place) => match table.find_or_claim(place, &key, cx.fiber()) {
            Placed::Claimed(slot) => slot,
            Placed::Found(slot) => return ask_again(cx, table, slot, key),
        },
        Start::Empty(slot) if slot.claim(cx.fiber()) => slot,
        Start::Empty(slot) => return ask_again(cx, table, slot, key),
        Start::Claimed(slot) => slot,
    };
    let asked = &Asked {
        table,
        slot,
        key: &key,
    };
    if cx.hit_tag() != Outcome::READY || !cx.is_bare() {
        return compute_watched(cx, asked);
    }
    let (result, cycle) = provide(cx, asked, |key| key.provide(cx));
    publish(cx, asked, result, cycle, || None)
}

/// The same where each ask is seen.
#[cold]
#[inline(never)]
fn compute_watched<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    asked: &Asked<'_, 'db, Q, D>,
) -> Result<Ready<'db, Q::Value>, Error> {
    if let Some(iteration) = cx.run().iteration() {
        return iteration.compute(cx, asked);
    }
    if cx.database().is_recording() {
        return compute_recorded(cx, asked);
    }
    let (result, cycle) = provide(cx, asked, |key| key.provide(&cx.in_provider(None)));
    publish(cx, asked, result, cycle, || None)
}

/// The same in a database that records: apart, so that the other frames are small.
#[cold]
#[inline(never)]
fn compute_recorded<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    asked: &Asked<'_, 'db, Q, D>,
) -> Result<Ready<'db, Q::Value>, Error> {
    let recorder = Recorder::new();
    let (result, cycle) = provide(cx, asked, |key| {
        key.provide(&cx.in_provider(Some(&recorder)))
    });
    record(cx, asked.table, asked.slot);
    publish(cx, asked, result, cycle, || {
        let record = recorder.finish();
        if record.is_some() {
            asked.table.note_box();
        }
        record
    })
}

/// Runs the provider in its frame. Gives what it gave, and the error of the cycle that decided it meanwhile, if one did.
///
/// Always inlined, and `provider` has one caller: see `compute`.
#[inline(always)]
fn provide<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    asked: &Asked<'_, 'db, Q, D>,
    provider: impl FnOnce(Q) -> Q::Value,
) -> (Result<Q::Value, Payload>, Option<Error>) {
    cx.count(|counters| &counters.queries);
    // SAFETY: the kind's functions take a living `Asked` of this type.
    let subject = unsafe { Subject::new(Asked::<Q, D>::KIND, asked) };
    Frame::enter_as(cx.fiber(), asked.slot.awaited(), subject, || {
        catch_unwind(AssertUnwindSafe(|| provider(asked.key.clone())))
    })
}

/// Publishes what a provider gave, or what the cycle made of it that decided its query meanwhile.
///
/// Always inlined, as `provide`.
#[inline(always)]
pub(super) fn publish<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    asked: &Asked<'_, 'db, Q, D>,
    result: Result<Q::Value, Payload>,
    cycle: Option<Error>,
    record: impl FnOnce() -> Option<Box<Record>>,
) -> Result<Ready<'db, Q::Value>, Error> {
    if let Some(cycle) = cycle {
        without_runs(|| discard(result));
        return decided(cx, asked, cycle);
    }
    match result {
        // SAFETY: the claim is ours: we inserted or opened the slot, and no cycle has decided it.
        Ok(value) => Ok(unsafe { asked.slot.complete(value, record()) }),
        Err(payload) => Err(fail(asked, payload)),
    }
}

/// Little stack is left: computes on another segment. Or the asker was cancelled: computes nothing.
#[cold]
#[inline(never)]
fn compute_otherwise<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    start: Start<'db, Q::Value>,
    key: Q,
) -> Result<Ready<'db, Q::Value>, Error> {
    let fiber = cx.fiber();
    let claimed = match start {
        Start::Claimed(slot) => Some(slot),
        Start::Absent(_) | Start::Empty(_) => None,
    };
    // Nothing has run: a claim is given back.
    let give_back = || {
        if let Some(slot) = claimed {
            // SAFETY: the claim is ours.
            unsafe { slot.abandon() }.wake();
        }
    };
    if let Some(error) = end_of(fiber) {
        give_back();
        return Err(told(fiber, error));
    }
    // Dropped when the claim is given back: its destructor is the user's.
    let mut key = Some(key);
    let mut take_key = || key.take().expect("it is computed once");
    match room::deeper(fiber, || compute(cx, table, start, take_key())) {
        Ok(Ok(result)) => result,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(error) => {
            give_back();
            Err(error)
        }
    }
}

#[cold]
fn fail<Q: Query<D>, D: 'static>(asked: &Asked<'_, '_, Q, D>, payload: Payload) -> Error {
    let error = Error::from_payload(payload);
    if error.is_transient() {
        // SAFETY: as in `publish`.
        unsafe { asked.slot.abandon() }.wake();
        return error;
    }
    let error = if plant::is("nameless_failure") {
        error
    } else {
        error.in_query(without_runs(|| name_of(asked.key)).text)
    };
    // SAFETY: as in `publish`.
    unsafe { asked.fail(error.clone()) }.wake();
    error
}

/// A cycle decided the slot while its provider ran, or nobody needs it from here any more; what the
/// provider made of it does not count.
#[cold]
fn decided<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    asked: &Asked<'_, 'db, Q, D>,
    cycle: Error,
) -> Result<Ready<'db, Q::Value>, Error> {
    if cycle.is_cancelled() {
        // SAFETY: as in `publish`: no cycle has decided the slot.
        unsafe { asked.slot.abandon() }.wake();
        return Err(cycle);
    }
    if cycle.is_left_over() {
        // SAFETY: as in `publish`: no cycle has decided the slot.
        unsafe { asked.slot.abandon() }.wake();
        cycle.raise();
    }
    if !asked.slot.is_decided() {
        // An iteration of another database is on the cycle (graph.md G9): whoever found it has closed no slot.
        let data = NonNull::from(asked).cast();
        // SAFETY: it lives, and the claim is ours.
        let outcome = without_runs(|| unsafe { Asked::<Q, D>::put(data, &cycle) });
        // SAFETY: as above, and `put` gave the outcome.
        unsafe { Asked::<Q, D>::close(data, outcome) }.wake();
    }
    if Frame::is_innermost_in(cx.fiber(), &cycle) {
        // The asker is a member too: its ask never returns.
        cycle.raise();
    }
    match asked.slot.look() {
        Found::Ready(recovered) => Ok(recovered),
        Found::Failed(error) => Err(error.clone()),
        Found::InProgress | Found::Empty => unreachable!("a cycle closes its members"),
    }
}
