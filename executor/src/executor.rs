//! The executor: how it is built, and how work gets in from outside.

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Engine;
use crate::cancel::CancelToken;
use crate::cx::Cx;
use crate::error::Error;
use crate::hooks::Hooks;
use crate::priority::Priority;
use crate::query::database::Database;
use crate::run::{Run, run_here};
use crate::sched::cancel::Region;
use crate::sched::fiber::{FiberRecord, current};
use crate::sched::graph::Frame;
use crate::sched::stats::Statistics;
use crate::sched::witness;
use crate::schedule::{Schedule, ScheduleLog};
use crate::stacks::{Guards, StackFaults, Stacks};
use crate::waiters::{WaitReport, Watching};

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

/// How an executor is made; from [`Executor::builder`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the executor"]
pub struct Builder {
    pub(crate) workers: Option<usize>,
    pub(crate) backend: Option<Backend>,
    pub(crate) stack_bytes: usize,
    pub(crate) fibers_max: Option<usize>,
    pub(crate) guards: Option<Guards>,
    pub(crate) faults: StackFaults,
    pub(crate) reports_overflows: bool,
    pub(crate) moves_fibers: bool,
    pub(crate) threads_max: Option<usize>,
    pub(crate) has_statistics: bool,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) watching: Watching,
    pub(crate) hooks: Hooks,
}

/// Address space for each stack; memory is used as it is touched. As much as a main thread has: a fiber that waits on a
/// larger stack costs more page tables up to 2 MiB (measured on x86-64: 257 bytes at 64 KiB, 2.1 KiB at 1 MiB, 4.1 KiB
/// at 2 MiB), and no more from there on (4.2 KiB at 8 and 16 MiB), since its top page and its neighbour's guard share
/// a table; making it takes the same time at all of these.
const STACK_BYTES: usize = if usize::BITS >= 64 {
    8 << 20
} else {
    512 << 10
};

