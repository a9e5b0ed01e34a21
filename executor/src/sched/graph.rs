#![doc = include_str!("graph.md")]
//!
//! Used by everything that waits. Knows nothing of queries: an awaited thing says by its [`Kind`]
//! what it is called and how a cycle's error is put into it.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::time::Instant;

use super::cancel::Region;
use super::cycle::Cycle;
use super::detection::{self, GRAPH};
use super::fiber::{FiberRecord, GivenUpFor};
use super::wait::{Outcome, WaitList, Waiters};
use super::wanted::{self, Foreign, end_of};
use crate::error::Error;
use crate::plant;
use crate::sync::Ordering;

/// What part a frame has in the end of cancelled work (cancel.md X3, X4).
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A query or a task.
    Work,
    /// What a fiber gave away, and takes back.
    Fork,
    /// A whole run: nothing below it, if there is something, is part of it.
    Run,
    /// A run of an iteration's own: what is below it, on the fiber around, is one with it (cancel.md X9).
    Inside,
    /// A part of a run; the data is its [`Region`].
    Part,
    /// No frame: what a wait is for.
    Wait,
}

/// What a frame does is to the wait graph.
pub(crate) struct Kind {
    pub(crate) role: Role,
    /// The name of the query's type, if it is a query: for a signal handler, so it must not allocate.
    pub(crate) query: Option<fn() -> &'static str>,
    /// Its name in the report of a cycle: (kind, key). `None`: it is not named (a join's half).
    pub(crate) describe: Option<unsafe fn(NonNull<()>) -> Name>,
    /// What a cycle makes of it: queries only, others end when their fibers have unwound.
    pub(crate) decide: Option<Decide>,
    /// Whether what it does is provisional, if it ever is: a cycle through it is cut instead of decided (graph.md G9).
    pub(crate) is_provisional: Option<unsafe fn(NonNull<()>) -> bool>,
    /// Gives it back without a result, for a fiber that goes no further: queries only.
    pub(crate) abandon: Option<unsafe fn(NonNull<()>) -> Waiters>,
}

/// How a cycle ends a query, in two steps (graph.md G6).
#[derive(Copy, Clone)]
pub(crate) struct Decide {
    /// Puts the result in: a value, or the cycle's error. Runs user code; says how it is to be closed.
    pub(crate) put: unsafe fn(NonNull<()>, &Error) -> Outcome,
    /// Closes it so.
    pub(crate) close: unsafe fn(NonNull<()>, Outcome) -> Waiters,
}

impl Kind {
    /// Has no name in reports (the query that forked or ran it has), and ends by itself.
    const FORK: &'static Kind = &Kind::unnamed(Role::Fork);
    const RUN: &'static Kind = &Kind::unnamed(Role::Run);
    const INSIDE: &'static Kind = &Kind::unnamed(Role::Inside);
    const PART: &'static Kind = &Kind::unnamed(Role::Part);
    const WAIT: &'static Kind = &Kind::unnamed(Role::Wait);

    const fn unnamed(role: Role) -> Kind {
        Kind {
            role,
            query: None,
            describe: None,
            decide: None,
            is_provisional: None,
            abandon: None,
        }
    }
}

/// What a frame does, with what its kind needs to know: a pointer that only the kind's functions
/// look at.
#[derive(Copy, Clone)]
pub(crate) struct Subject {
    kind: &'static Kind,
    data: NonNull<()>,
}

impl Subject {
    /// A whole run.
    pub(crate) const RUN: Subject = Subject::unnamed(Kind::RUN);
    /// A run of an iteration's own.
    pub(crate) const INSIDE: Subject = Subject::unnamed(Kind::INSIDE);
    /// A wait for a fork.
    const CHILD: Subject = Subject::unnamed(Kind::WAIT);

    const fn unnamed(kind: &'static Kind) -> Self {
        Subject {
            kind,
            data: NonNull::dangling(),
        }
    }

    /// What `giver` forked; it outlives the frame.
    fn fork(giver: *const FiberRecord) -> Self {
        Subject {
            kind: Kind::FORK,
            data: NonNull::new(giver.cast_mut()).map_or(NonNull::dangling(), NonNull::cast),
        }
    }

    /// A part of a run, which can be cancelled alone. The region outlives the frame.
    pub(crate) fn part(region: &Region) -> Self {
        Subject {
            kind: Kind::PART,
            data: NonNull::from(region).cast(),
        }
    }

