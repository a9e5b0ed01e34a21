//! A circle of waits: collected under the graph's lock, and ended. Rules: graph.md G5, G6 and G7.

use std::cmp::Ordering;
use std::ptr::{self, NonNull};

use super::detection::GRAPH;
use super::fiber::{FiberRecord, without_runs};
use super::graph::{Awaited, Frame, Name, WaitKind, circle_is_decided, edge_of, owner_of};
use super::wait::{Outcome, Waiters};
use crate::error::Error;
use crate::plant;

/// A circle that was found: what lies on it is stuck until it is ended.
pub(super) struct Cycle {
    /// The waits, in the order of the walk; the first is that of the finder, who does not wait yet.
    waits: Vec<Wait>,
}

/// One wait on a circle, and what it waits for.
pub(super) struct Wait {
    waiter: NonNull<FiberRecord>,
    awaited: NonNull<Awaited>,
    kind: WaitKind,
    /// The owner's frames, from the one that does what is awaited to the innermost: each waits for
    /// the next.
    frames: Vec<NonNull<Frame>>,
}

/// What is left over from a decided provider on a circle (G7).
pub(super) struct LeftOver<'c> {
    /// The first ask that the provider's code, or a fork of it, waits in.
    ask: &'c Wait,
    /// What was begun for it since: nobody needs it from there.
    frames: Vec<NonNull<Frame>>,
}

impl Cycle {
    /// Collects what lies on the circle that an edge from `finder` to `first` would close. The lock
    /// is held.
    pub(super) fn collect(finder: &FiberRecord, first: &Awaited, kind: WaitKind) -> Cycle {
        let mut waits = Vec::new();
        let (mut waiter, mut awaited, mut kind) = (finder, first, kind);
        loop {
            let owner = owner_of(awaited).expect("a circle of waits is stable");
            waits.push(Wait {
                waiter: NonNull::from(waiter),
                awaited: NonNull::from(awaited),
                kind,
                frames: frames_of(owner, awaited),
            });
            if ptr::eq(owner, finder) {
                return Cycle { waits };
            }
            awaited = edge_of(owner).expect("a circle of waits is stable");
            kind = owner.wait_kind.get();
            waiter = owner;
        }
    }

    /// What must end if the circle passes through a decided provider. The lock is held.
    pub(super) fn left_over(&self) -> Option<LeftOver<'_>> {
        let decided_in = |wait: &Wait| wait.frames.iter().rposition(|frame| is_decided(*frame));
        let (place, innermost) = self
            .waits
            .iter()
            .enumerate()
            .find_map(|(place, wait)| Some((place, decided_in(wait)?)))?;
        let mut frames = self.waits[place].frames[innermost + 1..].to_vec();
        let (before, after) = self.waits.split_at(place + 1);
        for wait in after.iter().chain(before) {
            if wait.kind.is_ask() {
                return Some(LeftOver { ask: wait, frames });
            }
            frames.extend(wait.frames.iter().filter(|frame| !is_decided(**frame)));
        }
        None
    }

    /// The wait that is not to be, if the circle passes through what is provisional on a fiber and leaves it: that wait
    /// (G9). The lock is held.
    pub(super) fn cut(&self) -> Option<&Wait> {
        let is_alone = self.waits.len() == 1;
        let mut frames = self.waits.last().map(|last| &last.frames);
        self.waits.iter().find(|wait| {
            // Those of who waits here: it owns what the wait before is for.
            let own = frames.replace(&wait.frames);
            !is_alone
                && !plant::is("uncut_iteration")
                && wait.kind == WaitKind::Iterated
                && own.is_some_and(|own| own.iter().any(is_provisional))
        })
    }

    /// The undecided frames, in the order of the walk.
    fn undecided(&self) -> impl Iterator<Item = NonNull<Frame>> {
        self.waits
            .iter()
            .flat_map(|wait| &wait.frames)
            .copied()
            .filter(|frame| !is_decided(*frame))
    }

    /// Names the members, puts the error into each, and wakes who waits (G6). Gives the error, for
    /// the finder to raise.
    pub(super) fn decide(self) -> Error {
        let error = Error::cycle(without_runs(|| self.walk()));
        let members: Vec<_> = self.undecided().collect();
        // What a provisional value has led to decides nothing for good (G9).
        let is_provisional = members.iter().any(is_provisional);
        let outcome = |member: &NonNull<Frame>| match is_provisional {
            true => None,
            false => put(*member, &error),
        };
        let outcomes = without_runs(|| members.iter().map(outcome).collect());
        let woken = self.publish(&error, members, outcomes);
        // Only when all are decided does the first go on. From here on frames and fibers may be
        // gone.
        let is_called = |_: &Waiters| !plant::is("uncalled_waiters");
        woken.into_iter().filter(is_called).for_each(Waiters::wake);
        error
    }

    fn publish(
        &self,
        error: &Error,
        members: Vec<NonNull<Frame>>,
        outcomes: Vec<Option<Outcome>>,
    ) -> Vec<Waiters> {
        let _guard = GRAPH.lock();
        circle_is_decided();
        // First, as long as what they wait for has its owner.
        let call_back = |wait: &Wait| wait.call_back(error);
        let mut woken: Vec<Waiters> = self.waits[1..].iter().filter_map(call_back).collect();
        let together = if plant::is("decided_one_by_one") {
            1
        } else {
            usize::MAX
        };
        for (frame, outcome) in members.into_iter().zip(outcomes).take(together) {
            mark(frame, error);
            // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
            let frame = unsafe { frame.as_ref() };
            // SAFETY: as above; this decides the cycle, and `put` gave the outcome.
            woken.extend(outcome.and_then(|outcome| unsafe { frame.close(outcome) }));
        }
        woken
    }

    /// The names along the walk, beginning with the smallest. Runs user code (`Debug`): no lock is
    /// held.
    fn walk(&self) -> Vec<String> {
        let mut names: Vec<Name> = self.undecided().filter_map(describe).collect();
        let first = match plant::is("wrong_rotation") {
            true => 0,
            false => least_rotation(&names),
        };
        names.rotate_left(first);
        names.into_iter().map(|name| name.text).collect()
    }
}