impl Executor {
    /// An executor to be: as many workers as processors, on the first of
    /// [`backends`](Self::backends).
    pub fn builder() -> Builder {
        Builder {
            workers: None,
            backend: None,
            stack_bytes: STACK_BYTES,
            fibers_max: None,
            guards: None,
            faults: StackFaults::default(),
            reports_overflows: true,
            moves_fibers: false,
            threads_max: None,
            has_statistics: false,
            schedule: None,
            watching: Watching::default(),
            hooks: Hooks::default(),
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

    /// From now on the first `count` workers start jobs, and the others do not: to leave cores to others for a while. It may be called at any
    /// time, from anywhere, also inside a job, and does not wait.
    ///
    /// A worker that goes off duty ends the job that it is in, which may take what it has forked back, or waits with it; what it has shown to others they
    /// take. It keeps its fibers that wait, and resumes them when they are ready: for so long more than `count` jobs may run. So
    /// nothing that has begun is stuck, and a lock is never held by what does not run. What is for each worker
    /// ([`Cx::broadcast`], [`WorkerLocal`](crate::WorkerLocal)) is for those off duty, too, and [`workers`](Self::workers) stays what it is. Its thread
    /// sleeps meanwhile. (While no memory is left for another fiber, those off duty start jobs, too, if they have one to do it on.)
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

    /// What was chosen so far, if the executor was built with a [`Schedule`] that chooses: what
    /// [`Schedule::Replay`] repeats. Waits until no worker can go on; inside a job it gives what there is.
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
    /// A query that `body` got by [`Cx::get`] failed, or a task failed that nobody waited for;
    /// `run` was called inside a job of the same executor; (sequential build) the database belongs to another thread;
    /// the executor was [shut down](Self::shutdown); or the run was not the one of the log that [`Schedule::Replay`] follows.
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

impl Builder {
    /// How many jobs run at once at the most. The sequential backend has one worker, whatever is
    /// asked for.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// What a fiber is; by default the first of [`Executor::backends`].
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Address space for each fiber's stack, in bytes; memory is used as it is touched. By default
    /// 8 MiB (512 KiB on 32-bit targets). For hundreds of thousands of fibers that wait, 64 KiB save
    /// 4 KiB of page tables each. A `run` on the sequential backend has one such stack.
    ///
    /// It does not limit how deep asks and forks go: when little is left they go on on further
    /// stack of this size (at least 1 MiB), as long as there is memory. It limits what one
    /// provider or closure may use by itself: it finds at least an eighth of this, of small stacks
    /// half or 64 KiB ([`Cx::deepen`] finds more for it).
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// How many fibers may exist at once, running, waiting and spare (on the threads backend each is
    /// an OS thread, beside one for each worker).
    ///
    /// At the cap, or when the system gives no further stack or thread, a worker whose fiber waits
    /// goes on with fibers that are ready, and starts nothing new. Only when no worker has one does
    /// an ask fail, with [`Error::is_exhausted`], and so do the queries around it, which are not
    /// remembered as failed: the same ask may go well later. A wait for branches and children never
    /// fails; for its sake there may be a few fibers more.
    ///
    /// By default a million on fibers with light guards ([`Guards`]): then memory is the limit, at
    /// some 4 KiB and page tables for each that waits. With splitting guards a quarter of the
    /// mappings that the system allows a process (16,382 of 65,530), of which all executors of the
    /// process need a share, and never more than two fifths. On the threads backend 12,000, which
    /// take four mappings each. Where addresses have 32 bits, a quarter of them by default, and never
    /// more than half: some 1,800 stacks of the default size.
    pub fn max_fibers(mut self, count: usize) -> Self {
        self.fibers_max = Some(count);
        self
    }

    /// How the guards below stacks are made; by default as the environment variable `DAGWOOD_GUARDS` says (`best`,
    /// `light` or `splitting`), else the best there are. Means something on the fibers backend on Linux.
    pub fn guards(mut self, guards: Guards) -> Self {
        self.guards = Some(guards);
        self
    }

    /// Whether an overflow of the stack that a provider runs on is reported in words, with the query that ran, before
    /// the process dies by the signal (without, it just dies). On by default; Linux only.
    ///
    /// The first executor that is built with it takes the process's handlers of `SIGSEGV` and `SIGBUS`, for good, and
    /// gives each worker's thread an alternate signal stack. Any other fault goes to the handler that was there
    /// before, such as Rust's own for the guards of threads. Turn it off if your program handles these signals in its
    /// own way, and install your handler afterwards if you need both.
    pub fn report_overflows(mut self, is_on: bool) -> Self {
        self.reports_overflows = is_on;
        self
    }

    #[doc(hidden)]
    pub fn stack_faults(mut self, faults: StackFaults) -> Self {
        self.faults = faults;
        self
    }

    /// Lets a worker without work resume fibers of others that are ready, while those are busy with something else. Without
    /// this a fiber is resumed by the worker that began it, and may have to wait until that comes to an end of what it runs.
    ///
    /// On the threads backend that is always so, and means nothing for your code: there a fiber is an OS thread. On the
    /// sequential backend, and with one worker, there is no other worker.
    ///
    /// # Safety
    ///
    /// A call that may wait (a query, a task, a join, a scope, a loop, an event, a lock, `yield_now`, a `run` of
    /// another executor) may come back on another OS thread than the one it was made on, although the compiler, and what
    /// you call, take a function to stay on its thread. So whatever runs on this executor, that is, all that providers,
    /// closures, and the code of keys and values do, must keep to these rules:
    ///
    /// - No reference into a thread-local, and no value that is derived from its address, is kept over such a call, nor used by
    ///   the same function before and after: the compiler may keep the address. Touch thread-locals in functions that
    ///   are `#[inline(never)]` and call nothing that waits.
    /// - Nothing that belongs to its OS thread lives over such a call: guards of `std`'s and parking_lot's locks (which a
    ///   thread gives back itself), an `Rc` or other value that is not `Send` and of which the thread, or another fiber, has a part, entered
    ///   spans and scopes that end on the thread they began on, pinned epochs, contexts of a C library that are bound to a thread.
    ///   What is not `Send`, and wholly on this fiber's stack, may stay.
    /// - No destructor that may wait is run by an unwind while code around it counts on [`std::thread::panicking`]. (The library
    ///   itself keeps a fiber that unwinds where it is.)
    /// - A closure of [`Cx::broadcast`] that waits may end on another worker than its number says.
    ///
    /// This library's own guards, locals and contexts keep to them: a lock's holder is its fiber, a [`FiberLocal`](crate::FiberLocal)'s value is the
    /// fiber's, and a [`WorkerLocal`](crate::WorkerLocal) refuses waits while it is in use.
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Database, Executor};
    ///
    /// // SAFETY: nothing below touches a thread-local, or keeps what belongs to a thread.
    /// let builder = unsafe { Executor::builder().workers(2).migrate_fibers() };
    /// let sum = builder.build()?.run(&Database::new(()), |cx| {
    ///     let task = cx.spawn(|_| 20);
    ///     task.wait(cx) + 1
    /// })?;
    /// assert_eq!(sum, 21);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub unsafe fn migrate_fibers(mut self) -> Self {
        self.moves_fibers = true;
        self
    }

    /// For tests of exhaustion: on the threads backend no worker makes more than `count` threads for
    /// its fibers, as if the system refused.
    #[doc(hidden)]
    pub fn limit_threads(mut self, count: usize) -> Self {
        self.threads_max = Some(count);
        self
    }

    /// Whether to count what happens ([`Executor::statistics`]). Costs time on every ask: not for
    /// timed runs.
    pub fn statistics(mut self, is_on: bool) -> Self {
        self.has_statistics = is_on;
        self
    }

    /// In which order workers run; by default as the environment variable `DAGWOOD_SCHEDULE` says, else freely.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Reports who waits for what when nothing goes on: when all that runs waits, and nothing has happened for so long; or
    /// when a worker did not come to an end of its job for so long though fibers of it are ready, as if blocked in a
    /// lock that a waiting fiber holds. (A job that just takes long, with nothing behind it, is not reported.) Once for
    /// each such time; on standard error, unless [`on_stall`](Self::on_stall) says otherwise.
    ///
    /// Off by default: each wait looks at the clock, and a thread wakes now and then. Not on the sequential backend.
    pub fn watchdog(mut self, after: Duration) -> Self {
        self.watching.period = Some(after);
        self
    }

    /// What the [watchdog](Self::watchdog) calls with its report, on a thread of its own. If it panics, that is said on
    /// standard error, and goes no further.
    pub fn on_stall(mut self, hook: impl Fn(&WaitReport) + Send + Sync + 'static) -> Self {
        self.watching.hook = Some(Arc::new(hook));
        self
    }

    /// Calls `leave` whenever a job's fiber leaves its thread to others (it waits, or yields), and `come_back`, with what `leave` has
    /// given, when it is on a thread again: for thread-locals that belong to what runs and not to the thread. Such a one that
    /// is set for the time of a call (as `scoped_tls` does) would else be seen, and reset, by the fibers that run meanwhile, and
    /// dangle when two of them end out of order. `leave` takes the value out and leaves what a thread has before anything
    /// runs; `come_back` puts it in again. (What needs no thread-local is simpler with a [`FiberLocal`](crate::FiberLocal), which forks inherit. They do not inherit what
    /// hooks keep: a branch on another worker begins with what that thread has.)
    ///
    /// Both are called on the fiber's own stack, on fibers and on threads (where each fiber has a thread, and thread-locals, of its own). They are not called when
    /// a job begins or ends, nor where nothing suspends: on the sequential backend, on threads outside, in a wait that is over
    /// before it begins. Of several pairs the first given is the outermost: it leaves first, and comes back last. An executor without
    /// hooks pays one branch for each suspension, and nothing elsewhere.
    ///
    /// A hook does little, and returns. It is no part of the job: a wait in it, for a lock or a run of any executor, is an
    /// error that [is refused](Error::is_refused) and names the place of this call; it may take what is free, and set an [`Event`](crate::Event). If it panics, the process is
    /// aborted, with a message.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// thread_local! {
    ///     /// The file that is compiled here.
    ///     static FILE: Cell<Option<u32>> = const { Cell::new(None) };
    /// }
    ///
    /// let executor = dagwood::Executor::builder()
    ///     .workers(1)
    ///     .suspend_hooks(|| FILE.take(), |file| FILE.set(file))
    ///     .build()?;
    /// let db = dagwood::Database::new(());
    /// executor.run(&db, |cx| {
    ///     cx.par_for_each(0..10_u32, |cx, file| {
    ///         FILE.set(Some(file));
    ///         // Others run here meanwhile, and set theirs.
    ///         cx.yield_now();
    ///         assert_eq!(FILE.take(), Some(file));
    ///     });
    /// })?;
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[track_caller]
    pub fn suspend_hooks<T: 'static>(
        mut self,
        leave: impl Fn() -> T + Send + Sync + 'static,
        come_back: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.add(Location::caller(), leave, come_back);
        self
    }