    /// What it is called, if it has a name. Runs user code (`Debug`).
    pub(super) fn name(&self) -> Option<Name> {
        let describe = self.kind.describe?;
        // SAFETY: of this kind, and its frame or wait is entered (`Subject::new`).
        Some(unsafe { describe(self.data) })
    }

    /// # Safety
    ///
    /// The functions of `kind` may be called with `data` as long as the subject's frame is entered.
    pub(crate) unsafe fn new<T>(kind: &'static Kind, data: &T) -> Self {
        Subject {
            kind,
            data: NonNull::from(data).cast(),
        }
    }
}

/// What a thing is called in reports, ordered by kind, then by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// The head of everything that a fiber can wait for: who does it, and is it done. Zeroed memory is
/// one that nobody does yet, and that [`WaitList::reopen`] opens.
pub(crate) struct Awaited {
    pub(crate) list: WaitList,
}

impl Awaited {
    /// Open; `owner` does it (null before somebody has started, or where nobody is known to, as for events).
    #[inline]
    pub(crate) fn new(owner: *const FiberRecord) -> Self {
        Awaited {
            list: WaitList::new(owner),
        }
    }

    /// Says who does it, the caller (G3).
    pub(crate) fn set_owner(&self, owner: &FiberRecord) {
        if !self.list.set_owner(owner) {
            self.set_owner_of_waiters(owner);
        }
    }

    #[cold]
    fn set_owner_of_waiters(&self, owner: &FiberRecord) {
        let _guard = GRAPH.lock();
        // SAFETY: the lock is held, all that has an owner is waited for by an edge, and whoever does it closes it.
        unsafe { self.list.set_owner_of_waiters(owner) };
        // They may all have been taken off before we had the lock: nobody lists itself meanwhile.
        self.list.set_owner(owner);
    }
}

