//! One `run` of an executor: its root job, and the tasks that must end before it returns.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::plant;
use crate::query::database::Database;
use crate::query::iteration::Iteration;
use crate::sched::attention::Attention;
use crate::sched::cancel::{Region, Signal};
use crate::sched::fiber::{FiberRecord, current, set_current};
use crate::sched::graph::{self, Awaited, Frame, Subject};
use crate::sched::job::{Job, JobKind, JobRef};
use crate::sched::room;
use crate::sched::stats::Counters;
use crate::sched::wait::Outcome;
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Gives the error of a failed task, if nobody has asked for it.
pub(crate) type Failure<'db> = Box<dyn Fn() -> Option<Error> + Send + 'db>;

/// The cell of a task, whatever its result.
pub(crate) trait OpenTask {
    /// What to wait for.
    fn awaited(&self) -> &Awaited;
}

/// What all jobs of a run share. It lies in the frame of `run`, which outlives them.
pub(crate) struct Run<'db, D> {
    database: &'db Database<D>,
    /// [`Outcome::READY`]; with statistics or records what no slot ever is, so that each hit is
    /// seen, and counted or recorded.
    hit_tag: Outcome,
    has_statistics: bool,
    /// What is cancelled as a whole.
    region: Region,
    /// Where jobs on OS threads count.
    counters: *const Counters,
    tasks: Tasks<'db>,
    /// The iteration whose providers run in it, or null.
    iteration: *const Iteration<'db, D>,
}

/// The tasks of a run that have not ended, and those that failed.
struct Tasks<'db> {
    /// One more than tasks, until the root job has ended.
    pending: AtomicUsize,
    all_done: Awaited,
    failed: Mutex<Vec<Failure<'db>>>,
    /// In a run inside a job of another executor, the tasks one by one: that job may be part of a
    /// cycle through one.
    open: Option<Mutex<VecDeque<Arc<dyn OpenTask + Send + Sync + 'db>>>>,
}

impl Tasks<'_> {
    fn new(are_waited_for_one_by_one: bool) -> Self {
        Tasks {
            pending: AtomicUsize::new(1),
            all_done: Awaited::new(ptr::null()),
            failed: Mutex::new(Vec::new()),
            open: are_waited_for_one_by_one.then(|| Mutex::new(VecDeque::new())),
        }
    }
}

impl<'db, D> Run<'db, D> {
    /// # Safety
    ///
    /// `counters` outlives the run.
    pub(crate) unsafe fn new(
        database: &'db Database<D>,
        counters: &Counters,
        has_statistics: bool,
        is_nested: bool,
        region: Region,
    ) -> Self {
        Run {
            database,
            region,
            has_statistics,
            hit_tag: if has_statistics || database.is_recording() {
                Outcome::NEVER
            } else {
                Outcome::READY
            },
            counters,
            tasks: Tasks::new(is_nested),
            iteration: ptr::null(),
        }
    }

    /// A run inside `outer`, for an iteration: part of it as far as cancellation goes. Each ask goes the slow way in it,
    /// which looks for the iteration.
    ///
    /// # Safety
    ///
    /// Both outlive it.
    pub(crate) unsafe fn iterating(outer: &Self, iteration: *const Iteration<'db, D>) -> Self {
        Run {
            database: outer.database,
            // SAFETY: by contract.
            region: unsafe { outer.region.inside() },
            has_statistics: outer.has_statistics,
            hit_tag: Outcome::NEVER,
            counters: outer.counters,
            tasks: Tasks::new(true),
            iteration,
        }
    }

