//! What runs on a fiber: a list of frames through its stack, the innermost first, and how each of them ends.
//!
//! Used by whoever calls a provider or runs a job, and by walks over a fiber that stands still. Knows nothing of waits.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

use super::{Awaited, Kind, Name, Role, Subject};
use crate::error::Error;
use crate::plant;
use crate::sched::cancel::Region;
use crate::sched::fiber::FiberRecord;
use crate::sched::wait::{Outcome, Waiters};

/// A provider or a job that runs on a fiber, in the frame of its call.
pub(crate) struct Frame {
    pub(in crate::sched) awaited: NonNull<Awaited>,
    subject: Subject,
    pub(in crate::sched) below: *const Frame,
    /// The error of the cycle that decided it. Written by the decider while the frame's fiber is
    /// stuck, else read and written by that fiber alone.
    cycle: UnsafeCell<Option<Error>>,
}

impl Frame {
    /// Enters a frame on `fiber` for the time of `body`, which must not unwind and does `awaited`, which `giver` forked.
    /// Gives `body`'s result, and the error of the cycle that decided this frame meanwhile, if one
    /// did.
    pub(crate) fn enter<R>(
        fiber: &FiberRecord,
        awaited: &Awaited,
        giver: *const FiberRecord,
        body: impl FnOnce() -> R,
    ) -> (R, Option<Error>) {
        Self::enter_as(fiber, awaited, Subject::fork(giver), body)
    }

    /// The same for what has a name.
    ///
    /// Always inlined: a query's call has one frame (`compute` in `query/ask.rs`).
    #[inline(always)]
    pub(crate) fn enter_as<R>(
        fiber: &FiberRecord,
        awaited: &Awaited,
        subject: Subject,
        body: impl FnOnce() -> R,
    ) -> (R, Option<Error>) {
        let frame = Frame {
            awaited: NonNull::from(awaited),
            subject,
            below: fiber.frames.get(),
            cycle: UnsafeCell::new(None),
        };
        fiber.frames.set(&raw const frame);
        let result = body();
        fiber.frames.set(frame.below);
        (result, frame.cycle.into_inner())
    }

    /// Whether the cycle with this error decided the innermost frame of `fiber`, the current one,
    /// too: then whoever asked from there is part of it.
    pub(crate) fn is_innermost_in(fiber: &FiberRecord, cycle: &Error) -> bool {
        Frame::innermost_cycle(fiber).is_some_and(|own| own.has_cause_of(cycle))
    }

    /// How many queries, of the innermost ones on `fiber`, the current one, the cycle with this error has decided.
    pub(crate) fn innermost_queries_in(fiber: &FiberRecord, cycle: &Error) -> usize {
        let is_in = |frame: &&Frame| frame.cycle().is_some_and(|own| own.has_cause_of(cycle));
        let is_query = |frame: &&Frame| frame.subject.kind.query.is_some();
        Frame::all_of(fiber)
            .take_while(is_in)
            .filter(is_query)
            .count()
    }

