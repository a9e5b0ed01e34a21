//! The context: what a provider or a job sees of the library.

use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::ptr;

use crate::error::Error;
use crate::local::Binding;
use crate::query::Query;
use crate::query::ask::ask;
use crate::query::database::Database;
use crate::query::record::{Branches, Recorder};
use crate::rest::Item;
use crate::run::Run;
use crate::sched::cancel::UNWINDS;
use crate::sched::fiber::FiberRecord;
use crate::sched::room::{self, Here};
use crate::sched::stats::{Counter, Counters};
use crate::sched::wait::Outcome;
use crate::sched::wanted::{end_of, reason_of, told};

/// What a provider, or a closure that the library runs, gets: the data, the queries, and ways to go
/// parallel.
///
/// A `Cx` belongs to one running job. It is neither `Send` nor `Sync`, so that the `cx` of an outer
/// closure cannot be used in a closure that another worker may run; each closure gets its own.
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<dagwood::Cx<'static, ()>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_sync<T: Sync>() {}
/// is_sync::<dagwood::Cx<'static, ()>>();
/// ```
///
/// The outer `cx` in a branch of a join does not compile:
///
/// ```compile_fail,E0277
/// fn body(cx: &dagwood::Cx<'_, Vec<u32>>) {
///     cx.join(|_| cx.data().len(), |_| cx.data().len());
/// }
/// ```
///
/// Its own does:
///
/// ```
/// fn body(cx: &dagwood::Cx<'_, Vec<u32>>) {
///     cx.join(|cx| cx.data().len(), |cx| cx.data().len());
/// }
/// ```
pub struct Cx<'db, D> {
    // No field is a cell: the compiler then knows that nobody changes what is behind a `&Cx`, and a loop over hits keeps in
    // registers what each looks at first, the next two.
    database: &'db Database<D>,
    hit_tag: Outcome,
    run: *const Run<'db, D>,
    fiber: *const FiberRecord,
    locals: *const Binding,
    /// The item of a parallel loop that this job is in, on this fiber.
    item: Item,
    /// What takes down the asks, if they are to be recorded.
    recorder: *const Recorder,
    not_send: PhantomData<*const ()>,
}

impl<'db, D> Cx<'db, D> {
    /// The context of a job that runs on `fiber`.
    ///
    /// # Safety
    ///
    /// `fiber` is the current fiber, and it, `run` and the bindings of `locals` outlive the
    /// context.
    #[inline]
    pub(crate) unsafe fn new(
        run: *const Run<'db, D>,
        fiber: &FiberRecord,
        locals: *const Binding,
    ) -> Self {
        // SAFETY: by contract.
        let known = unsafe { &*run };
        fiber.enter_region(known.region());
        Cx {
            database: known.database(),
            hit_tag: known.hit_tag(),
            run,
            fiber,
            locals,
            item: Item::NONE,
            recorder: ptr::null(),
            not_send: PhantomData,
        }
    }