/// A provider or a job that runs on a fiber, in the frame of its call.
pub(crate) struct Frame {
    pub(super) awaited: NonNull<Awaited>,
    subject: Subject,
    pub(super) below: *const Frame,
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
    #[inline]
    pub(crate) fn enter_as<R>(
        fiber: &FiberRecord,
        awaited: &Awaited,
        subject: Subject,
        body: impl FnOnce() -> R,
    ) -> (R, Option<Error>) {
        let below = fiber.frames.get();
        let frame = Frame {
            awaited: NonNull::from(awaited),
            subject,
            below,
            cycle: UnsafeCell::new(None),
        };
        fiber.frames.set(&raw const frame);
        let result = body();
        fiber.frames.set(below);
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
    fn innermost_cycle(fiber: &FiberRecord) -> Option<&Error> {
        let innermost = fiber.frames.get();
        // SAFETY: a fiber's frames are alive while they are linked (`enter` unlinks them).
        unsafe { innermost.as_ref() }.and_then(Frame::cycle)
    }

    /// The error of the cycle that decided it. Called by its fiber, or under the graph's lock.
    pub(super) fn cycle(&self) -> Option<&Error> {
        // SAFETY: written under the lock, while the frame's fiber is stuck or is the writer (G6).
        unsafe { &*self.cycle.get() }.as_ref()
    }

    /// # Safety
    ///
    /// The caller decides a cycle that the frame is on, its fiber is stuck or the caller, and the
    /// lock is held.
    pub(super) unsafe fn set_cycle(&self, error: Error) {
        // SAFETY: by contract.
        unsafe { *self.cycle.get() = Some(error) };
    }

    /// The frames of a fiber, the innermost first: of the current one, or under the lock.
    pub(super) fn all_of(fiber: &FiberRecord) -> impl Iterator<Item = &Frame> {
        let mut next = fiber.frames.get();
        std::iter::from_fn(move || {
            // SAFETY: a fiber's frames are alive while they are linked.
            let frame = unsafe { next.as_ref() }?;
            next = frame.below;
            Some(frame)
        })
    }

    /// The same, and then those of the fibers around it, if it is an iteration's.
    pub(super) fn all_around(fiber: &FiberRecord) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(fiber), |fiber| fiber.around()).flat_map(Frame::all_of)
    }

    /// What it does is called, if it has a name. Runs user code (`Debug`).
    pub(super) fn name(&self) -> Option<Name> {
        self.subject.name()
    }

    /// Who forked it, if it is a fork.
    pub(super) fn giver(&self) -> Option<&FiberRecord> {
        let is_fork = self.subject.kind.role == Role::Fork;
        // SAFETY: of a fork: the fiber that forked it, which waits for it in the end (`enter`).
        is_fork.then(|| unsafe { self.subject.data.cast().as_ref() })
    }

    /// Whether what is below it goes on when this is cancelled.
    pub(super) fn is_root(&self) -> bool {
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
        let frames = Frame::all_around(fiber).take_while(|frame| !frame.is_root());
        // Who marked one has marked what is around it.
        let is_marked = |frame: &&Frame| frame.cycle().is_some_and(Error::is_cancelled);
        let frames = frames.take_while(|frame| !is_marked(frame));
        let is_ended = |frame: &&Frame| matches!(frame.kind().role, Role::Work | Role::Fork);
        for frame in frames.filter(is_ended) {
            if frame.cycle().is_none() && !plant::is("cancelled_is_kept") {
                // SAFETY: the fiber runs: only it reads or writes the field (graph.md G6).
                unsafe { *frame.cycle.get() = Some(error.clone()) };
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

    /// Gives the queries of `fiber`, the current one, back, for it goes no further: but not those that a cycle has decided,
    /// which were published then.
    pub(super) fn abandon_queries(fiber: &FiberRecord) {
        let is_open = |frame: &&Frame| {
            // What is in an iteration may be marked and still open (graph.md G9): it looks itself.
            frame.cycle().is_none_or(Error::is_transient) || frame.kind().is_provisional.is_some()
        };
        for frame in Frame::all_around(fiber.innermost()).filter(is_open) {
            if let Some(abandon) = frame.kind().abandon {
                // SAFETY: of this kind, and the frame is entered (`Subject::new`); the fiber does not go on.
                unsafe { abandon(frame.subject.data) }.wake();
            }
        }
    }

    /// Whether what it does is provisional. Called by its fiber, or under the lock while that is stuck.
    pub(super) fn is_provisional(&self) -> bool {
        // SAFETY: of this kind, and the frame is entered (`Subject::new`).
        let ask = |ask: unsafe fn(NonNull<()>) -> bool| unsafe { ask(self.subject.data) };
        self.subject.kind.is_provisional.is_some_and(ask)
    }

    /// The kind of what it does.
    pub(super) fn kind(&self) -> &'static Kind {
        self.subject.kind
    }

    /// Puts what a cycle makes of it into what it does, if that is a query. Runs user code (`recover`).
    ///
    /// # Safety
    ///
    /// The caller decides a cycle that the frame is on, and its fiber is stuck or the caller.
    pub(super) unsafe fn put(&self, error: &Error) -> Option<Outcome> {
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
    pub(super) unsafe fn close(&self, outcome: Outcome) -> Option<Waiters> {
        let decide = self.subject.kind.decide?;
        // SAFETY: as in `put`.
        Some(unsafe { (decide.close)(self.subject.data, outcome) })
    }
}

/// Suspends `fiber` until `awaited` was closed; `what` is its name for reports.
///
/// # Errors
///
/// The error of a cycle that this wait is part of (the wait never returns to its asker: raise it);
/// or that no stack is left to go on with while this one waits, or that the fiber's work is cancelled.
pub(crate) fn wait_for(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Stopped> {
    wait_in_ask(fiber, awaited, what, WaitKind::Ask)
}

/// As [`wait_for`], in an iteration: gives [`Stopped::Cut`] where the wait would be part of a cycle through a query that
/// asks for a fixpoint (graph.md G9).
pub(crate) fn wait_for_or_cut(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Stopped> {
    wait_in_ask(fiber, awaited, what, WaitKind::Iterated)
}

fn wait_in_ask(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
    kind: WaitKind,
) -> Result<(), Stopped> {
    if awaited.list.outcome().is_some() {
        return Ok(());
    }
    check_unwinding().map_err(Stopped::Refused)?;
    check_cancelled(fiber).map_err(Stopped::Refused)?;
    wait_on_edge(fiber, awaited, what, kind).map_err(Stopped::of)
}

/// Suspends `fiber` until `awaited`, a child that borrows from it and is not opened again, is
/// closed, come what may.
///
/// Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn wait_for_child(fiber: &FiberRecord, awaited: &Awaited) -> Option<Error> {
    let mut cycle = None;
    while awaited.list.outcome().is_none() {
        // Once a cycle is decided the child goes on; it may run into another.
        let waited = wait_on_edge(fiber, awaited, Subject::CHILD, WaitKind::Child);
        cycle = cycle.or(waited.err());
    }
    cycle
}

/// The same for a child that nobody does before `begin` sets it going: the fiber is listed first, so that it waits
/// however soon the child ends.
pub(crate) fn wait_for_begun(
    fiber: &FiberRecord,
    awaited: &Awaited,
    begin: impl FnOnce(),
) -> Option<Error> {
    point_before_wait(fiber);
    // SAFETY: the current fiber, which suspends below; its record outlives it.
    let mut ask = Ask::new(fiber, awaited, Subject::CHILD, WaitKind::Child);
    // SAFETY: as above.
    let Added::Waiting = (unsafe { add_edge(fiber, awaited, &mut ask) }) else {
        unreachable!("it is open, and nobody does it");
    };
    begin();
    let cycle = wait_listed(fiber, awaited, ask).err();
    cycle.or(wait_for_child(fiber, awaited))
}

/// As [`wait_for`], for what is owned by nobody (events): no edge, no cycle.
pub(crate) fn wait_without_edge(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
) -> Result<(), Error> {
    let mut ask = Ask::new(fiber, awaited, what, WaitKind::Ask);
    while awaited.list.outcome().is_none() {
        check_unwinding()?;
        check_cancelled(fiber)?;
        point_before_wait(fiber);
        // SAFETY: the current fiber, which suspends if it was listed; its record outlives it.
        if let Ok(before) = unsafe { awaited.list.list(fiber) } {
            ask.before = before;
            suspend(fiber, &ask)?;
        }
    }
    Ok(())
}

/// A wait of a suspended fiber, in the frame of the wait: what its worker knows of it.
pub(super) struct Ask {
    awaited: NonNull<Awaited>,
    /// Behind whom the fiber was listed (wait.md W7).
    before: *const FiberRecord,
    kind: WaitKind,
    what: Subject,
    /// Since when, if somebody looks at the clock.
    since: Option<Instant>,
    foreign: Foreign,
}

impl Ask {
    fn new(fiber: &FiberRecord, awaited: &Awaited, what: Subject, kind: WaitKind) -> Self {
        let is_timed = fiber
            .host()
            .worker()
            .is_some_and(|worker| worker.times_waits());
        Ask {
            awaited: NonNull::from(awaited),
            before: ptr::null(),
            kind,
            what,
            since: is_timed.then(Instant::now),
            foreign: Foreign::new(),
        }
    }

    /// The fiber was listed, behind `before`. The lock is held.
    fn listed(&mut self, fiber: &FiberRecord, awaited: &Awaited, before: *const FiberRecord) {
        self.before = before;
        if self.kind.is_ask() {
            self.foreign.note(fiber, owner_of(awaited));
        }
    }
}

/// Who does what `fiber`, which rests, waits for: an address only, to compare with.
#[cfg(any(feature = "fibers", feature = "threads"))]
fn owner_now(fiber: &FiberRecord) -> *const FiberRecord {
    let _guard = GRAPH.lock();
    let owner = edge_of(fiber).and_then(owner_of);
    owner.map_or(ptr::null(), |owner| owner.host())
}

/// The wait of `fiber`, one of the calling worker's, if it waits. Runs user code (`Debug`).
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) fn seen_wait(fiber: &FiberRecord) -> Option<super::pool::SeenWait> {
    let inner = fiber.innermost();
    // SAFETY: null, or in a frame of the fiber, which is suspended: its worker does something else.
    let ask = unsafe { inner.ask().as_ref() }?;
    let text = |name: Option<Name>| name.map(|name| name.text);
    super::fiber::without_runs(|| {
        let queries = Frame::all_around(inner).filter_map(|frame| text(frame.name()));
        Some(super::pool::SeenWait {
            fiber,
            owner: owner_now(inner),
            awaited: text(ask.what.name()).unwrap_or_else(|| "what it forked".to_owned()),
            queries: queries.collect(),
            since: ask.since,
        })
    })
}

/// Suspends `fiber`, which is listed; `ask` says where and behind whom.
///
/// # Errors
///
/// It was given up.
fn suspend(fiber: &FiberRecord, ask: &Ask) -> Result<(), Error> {
    fiber.begin_rest(ask);
    if wanted::reason_of(fiber).is_some() {
        // It is wanted as far as it can tell; once it stands still, others, and its own worker, can tell better.
        fiber.watcher().inspect(|pool| pool.interrupt());
    }
    fiber.suspend();
    fiber.end_rest();
    if wanted::reason_of(fiber).is_some() {
        // Another fiber may have lowered the attention word meanwhile.
        fiber.raise_attention();
    }
    match fiber.given_up.replace(GivenUpFor::Nothing) {
        GivenUpFor::Nothing => Ok(()),
        GivenUpFor::Shortage => Err(fiber.shortage()),
        GivenUpFor::Cancel => {
            let reason = wanted::reason_of(fiber).expect("a reason stays");
            Err(wanted::told(fiber, wanted::end(fiber, reason)))
        }
    }
}

/// How many circles stand still until they are decided (G5). Changed under the lock; in the sequential build, which has
/// none, by several threads.
static DECIDING: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// A circle was decided. The lock is held.
pub(super) fn circle_is_decided() {
    DECIDING.fetch_sub(1, Ordering::Relaxed);
}

/// What came of giving up a wait.
#[must_use]
pub(crate) enum GivenUp {
    /// Nothing: it is no ask, or ends by itself.
    No,
    /// Nothing now: a circle is being decided, and must stand still.
    NotNow,
    /// It was taken off its list: the caller makes the fiber ready.
    Unlisted,
    /// It was woken, or is about to be.
    Woken,
}

/// Ends the ask that `fiber`, a suspended fiber of the calling worker, waits in, with an error (G8): because no fiber
/// can be made (stand.md S3), or, if it was cancelled and nobody else wants what it computes, for that (cancel.md X2).
pub(crate) fn give_up(fiber: &FiberRecord, why: GivenUpFor) -> GivenUp {
    let guard = GRAPH.lock();
    let fiber = fiber.innermost();
    // SAFETY: null, or in a frame of the fiber, which stands still.
    let Some(ask) = (unsafe { fiber.ask().as_ref() }) else {
        return GivenUp::No;
    };
    // SAFETY: borrowed by that frame.
    let awaited = unsafe { ask.awaited.as_ref() };
    let is_over = fiber.given_up.get() != GivenUpFor::Nothing
        || fiber.is_called_back()
        || awaited.list.outcome().is_some();
    if !ask.kind.is_ask() || is_over || why == GivenUpFor::Cancel && !wanted::is_to_end(fiber) {
        return GivenUp::No;
    }
    if DECIDING.load(Ordering::Relaxed) > 0 {
        return GivenUp::NotNow;
    }
    // What it waited for may be wanted by nobody now (cancel.md X4).
    let owner = edge_of(fiber).and_then(owner_of);
    let owner = owner.and_then(FiberRecord::watcher);
    fiber.edge.set(ptr::null());
    fiber.given_up.set(why);
    // It is suspended in that wait, and the caller, its worker, is who resumes it.
    let is_newest = awaited.list.unlist_newest(fiber, ask.before);
    // SAFETY: the lock is held.
    // Else those above it look again; whoever takes it off its list, we or who closes it, wakes it.
    let woken = (!is_newest).then(|| unsafe { awaited.list.detach() });
    drop(guard);
    owner.inspect(|owner| owner.interrupt());
    match woken {
        None => GivenUp::Unlisted,
        Some(woken) => {
            woken.wake();
            GivenUp::Woken
        }
    }
}

/// A point for a schedule, which the closer may use to come first.
fn point_before_wait(fiber: &FiberRecord) {
    fiber
        .worker()
        .inspect(|worker| worker.point_before_wait(fiber));
}

fn wait_on_edge(
    fiber: &FiberRecord,
    awaited: &Awaited,
    what: Subject,
    kind: WaitKind,
) -> Result<(), Error> {
    let mut ask = Ask::new(fiber, awaited, what, kind);
    point_before_wait(fiber);
    // SAFETY: the current fiber, which suspends below if it was listed; its record outlives it.
    match unsafe { add_edge(fiber, awaited, &mut ask) } {
        Added::Waiting => wait_listed(fiber, awaited, ask),
        Added::Done => Ok(()),
        Added::Closes(cycle) => Err(cycle.decide()),
        Added::CalledBack(error) => Err(error),
    }
}

/// Suspends `fiber`, which has an edge and is listed, until the wait has ended.
fn wait_listed(fiber: &FiberRecord, awaited: &Awaited, mut ask: Ask) -> Result<(), Error> {
    let is_ask = ask.kind.is_ask();
    loop {
        suspend(fiber, &ask)?;
        // SAFETY: the current fiber, which was woken, and suspends above if it is listed again.
        match unsafe { end_wait(fiber, awaited, &mut ask) } {
            Ended::ListedAgain => (),
            Ended::Done => return Ok(()),
            Ended::Cycle(error) => {
                if is_ask && ask.foreign.is_counted() {
                    // Who computes it may be wanted by nobody now.
                    fiber.watcher().inspect(|pool| pool.interrupt());
                }
                return Err(error);
            }
        }
    }
}

/// Why a wait did not come to its end.
pub(crate) enum Stopped {
    /// It is part of a cycle: its asker must not go on.
    Cycle(Error),
    /// It could not begin.
    Refused(Error),
    /// It is part of a cycle that its asker iterates: it goes on without.
    Cut,
}

impl Stopped {
    fn of(error: Error) -> Stopped {
        if error.is_exhausted() || error.is_cancelled() {
            Stopped::Refused(error)
        } else if error.is_cut() {
            Stopped::Cut
        } else {
            Stopped::Cycle(error)
        }
    }
}

/// What a wait on an edge is to the graph.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// For a child, which borrows from the waiter: it cannot be called back.
    Child,
    /// An ask.
    Ask,
    /// An ask in an iteration, which can be cut (G9).
    Iterated,
}

impl WaitKind {
    /// Whether it can be called back.
    pub(super) fn is_ask(self) -> bool {
        self != WaitKind::Child
    }
}

/// An ask must not wait in a destructor that an unwind runs.
fn check_unwinding() -> Result<(), Error> {
    if std::thread::panicking() && !plant::is("wait_while_unwinding") {
        Err(Error::unwinding())
    } else {
        Ok(())
    }
}

/// Cancelled work does not begin to wait (cancel.md X2).
fn check_cancelled(fiber: &FiberRecord) -> Result<(), Error> {
    match end_of(fiber) {
        Some(error) => Err(wanted::told(fiber, error)),
        None => Ok(()),
    }
}

/// Moves fibers, whom somebody may look at under the graph's lock.
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) fn undisturbed_by_looks(drain: impl FnOnce()) {
    let _guard = GRAPH.lock();
    drain();
}

