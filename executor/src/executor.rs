//! The executor: how work gets in from outside.

use std::fmt;
use std::ptr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Engine;
use crate::builder::Builder;
use crate::cancel::CancelToken;
use crate::cx::Cx;
use crate::error::Error;
use crate::priority::Priority;
use crate::query::database::Database;
use crate::run::{Run, run_here};
use crate::sched::cancel::Region;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::graph::Frame;
use crate::sched::stats::Statistics;
use crate::schedule::ScheduleLog;
use crate::stacks::Stacks;
use crate::waiters::WaitReport;

/// What a fiber is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A stack of its own on a worker's thread: a wait is a switch, some nanoseconds.
    Fibers,
    /// An OS thread: a wait blocks it, and another goes on in its place. For targets without a
    /// switch, and for comparison.
    Threads,
    /// There are no fibers: everything runs in program order on the thread that calls `run`.
    Sequential,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Fibers => "fibers",
            Backend::Threads => "threads",
            Backend::Sequential => "sequential",
        })
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Backend::Fibers, Backend::Threads, Backend::Sequential]
            .into_iter()
            .find(|backend| backend.to_string() == name)
            .ok_or_else(|| {
                Error::setup(format!(
                    "unknown backend {name:?}: fibers, threads or sequential"
                ))
            })
    }
}

/// Runs jobs on its workers. A handle: clones share the workers, which end when the last handle is
/// dropped.
///
/// # Examples
///
/// ```
/// use dagwood::{Database, Executor};
///
/// let executor = Executor::builder().workers(2).build()?;
/// let db = Database::new(20);
/// assert_eq!(executor.run(&db, |cx| cx.data() + 1)?, 21);
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone)]
pub struct Executor {
    engine: Arc<Engine>,
}

impl Executor {
    /// An executor to be: as many workers as processors, on the first of
    /// [`backends`](Self::backends).
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn with_engine(engine: Engine) -> Self {
        Executor {
            engine: Arc::new(engine),
        }
    }

