//! The children of a scope that one fiber has: those that have not started, in program order, and
//! those that it gave away.
//!
//! Closures lie one after another in chunks. The fiber runs them in order; half of what is left is
//! given away whenever somebody wants work or a child waits. What a child spawns comes right after
//! it, as it would if it ran at the place of the spawn. Used by `scope.rs`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::chunk::{Child, OpenChunk, Stretch};
use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::line::{Entry, Line};
use crate::local::{Binding, bind};
use crate::part::{Given, Taken, Work};
use crate::plant;
use crate::query::record::Branches;
use crate::run::Run;
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::fork::Fork;
use crate::sched::job::{Job, JobKind, JobRef};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// What all fibers that run children of a scope share.
pub(crate) struct Plan<'db, D> {
    /// What children run in: not the spawner's own context, which may be gone before they start.
    pub(crate) run: *const Run<'db, D>,
    pub(crate) locals: *const Binding,
    /// What the spawner is bound to in the contexts of children.
    pub(crate) key: *const (),
    /// Whether what children ask for is recorded.
    is_recorded: bool,
    deaf: Deaf,
}

impl<D> Copy for Plan<'_, D> {}

impl<D> Clone for Plan<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Children, and families that were given away, in program order.
type Families<'db, D> = Line<Given<Family<'db, D>>>;

/// What was given away.
pub(crate) struct Family<'db, D> {
    plan: Plan<'db, D>,
    line: Families<'db, D>,
}

impl<'db, D> Work for Family<'db, D> {
    type Done = (Option<Error>, Branches);
    // Its giver may spawn more than it gives.
    const IS_DIVISIBLE: bool = false;

    fn run(self, fiber: &FiberRecord) -> Self::Done {
        // SAFETY: the current fiber; run and bindings outlive the scope, which waits for us.
        let cx = unsafe { Cx::new(self.plan.run, fiber, self.plan.locals) };
        cx.with_recorder(self.plan.is_recorded, |cx| {
            let finish = || Children::new(self.plan, fiber, self.line, 0).finish(cx);
            self.plan.deaf.during(fiber, finish)
        })
    }
}

/// The children that one fiber has. Begins with its fork.
///
/// All but `plan`, `fiber` and `remote` is touched by that fiber only.
#[repr(C)]
pub(crate) struct Children<'db, D> {
    fork: Fork,
    plan: Plan<'db, D>,
    fiber: *const FiberRecord,
    /// Where what runs now (the scope's body or a child) writes the closures it spawns.
    open: OpenChunk,
    /// What it spawned before.
    young: RefCell<Families<'db, D>>,
    /// The children that come next.
    current: Cell<Stretch>,
    /// What comes after those.
    rest: RefCell<Families<'db, D>>,
    /// What branches of the running child spawned on other fibers, in the order of arrival.
    remote: Mutex<Vec<Given<Family<'db, D>>>>,
    /// Whether there are any.
    has_remote: AtomicBool,
    /// How many places in the order were given to children that started here, or came back.
    started: Cell<usize>,
    /// The place of the child that runs.
    running: Cell<usize>,
    /// The first failure in program order, and its place in it.
    failure: RefCell<Option<(usize, Error)>>,
    /// The level at which children are recorded.
    level: usize,
    /// What those asked for that ran at the place of their spawn, in the order of spawning.
    early: RefCell<Vec<Branches>>,
}

// SAFETY: other threads touch `plan`, `fiber` (which do not change) and `remote` (locked) only.
unsafe impl<D> Sync for Children<'_, D> {}

impl<'db, D> Children<'db, D> {
    const LINKED: &'static JobKind = &JobKind::divided(Self::split);
    const KIND: &'static JobKind = &JobKind::of_fork(Self::LINKED);

    /// Those of the fiber that opens a scope, in the context `cx`. What spawns is bound to `key`.
    /// They are recorded at `level`.
    pub(crate) fn of_scope(cx: &Cx<'db, D>, key: *const (), level: usize) -> Self {
        let plan = Plan {
            run: cx.run(),
            locals: cx.locals(),
            key,
            is_recorded: cx.recorder().is_some(),
            deaf: Deaf::of(cx.fiber()),
        };
        Self::new(plan, cx.fiber(), Line::new(), level)
    }