impl LeftOver<'_> {
    /// Ends it: with an error for `finder` to raise, if the ask is its own, else by calling the
    /// waiter back. The lock is held.
    pub(super) fn end(&self, finder: &FiberRecord) -> Result<Option<Waiters>, Error> {
        let error = Error::left_over();
        self.frames.iter().for_each(|frame| mark(*frame, &error));
        self.ask.end(finder, &error)
    }
}

impl Wait {
    /// Ends it: with an error for `finder` to take, if the wait is its own, else by calling the waiter back. The lock is
    /// held.
    pub(super) fn end(
        &self,
        finder: &FiberRecord,
        error: &Error,
    ) -> Result<Option<Waiters>, Error> {
        if ptr::eq(self.waiter.as_ptr(), finder) {
            return Err(error.clone());
        }
        Ok(self.call_back(error))
    }

    /// Calls the waiter back from its wait, with an error. The lock is held; the waiters must be
    /// woken.
    fn call_back(&self, error: &Error) -> Option<Waiters> {
        // SAFETY: what is waited for is alive while the wait is (G1), and this one is stuck.
        let awaited = unsafe { self.awaited.as_ref() };
        // SAFETY: a waiting fiber's record is alive, and it cannot leave its wait while the lock is
        // held (G1).
        let waiter = unsafe { self.waiter.as_ref() };
        if owner_of(awaited).is_some_and(|owner| waiter.is_outer_of(owner)) {
            // It does not sleep: it runs what it waits for, and looks at its frame afterwards.
            return None;
        }
        // SAFETY: the lock is held.
        unsafe { *waiter.cycle.get() = Some(error.clone()) };
        // SAFETY: as above.
        Some(unsafe { awaited.list.detach() })
    }
}

/// How far to rotate the names to the left so that they are the least: the same walk whoever has found it, also where names
/// are alike (as those of two databases may be).
fn least_rotation<T: Ord>(names: &[T]) -> usize {
    let len = names.len();
    let (mut best, mut other, mut alike) = (0, 1, 0);
    while other < len && alike < len {
        let at = |first: usize| &names[(first + alike) % len];
        match at(best).cmp(at(other)) {
            Ordering::Equal => {
                alike += 1;
                continue;
            }
            Ordering::Less => other += alike + 1,
            // None that begins in between is less than `other`'s own.
            Ordering::Greater => (best, other) = (other, other.max(best + alike) + 1),
        }
        alike = 0;
    }
    best
}

/// The frames of `owner`, which waits or is the finder, from the one that does `awaited` to the
/// innermost.
fn frames_of(owner: &FiberRecord, awaited: &Awaited) -> Vec<NonNull<Frame>> {
    let mut frames = Vec::new();
    let mut next = owner.frames.get();
    // SAFETY: the frames are linked and stand still (G1).
    while let Some(frame) = unsafe { next.as_ref() } {
        frames.push(NonNull::from(frame));
        if ptr::eq(frame.awaited.as_ptr(), awaited) {
            break;
        }
        next = frame.below;
    }
    frames.reverse();
    frames
}

/// Whether a cycle has decided the frame, or what it does is left over. The lock is held, or its
/// circle stands still.
fn is_decided(frame: NonNull<Frame>) -> bool {
    // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
    unsafe { frame.as_ref() }.cycle().is_some()
}

/// Whether what a frame does is provisional.
fn is_provisional(frame: &NonNull<Frame>) -> bool {
    // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
    unsafe { frame.as_ref() }.is_provisional()
}

/// Writes the end of a frame on a circle into it. The lock is held.
fn mark(frame: NonNull<Frame>, error: &Error) {
    // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
    let frame = unsafe { frame.as_ref() };
    // SAFETY: as above, and the lock is held.
    unsafe { frame.set_cycle(error.clone()) };
}

/// Puts what the cycle makes of a member into it. Runs user code (`recover`).
fn put(frame: NonNull<Frame>, error: &Error) -> Option<Outcome> {
    // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
    let frame = unsafe { frame.as_ref() };
    // SAFETY: as above, and the caller decides the cycle.
    unsafe { frame.put(error) }
}

/// What the work of a frame on an undecided cycle is called, if it has a name.
fn describe(frame: NonNull<Frame>) -> Option<Name> {
    // SAFETY: the frame belongs to a stuck fiber, or to the finder's own stack.
    unsafe { frame.as_ref() }.name()
}

#[cfg(test)]
mod tests {
    use super::least_rotation;

    #[test]
    fn the_least_rotation_is_the_least_of_all() {
        // All words of up to seven letters out of three.
        for len in 0..8_u32 {
            for number in 0..3_usize.pow(len) {
                let word: Vec<usize> = (0..len).map(|at| number / 3_usize.pow(at) % 3).collect();
                let rotated = |by: usize| [&word[by..], &word[..by]].concat();
                let least = (0..word.len()).map(rotated).min().unwrap_or_default();
                assert_eq!(rotated(least_rotation(&word)), least, "{word:?}");
            }
        }
    }
}
