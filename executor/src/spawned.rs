//! Spawned closures: a job on the heap, and the cell of its result. Used by tasks.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::cx::Cx;
use crate::error::{Error, Reason, discard};
use crate::local::Binding;
use crate::plant;
use crate::query::database::Database;
use crate::query::record::{Notes, Record};
use crate::run::{OpenTask, Run};
use crate::sched::cancel::Region;
use crate::sched::fiber::{FiberRecord, without_runs};
use crate::sched::graph::{Awaited, Frame, Kind, Name, Role, Subject};
use crate::sched::job::{Job, JobKind, JobRef, without_unwinding};
use crate::sched::wait::{Outcome, Waiters};
use crate::sync::{AtomicBool, Ordering, ThreadBound};

/// What a spawned job runs, given the fiber it runs on.
type Body = Box<dyn FnOnce(&FiberRecord) + Send>;

/// A job on the heap that is started once, by a worker that takes it from a queue or by who waits
/// for it. A queue's entry may stay behind when it was started otherwise: it holds no user's value
/// then.
#[repr(C)]
pub(crate) struct SpawnedJob {
    job: Job,
    is_claimed: AtomicBool,
    /// Taken by who claims.
    body: UnsafeCell<Option<Body>>,
}

// SAFETY: the body is `Send` and touched by the claimer only.
unsafe impl Send for SpawnedJob {}
// SAFETY: as above.
unsafe impl Sync for SpawnedJob {}

impl SpawnedJob {
    const KIND: &'static JobKind = &JobKind::whole(Self::start);

    /// # Safety
    ///
    /// Whatever `body` borrows lives until the body was run.
    pub(crate) unsafe fn new<'a>(body: Box<dyn FnOnce(&FiberRecord) + Send + 'a>) -> Arc<Self> {
        // SAFETY: only the lifetime changes; the caller answers for it.
        let body =
            unsafe { std::mem::transmute::<Box<dyn FnOnce(&FiberRecord) + Send + 'a>, Body>(body) };
        Arc::new(SpawnedJob {
            job: Job::new(Self::KIND),
            is_claimed: AtomicBool::new(false),
            body: UnsafeCell::new(Some(body)),
        })
    }

    /// Puts an entry where workers take jobs from.
    fn publish(self: &Arc<Self>, fiber: &FiberRecord) {
        let entry = Arc::into_raw(Arc::clone(self)).cast_mut().cast::<Job>();
        let entry = NonNull::new(entry).expect("an Arc is not null");
        // SAFETY: the entry keeps the job in place; `is_claimed` sees to it that the body runs
        // once; it is `Send`.
        let entry = unsafe { JobRef::new(entry) };
        fiber
            .worker()
            .expect("OS threads run spawned closures at once")
            .publish(entry);
    }

    /// # Safety
    ///
    /// `job` comes from `publish`, and this is the only start of that entry.
    unsafe fn start(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct.
        let job = unsafe { Arc::from_raw(job.cast::<Self>().as_ptr()) };
        job.run_if_first(fiber);
    }

    /// Runs the body here unless somebody has begun to; never unwinds. Whether it did.
    pub(crate) fn run_if_first(&self, fiber: &FiberRecord) -> bool {
        // AcqRel: the winner sees the body; nobody else touches it.
        if self.is_claimed.load(Ordering::Relaxed) || self.is_claimed.swap(true, Ordering::AcqRel) {
            return false;
        }
        // SAFETY: we have the claim.
        let body = unsafe { &mut *self.body.get() }
            .take()
            .expect("claimed once");
        without_unwinding(|| body(fiber));
        true
    }
}

/// The result of a spawned closure.
pub(crate) struct TaskCell<T> {
    pub(crate) awaited: Awaited,
    /// Where it was spawned.
    pub(crate) location: &'static Location<'static>,
    /// What it is part of: alive until it has ended. An address only.
    pub(crate) region: *const Region,
    /// Written by who runs the closure, or by who leaves it behind (`abandon`), before the close.
    result: UnsafeCell<Option<Result<T, Error>>>,
    /// The error of the cycle, or the cancellation, that has marked its frame; written as `result` is.
    cycle: UnsafeCell<Option<Error>>,
    /// What the closure asked for; written as `result` is.
    record: UnsafeCell<Option<Arc<Record>>>,
    /// The identity of the database that records it, or zero.
    recorded_by: usize,
    /// Whether somebody has seen the failure.
    is_observed: AtomicBool,
    bound: ThreadBound,
}