    fn new(plan: Plan<'db, D>, fiber: &FiberRecord, line: Families<'db, D>, level: usize) -> Self {
        Children {
            fork: Fork::new(Self::KIND),
            plan,
            fiber,
            open: OpenChunk::new(),
            young: RefCell::new(Line::new()),
            current: Cell::new(Stretch::EMPTY),
            rest: RefCell::new(line),
            remote: Mutex::new(Vec::new()),
            has_remote: AtomicBool::new(false),
            started: Cell::new(0),
            running: Cell::new(0),
            failure: RefCell::new(None),
            level,
            early: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn plan(&self) -> &Plan<'db, D> {
        &self.plan
    }

    /// Runs `body` with these children on its fiber's list of forks, and with this spawner in its
    /// context.
    ///
    /// # Safety
    ///
    /// `body` does not unwind, and what closures that it spawns borrow lives until
    /// [`finish`](Self::finish), which must follow, has returned.
    pub(crate) unsafe fn with_spawner<R>(
        &self,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> R,
    ) -> R {
        let forks = &cx.fiber().forks;
        // A scope is on the list twice: while its body runs, and while its children do.
        self.fork.renew(Self::KIND);
        // SAFETY: it stays in its place until it is removed below: `body` does not unwind. Spawned
        // closures are `Send`. The record of a running fiber does not move.
        unsafe { forks.push(NonNull::from(self).cast()) };
        let result = bind(cx, self.plan.key, ptr::from_ref(self).cast(), body);
        forks.remove(&self.fork);
        result
    }

    /// Takes a closure that the running child (or body), or a branch of it, spawns.
    ///
    /// # Safety
    ///
    /// As [`with_spawner`](Self::with_spawner); `cx` is the context of the spawning code.
    #[inline]
    pub(crate) unsafe fn spawn<F>(&self, cx: &Cx<'db, D>, body: F)
    where
        F: FnOnce(&Cx<'db, D>) + Send,
    {
        let fiber = cx.fiber();
        let is_here = ptr::eq(fiber, self.fiber);
        if is_here && cx.is_sequential() {
            cx.with_room(|| self.run_now(fiber, body));
        } else if is_here {
            fiber.forks.note_work();
            if self.has_remote.load(Ordering::Relaxed) {
                self.line_up_spawned();
            }
            if let Some(full) = self.open.push(fiber, body) {
                self.young.borrow_mut().push_children(full);
            }
            cx.scheduling_point();
        } else {
            cx.settle_item();
            // SAFETY: by contract.
            unsafe { self.spawn_from_afar(fiber, body) };
        }
    }

    /// The running child spawns on another fiber than its own: one of its branches runs there.
    ///
    /// # Safety
    ///
    /// As `spawn`.
    #[cold]
    unsafe fn spawn_from_afar<F>(&self, fiber: &FiberRecord, body: F)
    where
        F: FnOnce(&Cx<'db, D>) + Send,
    {
        let family = Family {
            plan: self.plan,
            line: Line::of(Stretch::of(body)),
        };
        // SAFETY: closures are `Send`; what they borrow lives long enough by contract.
        let (given, job) = unsafe { Given::new(family, self.fiber) };
        self.remote.lock().push(given);
        self.has_remote.store(true, Ordering::Relaxed);
        match fiber.worker() {
            Some(worker) => worker.publish(job),
            None => job.run(fiber),
        }
    }

    /// Puts all that was spawned so far behind the young: what was written here, then what branches
    /// spawned elsewhere. It comes before what is spawned from now on.
    #[cold]
    fn line_up_spawned(&self) {
        let mut young = self.young.borrow_mut();
        young.push_children(self.open.take_written());
        self.has_remote.store(false, Ordering::Relaxed);
        for given in std::mem::take(&mut *self.remote.lock()) {
            young.push_last(Entry::Given(given));
        }
    }

    /// Runs a child at the place of its spawn.
    fn run_now(&self, fiber: &FiberRecord, body: impl FnOnce(&Cx<'db, D>)) {
        let place = self.next_place();
        // SAFETY: the current fiber; run and bindings outlive the scope.
        let cx = unsafe { Cx::new(self.plan.run, fiber, self.plan.locals) };
        let run = |cx: &Cx<'db, D>| bind(cx, self.plan.key, ptr::from_ref(self).cast(), body);
        // Before those that this one spawns.
        let turn = self.plan.is_recorded.then(|| {
            let mut early = self.early.borrow_mut();
            early.push(None);
            early.len() - 1
        });
        let (result, branches) = cx.with_recorder(self.plan.is_recorded, |cx| {
            catch_unwind(AssertUnwindSafe(|| run(cx)))
        });
        if let Some(turn) = turn {
            self.early.borrow_mut()[turn] = branches;
        }
        if let Err(payload) = result {
            self.fail(place, payload);
        }
    }

    /// Runs all children that are left, waits for those that were given away, and gives the first
    /// failure in program order. Never unwinds.
    pub(crate) fn finish(&self, cx: &Cx<'db, D>) -> Option<Error> {
        for branches in self.early.take() {
            cx.note_branches(self.level, branches);
        }
        // SAFETY: nothing in it unwinds. What closures borrow outlives the scope, which began it.
        unsafe { self.with_spawner(cx, |cx| self.run_all(cx)) };
        self.open.end(cx.fiber());
        self.failure.take().map(|(_, error)| error)
    }

    fn run_all(&self, cx: &Cx<'db, D>) {
        loop {
            self.go_through(cx);
            let next = self.rest.borrow_mut().take_first();
            match next {
                None => return,
                Some(Entry::Here(stretch)) => self.current.set(stretch),
                Some(Entry::Given(given)) => self.take(cx, given),
            }
        }
    }

    /// Runs the current children, and what they spawn.
    fn go_through(&self, cx: &Cx<'db, D>) {
        let mut is_done = false;
        while !is_done {
            let run = || self.run_each(cx);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(()) => is_done = true,
                Err(payload) => self.fail(self.running.get(), payload),
            }
        }
    }

    fn run_each(&self, cx: &Cx<'db, D>) {
        loop {
            if self.has_young() {
                self.adopt_young();
            }
            let Some(child) = self.current_child() else {
                return;
            };
            self.running.set(self.next_place());
            cx.note_branch(self.level);
            // SAFETY: its context is of this run.
            unsafe { child.run(cx) };
        }
    }

    /// Takes the next child (fork.md K4): no scheduling point until it is run (K5).
    #[inline]
    fn current_child(&self) -> Option<Child> {
        let mut current = self.current.get();
        let child = current.take_first();
        self.current.set(current);
        child
    }

    /// Whether the last child has spawned others.
    #[inline]
    fn has_young(&self) -> bool {
        // Relaxed: who set it was a branch of the last child, which has waited for it.
        let has_remote = self.has_remote.load(Ordering::Relaxed);
        !self.open.is_empty() || has_remote || !self.young.borrow().is_empty()
    }

    /// What the last child has spawned comes next.
    #[cold]
    fn adopt_young(&self) {
        self.line_up_spawned();
        let mut young = self.young.replace(Line::new());
        let mut rest = self.rest.borrow_mut();
        let current = self.current.replace(Stretch::EMPTY);
        if !current.is_empty() {
            rest.push_first(Entry::Here(current));
        }
        if plant::is("young_last") {
            std::mem::swap(&mut *rest, &mut young);
        }
        match young.take_first() {
            Some(Entry::Here(first)) => self.current.set(first),
            Some(given) => young.push_first(given),
            None => (),
        }
        rest.prepend(young);
    }

    fn take(&self, cx: &Cx<'db, D>, given: Given<Family<'db, D>>) {
        let fiber = cx.fiber();
        let place = self.next_place();
        match given.take(fiber) {
            Taken::Back(family) => {
                fiber.forks.note_work();
                self.rest.borrow_mut().prepend(family.line);
            }
            Taken::Done((failure, branches), cycle) => {
                cx.note_branches(self.level, branches);
                if let Some(error) = cycle.or(failure) {
                    self.note(place, error);
                }
            }
        }
    }

    fn next_place(&self) -> usize {
        self.started.replace(self.started.get() + 1)
    }

    fn fail(&self, place: usize, payload: Payload) {
        self.note(place, Error::from_payload(payload));
    }

    fn note(&self, place: usize, error: Error) {
        let mut failure = self.failure.borrow_mut();
        let is_first = failure.as_ref().is_none_or(|(first, _)| place < *first);
        let other = if is_first {
            failure.replace((place, error)).map(|(_, error)| error)
        } else {
            Some(error)
        };
        drop(failure);
        discard(other);
    }

    /// Gives the last half of what is left away.
    ///
    /// # Safety
    ///
    /// `job` is the head of a `Children` on the list of the current fiber.
    unsafe fn split(job: NonNull<Job>) -> Option<JobRef> {
        // SAFETY: by contract; the head is the first field of `repr(C)` structs.
        let children = unsafe { job.cast::<Self>().as_ref() };
        children.give_half()
    }

    /// In program order: half of the rest, of the current children, or of what was just spawned.
    fn give_half(&self) -> Option<JobRef> {
        let mut rest = self.rest.borrow_mut();
        if let Some(line) = rest.split_off_half() {
            let (given, job) = self.give(line);
            rest.push_last(given);
            return Some(job);
        }
        let mut current = self.current.get();
        if let Some(half) = current.split_off_half() {
            self.current.set(current);
            let (given, job) = self.give(Line::of(half));
            rest.push_first(given);
            return Some(job);
        }
        let mut young = self.young.borrow_mut();
        young.push_children(self.open.take_written());
        let (given, job) = self.give(young.split_off_half()?);
        young.push_last(given);
        Some(job)
    }

    /// Makes a job of a line, and the entry that stands for it.
    fn give(&self, line: Families<'db, D>) -> (Entry<Given<Family<'db, D>>>, JobRef) {
        let plan = self.plan;
        // SAFETY: closures are `Send`, and `finish` takes all that was given before it returns.
        let (given, job) = unsafe { Given::new(Family { plan, line }, self.fiber) };
        (Entry::Given(given), job)
    }
}