/// What runs on the fibers of an inbox that is drained under the graph's lock: the type of the innermost query on each.
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(super) fn names_of_ready(inbox: &super::ready::Inbox) -> Vec<&'static str> {
    let _guard = GRAPH.lock();
    // SAFETY: nobody drains it while the lock is held.
    let fibers = unsafe { inbox.fibers() };
    // A fiber that is not drained is not resumed: its frames stand still.
    let name = |fiber: &FiberRecord| {
        Frame::all_around(fiber.innermost()).find_map(|frame| frame.kind().query)
    };
    let name = |fiber: &FiberRecord| name(fiber).filter(|_| !plant::is("nameless_ready"));
    fibers
        .map(|fiber| name(fiber).map_or("a job", |name| name()))
        .collect()
}

/// What came of adding an edge.
#[must_use]
enum Added {
    /// It is there, and the fiber is listed: it must suspend.
    Waiting,
    /// What was awaited is closed meanwhile.
    Done,
    /// It would close a cycle, which the caller must decide.
    Closes(Cycle),
    /// The ask ends with this error: it is left over from a decided provider, or cut.
    CalledBack(Error),
}

/// Adds the edge of `fiber` and lists it, unless that closes a cycle (G2).
///
/// # Safety
///
/// As for [`WaitList::list`].
unsafe fn add_edge(fiber: &FiberRecord, awaited: &Awaited, ask: &mut Ask) -> Added {
    let guard = GRAPH.lock();
    let mut woken = None;
    if detection::IS_ON && is_cycle(fiber, awaited) {
        let cycle = Cycle::collect(fiber, awaited, ask.kind);
        let ended = match (cycle.left_over(), cycle.cut()) {
            (Some(left_over), _) => left_over.end(fiber),
            (None, Some(cut)) => cut.end(fiber, &Error::cut()),
            (None, None) => {
                DECIDING.fetch_add(1, Ordering::Relaxed);
                return Added::Closes(cycle);
            }
        };
        match ended {
            Ok(waiters) => woken = waiters,
            Err(error) => return Added::CalledBack(error),
        }
    }
    // SAFETY: the caller's contract.
    let added = match unsafe { awaited.list.list_owned(fiber) } {
        Ok(before) => {
            fiber.edge.set(awaited);
            fiber.wait_kind.set(ask.kind);
            ask.listed(fiber, awaited, before);
            Added::Waiting
        }
        Err(_) if plant::is("unchecked_listing") => Added::Waiting,
        Err(_) => Added::Done,
    };
    drop(guard);
    // No wake under the lock: a schedule may let another worker go on first.
    woken.into_iter().for_each(Waiters::wake);
    added
}

