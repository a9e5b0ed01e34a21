//! How pools are made.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use crate::error::ThreadPoolBuildError;
use crate::registry::{
    CustomSpawn, DefaultSpawn, Registry, ThreadBuilder, ThreadSpawn, init_global_registry,
};
use crate::thread_pool::ThreadPool;

type PanicHandler = dyn Fn(Box<dyn Any + Send>) + Send + Sync;
type IndexHandler = dyn Fn(usize) + Send + Sync;
type ThreadName = dyn FnMut(usize) -> String;

/// What a pool calls, and when.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) panic: Option<Box<PanicHandler>>,
    pub(crate) start: Option<Box<IndexHandler>>,
    pub(crate) exit: Option<Box<IndexHandler>>,
}

/// All that a builder was told, but who starts threads.
#[derive(Default)]
pub(crate) struct Options {
    /// Zero: as the environment or the system says.
    num_threads: usize,
    pub(crate) use_current_thread: bool,
    pub(crate) thread_name: Option<Box<ThreadName>>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) handlers: Handlers,
    breadth_first: bool,
}

impl Options {
    /// How many workers there shall be.
    pub(crate) fn workers(&self) -> usize {
        if self.num_threads > 0 {
            return self.num_threads;
        }
        let by_system = || thread::available_parallelism().map_or(1, usize::from);
        let of = |name| std::env::var(name).ok()?.parse::<usize>().ok();
        match (of("RAYON_NUM_THREADS"), of("RAYON_RS_NUM_CPUS")) {
            (Some(0), _) | (None, None | Some(0)) => by_system(),
            (Some(count), _) | (None, Some(count)) => count,
        }
    }
}

/// A pool to be: how many workers, what they are called, and what is called when.
///
/// # Examples
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new()
///     .num_threads(3)
///     .thread_name(|index| format!("worker {index}"))
///     .build()?;
/// // One, in a build without fibers and threads.
/// assert!([1, 3].contains(&pool.current_num_threads()));
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
pub struct ThreadPoolBuilder<S = DefaultSpawn> {
    options: Options,
    spawn: S,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        ThreadPoolBuilder {
            options: Options::default(),
            spawn: DefaultSpawn,
        }
    }
}

impl ThreadPoolBuilder {
    /// As many workers as `RAYON_NUM_THREADS` says, else as there are processors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a pool whose threads live for the time of this call only, and so may borrow: each calls `wrapper`, which
    /// calls [`run`](ThreadBuilder::run).
    ///
    /// What `wrapper` binds to thread-locals is seen by jobs on fibers, which run on these threads; not on dagwood's
    /// threads backend.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        thread::scope(|scope| {
            let spawn = |thread: ThreadBuilder| {
                let mut builder = thread::Builder::new();
                if let Some(name) = thread.name() {
                    builder = builder.name(name.to_owned());
                }
                builder.spawn_scoped(scope, || wrapper(thread))?;
                Ok(())
            };
            let pool = self.spawn_handler(spawn).build()?;
            Ok(with_pool(&pool))
        })
    }
}

#[allow(
    private_bounds,
    reason = "who starts threads is one of two, and not for users to name"
)]
impl<S: ThreadSpawn> ThreadPoolBuilder<S> {
    /// Makes a pool.
    ///
    /// # Errors
    ///
    /// A thread cannot be started, there can be no such stacks, or, with
    /// [`use_current_thread`](Self::use_current_thread), the thread is one of another pool.
    pub fn build(mut self) -> Result<ThreadPool, ThreadPoolBuildError> {
        let registry = Registry::new(self.options, &mut self.spawn)?;
        Ok(ThreadPool::from(registry))
    }

    /// Makes the global pool, which otherwise is made by default when it is needed first, and waits until its threads
    /// run.
    ///
    /// # Errors
    ///
    /// There is one already; or as [`build`](Self::build).
    pub fn build_global(mut self) -> Result<(), ThreadPoolBuildError> {
        let make = || Registry::new(self.options, &mut self.spawn);
        init_global_registry(make)
            .map(Arc::as_ref)?
            .wait_until_primed();
        Ok(())
    }
}

impl<S> ThreadPoolBuilder<S> {
    /// Lets `spawn` start the threads: each must call [`run`](ThreadBuilder::run). They end after the pool was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = rayon_core::ThreadPoolBuilder::new()
    ///     .num_threads(2)
    ///     .spawn_handler(|thread| {
    ///         std::thread::spawn(|| thread.run());
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// assert_eq!(pool.install(|| 6 * 7), 42);
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    pub fn spawn_handler<F>(self, spawn: F) -> ThreadPoolBuilder<CustomSpawn<F>>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        ThreadPoolBuilder {
            options: self.options,
            spawn: CustomSpawn::new(spawn),
        }
    }

    /// What the thread of each worker is called.
    pub fn thread_name<F>(mut self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.options.thread_name = Some(Box::new(closure));
        self
    }

    /// How many workers there are. Zero: as many as `RAYON_NUM_THREADS` says, else as there are processors; never more
    /// than [`max_num_threads`](crate::max_num_threads). Without one of dagwood's backends: one.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.options.num_threads = num_threads;
        self
    }

    /// Makes the calling thread the first worker. It works only while it waits in one of this crate's functions, or
    /// yields; until then nobody does what is for it alone. There is no start and no exit handler for it.
    ///
    /// The pool's memory is not freed.
    pub fn use_current_thread(mut self) -> Self {
        self.options.use_current_thread = true;
        self
    }

    /// What is done with the panic of a closure that nobody waits for, or of a handler. Without it, or if it panics
    /// itself, the process is aborted.
    pub fn panic_handler<H>(mut self, panic_handler: H) -> Self
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.options.handlers.panic = Some(Box::new(panic_handler));
        self
    }

    /// How large the stacks are on which jobs run, in bytes; by default 8 MiB (512 KiB on 32-bit targets). Memory is used
    /// as it is touched. It does not limit how deep joins go: they go on on further stacks.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.options.stack_size = Some(stack_size);
        self
    }

    /// A hint, which is not followed.
    #[deprecated(note = "use `scope_fifo` and `spawn_fifo` for similar effect")]
    pub fn breadth_first(mut self) -> Self {
        self.options.breadth_first = true;
        self
    }

    /// What each worker calls before everything else, with its index. It runs as a job, so all of this crate can be used
    /// in it. (With dagwood's threads backend on a thread that other jobs need not run on.)
    pub fn start_handler<H>(mut self, start_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.options.handlers.start = Some(Box::new(start_handler));
        self
    }

    /// What each worker calls at last, with its index; as a job.
    pub fn exit_handler<H>(mut self, exit_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.options.handlers.exit = Some(Box::new(exit_handler));
        self
    }
}

impl<S> fmt::Debug for ThreadPoolBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &options.num_threads)
            .field("use_current_thread", &options.use_current_thread)
            .field("stack_size", &options.stack_size)
            .field("has_thread_name", &options.thread_name.is_some())
            .field("has_panic_handler", &options.handlers.panic.is_some())
            .field("has_start_handler", &options.handlers.start.is_some())
            .field("has_exit_handler", &options.handlers.exit.is_some())
            .field("breadth_first", &options.breadth_first)
            .finish_non_exhaustive()
    }
}
