//! `broadcast`: a closure on each worker.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::cx::Cx;
use crate::error::{Error, Payload, discard};
use crate::local::Binding;
use crate::part::{Given, Taken, Work};
use crate::plant;
use crate::query::record::Branches;
use crate::run::Run;
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::pool::Worker;

/// The call of one worker.
struct Call<'b, 'db, D, B> {
    run: *const Run<'db, D>,
    locals: *const Binding,
    worker: usize,
    /// Whether what it asks for is recorded.
    is_recorded: bool,
    deaf: Deaf,
    body: &'b B,
}

impl<'db, D, B, R> Work for Call<'_, 'db, D, B>
where
    B: Fn(&Cx<'db, D>, usize) -> R + Sync,
{
    type Done = (Result<R, Payload>, Branches);
    const IS_DIVISIBLE: bool = false;

    fn run(self, fiber: &FiberRecord) -> Self::Done {
        // SAFETY: the current fiber; run and bindings outlive the broadcast, which waits for us.
        let cx = unsafe { Cx::new(self.run, fiber, self.locals) };
        let call = |cx: &_| catch_unwind(AssertUnwindSafe(|| (self.body)(cx, self.worker)));
        let call = || cx.with_recorder(self.is_recorded, call);
        self.deaf.during(fiber, call)
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs `body` once on each worker, with the worker's index, and gives the results in the order
    /// of the workers. On the sequential backend that is one call, with 0.
    ///
    /// A worker makes its call before it starts another job, but not in the middle of one: this
    /// waits until each has come to it.
    ///
    /// # Panics
    ///
    /// If some calls panic, all others still end; then the panic of the first of them, in the order
    /// of the workers, goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(3).build()?;
    /// # let db = dagwood::Database::new(());
    /// let names = executor.run(&db, |cx| {
    ///     cx.broadcast(|_, worker| format!("{worker} on {:?}", std::thread::current().name()))
    /// })?;
    /// assert_eq!(names.len(), executor.workers());
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn broadcast<R: Send>(&self, body: impl Fn(&Cx<'db, D>, usize) -> R + Sync) -> Vec<R> {
        let Some(worker) = self.fiber().worker() else {
            return vec![self.call_here(&body)];
        };
        if std::thread::panicking() && !plant::is("wait_while_unwinding") {
            Error::unwinding().raise();
        }
        if let Some(place) = self.fiber().must_not_suspend() {
            Error::no_suspend(place, "a broadcast").raise();
        }
        self.settle_item();
        let level = self.note_fork();
        let (results, failure) = self.call_on_each(worker, &body, level);
        self.note_join(level);
        match failure {
            Some(payload) => {
                discard(results);
                resume_unwind(payload)
            }
            None => results,
        }
    }

    /// The one call of the sequential backend.
    fn call_here<R>(&self, body: &impl Fn(&Cx<'db, D>, usize) -> R) -> R {
        let level = self.note_fork();
        let result = catch_unwind(AssertUnwindSafe(|| body(self, 0)));
        self.note_join(level);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// The results of the calls that did not fail, and what the first of the others failed with.
    /// Never unwinds. What they ask for is recorded at `level`.
    fn call_on_each<R: Send>(
        &self,
        worker: &Worker,
        body: &(impl Fn(&Cx<'db, D>, usize) -> R + Sync),
        level: usize,
    ) -> (Vec<R>, Option<Payload>) {
        let give = |index| {
            let call = Call {
                run: self.run(),
                locals: self.locals(),
                worker: index,
                is_recorded: self.recorder().is_some(),
                deaf: Deaf::of(self.fiber()),
                body,
            };
            // SAFETY: body and run are `Sync`, results are `Send`, and all calls are taken below.
            let (given, job) = unsafe { Given::new(call, self.fiber()) };
            worker.post_to(index, job);
            given
        };
        let calls: Vec<_> = (0..worker.workers()).map(give).collect();
        let mut results = Vec::with_capacity(calls.len());
        let mut failure = None;
        let mut fail = |payload: Payload| match &failure {
            None => failure = Some(payload),
            Some(_) => discard(payload),
        };
        for call in calls {
            let Taken::Done((done, branches), cycle) = call.take(self.fiber()) else {
                unreachable!("a call is never in the deque of who broadcasts");
            };
            self.note_branches(level, branches);
            match done {
                Ok(result) => results.push(result),
                Err(payload) => fail(payload),
            }
            cycle.map(Error::into_payload).map(&mut fail);
        }
        (results, failure)
    }
}
