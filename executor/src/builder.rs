//! How an executor is made.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Engine;
use crate::error::Error;
use crate::executor::{Backend, Executor};
use crate::hooks::Hooks;
use crate::make::Jobserver;
use crate::sched::witness;
use crate::schedule::{Schedule, ScheduleLog};
use crate::stacks::{Guards, StackFaults};
use crate::waiters::{WaitReport, Watching};

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
    pub(crate) jobserver: Option<Jobserver>,
    pub(crate) is_exact: bool,
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

impl Builder {
    pub(crate) fn new() -> Self {
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
            jobserver: None,
            is_exact: false,
        }
    }

    /// How many jobs run at once at the most. The sequential backend has one worker, whatever is
    /// asked for.
    ///
    /// A worker that has work for others wakes them one after another. On Linux, once the system was seen to put who is woken where
    /// the waker runs, it takes its own processor out of the set on which the sleeping thread may run, wakes it, and puts the
    /// set back as the system tells it (`sched_setaffinity`): what is offline then, or outside the process's own set, is lost to
    /// one with a set of its own. Who changes the set of a worker from another thread in just that moment finds the change
    /// undone. None of this in a process whose system calls are filtered (seccomp) when it makes its first executor: a filter that
    /// comes later must permit the calls.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self.is_exact = false;
        self
    }

    /// The same, but not at the most: so many run if there is work for them, whatever a [jobserver](Self::jobserver) says. Each is
    /// one job more than make has allowed, and takes no token.
    pub fn workers_exactly(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self.is_exact = true;
        self
    }

    /// Whose permits its workers need, if anybody's.
    pub(crate) fn permits_of(&self) -> Option<&Jobserver> {
        self.jobserver.as_ref().filter(|_| !self.is_exact)
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
    /// half or 64 KiB ([`Cx::deepen`](crate::Cx::deepen) finds more for it).
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
    ///   thread gives back itself), an `Rc` or other value that is not `Send` and of which the thread, or another fiber,
    ///   has a part, entered spans and scopes that end on the thread they began on, pinned epochs, contexts of a C library
    ///   that are bound to a thread. What is not `Send`, and wholly on this fiber's stack, may stay.
    /// - No destructor that may wait is run by an unwind while code around it counts on [`std::thread::panicking`]. (The library
    ///   itself keeps a fiber that unwinds where it is.)
    /// - A closure of [`Cx::broadcast`](crate::Cx::broadcast) that waits may end on another worker than its number says.
    ///
    /// This library's own guards, locals and contexts keep to them: a lock's holder is its fiber, a
    /// [`FiberLocal`](crate::FiberLocal)'s value is the fiber's, and a [`WorkerLocal`](crate::WorkerLocal) refuses waits
    /// while it is in use.
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

    /// Calls `leave` whenever a job's fiber leaves its thread to others (it waits, or yields), and `come_back`, with what
    /// `leave` has given, when it is on a thread again: for thread-locals that belong to what runs and not to the thread.
    /// Such a one that is set for the time of a call (as `scoped_tls` does) would else be seen, and reset, by the fibers
    /// that run meanwhile, and dangle when two of them end out of order. `leave` takes the value out and leaves what a
    /// thread has before anything runs; `come_back` puts it in again. (What needs no thread-local is simpler with a
    /// [`FiberLocal`](crate::FiberLocal), which forks inherit. They do not inherit what hooks keep: a branch on another
    /// worker begins with what that thread has.)
    ///
    /// Both are called on the fiber's own stack, on fibers and on threads (where each fiber has a thread, and
    /// thread-locals, of its own). They are not called when a job begins or ends, nor where nothing suspends: on the
    /// sequential backend, on threads outside, in a wait that is over before it begins. Of several pairs the first given is
    /// the outermost: it leaves first, and comes back last. An executor without hooks pays one branch for each suspension,
    /// and nothing elsewhere.
    ///
    /// A hook does little, and returns. It is no part of the job: a wait in it, for a lock or a run of any executor, is an
    /// error that [is refused](Error::is_refused) and names the place of this call; it may take what is free, and set an
    /// [`Event`](crate::Event). If it panics, the process is aborted, with a message.
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

    /// Shares the permits of a [`Jobserver`] with other executors of this process, and with the other recipes of the make that
    /// has started it: no more workers run at once than there are tokens, and never more than
    /// [`workers`](Self::workers) ("at most"). With [`workers_exactly`](Self::workers_exactly) it has no say.
    ///
    /// # Examples
    ///
    /// ```
    /// use dagwood::{Database, Executor, Jobserver};
    ///
    /// // Under `make -j`: what make allows, and eight at most. Else: four.
    /// let jobserver = Jobserver::if_announced_or(4);
    /// let executor = Executor::builder().workers(8).jobserver(&jobserver).build()?;
    /// let sum: u32 = executor.run(&Database::new(()), |cx| cx.par_map(0..10_u32, |_, i| i).iter().sum())?;
    /// assert_eq!(sum, 45);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn jobserver(mut self, jobserver: &Jobserver) -> Self {
        self.jobserver = Some(jobserver.clone());
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
        Engine::new(backend, &self).map(Executor::with_engine)
    }
}
