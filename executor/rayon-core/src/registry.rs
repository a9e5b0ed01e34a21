//! A pool as rayon knows it: workers with handlers, that end when nobody needs them any more; and the global one.
//!
//! Where a job runs, and when, is dagwood's business (`dagwood::raw`).

pub(crate) mod guest;
mod thread_builder;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use dagwood::raw::{Fiber, Job, Pool, Settings, WORKERS_MAX, current};

pub use self::thread_builder::ThreadBuilder;
pub(crate) use self::thread_builder::{CustomSpawn, DefaultSpawn, ThreadSpawn};
use crate::builder::{Handlers, Options};
use crate::error::{ErrorKind, ThreadPoolBuildError};
use crate::fifo::Fifo;
use crate::latch::CountLatch;
use crate::unwind::{halt_unwinding, resume_unwinding};

/// The environment variable that says on which of dagwood's backends pools run: `fibers` or `threads`.
const BACKEND: &str = "DAGWOOD_RAYON_BACKEND";

/// A pool, with what rayon knows of it.
pub(crate) struct Registry {
    pool: Pool,
    handlers: Handlers,
    /// For each worker, what it has spawned first in, first out.
    fifos: Vec<Fifo<'static>>,
    /// Who needs the workers: the `ThreadPool` (of the global one nobody lets go), and each closure that was spawned.
    needed: AtomicUsize,
    /// Whether nobody needed them once: what an exit handler spawns does not end them again.
    has_ended: AtomicBool,
    /// Workers that have not begun.
    primed: CountLatch,
    /// Workers that have not ended. (Rayon's own tests wait for them.)
    stopped: CountLatch,
    /// Whether the first worker is the thread that made the pool.
    has_guest: bool,
    me: Weak<Registry>,
}

/// Ends a pool that was not finished.
struct Terminator<'r>(&'r Registry);

impl Drop for Terminator<'_> {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

static GLOBAL: OnceLock<Option<Arc<Registry>>> = OnceLock::new();

/// The global pool, which is made if nobody has made it yet.
pub(crate) fn global_registry() -> &'static Arc<Registry> {
    let by_default = || match Registry::new(Options::default(), &mut DefaultSpawn) {
        Ok(registry) => Some(registry),
        Err(error) => panic!("the global thread pool cannot be made: {error}"),
    };
    let known = GLOBAL.get_or_init(by_default).as_ref();
    known.expect("the global thread pool could not be made by `build_global`")
}

/// Makes the global pool.
///
/// # Errors
///
/// There is one, or it cannot be made; then there never will be.
pub(crate) fn init_global_registry(
    make: impl FnOnce() -> Result<Arc<Registry>, ThreadPoolBuildError>,
) -> Result<&'static Arc<Registry>, ThreadPoolBuildError> {
    let mut outcome = Err(ErrorKind::GlobalPoolAlreadyInitialized);
    let known = GLOBAL.get_or_init(|| match make() {
        Ok(registry) => {
            outcome = Ok(());
            Some(registry)
        }
        Err(error) => {
            outcome = Err(error.kind);
            None
        }
    });
    outcome.map_err(ThreadPoolBuildError::new)?;
    Ok(known.as_ref().expect("just made"))
}

/// Runs `op` in the current pool: here, in a job (whatever executor's it is), or else as a job of the global one. It is
/// told its fiber, and whether it was given to another.
pub(crate) fn in_worker<OP, R>(op: OP) -> R
where
    OP: FnOnce(Fiber<'_>, bool) -> R + Send,
    R: Send,
{
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => op(fiber, false),
        None => match guest::here() {
            Some(seat) => seat.run(|| here(op, false)),
            None => global_registry().run(op),
        },
    }
}

/// Runs `op` on the current fiber.
fn here<R>(op: impl FnOnce(Fiber<'_>, bool) -> R, is_injected: bool) -> R {
    // SAFETY: it is used in this call only.
    op(unsafe { current() }.expect("in a job"), is_injected)
}

/// The pool of the current job, or the global one outside of any; `None`: there are no workers, jobs run at once.
pub(crate) fn current_pool() -> Option<Pool> {
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => fiber.home(),
        None => Some(Registry::current().pool.clone()),
    }
}