    /// The context of code that a job on this fiber, or one that waits for it, has lent its own to (`raw/lent.rs`).
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new); `recorder` is null, or of the branch that the code is part of, and outlives the
    /// context.
    pub(crate) unsafe fn of_lent(
        run: *const Run<'db, D>,
        fiber: &FiberRecord,
        locals: *const Binding,
        recorder: *const Recorder,
    ) -> Self {
        // SAFETY: by contract.
        let cx = unsafe { Cx::new(run, fiber, locals) };
        Cx { recorder, ..cx }
    }

    /// What the context of a job that another worker runs for `cx`'s shares with it.
    ///
    /// # Safety
    ///
    /// `cx` is alive.
    pub(crate) unsafe fn shared_parts(
        cx: *const Self,
    ) -> (*const Run<'db, D>, *const Binding, *const FiberRecord) {
        // SAFETY: by contract; the fields never change.
        let cx = unsafe { &*cx };
        (cx.run, cx.locals, cx.fiber)
    }

    /// The same job, inside a provider: what the asker has bound is not seen, since the result must
    /// not depend on it.
    #[inline]
    pub(crate) fn in_provider(&self, recorder: Option<&Recorder>) -> Self {
        Cx {
            recorder: recorder.map_or(ptr::null(), ptr::from_ref),
            ..self.with_locals(ptr::null())
        }
    }

    /// Whether a provider that is not recorded can have this context as it is.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.locals.is_null() && self.recorder.is_null()
    }

    /// Runs branches of a fork that is recorded elsewhere, with a recorder of their own if it is; gives what they asked
    /// for, for who forked to put where it belongs.
    pub(crate) fn with_recorder<R>(
        &self,
        is_recorded: bool,
        body: impl FnOnce(&Self) -> R,
    ) -> (R, Branches) {
        let recorder = is_recorded.then(Recorder::new);
        let cx = Cx {
            recorder: recorder.as_ref().map_or(ptr::null(), ptr::from_ref),
            ..self.with_item(self.item)
        };
        let result = body(&cx);
        (result, recorder.map(Recorder::into_notes))
    }

    /// What takes down the asks, if they are to be recorded.
    #[inline]
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        // SAFETY: null, or in the frame of the provider or branch that this context is of.
        unsafe { self.recorder.as_ref() }
    }

    /// Takes down that branches begin. Gives their level, for those that follow.
    #[inline]
    pub(crate) fn note_fork(&self) -> usize {
        self.recorder().map_or(0, Recorder::fork)
    }

    /// Takes down that the next branch begins.
    #[inline]
    pub(crate) fn note_branch(&self, level: usize) {
        if let Some(recorder) = self.recorder() {
            recorder.next(level);
        }
    }

    /// Takes down what the next branches asked for elsewhere.
    #[inline]
    pub(crate) fn note_branches(&self, level: usize, branches: Branches) {
        if let (Some(recorder), Some(branches)) = (self.recorder(), branches) {
            recorder.append(level, branches);
        }
    }

    /// Takes down that the last branch has ended.
    #[inline]
    pub(crate) fn note_join(&self, level: usize) {
        if let Some(recorder) = self.recorder() {
            recorder.join(level);
        }
    }

    /// The same job, with other bindings.
    pub(crate) fn with_locals(&self, locals: *const Binding) -> Self {
        Cx {
            database: self.database,
            hit_tag: self.hit_tag,
            run: self.run,
            fiber: self.fiber,
            locals,
            item: self.item,
            recorder: self.recorder,
            not_send: PhantomData,
        }
    }

    /// The same job, in an item of a parallel loop.
    #[inline]
    pub(crate) fn with_item(&self, item: Item) -> Self {
        Cx {
            database: self.database,
            hit_tag: self.hit_tag,
            run: self.run,
            fiber: self.fiber,
            locals: self.locals,
            item,
            recorder: self.recorder,
            not_send: PhantomData,
        }
    }

    /// The same job, in a part of its run.
    ///
    /// # Safety
    ///
    /// `run` outlives the context.
    pub(crate) unsafe fn in_part(&self, run: &Run<'db, D>) -> Self {
        Cx {
            run,
            ..self.with_item(self.item)
        }
    }

    /// Lets the items behind the one that this job is in be given away: before a wait.
    pub(crate) fn settle_item(&self) {
        // SAFETY: a context does not outlive the call it was made for, nor leave its fiber.
        let is_settled = unsafe { self.item.settle() };
        if is_settled {
            self.fiber().forks.note_work();
        }
    }

    #[inline]
    pub(crate) fn run(&self) -> &Run<'db, D> {
        // SAFETY: the run outlives all its jobs (`new`).
        unsafe { &*self.run }
    }

    pub(crate) fn locals(&self) -> *const Binding {
        self.locals
    }

    #[inline]
    pub(crate) fn fiber(&self) -> &FiberRecord {
        // Volatile: the compiler reads it anew after a call. A join that kept it in a register would save and restore one
        // more at every node of a tree.
        // SAFETY: a field of ours.
        let fiber = unsafe { ptr::read_volatile(&raw const self.fiber) };
        // SAFETY: the fiber that runs this job outlives it (`new`).
        unsafe { &*fiber }
    }

    #[inline]
    pub(crate) fn database(&self) -> &'db Database<D> {
        self.database
    }

    /// What a slot's word must be for an ask to be served at once.
    #[inline]
    pub(crate) fn hit_tag(&self) -> Outcome {
        self.hit_tag
    }

    /// Adds to a counter, if the executor counts.
    pub(crate) fn count(&self, counter: impl FnOnce(&Counters) -> &Counter) {
        if self.run().has_statistics() {
            let worker = self.fiber().worker().map(|worker| worker.counters());
            counter(worker.unwrap_or_else(|| self.run().counters())).add();
        }
    }

    /// A point at which the worker shows jobs to thieves, if they want some.
    #[inline]
    pub(crate) fn scheduling_point(&self) {
        let here = Here::uninit();
        if self.fiber().has_attention(&raw const here) {
            self.attend(false);
        }
    }

    /// `may_wait`: whether a job may wait at this point.
    #[cold]
    pub(crate) fn attend(&self, may_wait: bool) {
        let fiber = self.fiber();
        if let Some(worker) = fiber.worker()
            && fiber.must_not_suspend().is_none()
        {
            self.settle_item();
            worker.attend(fiber, may_wait);
        }
        if reason_of(fiber).is_some() {
            // Others want it, or it cannot end here: it looks again.
            fiber.raise_attention();
        }
    }

    /// A scheduling point at which cancelled work is unwound (cancel.md X5) that has not begun, and whose end the library
    /// sees: that does not count as told (X7).
    #[inline]
    pub(crate) fn point_to_end_before(&self) {
        let here = Here::uninit();
        if self.fiber().has_attention(&raw const here) {
            self.attend(true);
            self.end_unbegun();
        }
    }

    #[cold]
    fn end_unbegun(&self) {
        let error = if UNWINDS { end_of(self.fiber()) } else { None };
        if let Some(error) = error {
            error.raise();
        }
    }

    /// Raises the error of cancelled work, unless somebody else wants it.
    #[cold]
    pub(crate) fn unwind_if_cancelled(&self) {
        if let Some(error) = self.end() {
            error.raise();
        }
    }

    /// Runs what raises its errors: where nothing unwinds, the end of cancelled work would be that of the process
    /// (cancel.md X6).
    #[inline]
    pub(crate) fn undisturbed<R>(&self, body: impl FnOnce() -> R) -> R {
        if UNWINDS {
            body()
        } else {
            self.fiber().undisturbed(body)
        }
    }

    /// The error to raise if the job was cancelled: its caller need not go on with what has not begun.
    #[cold]
    pub(crate) fn end(&self) -> Option<Error> {
        let error = if UNWINDS { end_of(self.fiber()) } else { None };
        error.map(|error| told(self.fiber(), error))
    }

    /// Whether the job is to end: asked by the library while it unwinds or before it begins with the next thing. The user's
    /// code is not told by this, so it does not count as told (cancel.md X7).
    #[cold]
    pub(crate) fn is_ending(&self) -> bool {
        UNWINDS && self.is_cancelled()
    }

    /// Whether the job is to end. Asked before it shows what it holds: a fork that was just begun is then still its own.
    /// (What comes too late for this look is seen at the next one: `attend`.)
    #[cold]
    fn is_cancelled(&self) -> bool {
        end_of(self.fiber()).is_some()
    }

    /// The same as [`is_deep`](Self::is_deep), and also `true` if the job was cancelled, to be told there.
    #[inline]
    pub(crate) fn is_deep_or_cancelled<T>(&self, here: *const T) -> bool {
        self.fiber().has_attention(here)
            && (self.is_cancelled() || self.attend_unless_deep(here, true))
    }

    /// A scheduling point from which the job may go deep; `here` lies in the caller's frame.
    /// `true`: little stack is left, and the caller comes here again by [`deeper`](Self::deeper).
    #[inline]
    pub(crate) fn is_deep<T>(&self, here: *const T) -> bool {
        self.fiber().has_attention(here) && self.attend_unless_deep_or_ended(here, false)
    }

    /// The same once the compare has hit; `may_wait`: whether a job may wait at this point.
    #[cold]
    fn attend_unless_deep<T>(&self, here: *const T, may_wait: bool) -> bool {
        let is_deep = here.addr() < self.fiber().limit();
        if !is_deep {
            self.attend(may_wait);
        }
        is_deep
    }

    /// The same, and also `true` if the job was cancelled, to be unwound in [`deeper`](Self::deeper).
    #[cold]
    pub(crate) fn attend_unless_deep_or_ended<T>(&self, here: *const T, may_wait: bool) -> bool {
        UNWINDS && self.is_cancelled() || self.attend_unless_deep(here, may_wait)
    }

    /// Goes on on another segment of stack.
    #[cold]
    pub(crate) fn deeper<R>(&self, body: impl FnOnce() -> R) -> R {
        self.unwind_if_cancelled();
        match room::deeper(self.fiber(), body) {
            Ok(Ok(result)) => result,
            Ok(Err(payload)) => resume_unwind(payload),
            Err(error) => error.raise(),
        }
    }

    /// Calls `body` here, or on another segment of stack if little is left.
    #[inline]
    pub(crate) fn with_room<R>(&self, body: impl FnOnce() -> R) -> R {
        let here = Here::uninit();
        if self.is_deep(&raw const here) {
            self.deeper(body)
        } else {
            body()
        }
    }

    /// Calls `body` where there is room for it: if little is left of the current stack, on another
    /// segment.
    ///
    /// Asks ([`get`](Self::get)) and forks look after themselves: they go as deep as memory
    /// allows. This is for plain recursion in between, at one of the functions that call each
    /// other. It costs one compare. What `body` finds is at least an eighth of
    /// [`Builder::stack_bytes`](crate::Builder::stack_bytes) (of small stacks half, or 64 KiB).
    ///
    /// `body` runs here and now, on the same thread and fiber; it may ask, fork and wait.
    ///
    /// # Panics
    ///
    /// If `body` panics, or there is no memory for more stack: then the provider or `run` around
    /// it fails with an error that [is exhausted](crate::Error::is_exhausted).
    ///
    /// # Examples
    ///
    /// ```
    /// enum List { End, Link(Box<List>) }
    ///
    /// fn length(cx: &dagwood::Cx<'_, ()>, list: &List) -> usize {
    ///     match list {
    ///         List::End => 0,
    ///         List::Link(rest) => 1 + cx.deepen(|cx| length(cx, rest)),
    ///     }
    /// }
    ///
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(());
    /// let mut list = List::End;
    /// for _ in 0..100_000 {
    ///     list = List::Link(Box::new(list));
    /// }
    /// assert_eq!(executor.run(&db, |cx| length(cx, &list))?, 100_000);
    /// # while let List::Link(rest) = list { list = *rest; }
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[inline]
    pub fn deepen<R>(&self, body: impl FnOnce(&Self) -> R) -> R {
        self.with_room(|| body(self))
    }

    /// Runs a part of the job that must not wait, since what it uses belongs to the thread, or to the worker, and others would
    /// see it: a wait inside is an error that [is refused](Error::is_refused), and names this place and what was to be awaited.
    ///
    /// What is there already is no wait; a query that is computed here and now is none; and what forks inside, with `join`,
    /// `scope` and loops, keeps all branches to itself. ([`yield_now`](Self::yield_now) is no wait either: others run
    /// meanwhile. A fork through `rayon-core` may be taken by others, and is then waited for before it gives the error.)
    ///
    /// # Panics
    ///
    /// If `body` does, or it cannot go on because something inside was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(());
    /// let event = dagwood::Event::named("an event");
    /// executor.run(&db, |cx| {
    ///     cx.no_suspend(|cx| {
    ///         assert_eq!(cx.join(|_| 1, |_| 2), (1, 2));
    ///         assert!(event.try_wait(cx).is_err(), "nobody has set it");
    ///         event.set(3).expect("set once");
    ///         assert_eq!(*event.wait(cx), 3);
    ///     });
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[track_caller]
    pub fn no_suspend<R>(&self, body: impl FnOnce(&Self) -> R) -> R {
        let place = Location::caller();
        self.fiber().without_suspending(place, || body(self))
    }

    /// Lets other work of this worker go first: fibers that are ready to go on, or, if there are
    /// none (and now and then anyway), jobs that have not started. For loops that poll for
    /// something; to wait for what the library knows of, wait for it.
    ///
    /// Returns at once if there is nothing else to do, on the sequential backend, and in a
    /// destructor that runs during an unwind.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// # let executor = dagwood::Executor::builder().workers(1).build()?;
    /// # let db = dagwood::Database::new(());
    /// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
    /// let is_set = AtomicBool::new(false);
    /// executor.run(&db, |cx| {
    ///     let poll = |cx: &dagwood::Cx<'_, ()>| {
    ///         while !is_set.load(Ordering::Acquire) {
    ///             cx.yield_now();
    ///         }
    ///     };
    ///     cx.join(poll, |_| is_set.store(true, Ordering::Release));
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    // Always: a call around a switch comes back from another call than the processor expects, and
    // its return is mispredicted, which costs as much as all the rest.
    #[inline(always)]
    pub fn yield_now(&self) {
        self.settle_item();
        let fiber = self.fiber();
        // No closure: it would be such a call.
        let has_yielded = match fiber.worker() {
            Some(worker) if !std::thread::panicking() => worker.yield_now(fiber),
            _ => false,
        };
        if !has_yielded {
            std::thread::yield_now();
        }
        // Not this context's: a part may be around it (`cancellable`).
        if reason_of(fiber).is_some() {
            self.unwind_if_cancelled();
        }
    }

    /// Whether jobs run at once and in program order here.
    #[inline]
    pub(crate) fn is_sequential(&self) -> bool {
        !self.fiber().has_worker()
    }

    /// Whether others can set what this job waits for.
    pub(crate) fn can_others_run(&self) -> bool {
        let is_iterated = self.run().iteration().is_some();
        !self.is_sequential() || is_iterated && self.fiber().is_on_worker()
    }

    /// The user's data.
    pub fn data(&self) -> &'db D {
        self.database().data()
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// The result of a query, computed now if it is not known yet.
    ///
    /// If another job computes it, the current fiber waits and its OS thread goes on with other
    /// work.
    ///
    /// # Panics
    ///
    /// If the query failed, or it asks (in the end) for itself, or the asker's work was cancelled, the asker cannot go
    /// on: its provider is unwound, without a panic message, and fails for the same reason. Outside of
    /// providers `run` gives the [`Error`].
    #[inline]
    pub fn get<Q: Query<D>>(&self, query: Q) -> &'db Q::Value {
        if !UNWINDS {
            return self.undisturbed(|| match ask(self, query) {
                Ok(value) => value,
                Err(error) => error.raise(),
            });
        }
        match ask(self, query) {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    }

    /// The result of a query, or why there is none.
    ///
    /// A cycle unwinds those who are part of it, also through this; others get it as an error.
    ///
    /// # Errors
    ///
    /// The query panicked, is part of a cycle, or failed because one it asked for did; or there is
    /// no memory left to wait for it or to go deeper ([`Error::is_exhausted`]); or the asker's work was cancelled
    /// ([`Error::is_cancelled`]): then nothing that the queries around this ask make of it is remembered.
    #[inline]
    pub fn try_get<Q: Query<D>>(&self, query: Q) -> Result<&'db Q::Value, Error> {
        ask(self, query)
    }
}
