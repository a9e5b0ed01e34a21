//! Tokens that cancel runs, parts of runs, and tasks.
//!
//! Used by the executor and by tasks. How a cancellation comes to its fibers: `sched/cancel.md`.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cx::Cx;
use crate::error::{Error, Payload, Reason};
use crate::plant;
use crate::run::Run;
use crate::sched::cancel::{Signal, UNWINDS};
use crate::sched::graph::{Awaited, Frame, Subject};
use crate::sched::wanted::{end_of, told};

/// Cancels what was given it: whole runs ([`Executor::run_cancellable`](crate::Executor::run_cancellable)) and parts of
/// runs ([`Cx::cancellable`]). Clones are the same token. Once cancelled it stays so.
///
/// Cancelled work ends at its next scheduling point (a query that is not known yet, a fork, a block of items of a loop, a
/// wait), or out of its wait: it is unwound, so destructors run, and branches and children end before what forked them. An
/// ask for a result that is there is no scheduling point: it is served, and checks nothing. What it has computed stays. A query
/// that it was computing is given up, and whoever asks next computes it; unless somebody else, who is not cancelled,
/// waits for it: then that one is finished first.
///
/// A run that a job has begun on another executor is cancelled with the run around it, and so is a query around, whatever
/// its provider makes of that.
///
/// A run on the sequential backend has nobody to wake it. It looks at its token and at the clock at its own scheduling
/// points; a wait for what another thread computes, or for an event, does not end before that is there.
///
/// With `panic = "abort"` nothing can be unwound: [`Cx::try_get`], [`Task::try_wait`](crate::Task::try_wait),
/// [`Event::try_wait`](crate::Event::try_wait) and [`Cx::check_cancelled`] give the error, and everything else goes on,
/// with all that is asked for inside a [`Cx::get`].
///
/// Where a cancellation comes between the work's own steps is a matter of chance, and so what of it was done.
///
/// # Examples
///
/// ```
/// use dagwood::{CancelToken, Database, Event, Executor};
///
/// let executor = Executor::builder().workers(2).build()?;
/// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
/// let token = CancelToken::new();
/// let never = Event::<()>::new();
/// let error = std::thread::scope(|scope| {
///     scope.spawn(|| token.cancel());
///     executor.run_cancellable(&Database::new(()), &token, |cx| *never.wait(cx))
/// });
/// assert!(error.unwrap_err().is_cancelled());
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    signal: Arc<Signal>,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        CancelToken {
            signal: Arc::new(Signal::new(None)),
        }
    }

    /// One that cancels itself after so long.
    pub(crate) fn with_deadline(after: Duration) -> Self {
        // A time that cannot be told never comes.
        let deadline = Instant::now().checked_add(after);
        CancelToken {
            signal: Arc::new(Signal::new(deadline)),
        }
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Cancels the work, from wherever. Does not wait until it has ended.
    pub fn cancel(&self) {
        self.signal.set(Reason::Request);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.signal.reason().is_some()
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Cancels a task when its last handle goes.
pub(crate) struct CancelOnDrop(pub(crate) CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.signal.set(Reason::Dropped);
    }
}

impl<'db, D: 'static> Cx<'db, D> {
    /// Runs a part of this job that `token` cancels alone, and waits for all tasks that were spawned in it. The part is
    /// also cancelled with what is around it.
    ///
    /// If it is cancelled inside of a query, that query is not remembered, whatever `body` or its provider makes of the
    /// error: its own askers get it, too.
    ///
    /// # Errors
    ///
    /// It was cancelled by `token` before it came to its end ([`Error::is_cancelled`]).
    ///
    /// # Panics
    ///
    /// As `body` does. (A task that failed without anybody asking for its result is a failure of the run, as elsewhere;
    /// of a part that was cancelled it is nobody's.)
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{CancelToken, Database, Executor};
    ///
    /// let executor = Executor::builder().workers(2).build()?;
    /// let token = CancelToken::new();
    /// let both = executor.run(&Database::new(1), |cx| {
    ///     let first = cx.cancellable(&token, |cx| *cx.data());
    ///     token.cancel();
    ///     (first, cx.cancellable(&token, |cx| *cx.data()))
    /// })?;
    /// assert_eq!(both.0.unwrap(), 1);
    /// assert!(both.1.unwrap_err().is_cancelled());
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn cancellable<T>(
        &self,
        token: &CancelToken,
        body: impl FnOnce(&Self) -> T,
    ) -> Result<T, Error> {
        if let Some(reason) = token.signal.reason().filter(|_| UNWINDS) {
            return Err(self.part_ended(Error::cancelled(reason)));
        }
        let in_part = |part: &Run<'db, D>, cx: &Self| match plant::is("failure_of_a_part") {
            true => part.root_in(cx, body),
            false => part.root_of_part(self.run(), cx, body),
        };
        let (result, told) = self.part(&token.signal, in_part);
        if let Some(error) = told.filter(|_| !plant::is("unmarked_part")) {
            // Whatever the part makes of it.
            self.part_ended(error);
        }
        let is_own = token.signal.reason().is_some();
        result.or_else(|payload| match Error::raised_in(&payload) {
            Some(error) if is_own && error.is_cancelled() => Err(self.part_ended(error.clone())),
            _ => resume_unwind(payload),
        })
    }

    /// Runs a part of this job that `signal` cancels alone: `body` is given it and its context. Also gives the error that
    /// it was told to end with, if it was.
    pub(crate) fn part<T>(
        &self,
        signal: &Arc<Signal>,
        body: impl FnOnce(&Run<'db, D>, &Self) -> Result<T, Payload>,
    ) -> (Result<T, Payload>, Option<Error>) {
        let fiber = self.fiber();
        self.settle_item();
        let _watch = fiber.watch(signal);
        // SAFETY: this job's run outlives the call.
        let part = unsafe { self.run().part(Arc::clone(signal)) };
        let awaited = Awaited::new(fiber);
        let around = fiber.enter_region(part.region());
        let subject = Subject::part(part.region());
        let (result, cycle) = Frame::enter_as(fiber, &awaited, subject, || {
            // SAFETY: the part outlives the call.
            let cx = unsafe { self.in_part(&part) };
            body(&part, &cx)
        });
        fiber.enter_region(around);
        match cycle {
            Some(told) if told.is_cancelled() => (result, Some(told)),
            Some(error) => error.raise(),
            None => (result, None),
        }
    }

    /// A part of this job was cancelled: what the queries around it make of that is not remembered.
    fn part_ended(&self, error: Error) -> Error {
        Frame::cancel_queries(self.fiber(), &error);
        error
    }

    /// Whether this job was cancelled, by a token, a deadline or a shutdown: for long computations that ask for nothing,
    /// and for those that end by themselves.
    ///
    /// # Errors
    ///
    /// It was ([`Error::is_cancelled`]), and nobody else waits for what it computes. From then on nothing that the
    /// queries around this call give is remembered.
    pub fn check_cancelled(&self) -> Result<(), Error> {
        match end_of(self.fiber()) {
            Some(error) => Err(told(self.fiber(), error)),
            None => Ok(()),
        }
    }
}