/// Gives a job to one worker of `pool` alone.
pub(crate) fn post_to(pool: &Pool, worker: usize, job: Job) {
    // SAFETY: it is used in this call only.
    let fiber = unsafe { current() }.filter(|fiber| fiber.pool() == pool.identity());
    match fiber {
        // Nothing can wait for it during an unwind, in which this worker does nothing else.
        Some(fiber) if fiber.index() == worker && std::thread::panicking() => fiber.push(job),
        Some(fiber) => fiber.post(worker, job),
        None => pool.post(worker, job),
    }
}

/// Gives a job to `pool`: on top of what the current worker holds, if it is one of the pool's.
pub(crate) fn push_to(pool: &Pool, job: Job) {
    // SAFETY: it is used in this call only.
    let fiber = unsafe { current() }.filter(|fiber| fiber.pool() == pool.identity());
    match fiber {
        Some(fiber) => fiber.push(job),
        None => pool.inject(job),
    }
}

/// Whether the caller is a job, of whatever pool.
fn is_in_a_job() -> bool {
    // SAFETY: it is looked at only.
    unsafe { current() }.is_some()
}

impl Registry {
    /// Makes a pool; `spawn` starts its threads.
    pub(crate) fn new(
        mut options: Options,
        spawn: &mut impl ThreadSpawn,
    ) -> Result<Arc<Registry>, ThreadPoolBuildError> {
        let settings = Settings {
            workers: options.workers().min(WORKERS_MAX),
            backend: backend()?,
            stack_bytes: options.stack_size,
        };
        let (pool, members) = Pool::new(&settings).map_err(ThreadPoolBuildError::io)?;
        let workers = members.len();
        let registry = Arc::new_cyclic(|me| Registry {
            fifos: (0..workers).map(|_| Fifo::new()).collect(),
            handlers: std::mem::take(&mut options.handlers),
            needed: AtomicUsize::new(1),
            has_ended: AtomicBool::new(false),
            primed: CountLatch::new(workers),
            stopped: CountLatch::new(workers),
            has_guest: options.use_current_thread,
            pool,
            me: me.clone(),
        });
        // SAFETY: this crate alone looks at it, and the pool is this registry's.
        unsafe { registry.pool.set_owner(Arc::as_ptr(&registry).cast()) };
        // An early return, or a panic, ends those that were started.
        let terminator = Terminator(&registry);
        for (index, member) in members.into_iter().enumerate() {
            let name = options.thread_name.as_mut().map(|name| name(index));
            if index == 0 && registry.has_guest {
                guest::sit_down(&registry, member)?;
                registry.primed.count_down();
                continue;
            }
            registry.post_start(index);
            let registry = Arc::clone(&registry);
            let thread = ThreadBuilder::new(name, options.stack_size, index, registry, member);
            spawn.spawn(thread).map_err(ThreadPoolBuildError::io)?;
        }
        std::mem::forget(terminator);
        Ok(registry)
    }

    /// The first thing that a worker does. (Without a hold of the registry: there may never be a thread that does it.)
    fn post_start(&self, worker: usize) {
        let me = self.me.clone();
        let body = move || {
            let own = me.upgrade().expect("the worker's thread has a hold");
            own.primed.count_down();
            if let Some(handler) = &own.handlers.start {
                own.catch_unwind(|| handler(worker));
            }
        };
        // SAFETY: it borrows nothing.
        self.pool.post(worker, unsafe { Job::new(body) });
    }

    fn arc(&self) -> Arc<Registry> {
        self.me.upgrade().expect("who calls has a hold")
    }

    /// That of the current job's pool, or the global one.
    pub(crate) fn current() -> Arc<Registry> {
        // SAFETY: it is used in this call only.
        if let Some(fiber) = unsafe { current() } {
            let owner = fiber.owner().cast::<Registry>();
            // SAFETY: null, or what `new` said; the thread of a job holds its registry (`ThreadBuilder::run`, `guest`).
            if let Some(registry) = unsafe { owner.as_ref() } {
                return registry.arc();
            }
        } else if let Some(seat) = guest::here() {
            return Arc::clone(seat.registry());
        }
        Arc::clone(global_registry())
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What was spawned by a worker first in, first out.
    pub(crate) fn fifo(&self, worker: usize) -> &Fifo<'static> {
        &self.fifos[worker]
    }