// SAFETY: the result is written before the close and only read after it; `Error` is `Send` and
// `Sync`.
unsafe impl<T: Send + Sync> Send for TaskCell<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for TaskCell<T> {}

impl<T> TaskCell<T> {
    const TASK: &'static Kind = &Kind {
        role: Role::Work,
        query: None,
        describe: Some(Self::describe),
        decide: None,
        is_provisional: None,
        abandon: Some(Self::abandon),
    };

    pub(crate) fn new<D>(
        location: &'static Location<'static>,
        database: &Database<D>,
        region: *const Region,
    ) -> Arc<Self> {
        Arc::new(TaskCell {
            region,
            awaited: Awaited::new(ptr::null()),
            location,
            result: UnsafeCell::new(None),
            cycle: UnsafeCell::new(None),
            record: UnsafeCell::new(None),
            recorded_by: if database.is_recording() {
                database.identity()
            } else {
                0
            },
            is_observed: AtomicBool::new(false),
            bound: ThreadBound::new(),
        })
    }

    /// Whether the closure has ended.
    pub(crate) fn is_done(&self) -> bool {
        assert!(
            self.bound.is_here(),
            "{} belongs to another thread (sequential build)",
            self.name()
        );
        self.awaited.list.outcome().is_some()
    }

    /// The result, once there.
    pub(crate) fn result(&self) -> Option<&Result<T, Error>> {
        self.awaited.list.outcome()?;
        // SAFETY: closed: nobody writes any more.
        unsafe { &*self.result.get() }.as_ref()
    }

    /// Runs `body` as this cell's closure; whether it failed. Never unwinds.
    pub(crate) fn fill<'db, D>(
        &self,
        fiber: &FiberRecord,
        run: *const Run<'db, D>,
        locals: *const Binding,
        body: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> bool {
        if !plant::is("unowned_task") {
            self.awaited.set_owner(fiber);
        }
        // SAFETY: `describe` takes a living cell of this type.
        let subject = unsafe { Subject::new(Self::TASK, self) };
        let mut record = None;
        let run_closure = || {
            // SAFETY: the current fiber; run and bindings outlive the closure, since a run waits
            // for its tasks and a scope for its children.
            let cx = unsafe { Cx::new(run, fiber, locals) };
            let (result, notes) = cx.with_recorder(self.recorded_by != 0, |cx| {
                catch_unwind(AssertUnwindSafe(|| body(cx)))
            });
            record = notes.and_then(Notes::into_record);
            result
        };
        let around = fiber.region();
        let (result, cycle) = Frame::enter_as(fiber, &self.awaited, subject, run_closure);
        // A part of a run may have started it at once, with the context of what is around it.
        fiber.enter_region(around);
        let result = match &cycle {
            // Whatever the closure made of it: it was for a query that is decided.
            Some(error) if error.is_left_over() => {
                without_runs(|| discard(result));
                Err(error.clone())
            }
            _ => result.map_err(Error::from_payload),
        };
        let is_failed = result.is_err();
        // SAFETY: this is the one run of the closure, and nobody reads before the close.
        unsafe { *self.result.get() = Some(result) };
        // SAFETY: as above.
        unsafe { *self.cycle.get() = cycle };
        if let Some(record) = record {
            // SAFETY: as above.
            unsafe { *self.record.get() = Some(Arc::new(record)) };
        }
        is_failed
    }

    /// Ends the task as cancelled: its closure goes no further.
    ///
    /// # Safety
    ///
    /// As for `describe`, and the fiber that runs the closure goes no further.
    unsafe fn abandon(cell: NonNull<()>) -> Waiters {
        // SAFETY: by contract.
        let cell = unsafe { cell.cast::<Self>().as_ref() };
        let error = Error::cancelled(Reason::Shutdown);
        // SAFETY: who runs the closure would write it and does not any more, and nobody reads before the close.
        unsafe { *cell.result.get() = Some(Err(error.clone())) };
        // SAFETY: as above.
        unsafe { *cell.cycle.get() = Some(error) };
        cell.awaited.list.close(Outcome::READY)
    }

    pub(crate) fn close(&self) {
        self.awaited.list.close(Outcome::READY).wake();
    }

    /// After the closure ran on top of a wait for it: the error of a cycle that decided both, which
    /// the waiter raises.
    pub(crate) fn cycle_of_waiter(&self, fiber: &FiberRecord) -> Option<Error> {
        self.awaited.list.outcome()?;
        // SAFETY: closed: nobody writes any more.
        let cycle = unsafe { &*self.cycle.get() }.as_ref()?;
        if cycle.is_cancelled() {
            return None;
        }
        Frame::is_innermost_in(fiber, cycle).then(|| cycle.clone())
    }

    /// What the closure asked for, if this database records it, and anything was: a handle may come to a provider of
    /// another one.
    pub(crate) fn record<D>(&self, database: &Database<D>) -> Option<Arc<Record>> {
        if self.recorded_by != database.identity() {
            return None;
        }
        self.awaited.list.outcome()?;
        // SAFETY: closed: nobody writes any more.
        unsafe { &*self.record.get() }.clone()
    }

    /// What asks on `fiber`, the current one, see of the result.
    pub(crate) fn observe(&self, fiber: &FiberRecord) -> Result<&T, Error> {
        let result = self.result().expect("the wait is over");
        // SAFETY: closed: nobody writes any more.
        if let Some(marked) = unsafe { &*self.cycle.get() } {
            Frame::take_over(fiber, marked);
        }
        result.as_ref().map_err(|error| {
            self.is_observed.store(true, Ordering::Relaxed);
            error.in_query(self.name())
        })
    }

    /// Somebody has asked for the result, and fails for the same reason.
    pub(crate) fn note_asked(&self) {
        self.is_observed.store(true, Ordering::Relaxed);
    }

    /// What a wait for it is called.
    pub(crate) fn subject(&self) -> Subject {
        // SAFETY: `describe` takes a living cell of this type.
        unsafe { Subject::new(Self::TASK, self) }
    }

    pub(crate) fn name(&self) -> String {
        format!("task at {}", self.location)
    }

    /// # Safety
    ///
    /// `cell` is a living cell of this type.
    unsafe fn describe(cell: NonNull<()>) -> Name {
        // SAFETY: by contract.
        let cell = unsafe { cell.cast::<Self>().as_ref() };
        Name {
            kind: "task",
            text: cell.name(),
        }
    }
}