    /// The iteration whose providers run in it.
    pub(crate) fn iteration(&self) -> Option<&Iteration<'db, D>> {
        // SAFETY: null, or outlives the run (`iterating`).
        unsafe { self.iteration.as_ref() }
    }

    /// A part of this run with tasks of its own, which can be cancelled alone.
    ///
    /// # Safety
    ///
    /// This run outlives the part.
    pub(crate) unsafe fn part(&self, signal: Arc<Signal>) -> Self {
        Run {
            database: self.database,
            // SAFETY: by contract.
            region: unsafe { self.region.part(signal) },
            has_statistics: self.has_statistics,
            hit_tag: self.hit_tag,
            counters: self.counters,
            // It may be inside a query.
            tasks: Tasks::new(true),
            iteration: self.iteration,
        }
    }

    /// What a part of this run's jobs is that works on another database, with tasks of its own.
    ///
    /// # Safety
    ///
    /// This run outlives it.
    pub(crate) unsafe fn beside<'other, E>(&self, database: &'other Database<E>) -> Run<'other, E> {
        // SAFETY: by contract.
        let region = unsafe { self.region.beside() };
        // SAFETY: the counters outlive this run.
        let counters = unsafe { &*self.counters };
        // SAFETY: as above. It may be inside a query, as a part is.
        unsafe { Run::new(database, counters, self.has_statistics, true, region) }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    #[inline]
    pub(crate) fn database(&self) -> &'db Database<D> {
        self.database
    }

    #[inline]
    pub(crate) fn hit_tag(&self) -> Outcome {
        self.hit_tag
    }

    pub(crate) fn has_statistics(&self) -> bool {
        self.has_statistics
    }

    pub(crate) fn counters(&self) -> &Counters {
        // SAFETY: outlives the run (`new`).
        unsafe { &*self.counters }
    }

    /// A task was spawned: the run does not return before it has ended.
    pub(crate) fn task_spawned<T: OpenTask + Send + Sync + 'db>(&self, task: &Arc<T>) {
        self.tasks.pending.fetch_add(1, Ordering::Relaxed);
        if let Some(open) = &self.tasks.open {
            let task = Arc::clone(task);
            open.lock().push_back(task);
        }
    }

    /// Waits for the tasks of a nested run, one by one. Gives the error of a cycle that a wait was
    /// part of.
    fn wait_for_open_tasks(&self, fiber: &FiberRecord) -> Option<Error> {
        let mut cycle = None;
        while let Some(task) = self
            .tasks
            .open
            .as_ref()
            .and_then(|open| open.lock().pop_front())
        {
            cycle = cycle.or(graph::wait_for_child(fiber, task.awaited()));
            discard(task);
        }
        cycle
    }

    /// A task failed; `failure` gives its error if nobody has asked for it by the end of the run.
    pub(crate) fn task_failed(&self, failure: Failure<'db>) {
        if !plant::is("forgotten_failure") {
            self.tasks.failed.lock().push(failure);
        }
    }

    /// How many tasks have failed so far.
    pub(crate) fn failure_count(&self) -> usize {
        self.tasks.failed.lock().len()
    }

    /// Takes back the failures that came after the first `count`: for who runs one evaluation after another in it.
    pub(crate) fn failures_since(&self, count: usize) -> Vec<Failure<'db>> {
        self.tasks.failed.lock().split_off(count)
    }

    /// A task has ended, or the root job has. The run may be gone afterwards.
    pub(crate) fn task_ended(&self) {
        // AcqRel: the last one sees what the others did, and passes it on by the close.
        if self.tasks.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tasks.all_done.list.close(Outcome::READY).wake();
        }
    }

    /// The root job: the user's closure, then all tasks. The error of a task that failed without
    /// anybody asking counts as the run's own; of several, the smallest text.
    fn root<T>(
        &self,
        fiber: &FiberRecord,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> Result<T, Payload> {
        // SAFETY: `fiber` is the current one; it and this run outlive the root job.
        let cx = unsafe { Cx::new(self, fiber, ptr::null()) };
        self.root_in(&cx, body)
    }

    /// The same in the context `cx`, which is of this run.
    pub(crate) fn root_in<T>(
        &self,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> Result<T, Payload> {
        let (result, cycle) = self.with_tasks(cx, body);
        let value = result?;
        let failed = std::mem::take(&mut *self.tasks.failed.lock());
        let failed = failed.iter().filter_map(|failure| failure());
        match cycle.or(failed.min_by_key(Error::to_string)) {
            Some(error) => Err(failed_with(value, error)),
            None => Ok(value),
        }
    }

    /// The same of a part of the run `around`. That a task failed counts as a failure of that one: a query that was asked
    /// for in the part, and might have been elsewhere, may have spawned it.
    pub(crate) fn root_of_part<T>(
        &self,
        around: &Self,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> Result<T, Payload> {
        let (result, cycle) = self.with_tasks(cx, body);
        let mut failed = std::mem::take(&mut *self.tasks.failed.lock());
        // Of what was cancelled they are nobody's: who was to ask for a result may have been told to end before.
        if self.region.own_reason().is_none() {
            around.tasks.failed.lock().append(&mut failed);
        }
        part_ended(result, cycle)
    }

    /// The same of a part that works [beside](Self::beside) the run `around`: whether anybody has asked for a task is seen now.
    pub(crate) fn root_beside<E, T>(
        &self,
        around: &Run<'_, E>,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> Result<T, Payload> {
        let (result, cycle) = self.with_tasks(cx, body);
        let failed = std::mem::take(&mut *self.tasks.failed.lock());
        for error in failed.iter().filter_map(|failure| failure()) {
            around.task_failed(Box::new(move || Some(error.clone())));
        }
        part_ended(result, cycle)
    }

    /// What `body` gives, when all tasks have ended; and the error of a cycle that the wait for one was part of.
    fn with_tasks<T>(
        &self,
        cx: &Cx<'db, D>,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> (Result<T, Payload>, Option<Error>) {
        let fiber = cx.fiber();
        if self.region.is_interruptible() {
            fiber.become_interruptible();
        }
        let result = catch_unwind(AssertUnwindSafe(|| body(cx)));
        let cycle = self.wait_for_open_tasks(fiber);
        self.task_ended();
        graph::wait_for_child(fiber, &self.tasks.all_done);
        (result, cycle)
    }
}

/// What a part of a run gives.
fn part_ended<T>(result: Result<T, Payload>, cycle: Option<Error>) -> Result<T, Payload> {
    let value = result?;
    match cycle {
        Some(error) => Err(failed_with(value, error)),
        None => Ok(value),
    }
}

/// What unwinds with `error` where `value` was to be given.
fn failed_with<T>(value: T, error: Error) -> Payload {
    discard(value);
    error.into_payload()
}

/// The root job, in the frame of `run`.
#[repr(C)]
struct Root<'r, 'db, D, F, T> {
    job: Job,
    awaited: Awaited,
    run: &'r Run<'db, D>,
    body: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<Result<T, Payload>>>,
}

impl<'r, 'db, D, F, T> Root<'r, 'db, D, F, T>
where
    F: FnOnce(&Cx<'db, D>) -> T,
{
    const KIND: &'static JobKind = &JobKind::whole(Self::start);

    fn new(run: &'r Run<'db, D>, body: F, owner: *const FiberRecord) -> Self {
        Root {
            job: Job::new(Self::KIND),
            awaited: Awaited::new(owner),
            run,
            body: UnsafeCell::new(Some(body)),
            result: UnsafeCell::new(None),
        }
    }

    /// # Safety
    ///
    /// `job` is the head of a living root job that nobody else starts.
    unsafe fn start(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct. The frame stays
        // until we close.
        let root = unsafe { job.cast::<Self>().as_ref() };
        if !plant::is("unowned_run") {
            root.awaited.set_owner(fiber);
        }
        // SAFETY: only who starts the job touches its body.
        let body = unsafe { &mut *root.body.get() }
            .take()
            .expect("a job is started once");
        let subject = match root.run.iteration() {
            Some(_) => Subject::INSIDE,
            None => Subject::RUN,
        };
        let (result, _) =
            Frame::enter_as(fiber, &root.awaited, subject, || root.run.root(fiber, body));
        // SAFETY: `run` reads after the close only.
        unsafe { *root.result.get() = Some(result) };
        root.awaited.list.close(Outcome::READY).wake();
    }

    fn into_result(self) -> Result<T, Error> {
        let result = self.result.into_inner().expect("written before the close");
        result.map_err(|payload| {
            let error = Error::from_payload(payload);
            // A panic of the user's own closure goes on where it was called.
            if error.is_plain_panic() {
                resume_unwind(error.take_payload().expect("just caught"))
            } else {
                error
            }
        })
    }
}

/// Runs a root job that `inject` gives to a pool, and waits for it: on a fiber of another executor
/// by suspending.
pub(crate) fn run_on_pool<'db, D, F, T>(
    run: &Run<'db, D>,
    body: F,
    inject: impl FnOnce(JobRef),
) -> Result<T, Error>
where
    F: FnOnce(&Cx<'db, D>) -> T + Send,
    T: Send,
{
    // SAFETY: null, or the fiber that runs this.
    let here = unsafe { current().as_ref() };
    let thread = here.is_none().then(FiberRecord::of_thread);
    let fiber = here.or(thread.as_ref()).expect("one of the two");
    if let Some(place) = fiber.must_not_suspend() {
        return Err(Error::no_suspend(place, "a run of another executor"));
    }
    let root = Root::new(run, body, ptr::null());
    // SAFETY: `root` stays in this frame until it is closed (the wait below does not unwind); it is
    // injected once; body and result are `Send`, and so is a reference to the run (its counters are
    // atomic, its database is `Sync`).
    let job = unsafe { JobRef::new(NonNull::from(&root).cast()) };
    let cycle = graph::wait_for_begun(fiber, &root.awaited, || inject(job));
    finish(root, cycle)
}

/// Runs a root job here and now, in program order.
pub(crate) fn run_here<'db, D, F, T>(
    run: &Run<'db, D>,
    body: F,
    executor: usize,
    stack_bytes: usize,
) -> Result<T, Error>
where
    F: FnOnce(&Cx<'db, D>) -> T,
{
    // SAFETY: null, or the fiber that runs this.
    let outer = unsafe { current().as_ref() };
    let attention = Attention::calm();
    let segment_bytes = room::segment_bytes(stack_bytes);
    let fiber = FiberRecord::sequential(outer, executor, &raw const attention, segment_bytes);
    let host = outer.filter(|_| run.iteration().is_some());
    host.inspect(|host| fiber.become_inner_of(host));
    let root = Root::new(run, body, &raw const fiber);
    let before = set_current(&raw const fiber);
    // SAFETY: the root job lies here, and is started once, by us. It carries panics as values.
    let start = || unsafe { Root::<D, F, T>::start(NonNull::from(&root).cast(), &fiber) };
    // How much is left of the caller's stack is not known.
    let on_own_stack = || room::on_own_stack(&fiber, start);
    let mut started = Ok(());
    let cycle = match outer {
        Some(outer) => graph::with_inner(outer, &root.awaited, || started = on_own_stack()),
        None => {
            started = on_own_stack();
            None
        }
    };
    set_current(before);
    host.inspect(|host| host.lose_inner());
    graph::settle();
    started?;
    finish(root, cycle)
}

fn finish<'db, D, F, T>(root: Root<'_, 'db, D, F, T>, cycle: Option<Error>) -> Result<T, Error>
where
    F: FnOnce(&Cx<'db, D>) -> T,
{
    match cycle {
        Some(error) => {
            discard(root);
            error.raise()
        }
        None => root.into_result(),
    }
}
