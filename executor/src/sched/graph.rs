#![doc = include_str!("graph.md")]
//!
//! Used by everything that waits. Knows nothing of queries: an awaited thing says by its [`Kind`]
//! what it is called and how a cycle's error is put into it.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

use super::cycle::Cycle;
use super::detection::{self, GRAPH};
use super::fiber::FiberRecord;
use super::wait::{Outcome, WaitList, Waiters};
use crate::error::Error;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// What a frame does is to the wait graph.
pub(crate) struct Kind {
    /// The name of the query's type, if it is a query: for a signal handler, so it must not allocate.
    pub(crate) query: Option<fn() -> &'static str>,
    /// Its name in the report of a cycle: (kind, key). `None`: it is not named (a join's half).
    pub(crate) describe: Option<unsafe fn(NonNull<()>) -> Name>,
    /// What a cycle makes of it: queries only, others end when their fibers have unwound.
    pub(crate) decide: Option<Decide>,
    /// Whether what it does is provisional, if it ever is: a cycle through it is cut instead of decided (graph.md G9).
    pub(crate) is_provisional: Option<unsafe fn(NonNull<()>) -> bool>,
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
    const UNNAMED: &'static Kind = &Kind {
        query: None,
        describe: None,
        decide: None,
        is_provisional: None,
    };
}

/// What a frame does, with what its kind needs to know: a pointer that only the kind's functions
/// look at.
#[derive(Copy, Clone)]
pub(crate) struct Subject {
    kind: &'static Kind,
    data: NonNull<()>,
}

impl Subject {
    const UNNAMED: Subject = Subject {
        kind: Kind::UNNAMED,
        data: NonNull::dangling(),
    };

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
#[repr(C)]
pub(crate) struct Awaited {
    /// The fiber that does it; null before somebody started (or where nobody is known to, as for
    /// events).
    owner: AtomicPtr<FiberRecord>,
    pub(crate) list: WaitList,
}

/// What tells a past from an owner: a record of a fiber has an even address.
const PAST: usize = 1;

impl Awaited {
    pub(crate) fn new(owner: *const FiberRecord) -> Self {
        Awaited {
            owner: AtomicPtr::new(owner.cast_mut()),
            list: WaitList::new(),
        }
    }

    /// Says who does it (graph.md G3).
    pub(crate) fn set_owner(&self, owner: *const FiberRecord) {
        // Release: pairs with the Acquire in `owner`.
        self.owner.store(owner.cast_mut(), Ordering::Release);
    }

    /// Keeps `past`, which is aligned to more than one, where the owner was. Only after the close, and only by the
    /// closer: nobody looks for an owner of what is closed (G4).
    pub(crate) fn set_past(&self, past: *mut ()) {
        let tagged = past.map_addr(|address| address | PAST).cast();
        // Release: pairs with the Acquire in `past` and in `owner`: who sees it sees the close, too.
        self.owner.store(tagged, Ordering::Release);
    }

    /// What [`set_past`](Self::set_past) was told.
    pub(crate) fn past(&self) -> Option<*mut ()> {
        // Acquire: pairs with the Release in `set_past`.
        let past = self.owner.load(Ordering::Acquire);
        (past.addr() & PAST != 0).then(|| past.map_addr(|address| address & !PAST).cast())
    }