/// Whether what is spawned is started at once: where jobs run in program order, and in a destructor that runs during an
/// unwind, which could not wait for it.
fn starts_at_once<D>(cx: &Cx<'_, D>) -> bool {
    cx.is_sequential() || std::thread::panicking()
}

/// Calls `spawn`, which counts a job and starts it, where there is room for the job: once it is counted nothing may unwind
/// until it has ended.
///
/// # Panics
///
/// The spawner was cancelled, or there is no memory for more stack: `spawn` was not called.
pub(crate) fn with_room_to_start<D, R>(cx: &Cx<'_, D>, spawn: impl FnOnce() -> R) -> R {
    if starts_at_once(cx) {
        cx.with_room(spawn)
    } else {
        spawn()
    }
}

/// Starts a spawned job at once, or else shows it to the workers. Does not unwind.
pub(crate) fn start_or_publish<D>(cx: &Cx<'_, D>, job: &Arc<SpawnedJob>) {
    if starts_at_once(cx) {
        job.run_if_first(cx.fiber());
    } else {
        cx.scheduling_point();
        job.publish(cx.fiber());
    }
}

/// A pointer that a spawned job takes along; what it points at is shared safely by its own type.
#[derive(Debug)]
pub(crate) struct SendPtr<T>(pub(crate) *const T);

// SAFETY: used for `Run` (its fields are atomic, locked or `Sync`) and for bindings (whose values
// are `Sync`).
unsafe impl<T> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SendPtr<T> {}

impl<T> Copy for SendPtr<T> {}

impl<T> Clone for SendPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> OpenTask for TaskCell<T> {
    fn awaited(&self) -> &Awaited {
        &self.awaited
    }
}

impl<T: Send + Sync> TaskCell<T> {
    /// The error of a failed closure that nobody has asked for.
    pub(crate) fn unobserved_failure(&self) -> Option<Error> {
        match self.result() {
            Some(Err(error))
                if !error.is_left_over()
                    && !error.is_dropped()
                    && !self.is_observed.load(Ordering::Relaxed) =>
            {
                Some(error.in_query(self.name()))
            }
            _ => None,
        }
    }
}