    /// The error of the cycle that has marked the frame of `fiber`, the current one, which does `awaited`, if one has;
    /// and how many queries there are from the innermost one to the last that it has marked.
    pub(crate) fn cycle_of<'f>(
        fiber: &'f FiberRecord,
        awaited: &Awaited,
    ) -> Option<(&'f Error, usize)> {
        let is_its = |frame: &&Frame| ptr::eq(frame.awaited.as_ptr(), awaited);
        let cycle = Frame::all_of(fiber).find(is_its).and_then(Frame::cycle)?;
        let queries = Frame::all_of(fiber).filter(|frame| frame.subject.kind.query.is_some());
        let is_in = |frame: &Frame| frame.cycle().is_some_and(|own| own.has_cause_of(cycle));
        let last = queries.enumerate().filter(|(_, frame)| is_in(frame)).last();
        Some((cycle, last.map_or(0, |(place, _)| place + 1)))
    }

    /// Whether a cycle has decided any frame of `fiber`, the current one: what runs on top of it may be left over.
    pub(crate) fn is_any_decided(fiber: &FiberRecord) -> bool {
        let mut next = fiber.frames.get();
        // SAFETY: a fiber's frames are alive while they are linked.
        while let Some(frame) = unsafe { next.as_ref() } {
            if frame.cycle().is_some() {
                return true;
            }
            next = frame.below;
        }
        false
    }

    /// The error of the cycle that decided the innermost frame of `fiber`, the current one.
    pub(super) fn innermost_cycle(fiber: &FiberRecord) -> Option<&Error> {
        let innermost = fiber.frames.get();
        // SAFETY: a fiber's frames are alive while they are linked (`enter` unlinks them).
        unsafe { innermost.as_ref() }.and_then(Frame::cycle)
    }

    /// The error of the cycle that decided it. Called by its fiber, or under the graph's lock.
    pub(in crate::sched) fn cycle(&self) -> Option<&Error> {
        // SAFETY: written under the lock, while the frame's fiber is stuck or is the writer (G6).
        unsafe { &*self.cycle.get() }.as_ref()
    }

    /// # Safety
    ///
    /// The caller decides a cycle that the frame is on, its fiber is stuck or the caller, and the
    /// lock is held.
    pub(in crate::sched) unsafe fn set_cycle(&self, error: Error) {
        // SAFETY: by contract.
        unsafe { *self.cycle.get() = Some(error) };
    }

    /// The frames of a fiber, the innermost first: of the current one, or under the lock.
    pub(in crate::sched) fn all_of(fiber: &FiberRecord) -> impl Iterator<Item = &Frame> {
        let mut next = fiber.frames.get();
        std::iter::from_fn(move || {
            // SAFETY: a fiber's frames are alive while they are linked.
            let frame = unsafe { next.as_ref() }?;
            next = frame.below;
            Some(frame)
        })
    }

    /// The same, and then those of the fibers around it, if it is an iteration's.
    pub(in crate::sched) fn all_around(fiber: &FiberRecord) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(fiber), |fiber| fiber.around()).flat_map(Frame::all_of)
    }

    /// What it does is called, if it has a name. Runs user code (`Debug`).
    pub(in crate::sched) fn name(&self) -> Option<Name> {
        self.subject.name()
    }

    /// Who forked it, if it is a fork.
    pub(in crate::sched) fn giver(&self) -> Option<&FiberRecord> {
        let is_fork = self.subject.kind.role == Role::Fork;
        // SAFETY: of a fork: the fiber that forked it, which waits for it in the end (`enter`).
        is_fork.then(|| unsafe { self.subject.data.cast().as_ref() })
    }

    /// Whether what is below it goes on when this is cancelled.
    pub(in crate::sched) fn is_root(&self) -> bool {
        match self.subject.kind.role {
            Role::Inside => false,
            Role::Run => true,
            Role::Part => {
                // SAFETY: of a part, whose region outlives the frame (`Subject::part`).
                let region = unsafe { self.subject.data.cast::<Region>().as_ref() };
                region.own_reason().is_some()
            }
            _ => false,
        }
    }

    /// Nothing that the queries on `fiber`, the current one, give from now on is remembered: it ends with `error`
    /// (cancel.md X3).
    pub(crate) fn cancel_queries(fiber: &FiberRecord, error: &Error) {
        for frame in Frame::all_around(fiber) {
            if frame.cycle().is_some_and(Error::is_cancelled) {
                // Who marked it has marked what is around it.
                return;
            }
            let is_root = frame.is_root();
            let is_ended = match frame.kind().role {
                Role::Work | Role::Fork => true,
                // Who has begun it tells of it, once it has ended.
                Role::Part => is_root,
                Role::Run | Role::Inside | Role::Wait => false,
            };
            if is_ended && frame.cycle().is_none() && !plant::is("cancelled_is_kept") {
                // SAFETY: the fiber runs: only it reads or writes the field (graph.md G6).
                unsafe { *frame.cycle.get() = Some(error.clone()) };
            }
            if is_root {
                return;
            }
        }
    }

    /// `fiber`, the current one, takes the result of what was done in another frame, which `cycle` has marked: if that was
    /// told to end, what the queries here make of it is not remembered either (cancel.md X3).
    #[cold]
    pub(crate) fn take_over(fiber: &FiberRecord, cycle: &Error) {
        // A deaf one cannot give the error.
        if cycle.is_cancelled() && !fiber.is_deaf() && !plant::is("unmarked_giver") {
            Frame::cancel_queries(fiber, cycle);
        }
    }

    /// Gives the queries and tasks of `fiber`, the current one, back, for it goes no further: but not those that a cycle has
    /// decided, which were published then.
    pub(in crate::sched) fn abandon_queries(fiber: &FiberRecord) {
        let is_open = |frame: &&Frame| {
            // What is in an iteration may be marked and still open (graph.md G9): it looks itself. What a cycle does not
            // decide is open, too.
            frame.cycle().is_none_or(Error::is_transient)
                || frame.kind().is_provisional.is_some()
                || frame.kind().decide.is_none()
        };
        for frame in Frame::all_around(fiber.innermost()).filter(is_open) {
            if let Some(abandon) = frame.kind().abandon {
                // SAFETY: of this kind, and the frame is entered (`Subject::new`); the fiber does not go on.
                unsafe { abandon(frame.subject.data) }.wake();
            }
        }
    }

    /// Whether what it does is provisional. Called by its fiber, or under the lock while that is stuck.
    pub(in crate::sched) fn is_provisional(&self) -> bool {
        // SAFETY: of this kind, and the frame is entered (`Subject::new`).
        let ask = |ask: unsafe fn(NonNull<()>) -> bool| unsafe { ask(self.subject.data) };
        self.subject.kind.is_provisional.is_some_and(ask)
    }

    /// The kind of what it does.
    pub(in crate::sched) fn kind(&self) -> &'static Kind {
        self.subject.kind
    }

    /// Puts what a cycle makes of it into what it does, if that is a query. Runs user code (`recover`).
    ///
    /// # Safety
    ///
    /// The caller decides a cycle that the frame is on, and its fiber is stuck or the caller.
    pub(in crate::sched) unsafe fn put(&self, error: &Error) -> Option<Outcome> {
        let decide = self.subject.kind.decide?;
        // SAFETY: of this kind, and the frame is entered (`Subject::new`); in progress by a fiber
        // that is stuck: nobody else completes it.
        Some(unsafe { (decide.put)(self.subject.data, error) })
    }

    /// Closes what was put in.
    ///
    /// # Safety
    ///
    /// As for [`put`](Self::put), which gave `outcome`.
    pub(in crate::sched) unsafe fn close(&self, outcome: Outcome) -> Option<Waiters> {
        let decide = self.subject.kind.decide?;
        // SAFETY: as in `put`.
        Some(unsafe { (decide.close)(self.subject.data, outcome) })
    }
}