    /// The backends of this build, the best one first; [`Backend::Sequential`] is always there, and
    /// last.
    pub fn backends() -> &'static [Backend] {
        Engine::backends()
    }

    /// The backend that was chosen.
    pub fn backend(&self) -> Backend {
        self.engine.backend()
    }

    /// The number of workers that it was built with; 1 on the sequential backend.
    pub fn workers(&self) -> usize {
        self.engine.workers()
    }

    /// How many of them start jobs: all, unless [`set_workers`](Self::set_workers) has said otherwise.
    pub fn workers_on_duty(&self) -> usize {
        self.engine.on_duty()
    }

    /// From now on the first `count` workers start jobs, and the others do not: to leave cores to others for a while. It
    /// may be called at any time, from anywhere, also inside a job, and does not wait.
    ///
    /// A worker that goes off duty ends the job that it is in, which may take what it has forked back, or waits with it;
    /// what it has shown to others they take. It keeps its fibers that wait, and resumes them when they are ready: for so
    /// long more than `count` jobs may run. So nothing that has begun is stuck, and a lock is never held by what does not
    /// run. What is for each worker ([`Cx::broadcast`], [`WorkerLocal`](crate::WorkerLocal)) is for those off duty, too,
    /// and [`workers`](Self::workers) stays what it is. Its thread sleeps meanwhile. (While no memory is left for another
    /// fiber, those off duty start jobs, too, if they have one to do it on.)
    ///
    /// # Errors
    ///
    /// It is none, or more than the executor was built with.
    ///
    /// # Examples
    ///
    /// ```
    /// let executor = dagwood::Executor::builder().workers(4).build()?;
    /// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
    /// executor.set_workers(1)?;
    /// assert_eq!((executor.workers_on_duty(), executor.workers()), (1, 4));
    /// let sum = executor.run(&dagwood::Database::new(()), |cx| cx.par_map(0..100_u32, |_, i| i).iter().sum::<u32>())?;
    /// assert_eq!(sum, 4950);
    /// assert!(executor.set_workers(5).is_err());
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn set_workers(&self, count: usize) -> Result<(), Error> {
        let most = self.workers();
        if !(1..=most).contains(&count) {
            return Err(Error::setup(format!(
                "an executor of {most} workers cannot go on with {count}"
            )));
        }
        self.engine.put_on_duty(count);
        Ok(())
    }

    /// A number that no other living executor has.
    pub(crate) fn identity(&self) -> usize {
        self.engine.identity()
    }

    /// What has happened so far, if [`Builder::statistics`] is on.
    pub fn statistics(&self) -> Statistics {
        self.engine.statistics()
    }

    /// What its fibers and their stacks take now; all zero on the sequential backend.
    pub fn stacks(&self) -> Stacks {
        self.engine.stacks()
    }

    /// What was chosen so far, if the executor was built with a [`Schedule`](crate::Schedule) that chooses: what
    /// [`Schedule::Replay`](crate::Schedule::Replay) repeats. Waits until no worker can go on; inside a job it gives what
    /// there is.
    pub fn schedule_log(&self) -> Option<ScheduleLog> {
        self.engine.schedule_log()
    }

    /// Runs `body` as a job, and blocks until it and all tasks that it spawned have ended.
    ///
    /// Any thread may call it, many at once. On a fiber of *another* executor the call suspends
    /// that fiber.
    ///
    /// # Errors
    ///
    /// A query that `body` got by [`Cx::get`] failed, or a task failed that nobody waited for; `run` was called inside a
    /// job of the same executor; (sequential build) the database belongs to another thread; the executor was [shut
    /// down](Self::shutdown); or the run was not the one of the log that [`Schedule::Replay`](crate::Schedule::Replay)
    /// follows.
    ///
    /// # Panics
    ///
    /// A panic of `body` itself, or of a branch or child that it forked, goes on in the caller.
    pub fn run<'db, D, T, F>(&self, database: &'db Database<D>, body: F) -> Result<T, Error>
    where
        D: Send + Sync + 'static,
        F: FnOnce(&Cx<'db, D>) -> T + Send,
        T: Send,
    {
        self.run_until(database, None, Priority::Normal, body)
    }

    /// As [`run`](Self::run), before or after others' jobs and fibers where these wait: see [`Priority`].
    ///
    /// On the sequential backend it means nothing: who calls runs.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Database, Executor, Priority};
    ///
    /// let executor = Executor::builder().workers(2).build()?;
    /// # if Executor::backends().len() == 1 { return Ok(()) }
    /// let db = Database::new(());
    /// std::thread::scope(|scope| {
    ///     // What somebody waits for in front of a screen goes before what fills a cache.
    ///     let fill = || executor.run_with_priority(&db, Priority::Low, |cx| cx.par_map(0..100, |_, i| i));
    ///     let fill = scope.spawn(fill);
    ///     let answer = executor.run_with_priority(&db, Priority::High, |_| 42)?;
    ///     assert_eq!((answer, fill.join().unwrap()?.len()), (42, 100));
    ///     Ok::<(), dagwood::Error>(())
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn run_with_priority<'db, D, T, F>(
        &self,
        database: &'db Database<D>,
        priority: Priority,
        body: F,
    ) -> Result<T, Error>
    where
        D: Send + Sync + 'static,
        F: FnOnce(&Cx<'db, D>) -> T + Send,
        T: Send,
    {
        self.run_until(database, None, priority, body)
    }

    /// As [`run`](Self::run), until `token` is cancelled.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); or it was cancelled before it came to its end ([`Error::is_cancelled`]).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// See [`CancelToken`].
    pub fn run_cancellable<'db, D, T, F>(
        &self,
        database: &'db Database<D>,
        token: &CancelToken,
        body: F,
    ) -> Result<T, Error>
    where
        D: Send + Sync + 'static,
        F: FnOnce(&Cx<'db, D>) -> T + Send,
        T: Send,
    {
        self.run_until(database, Some(token), Priority::Normal, body)
    }

    /// As [`run`](Self::run), for so long at the most: then it is cancelled, as by a [`CancelToken`]. How much longer it
    /// takes depends on how far its jobs are from their next scheduling points. On the sequential backend waits do not end
    /// (see [`CancelToken`]).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); or it was not done in time ([`Error::is_cancelled`]).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dagwood::{Cx, Database, Executor};
    ///
    /// fn count(cx: &Cx<'_, ()>) -> u64 {
    ///     cx.join(count, count).0 + 1
    /// }
    ///
    /// let executor = Executor::builder().workers(2).build()?;
    /// let run = executor.run_with_deadline(&Database::new(()), Duration::from_millis(5), count);
    /// assert!(run.unwrap_err().is_cancelled());
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn run_with_deadline<'db, D, T, F>(
        &self,
        database: &'db Database<D>,
        after: Duration,
        body: F,
    ) -> Result<T, Error>
    where
        D: Send + Sync + 'static,
        F: FnOnce(&Cx<'db, D>) -> T + Send,
        T: Send,
    {
        let token = CancelToken::with_deadline(after);
        let _alarm = self.engine.alarm(token.signal());
        self.run_until(database, Some(&token), Priority::Normal, body)
    }

    /// Cancels all runs of this executor, as by a [`CancelToken`], and begins no more: each gives an error
    /// ([`Error::is_cancelled`]). Waits until those that are going on have ended; inside a job it does not wait. Its
    /// workers end when the last handle is dropped. (No run can be going on then: it has a handle of its own.)
    ///
    /// A job that never comes to a scheduling point is waited for. One that goes on when it is unwound, time and again (a
    /// loop that catches panics), is taken off its worker after ten thousand times: that is reported on standard error,
    /// what it computes is given up, its stack and all that lies on it are lost, and its `run` does not return, since
    /// the job may have borrowed from its caller.
    ///
    /// On the sequential backend it waits for nobody. A run that is going on there with a token or a deadline ends at its
    /// next scheduling point; another one is told by [`Cx::check_cancelled`] only.
    ///
    /// A run that a job has begun on another executor is cancelled with the run around it.
    ///
    /// Gives the number of runs that will never return.
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Database, Event, Executor};
    ///
    /// let executor = Executor::builder().workers(2).build()?;
    /// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
    /// let never = Event::<()>::new();
    /// std::thread::scope(|scope| {
    ///     let run = scope.spawn(|| executor.run(&Database::new(()), |cx| *never.wait(cx)));
    ///     assert_eq!(executor.shutdown(), 0);
    ///     assert!(run.join().unwrap().unwrap_err().is_cancelled());
    /// });
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn shutdown(&self) -> usize {
        self.engine.shut_down(current().is_null())
    }

    /// Who waits for what, and who does that, at this moment: for when nothing seems to go on. Each worker is asked for
    /// its own fibers, and answers between two jobs; those that do not answer within a tenth of a second are named.
    /// Inside a job, the job's worker waits meanwhile.
    ///
    /// Nobody waits on the sequential backend. A sequential run inside a job is not seen, nor are threads outside.
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
    /// let event = dagwood::Event::named("the answer");
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| executor.run(&dagwood::Database::new(()), |cx| *event.wait(cx)));
    ///     let report = loop {
    ///         let report = executor.waiters();
    ///         if !report.is_empty() {
    ///             break report;
    ///         }
    ///     };
    ///     assert_eq!(report.iter().next().unwrap().awaited(), "the answer");
    ///     event.set(42).unwrap();
    /// });
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn waiters(&self) -> WaitReport {
        self.engine.waiters()
    }

    fn run_until<'db, D, T, F>(
        &self,
        database: &'db Database<D>,
        token: Option<&CancelToken>,
        priority: Priority,
        body: F,
    ) -> Result<T, Error>
    where
        D: Send + Sync + 'static,
        F: FnOnce(&Cx<'db, D>) -> T + Send,
        T: Send,
    {
        if !database.bound.is_here() {
            return Err(Error::setup(
                "the sequential build uses a database only on the thread that made it: \
                 make it here, or build dagwood with the feature `fibers` or `threads`",
            ));
        }
        let identity = self.engine.identity();
        // SAFETY: null, or the fiber that runs this.
        let outer = unsafe { current().as_ref() };
        if outer.is_some_and(|fiber| fiber.is_of(identity)) {
            return Err(Error::nested_run());
        }
        if outer.is_some_and(FiberRecord::refuses_runs) {
            return Err(Error::setup(
                "`run` was called by a key's `Debug` or a destructor while a failure is reported",
            ));
        }
        if outer.is_some() && std::thread::panicking() {
            return Err(Error::unwinding());
        }
        let signal = token.map(CancelToken::signal);
        if let Some(reason) = signal.and_then(|signal| signal.reason()) {
            return Err(Error::cancelled(reason));
        }
        let _running = self.engine.begin_run()?;
        let _watch = signal.and_then(|signal| self.engine.watch(signal));
        let outer_region = outer.filter(|outer| !outer.is_deaf());
        let outer_region = outer_region.map_or(ptr::null(), FiberRecord::region);
        // SAFETY: null, or that of the job that calls, which waits here.
        let outer_signals = unsafe { outer_region.as_ref() }.map(Region::signals);
        let outer_signals = outer_signals.into_iter().flatten();
        let _outer_watches: Vec<_> = outer_signals
            .filter_map(|signal| self.engine.watch(signal))
            .collect();
        // SAFETY: the engine, which has the flag, and the calling job outlive this call.
        let region = unsafe { self.engine.region(outer_region, signal.cloned(), priority) };
        // SAFETY: the engine, which has the counters, outlives this call.
        let run = unsafe {
            Run::new(
                database,
                self.engine.counters(),
                self.engine.has_statistics(),
                outer.is_some(),
                region,
            )
        };
        let result = match &*self.engine {
            Engine::Sequential(engine) => run_here(&run, body, identity, engine.stack_bytes),
            #[cfg(any(feature = "fibers", feature = "threads"))]
            Engine::Pool(workers) => {
                let pool = workers.threads.pool();
                pool.watching(|| {
                    crate::run::run_on_pool(&run, body, |job| pool.inject(job, priority))
                })
            }
        };
        // SAFETY: as above.
        let outer_reason = unsafe { outer_region.as_ref() }.and_then(Region::reason);
        if let (Some(outer), Some(reason)) = (outer, outer_reason) {
            // Whatever the closure made of it.
            Frame::cancel_queries(outer, &Error::cancelled(reason));
        }
        result
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("backend", &self.backend())
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}