    pub(crate) fn num_threads(&self) -> usize {
        self.pool.workers()
    }

    /// Which of its workers the caller is on.
    pub(crate) fn worker_here(&self) -> Option<usize> {
        // SAFETY: it is used in this call only.
        match unsafe { current() } {
            Some(fiber) => (fiber.pool() == self.pool.identity()).then(|| fiber.index()),
            None => guest::here()
                .filter(|seat| std::ptr::eq(&**seat.registry(), self))
                .map(|_| 0),
        }
    }

    /// Runs `op` as a job of this pool: here, if this is one.
    pub(crate) fn in_worker<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(Fiber<'_>, bool) -> R + Send,
        R: Send,
    {
        // SAFETY: it is used in this call only.
        match unsafe { current() } {
            Some(fiber) if fiber.pool() == self.pool.identity() => op(fiber, false),
            Some(_) => self.run(op),
            None => match guest::here() {
                Some(seat) if std::ptr::eq(&**seat.registry(), self) => {
                    seat.run(|| here(op, false))
                }
                Some(seat) => seat.run(|| self.run(op)),
                None => self.run(op),
            },
        }
    }

    /// Gives `op` to any worker, and waits for it.
    fn run<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(Fiber<'_>, bool) -> R + Send,
        R: Send,
    {
        let result = self.pool.run(|| here(op, true));
        result.unwrap_or_else(|payload| resume_unwinding(payload))
    }

    /// Gives a closure that nobody waits for to the pool.
    pub(crate) fn push(&self, body: impl FnOnce() + Send + 'static) {
        // SAFETY: it borrows nothing.
        push_to(&self.pool, unsafe { Job::new(body) });
    }

    /// Calls `body`; a panic is for the handler, and without one, or out of it, the end of the process.
    pub(crate) fn catch_unwind(&self, body: impl FnOnce()) {
        let Err(payload) = halt_unwinding(body) else {
            return;
        };
        let handled = self
            .handlers
            .panic
            .as_ref()
            .map(|handler| halt_unwinding(|| handler(payload)));
        if !matches!(handled, Some(Ok(()))) {
            eprintln!("rayon: a panic that nobody handles; aborting");
            std::process::abort();
        }
    }

    /// Waits until each worker has begun.
    pub(crate) fn wait_until_primed(&self) {
        self.primed.wait();
    }

    /// Somebody needs the workers until they [`terminate`](Self::terminate).
    pub(crate) fn begin(&self) {
        // Relaxed: who begins is in a job of the pool, or has the pool, which are counted.
        self.needed.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody needs the workers no more. Without any such they call the exit handler, and end.
    pub(crate) fn terminate(&self) {
        // AcqRel: the last one has seen what the others did.
        if self.needed.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // Relaxed: it is asked for once only, and orders nothing.
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.handlers.exit.is_some() {
            (usize::from(self.has_guest)..self.num_threads()).for_each(|i| self.post_exit(i));
        }
        self.pool.stop();
    }

    /// The last thing that a worker does. (As above.)
    fn post_exit(&self, worker: usize) {
        let me = self.me.clone();
        let body = move || {
            let own = me.upgrade().expect("the worker's thread has a hold");
            if let Some(handler) = &own.handlers.exit {
                own.catch_unwind(|| handler(worker));
            }
        };
        // SAFETY: it borrows nothing.
        post_to(&self.pool, worker, unsafe { Job::new(body) });
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// What the environment says of the backend.
fn backend() -> Result<Option<dagwood::Backend>, ThreadPoolBuildError> {
    let Ok(name) = std::env::var(BACKEND) else {
        return Ok(None);
    };
    let named = name.parse::<dagwood::Backend>();
    let named = named.map_err(|error| io::Error::other(format!("{BACKEND}: {error}")));
    named.map(Some).map_err(ThreadPoolBuildError::io)
}
