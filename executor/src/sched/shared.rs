//! A lock that several may hold: permits, and who has some and waits (lock.md S1 to S3).
//!
//! Used by the locks of readers and writers through `graph/locking.rs`, which suspends. Knows no edge.

use std::collections::BTreeSet;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fiber::FiberRecord;
use super::graph;
use super::line::Place;
use super::permits::Permits;
use crate::plant;

/// Permits that belong together, with a number and a name.
pub(crate) struct Shared {
    pub(crate) permits: Permits,
    /// No other lock of the process has it.
    pub(crate) number: usize,
    what: &'static str,
    made_at: &'static Location<'static>,
}

/// Where one stands who waits for one, in its frame.
#[repr(C)]
pub(crate) struct Turn<'s> {
    /// First: an edge to what its fiber waits for is one to the whole.
    pub(crate) place: Place,
    pub(crate) shared: &'s Shared,
}

impl Shared {
    /// So many permits, all there.
    pub(crate) fn new(
        permits: usize,
        what: &'static str,
        made_at: &'static Location<'static>,
    ) -> Self {
        // Of std in the sequential build, too, where several threads make some.
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        Shared {
            permits: Permits::new(permits),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            what,
            made_at,
        }
    }

    /// What it is called in errors and reports.
    pub(crate) fn name(&self) -> String {
        format!("the {} made at {}", self.what, self.made_at)
    }
}

/// A lock's number, and a fiber that holds it and waits: addresses, to be used under the graph's lock alone.
type Share = (usize, *const FiberRecord);

struct Waiting(BTreeSet<Share>);

// SAFETY: the addresses are only compared with and copied.
unsafe impl Send for Waiting {}

/// Which locks are held by whom of all who wait on an edge (S2). Changed under the graph's lock; of std also where
/// that is none: in the sequential build several threads come here.
static WAITING: Mutex<Waiting> = Mutex::new(Waiting(BTreeSet::new()));

/// Does something with the shares of those who wait.
fn with_waiting<R>(body: impl FnOnce(&mut BTreeSet<Share>) -> R) -> R {
    // Nothing that is done here panics.
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    body(&mut waiting.0)
}

/// `fiber`, the current one, which holds locks by `holder`, has got an edge, or has lost it. The graph's lock is held.
pub(super) fn tell(fiber: &FiberRecord, holder: &FiberRecord, is_waiting: bool) {
    let untell = |lock| {
        with_waiting(|waiting| waiting.remove(&(lock, ptr::from_ref(fiber))));
    };
    let tell = |lock| {
        if plant::is("untold_share") {
            return;
        }
        with_waiting(|waiting| waiting.insert((lock, ptr::from_ref(fiber))));
    };
    holder.tell_shares(fiber, is_waiting, untell, tell);
}

/// `holder` does not hold the lock of this number any more, though it has waited all the time since it was told.
pub(crate) fn untell(holder: &FiberRecord, number: usize) {
    graph::retire(|| with_waiting(|waiting| waiting.remove(&(number, holder.teller()))));
}

/// Those who hold the lock of this number, and wait on an edge. The graph's lock is held.
pub(super) fn waiting_holders(number: usize) -> Vec<*const FiberRecord> {
    let all_of_it = (number, ptr::null())..(number + 1, ptr::null());
    with_waiting(|waiting| waiting.range(all_of_it).map(|share| share.1).collect())
}