    /// Makes the executor and starts its workers.
    ///
    /// # Errors
    ///
    /// No worker was asked for, the backend is not part of this build, the schedule is no schedule or of another number
    /// of workers, or a thread or stack could not be made.
    pub fn build(mut self) -> Result<Executor, Error> {
        if self.workers == Some(0) {
            return Err(Error::setup(
                "an executor needs at least one worker: `Builder::workers(0)`",
            ));
        }
        let schedule = match self.schedule.take() {
            Some(schedule) => schedule,
            None => Schedule::from_environment()?,
        };
        if schedule == Schedule::Sequential {
            self.backend = Some(Backend::Sequential);
        }
        if self.workers.is_none() {
            let logged = schedule.log().map(ScheduleLog::workers);
            self.workers = logged.filter(|workers| *workers > 0);
        }
        self.schedule = Some(schedule);
        let backend = self.backend.unwrap_or(Executor::backends()[0]);
        if !Executor::backends().contains(&backend) {
            let compiled: Vec<String> = Executor::backends()
                .iter()
                .map(Backend::to_string)
                .collect();
            return Err(Error::setup(format!(
                "the {backend} backend is not part of this build, which has: {} (a feature of the crate `dagwood`)",
                compiled.join(", "),
            )));
        }
        if self.reports_overflows {
            witness::install()?;
        }
        Ok(Executor {
            engine: Arc::new(Engine::new(backend, &self)?),
        })
    }
}