    /// Who does it; only an address, unless it is open and the lock is held (G4).
    pub(super) fn owner(&self) -> *const FiberRecord {
        // Acquire: pairs with the Release in `set_owner`.
        self.owner.load(Ordering::Acquire)
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
    /// Enters a frame on `fiber` for the time of `body`, which must not unwind and does `awaited`.
    /// Gives `body`'s result, and the error of the cycle that decided this frame meanwhile, if one
    /// did.
    pub(crate) fn enter<R>(
        fiber: &FiberRecord,
        awaited: &Awaited,
        body: impl FnOnce() -> R,
    ) -> (R, Option<Error>) {
        Self::enter_as(fiber, awaited, Subject::UNNAMED, body)
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

    /// What it does is called, if it has a name. Runs user code (`Debug`).
    pub(super) fn name(&self) -> Option<Name> {
        let describe = self.subject.kind.describe?;
        // SAFETY: of this kind, and the frame is entered (`Subject::new`).
        Some(unsafe { describe(self.subject.data) })
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

/// Suspends `fiber` until `awaited` was closed.
///
/// # Errors
///
/// The error of a cycle that this wait is part of (the wait never returns to its asker: raise it),
/// or that no stack is left to go on with while this one waits.
pub(crate) fn wait_for(fiber: &FiberRecord, awaited: &Awaited) -> Result<(), Stopped> {
    if awaited.list.outcome().is_some() {
        return Ok(());
    }
    check_unwinding().map_err(Stopped::Refused)?;
    wait_on_edge(fiber, awaited, WaitKind::Ask).map_err(Stopped::of)
}

/// As [`wait_for`], in an iteration: gives [`Stopped::Cut`] where the wait would be part of a cycle through a query that
/// asks for a fixpoint (graph.md G9).
pub(crate) fn wait_for_or_cut(fiber: &FiberRecord, awaited: &Awaited) -> Result<(), Stopped> {
    if awaited.list.outcome().is_some() {
        return Ok(());
    }
    check_unwinding().map_err(Stopped::Refused)?;
    wait_on_edge(fiber, awaited, WaitKind::Iterated).map_err(Stopped::of)
}

/// Suspends `fiber` until `awaited`, a child that borrows from it and is not opened again, is
/// closed, come what may.
///
/// Gives the error of a cycle that this wait was part of: raise it.
pub(crate) fn wait_for_child(fiber: &FiberRecord, awaited: &Awaited) -> Option<Error> {
    let mut cycle = None;
    while awaited.list.outcome().is_none() {
        // Once a cycle is decided the child goes on; it may run into another.
        cycle = cycle.or(wait_on_edge(fiber, awaited, WaitKind::Child).err());
    }
    cycle
}

/// As [`wait_for`], for what is owned by nobody (events): no edge, no cycle.
pub(crate) fn wait_without_edge(fiber: &FiberRecord, awaited: &Awaited) -> Result<(), Error> {
    while awaited.list.outcome().is_none() {
        check_unwinding()?;
        point_before_wait(fiber);
        // SAFETY: the current fiber, which suspends if it was listed; its record outlives it.
        if let Ok(before) = unsafe { awaited.list.list(fiber) } {
            suspend(fiber, Some((awaited, before)))?;
        }
    }
    Ok(())
}

/// Suspends `fiber`, which is listed; `ask` says where and behind whom, if the wait can be given up.
///
/// # Errors
///
/// It was given up.
fn suspend(fiber: &FiberRecord, ask: Option<(&Awaited, *const FiberRecord)>) -> Result<(), Error> {
    let no_ask = (ptr::null(), ptr::null());
    fiber
        .ask
        .set(ask.map_or(no_ask, |(awaited, before)| (ptr::from_ref(awaited), before)));
    fiber.suspend();
    fiber.ask.set(no_ask);
    if fiber.is_given_up.replace(false) {
        return Err(fiber.shortage());
    }
    Ok(())
}

/// How many circles stand still until they are decided (G5). Changed under the lock.
static DECIDING: AtomicUsize = AtomicUsize::new(0);

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

/// Ends the ask that `fiber`, a suspended fiber of the calling worker, waits in, with an error (G8, stand.md S3).
pub(crate) fn give_up(fiber: &FiberRecord) -> GivenUp {
    let guard = GRAPH.lock();
    let (awaited, before) = fiber.ask.get();
    // SAFETY: null, or borrowed by a frame of the fiber, which stands still.
    let Some(awaited) = (unsafe { awaited.as_ref() }) else {
        return GivenUp::No;
    };
    if fiber.is_given_up.get() || fiber.is_called_back() || awaited.list.outcome().is_some() {
        return GivenUp::No;
    }
    if DECIDING.load(Ordering::Relaxed) > 0 {
        return GivenUp::NotNow;
    }
    fiber.edge.set(ptr::null());
    fiber.is_given_up.set(true);
    // It is suspended in that wait, and the caller, its worker, is who resumes it.
    if awaited.list.unlist_newest(fiber, before) {
        return GivenUp::Unlisted;
    }
    // Those above it look again; whoever takes it off its list, we or who closes it, wakes it.
    let woken = awaited.list.detach();
    drop(guard);
    woken.wake();
    GivenUp::Woken
}

/// A point for a schedule, which the closer may use to come first.
fn point_before_wait(fiber: &FiberRecord) {
    fiber.worker().inspect(|worker| worker.point_before_wait());
}

fn wait_on_edge(fiber: &FiberRecord, awaited: &Awaited, kind: WaitKind) -> Result<(), Error> {
    point_before_wait(fiber);
    // SAFETY: the current fiber, which suspends below if it was listed; its record outlives it.
    let mut before = match unsafe { add_edge(fiber, awaited, kind) } {
        Added::Waiting(before) => before,
        Added::Done => return Ok(()),
        Added::Closes(cycle) => return Err(cycle.decide()),
        Added::CalledBack(error) => return Err(error),
    };
    loop {
        suspend(fiber, kind.is_ask().then_some((awaited, before)))?;
        // SAFETY: as above.
        match unsafe { end_wait(fiber, awaited) } {
            Ended::ListedAgain(newer) => before = newer,
            Ended::Done => return Ok(()),
            Ended::Cycle(error) => return Err(error),
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
        if error.is_exhausted() {
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
    if std::thread::panicking() {
        Err(Error::unwinding())
    } else {
        Ok(())
    }
}

/// What came of adding an edge.
#[must_use]
enum Added {
    /// It is there, and the fiber is listed, behind this one: it must suspend.
    Waiting(*const FiberRecord),
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
unsafe fn add_edge(fiber: &FiberRecord, awaited: &Awaited, kind: WaitKind) -> Added {
    let guard = GRAPH.lock();
    let mut woken = None;
    if detection::IS_ON && is_cycle(fiber, awaited) {
        let cycle = Cycle::collect(fiber, awaited, kind);
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
    let added = match unsafe { awaited.list.list(fiber) } {
        Ok(before) => {
            fiber.edge.set(awaited);
            fiber.wait_kind.set(kind);
            Added::Waiting(before)
        }
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
    /// The list was only detached for another's sake: the fiber is listed again, behind this one.
    ListedAgain(*const FiberRecord),
}

/// After a wake: removes the edge, if the wait has ended.
///
/// # Safety
///
/// As for [`WaitList::list`]; the fiber was woken.
unsafe fn end_wait(fiber: &FiberRecord, awaited: &Awaited) -> Ended {
    let _guard = GRAPH.lock();
    // SAFETY: the lock is held.
    let ended = match unsafe { &mut *fiber.cycle.get() }.take() {
        Some(error) => Ended::Cycle(error),
        // SAFETY: the caller's contract.
        None => match unsafe { awaited.list.list(fiber) } {
            Ok(before) => return Ended::ListedAgain(before),
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
        Frame::innermost_cycle(outer).cloned()
    }
}

/// Who does `awaited` now, if it is open and somebody does.
///
/// The graph's lock is held; the owner's record is alive then (G4).
pub(super) fn owner_of<'a>(awaited: &Awaited) -> Option<&'a FiberRecord> {
    let owner = awaited.owner();
    if awaited.list.outcome().is_some() {
        return None;
    }
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