/// What a wake from a wait on an edge was.
#[must_use]
enum Ended {
    /// What was awaited is closed.
    Done,
    /// The wait is part of a cycle, with this error.
    Cycle(Error),
    /// The list was only detached for another's sake: the fiber is listed again.
    ListedAgain,
}

/// After a wake: removes the edge, if the wait has ended.
///
/// # Safety
///
/// As for [`WaitList::list`]; the fiber was woken.
unsafe fn end_wait(fiber: &FiberRecord, awaited: &Awaited, ask: &mut Ask) -> Ended {
    let _guard = GRAPH.lock();
    // SAFETY: the lock is held.
    let ended = match unsafe { &mut *fiber.cycle.get() }.take() {
        Some(error) => Ended::Cycle(error),
        // SAFETY: the caller's contract.
        None => match unsafe { awaited.list.list_owned(fiber) } {
            Ok(before) => {
                ask.listed(fiber, awaited, before);
                return Ended::ListedAgain;
            }
            Err(_) => Ended::Done,
        },
    };
    fiber.edge.set(ptr::null());
    ended
}

/// Runs `body` on an inner record of this same stack, while `outer` waits for `awaited`, which
/// `body` does. Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn with_inner(
    outer: &FiberRecord,
    awaited: &Awaited,
    body: impl FnOnce(),
) -> Option<Error> {
    let set_edge = |edge: *const Awaited| {
        let _guard = GRAPH.lock();
        outer.edge.set(edge);
        outer.wait_kind.set(WaitKind::Child);
    };
    let was_decided = Frame::innermost_cycle(outer).is_some();
    // No cycle can close here: what `awaited` belongs to has not started.
    set_edge(awaited);
    body();
    set_edge(ptr::null());
    if was_decided {
        None
    } else {
        // A cancellation is none: whoever ran `body` tells of it.
        let cycle = Frame::innermost_cycle(outer);
        cycle.filter(|cycle| !cycle.is_cancelled()).cloned()
    }
}

