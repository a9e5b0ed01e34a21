//! A cycle of waits: collected under the graph's lock, named and decided outside of it. Rules: graph.md G5 and G6.

use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;
use super::graph::{Awaited, Name, edge_of, owner_of};
use super::wait::Waiters;
use crate::error::Error;
use crate::sync::{AtomicUsize, Ordering};

/// A cycle that was found: its queries are stuck until it is decided.
pub(super) struct Cycle {
    /// The named frames, in the order of the walk: each waits for the next, the last for the first.
    members: Vec<NonNull<Awaited>>,
    /// The suspended fibers on it.
    fibers: Vec<NonNull<FiberRecord>>,
}

impl Cycle {
    /// Collects and marks all that lies on the cycle (G5). The lock is held.
    pub(super) fn mark(fiber: &FiberRecord, first: &Awaited) -> Cycle {
        let id = new_cycle_id();
        let mut cycle = Cycle {
            members: Vec::new(),
            fibers: Vec::new(),
        };
        let mut awaited = first;
        loop {
            let owner = owner_of(awaited).expect("a cycle is stable");
            cycle.mark_frames(owner, awaited, id);
            if ptr::eq(owner, fiber) {
                return cycle;
            }
            cycle.fibers.push(NonNull::from(owner));
            awaited = edge_of(owner).expect("a cycle is stable");
        }
    }

    /// Marks the frames of `owner` from the one that does `awaited` to the innermost.
    fn mark_frames(&mut self, owner: &FiberRecord, awaited: &Awaited, id: usize) {
        let start = self.members.len();
        let mut next = owner.frames.get();
        // SAFETY: `owner` waits (or is the caller), so its frames are linked and stand still (G1).
        while let Some(frame) = unsafe { next.as_ref() } {
            frame.cycle.set(id);
            // SAFETY: what a frame does is alive while the frame is linked.
            if unsafe { frame.awaited.as_ref() }.kind.describe.is_some() {
                self.members.push(frame.awaited);
            }
            if ptr::eq(frame.awaited.as_ptr(), awaited) {
                break;
            }
            next = frame.below;
        }
        self.members[start..].reverse();
    }

    /// Names the members, puts the error into each, and wakes who waits (G6). Gives the error, for the caller to raise.
    pub(super) fn decide(self, fiber: &FiberRecord) -> Error {
        let error = Error::cycle(self.walk());
        for other in self.fibers {
            // SAFETY: the fiber is stuck in its wait until we close what it waits for, or its owner ends it after us.
            let other = unsafe { other.as_ref() };
            // SAFETY: while it is stuck nobody else reads or writes the field (G5: one cycle a fiber).
            unsafe { *other.cycle.get() = Some(error.clone()) };
        }
        debug_assert!(
            !fiber.frames.get().is_null(),
            "whoever closes a cycle does something"
        );
        let mut woken = Vec::with_capacity(self.members.len());
        for member in self.members {
            // SAFETY: a member's frame is linked until its fiber goes on, and that is after this.
            let kind = unsafe { member.as_ref() }.kind;
            if let Some(fail) = kind.fail {
                // SAFETY: `member` is of this kind, and in progress by a fiber that is stuck: nobody else completes it.
                woken.push(unsafe { fail(member, &error) });
            }
        }
        // Only when all are decided does the first go on.
        woken.into_iter().for_each(Waiters::wake);
        error
    }

    /// The names along the walk, beginning with the smallest. Runs user code (`Debug`): no lock is held.
    fn walk(&self) -> Vec<String> {
        let mut names: Vec<Name> = self
            .members
            .iter()
            .map(|member| describe(*member))
            .collect();
        let smallest = (0..names.len())
            .min_by(|a, b| names[*a].cmp(&names[*b]))
            .unwrap_or(0);
        names.rotate_left(smallest);
        names.into_iter().map(|name| name.text).collect()
    }
}

/// What `member`, a frame's work that is known to be alive and named, is called.
fn describe(member: NonNull<Awaited>) -> Name {
    // SAFETY: the caller holds a member of a cycle that is not decided yet, so its frame stands still.
    let describe = unsafe { member.as_ref() }
        .kind
        .describe
        .expect("members are named");
    // SAFETY: `describe` belongs to the kind of `member`.
    unsafe { describe(member) }
}

/// The identity of a new cycle: never zero. The lock is held.
fn new_cycle_id() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: under the graph's lock.
    let id = LAST.load(Ordering::Relaxed).wrapping_add(1).max(1);
    LAST.store(id, Ordering::Relaxed);
    id
}
