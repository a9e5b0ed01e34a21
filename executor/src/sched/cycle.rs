//! A cycle of waits: collected under the graph's lock, named and decided outside of it. Rules: graph.md G5 and G6.

use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;
use super::graph::{Awaited, Frame, Kind, Name, edge_of, owner_of};
use super::wait::Waiters;
use crate::error::Error;

/// A cycle that was found: what lies on it is stuck until it is decided.
pub(super) struct Cycle {
    /// The frames, in the order of the walk: each waits for the next, the last for the first.
    frames: Vec<NonNull<Frame>>,
    /// The suspended fibers on it.
    fibers: Vec<NonNull<FiberRecord>>,
    /// Whether the asker works for a provider whose slot is decided already, so that only this ask must end (G7).
    is_left_over: bool,
}

impl Cycle {
    /// Collects what lies on the cycle that an edge from `fiber` to `first` would close. The lock is held.
    pub(super) fn collect(fiber: &FiberRecord, first: &Awaited) -> Cycle {
        let mut cycle = Cycle {
            frames: Vec::new(),
            fibers: Vec::new(),
            is_left_over: false,
        };
        let mut awaited = first;
        loop {
            let owner = owner_of(awaited).expect("a cycle is stable");
            if awaited.kind.fail.is_some() {
                // What this query does is wanted by others.
                cycle.is_left_over = false;
            }
            cycle.collect_frames(owner, awaited);
            if ptr::eq(owner, fiber) {
                return cycle;
            }
            cycle.fibers.push(NonNull::from(owner));
            awaited = edge_of(owner).expect("a cycle is stable");
        }
    }

    /// The frames of `owner` from the one that does `awaited` to the innermost, without those that an earlier cycle
    /// decided and whose providers still run.
    fn collect_frames(&mut self, owner: &FiberRecord, awaited: &Awaited) {
        let start = self.frames.len();
        let mut next = owner.frames.get();
        // SAFETY: `owner` waits (or is the caller), so its frames are linked and stand still (G1).
        while let Some(frame) = unsafe { next.as_ref() } {
            if frame.cycle().is_none() {
                self.frames.push(NonNull::from(frame));
            } else {
                self.is_left_over = true;
            }
            if ptr::eq(frame.awaited.as_ptr(), awaited) {
                break;
            }
            next = frame.below;
        }
        self.frames[start..].reverse();
    }

    /// Ends an ask: [`decide`](Self::decide), or, if it is left over from a decided provider, an error for it alone.
    pub(super) fn end_ask(self) -> Error {
        if self.is_left_over {
            Error::left_over()
        } else {
            self.decide()
        }
    }

    /// Names the members, puts the error into each, and wakes who waits (G6). Gives the error, for the caller to raise.
    pub(super) fn decide(self) -> Error {
        let error = Error::cycle(self.walk());
        for fiber in &self.fibers {
            // SAFETY: the fiber is stuck in its wait until we close what it waits for, or its owner ends it after us.
            let fiber = unsafe { fiber.as_ref() };
            // SAFETY: while it is stuck nobody else reads or writes the field (G5).
            unsafe { *fiber.cycle.get() = Some(error.clone()) };
        }
        let mut woken = Vec::with_capacity(self.frames.len());
        for frame in &self.frames {
            // SAFETY: the frame belongs to a stuck fiber, or to the caller's own stack.
            let frame = unsafe { frame.as_ref() };
            // SAFETY: as above; decided once, since `collect_frames` leaves out what is decided.
            unsafe { frame.set_cycle(error.clone()) };
            if let Some(fail) = frame.kind().fail {
                // SAFETY: of this kind, and in progress by a fiber that is stuck: nobody else completes it.
                woken.push(unsafe { fail(frame.awaited, &error) });
            }
        }
        // Only when all are decided does the first go on. From here on frames and fibers may be gone.
        woken.into_iter().for_each(Waiters::wake);
        error
    }

    /// The names along the walk, beginning with the smallest. Runs user code (`Debug`): no lock is held.
    fn walk(&self) -> Vec<String> {
        let mut names: Vec<Name> = self
            .frames
            .iter()
            .filter_map(|frame| describe(*frame))
            .collect();
        let smallest = (0..names.len())
            .min_by(|a, b| names[*a].cmp(&names[*b]))
            .unwrap_or(0);
        names.rotate_left(smallest);
        names.into_iter().map(|name| name.text).collect()
    }
}

/// What the work of a frame on an undecided cycle is called, if it has a name.
fn describe(frame: NonNull<Frame>) -> Option<Name> {
    // SAFETY: the frame belongs to a stuck fiber, or to the caller's own stack.
    let frame = unsafe { frame.as_ref() };
    let kind: &Kind = frame.kind();
    // SAFETY: `describe` belongs to the kind of what the frame does, which is alive while the frame is.
    kind.describe
        .map(|describe| unsafe { describe(frame.awaited) })
}
