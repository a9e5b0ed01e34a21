//! Whether a cancelled fiber is to end, or computes what others want. Rules: cancel.md X3, X4.
//!
//! Used by waits, scheduling points and sweeps. Knows nothing of queries but which frames are some.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::cancel::Region;
use super::detection::GRAPH;
use super::fiber::FiberRecord;
use super::graph::{Awaited, Frame};
use super::rest::Lookers;
use crate::error::{Error, Reason};
use crate::sync::{AtomicUsize, Ordering};

/// How many asks wait for what another region computes. Changed under the graph's lock.
static FOREIGN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Those who ask whether a fiber is wanted.
pub(super) static LOOKERS: Lookers = Lookers(AtomicUsize::new(0));

/// Tells of a wait, in its frame, whether it is counted in [`FOREIGN`].
pub(super) struct Foreign(bool);

impl Foreign {
    pub(super) fn new() -> Self {
        Foreign(false)
    }

    pub(super) fn is_counted(&self) -> bool {
        self.0
    }

    /// `fiber` is listed as waiting for what `owner` does. The lock is held.
    pub(super) fn note(&mut self, fiber: &FiberRecord, owner: Option<&FiberRecord>) {
        // Nobody is known yet to do what somebody is about to begin with.
        let is_foreign = owner.is_none_or(|owner| !ptr::eq(owner.region(), fiber.region()));
        if is_foreign && can_want(fiber) && !self.0 {
            self.0 = true;
            FOREIGN.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if self.0 {
            FOREIGN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether what `fiber` waits for is kept for it: nobody would tell a pool that a sequential run, on a thread outside, wants
/// it no more. (That run computes what was abandoned itself.)
fn can_want(fiber: &FiberRecord) -> bool {
    fiber.host().has_worker()
}

/// Why the region that `fiber` works for is to stop, if it is. The fiber is the current one, or suspended in a wait.
#[inline]
pub(crate) fn reason_of(fiber: &FiberRecord) -> Option<Reason> {
    if !fiber.may_be_stopped() {
        return None;
    }
    // SAFETY: null, or the region of the job that runs on the fiber, which it outlives.
    unsafe { fiber.region().as_ref() }.and_then(Region::reason)
}

/// The error with which `fiber`, the current one, is to end what it does, if it was cancelled and nobody else wants it.
/// From then on nothing that its providers give is remembered.
pub(crate) fn end_of(fiber: &FiberRecord) -> Option<Error> {
    let reason = reason_of(fiber)?;
    if fiber.is_deaf() || std::thread::panicking() {
        return None;
    }
    if FOREIGN.load(Ordering::Relaxed) > 0 {
        let _guard = GRAPH.lock();
        if Findings::default().is_wanted(fiber) {
            return None;
        }
    }
    Some(end(fiber, reason))
}

/// Makes the error for `fiber`, the current one, and marks what its providers give as not to be remembered (X3).
pub(super) fn end(fiber: &FiberRecord, reason: Reason) -> Error {
    let error = Error::cancelled(reason);
    Frame::cancel_queries(fiber, &error);
    error
}

/// `fiber`, the current one, is about to be told to end by `error`; all its claims are in frames. If it was told too
/// often this does not return (X7).
pub(crate) fn told(fiber: &FiberRecord, error: Error) -> Error {
    if error.is_shutdown() {
        fiber.note_refusal();
    }
    error
}

/// Of which fibers it is known whether they are wanted: those that one sweep, or one look, has come by. What it says of
/// fibers that have gone on meanwhile may be of before: a wait that ends is told to the pool of who computed for it (X4), so
/// that the next sweep finds it.
#[derive(Default)]
pub(super) struct Findings(HashMap<*const FiberRecord, bool>);

/// A fiber on a walk from one that is wanted if this one is: by way of the step with this place.
struct Step<'w> {
    fiber: &'w FiberRecord,
    from: Option<usize>,
}

impl Findings {
    /// Whether `fiber`, which is suspended in a wait, was cancelled and nobody else wants it. The lock is held.
    pub(super) fn is_to_end(&mut self, fiber: &FiberRecord) -> bool {
        reason_of(fiber).is_some() && !fiber.is_deaf() && !self.is_wanted(fiber)
    }

    /// Whether somebody whose region is not cancelled waits, perhaps through others, for what `fiber` computes, as far as
    /// one can tell. It is the current one, or suspended in a wait. The lock is held.
    fn is_wanted(&mut self, fiber: &FiberRecord) -> bool {
        if FOREIGN.load(Ordering::Relaxed) == 0 {
            return false;
        }
        if let Some(is_wanted) = self.0.get(&ptr::from_ref(fiber)) {
            return *is_wanted;
        }
        let _looking = LOOKERS.begin();
        let mut steps = vec![Step { fiber, from: None }];
        let mut met = HashSet::from([ptr::from_ref(fiber)]);
        let mut place = 0;
        while place < steps.len() {
            if self.is_wanted_at(place, &mut steps, &mut met) {
                self.note_way(&steps, place);
                return true;
            }
            place += 1;
        }
        let unwanted = steps.iter().map(|step| (ptr::from_ref(step.fiber), false));
        self.0.extend(unwanted);
        false
    }

    /// Whether the fiber at this place is wanted by one who is not cancelled, or is known to be wanted; adds those by whom
    /// else it may be.
    fn is_wanted_at<'w>(
        &self,
        place: usize,
        steps: &mut Vec<Step<'w>>,
        met: &mut HashSet<*const FiberRecord>,
    ) -> bool {
        let (who_asks, fiber) = (steps[0].fiber, steps[place].fiber);
        let mut is_known_wanted = |fiber: &'w FiberRecord| match self.0.get(&ptr::from_ref(fiber)) {
            Some(is_wanted) => *is_wanted,
            None => {
                if met.insert(fiber) {
                    let from = Some(place);
                    steps.push(Step { fiber, from });
                }
                false
            }
        };
        for frame in Frame::all_around(fiber).take_while(|frame| !frame.is_root()) {
            // SAFETY: borrowed by the frame, which is entered.
            let awaited: &Awaited = unsafe { frame.awaited.as_ref() };
            // SAFETY: the lock is held, and who closes it is `fiber`, which does not run or is the caller.
            for waiter in unsafe { awaited.list.waiters() } {
                if can_want(waiter) && (reason_of(waiter).is_none() || is_known_wanted(waiter)) {
                    return true;
                }
            }
            if let Some(giver) = frame.giver().map(FiberRecord::innermost) {
                // If it runs, it will tell (X4). Under a schedule it stands still (rest.md R4).
                let may_run = giver.ask().is_null() && !who_asks.takes_turns_with(giver);
                if may_run || is_known_wanted(giver) {
                    return true;
                }
            }
        }
        false
    }

    /// The fiber at this place is wanted, and so are those on the way to it.
    fn note_way(&mut self, steps: &[Step<'_>], place: usize) {
        let from = |place: &usize| steps[*place].from;
        for place in std::iter::successors(Some(place), from) {
            self.0.insert(steps[place].fiber, true);
        }
    }
}