/// Who does `awaited` now, if it is open and somebody does.
///
/// The graph's lock is held; the owner's record is alive then (G4).
pub(super) fn owner_of<'a>(awaited: &Awaited) -> Option<&'a FiberRecord> {
    // SAFETY: the lock is held, and all that an edge leads to is waited for by edges.
    let owner = unsafe { awaited.list.owner() };
    // SAFETY: null or a fiber that has not closed `awaited` yet; its record is not freed while the
    // lock is held (G4).
    unsafe { owner.as_ref() }
}

/// What `fiber` waits for, if it waits.
pub(super) fn edge_of<'a>(fiber: &FiberRecord) -> Option<&'a Awaited> {
    // SAFETY: an edge is removed, under the lock that is held, before the fiber leaves the frame
    // that borrows it (G1).
    unsafe { fiber.edge.get().as_ref() }
}

/// Whether an edge from `fiber` to `first` would close a cycle. The lock is held.
fn is_cycle(fiber: &FiberRecord, first: &Awaited) -> bool {
    let mut awaited = first;
    loop {
        let Some(owner) = owner_of(awaited) else {
            return false;
        };
        if ptr::eq(owner, fiber) {
            return true;
        }
        if owner.is_called_back() {
            return false;
        }
        match edge_of(owner) {
            Some(next) => awaited = next,
            None => return false,
        }
    }
}

/// Frees a fiber's record, which `take` takes out of its place, under the lock, so that no walk sees it go (G4).
pub(crate) fn retire<T>(take: impl FnOnce() -> T) {
    let _guard = GRAPH.lock();
    drop(take());
}

/// Waits until no walk is under way: after this a record in the caller's frame, whose work is all
/// closed, may go (G4).
pub(crate) fn settle() {
    drop(GRAPH.lock());
}
