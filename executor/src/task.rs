//! Tasks: spawned closures whose results any number of jobs may wait for.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use crate::cancel::{CancelOnDrop, CancelToken};
use crate::cx::Cx;
use crate::error::{Error, discard};
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::graph::{self, Frame, Stopped};
use crate::sched::room::Here;
use crate::sched::wanted::{end_of, told};
use crate::spawned::{SendPtr, SpawnedJob, TaskCell, start_or_publish, with_room_to_start};

/// A closure that was spawned with [`Cx::spawn`]: any number of jobs may wait for its result.
///
/// Dropping the handle does not stop the task, unless it was spawned with [`Cx::spawn_cancellable`]: `run` returns when
/// all its tasks have ended. If a task failed and nobody asked for its result, `run` gives its error.
pub struct Task<'db, T> {
    job: Arc<SpawnedJob>,
    cell: Arc<TaskCell<T>>,
    /// What the drop of the last handle cancels.
    guard: Option<Arc<CancelOnDrop>>,
    borrows: PhantomData<&'db ()>,
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Starts a closure that runs on its own, and gives a handle to wait for its result.
    ///
    /// The closure may outlive the caller's frame, so it borrows nothing shorter than the database.
    /// Tasks that wait for tasks make a graph, not just a tree. On the sequential backend the
    /// closure runs to its end right here; so there, and only there, a task that asks for the query
    /// that spawned it, and that nobody waits for, is a cycle.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(());
    /// let sum = executor.run(&db, |cx| {
    ///     let one = cx.spawn(|_| 1);
    ///     let (left, right) = (one.clone(), one);
    ///     let two = cx.spawn(move |cx| left.wait(cx) + 1);
    ///     let three = cx.spawn(move |cx| right.wait(cx) + 2);
    ///     two.wait(cx) + three.wait(cx)
    /// })?;
    /// assert_eq!(sum, 5);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&self, body: F) -> Task<'db, T>
    where
        F: FnOnce(&Cx<'db, D>) -> T + Send + 'db,
        T: Send + Sync + 'db,
    {
        let location = Location::caller();
        with_room_to_start(self, || self.spawn_here(location, body))
    }

    fn spawn_here<T, F>(&self, location: &'static Location<'static>, body: F) -> Task<'db, T>
    where
        F: FnOnce(&Cx<'db, D>) -> T + Send + 'db,
        T: Send + Sync + 'db,
    {
        let region = self.run().region();
        let cell = TaskCell::new(location, self.database(), region);
        let run = SendPtr(self.run());
        self.run().task_spawned(&cell);
        let own = Arc::clone(&cell);
        let deaf = Deaf::of(self.fiber());
        let body = Box::new(move |fiber: &FiberRecord| {
            let run = run;
            // SAFETY: the run does not return before `task_ended`.
            let run = unsafe { &*run.0 };
            let fill = || own.fill(fiber, run, ptr::null(), body);
            if deaf.or_of(fiber).during(fiber, fill) {
                let failed = Arc::clone(&own);
                run.task_failed(Box::new(move || failed.unobserved_failure()));
            }
            own.close();
            // Our hold of the result goes before the run may return: the result may borrow from the
            // database.
            discard(own);
            run.task_ended();
        });
        // SAFETY: what the body borrows lives for `'db`, and the run ends within.
        let job = unsafe { SpawnedJob::new(body) };
        self.settle_item();
        start_or_publish(self, &job);
        Task {
            job,
            cell,
            guard: None,
            borrows: PhantomData,
        }
    }

    /// As [`spawn`](Self::spawn); but the drop of the last handle cancels the task, if it has not ended: it is unwound at
    /// its next scheduling point, or out of its wait, as by a [`CancelToken`]. Tasks that it spawns
    /// end before it does.
    ///
    /// With `panic = "abort"` nothing is unwound: the task's `try_` forms fail, and its result is what it makes of that.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(());
    /// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
    /// let never = std::sync::Arc::new(dagwood::Event::<()>::new());
    /// executor.run(&db, |cx| {
    ///     let task = cx.spawn_cancellable(move |cx| *never.wait(cx));
    ///     drop(task);
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_cancellable<T, F>(&self, body: F) -> Task<'db, T>
    where
        F: FnOnce(&Cx<'db, D>) -> T + Send + 'db,
        T: Send + Sync + 'db,
    {
        let token = CancelToken::new();
        let guard = Arc::new(CancelOnDrop(token.clone()));
        let mut task = self.spawn(move |cx| {
            let result = cx.cancellable(&token, body);
            result.unwrap_or_else(|error| error.raise())
        });
        task.guard = Some(guard);
        task
    }
}

impl<T: Send + Sync> Task<'_, T> {
    /// The result; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`]: if the task failed, or waits (in the end) for the caller, the caller is
    /// unwound.
    pub fn wait<D>(&self, cx: &Cx<'_, D>) -> &T {
        cx.undisturbed(|| self.try_wait(cx).unwrap_or_else(|error| error.raise()))
    }

    /// The result, or why there is none.
    ///
    /// # Errors
    ///
    /// The task panicked, or a query that it asked for failed; or there is no memory left to wait
    /// ([`Error::is_exhausted`]); or the task, or the work that waits, was cancelled ([`Error::is_cancelled`]).
    pub fn try_wait<D>(&self, cx: &Cx<'_, D>) -> Result<&T, Error> {
        if self.is_done() {
            return self.observe(cx);
        }
        let here = Here::uninit();
        if cx.is_deep_or_cancelled(&raw const here) {
            if let Some(error) = end_of(cx.fiber()) {
                return Err(told(cx.fiber(), error));
            }
            return cx.deeper(|| self.try_wait(cx));
        }
        cx.settle_item();
        // Not on top of a decided provider, where what it asks for may be left over: a task has one result for all. Nor on
        // top of what does not end with it when it is cancelled (cancel.md X3).
        let is_of_region = ptr::eq(self.cell.region, cx.fiber().region());
        let may_run_here = is_of_region && !Frame::is_any_decided(cx.fiber());
        if may_run_here && self.job.run_if_first(cx.fiber()) {
            if let Some(error) = self.cell.cycle_of_waiter(cx.fiber()) {
                self.cell.note_asked();
                error.raise();
            }
        } else {
            if let Some(iteration) = cx.run().iteration() {
                iteration.may_wait();
            }
            match graph::wait_for(cx.fiber(), &self.cell.awaited, self.cell.subject()) {
                Ok(()) => (),
                Err(Stopped::Cycle(error)) => {
                    self.cell.note_asked();
                    error.raise()
                }
                Err(Stopped::Cut) => unreachable!("not a wait that can be cut"),
                Err(Stopped::Refused(error)) => return Err(error),
            }
        }
        self.observe(cx)
    }

    /// The result, which is there: who sees it depends on what the task asked for.
    fn observe<D>(&self, cx: &Cx<'_, D>) -> Result<&T, Error> {
        if let Some(recorder) = cx.recorder()
            && let Some(record) = self.cell.record(cx.database())
        {
            recorder.wait(record);
        }
        self.cell.observe(cx.fiber())
    }

    /// Whether the task has ended. A matter of the schedule: decide nothing by it that others can
    /// see.
    pub fn is_done(&self) -> bool {
        self.cell.is_done()
    }
}

impl<T> Clone for Task<'_, T> {
    fn clone(&self) -> Self {
        Task {
            job: Arc::clone(&self.job),
            cell: Arc::clone(&self.cell),
            guard: self.guard.clone(),
            borrows: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Task<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("spawned_at", &self.cell.location)
            .finish_non_exhaustive()
    }
}
