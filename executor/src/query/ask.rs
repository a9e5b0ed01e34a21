#![doc = include_str!("claim.md")]
//!
//! How an ask is served. Used by `Cx` only; knows no worker.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use super::Query;
use super::slot::{Found, Slot};
use super::table::{Placed, Table};
use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::sched::fiber::without_runs;
use crate::sched::graph::{self, Frame, Stopped};
use crate::sched::room;

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
    let hash = Table::hash(&key);
    if let Some(value) = table
        .find(hash, &key)
        .and_then(|slot| slot.value_if(cx.hit_tag()))
    {
        return Ok(value);
    }
    ask_slowly(cx, table, hash, &key)
}

/// Everything but an uncounted hit.
#[cold]
#[inline(never)]
fn ask_slowly<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    table: &'db Table<Q, D>,
    hash: u64,
    key: &Q,
) -> Result<&'db Q::Value, Error> {
    cx.settle_item();
    let slot = match table.find_or_claim(hash, key, cx.fiber()) {
        Placed::Inserted(slot) => return compute(cx, slot),
        Placed::Found(slot) => slot,
    };
    let mut is_hit = true;
    loop {
        match slot.look() {
            Found::Ready(value) => {
                if is_hit {
                    cx.count(|counters| &counters.hits);
                }
                return Ok(value);
            }
            Found::Failed(error) => return Err(error.clone()),
            Found::Empty if slot.reclaim(cx.fiber()) => return compute(cx, slot),
            Found::Empty => (),
            Found::InProgress => {
                is_hit = false;
                match graph::wait_for(cx.fiber(), &slot.awaited) {
                    Ok(()) => (),
                    Err(Stopped::Cycle(error)) => error.raise(),
                    Err(Stopped::Refused(error)) => return Err(error),
                }
            }
        }
    }
}

/// Runs the provider of a slot that the current fiber has claimed, and publishes what comes of it.
fn compute<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    slot: &'db Slot<Q, D>,
) -> Result<&'db Q::Value, Error> {
    let here = 0_u8;
    if cx.is_deep(&raw const here) {
        return compute_deeper(cx, slot);
    }
    cx.count(|counters| &counters.queries);
    let (result, cycle) = Frame::enter(cx.fiber(), NonNull::from(slot).cast(), || {
        catch_unwind(AssertUnwindSafe(|| {
            let cx = cx.in_provider();
            slot.key.clone().provide(&cx)
        }))
    });
    if let Some(cycle) = cycle {
        without_runs(|| discard(result));
        return Err(decided(cx, slot, cycle));
    }
    match result {
        // SAFETY: the claim is ours: we inserted or reopened the slot, and no cycle has decided it.
        Ok(value) => Ok(unsafe { slot.complete(value) }),
        Err(payload) => Err(fail(slot, payload)),
    }
}

/// Little stack is left: computes on another segment.
#[cold]
#[inline(never)]
fn compute_deeper<'db, Q: Query<D>, D: 'static>(
    cx: &Cx<'db, D>,
    slot: &'db Slot<Q, D>,
) -> Result<&'db Q::Value, Error> {
    match room::deeper(cx.fiber(), || compute(cx, slot)) {
        Ok(Ok(result)) => result,
        Ok(Err(payload)) => resume_unwind(payload),
        // Nothing has run: the claim is given back.
        Err(error) => Err(fail(slot, error.into_payload())),
    }
}

#[cold]
fn fail<Q: Query<D>, D>(slot: &Slot<Q, D>, payload: Payload) -> Error {
    let error = Error::from_payload(payload);
    if error.is_transient() {
        // SAFETY: as in `compute`.
        unsafe { slot.abandon() }.wake();
        return error;
    }
    let error = error.in_query(without_runs(|| slot.name()).text);
    // SAFETY: as in `compute`.
    unsafe { slot.fail(error.clone()) }.wake();
    error
}

/// A cycle decided the slot while its provider ran, or nobody needs it from here any more; what the
/// provider made of it does not count.
#[cold]
fn decided<Q: Query<D>, D>(cx: &Cx<'_, D>, slot: &Slot<Q, D>, cycle: Error) -> Error {
    if cycle.is_left_over() {
        // SAFETY: as in `compute`: no cycle has decided the slot.
        unsafe { slot.abandon() }.wake();
        cycle.raise();
    }
    if Frame::is_innermost_in(cx.fiber(), &cycle) {
        // The asker is a member too: its ask never returns.
        cycle.raise();
    }
    cycle
}
