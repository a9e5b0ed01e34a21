//! Pools that a user makes, and what can be asked of the current one.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use dagwood::raw::{Fiber, current};

use crate::broadcast::{self, BroadcastContext};
use crate::join::join;
use crate::registry::{self, Registry, guest};
use crate::scope::{Scope, ScopeFifo, scope, scope_fifo};
use crate::spawn;

/// Workers of their own, from [`ThreadPoolBuilder`](crate::ThreadPoolBuilder). When it is dropped they end, once all that
/// was spawned has ended; nobody waits for that.
pub struct ThreadPool {
    registry: Arc<Registry>,
}

impl ThreadPool {
    /// As [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build).
    ///
    /// # Errors
    ///
    /// As there.
    #[deprecated(note = "Use `ThreadPoolBuilder::build`")]
    #[allow(deprecated, reason = "as is its argument")]
    #[allow(clippy::new_ret_no_self, reason = "it is rayon's")]
    pub fn new(configuration: crate::Configuration) -> Result<ThreadPool, Box<dyn Error>> {
        configuration.build()
    }
}

impl From<Arc<Registry>> for ThreadPool {
    fn from(registry: Arc<Registry>) -> Self {
        ThreadPool { registry }
    }
}

impl ThreadPool {
    /// Runs `op` in this pool, where all of this crate's functions then work, and waits for it. In a job of this pool
    /// already it is a plain call; in one of another the fiber suspends meanwhile.
    ///
    /// # Panics
    ///
    /// If `op` does.
    pub fn install<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        self.registry.in_worker(|_, _| op())
    }

    /// As [`broadcast`](crate::broadcast()), in this pool.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        broadcast::broadcast_in(op, self.registry.pool())
    }

    /// How many workers it has.
    #[inline]
    pub fn current_num_threads(&self) -> usize {
        self.registry.num_threads()
    }

    /// Which of its workers the caller is on.
    #[inline]
    pub fn current_thread_index(&self) -> Option<usize> {
        self.registry.worker_here()
    }

    /// As [`current_thread_has_pending_tasks`], if the caller is on one of its workers.
    #[inline]
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.current_thread_index()?;
        current_thread_has_pending_tasks()
    }

    /// As [`join`](crate::join()), in this pool.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn join<A, B, RA, RB>(&self, oper_a: A, oper_b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.install(|| join(oper_a, oper_b))
    }

    /// As [`scope`](crate::scope()), in this pool.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.install(|| scope(op))
    }

    /// As [`scope_fifo`](crate::scope_fifo()), in this pool.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
        R: Send,
    {
        self.install(|| scope_fifo(op))
    }

    /// As [`in_place_scope`](crate::in_place_scope()), with this pool's workers.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn in_place_scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R,
    {
        Scope::new(Some(self.registry.pool().clone())).complete(op)
    }

    /// As [`in_place_scope_fifo`](crate::in_place_scope_fifo()), with this pool's workers.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn in_place_scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R,
    {
        ScopeFifo::new(Some(self.registry.pool().clone())).complete(op)
    }

    /// As [`spawn`](crate::spawn()), in this pool.
    pub fn spawn<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        spawn::spawn_in(op, &self.registry);
    }

    /// As [`spawn_fifo`](crate::spawn_fifo()), in this pool.
    pub fn spawn_fifo<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        spawn::spawn_fifo_in(op, &self.registry);
    }

    /// As [`spawn_broadcast`](crate::spawn_broadcast()), in this pool.
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        broadcast::spawn_broadcast_in(op, &self.registry);
    }

    /// As [`yield_now`], if the caller is on one of its workers.
    pub fn yield_now(&self) -> Option<Yield> {
        self.current_thread_index()?;
        yield_now()
    }

    /// As [`yield_local`], if the caller is on one of its workers.
    pub fn yield_local(&self) -> Option<Yield> {
        self.current_thread_index()?;
        yield_local()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.registry.terminate();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .finish_non_exhaustive()
    }
}

/// What came of a yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// Something else went first.
    Executed,
    /// There was nothing else.
    Idle,
}

/// How many workers the current pool has, or the global one outside of any.
///
/// # Examples
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(1).build()?;
/// assert_eq!(pool.install(rayon_core::current_num_threads), 1);
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
pub fn current_num_threads() -> usize {
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => fiber.workers(),
        None => Registry::current().num_threads(),
    }
}

/// No pool has more workers.
pub fn max_num_threads() -> usize {
    dagwood::raw::WORKERS_MAX
}

/// Which worker of its pool the caller is on, if it is in a job. It does not change in a job, even if that waits.
///
/// # Examples
///
/// ```
/// assert_eq!(rayon_core::current_thread_index(), None);
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(1).build()?;
/// assert_eq!(pool.install(rayon_core::current_thread_index), Some(0));
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
#[inline]
pub fn current_thread_index() -> Option<usize> {
    // SAFETY: it is used in this call only.
    match unsafe { current() } {
        Some(fiber) => Some(fiber.index()),
        None => guest::here().map(|_| 0),
    }
}

/// Whether the current worker holds anything that has not started, if the caller is in a job.
#[inline]
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    on_worker(|fiber| fiber.has_jobs())
}

/// Lets something else go first that is ready to go on, or has not started, anywhere in the pool. `None`: the caller is in
/// no job. It comes back when its worker comes to it, not when the other has ended.
pub fn yield_now() -> Option<Yield> {
    on_worker(|fiber| fiber.yield_now()).map(Yield::of)
}

/// As [`yield_now`], but only what the current worker holds.
pub fn yield_local() -> Option<Yield> {
    on_worker(|fiber| fiber.yield_local()).map(Yield::of)
}

impl Yield {
    fn of(has_yielded: bool) -> Yield {
        if has_yielded {
            Yield::Executed
        } else {
            Yield::Idle
        }
    }
}

/// Calls `body` in the current job, or as one of the guest that the caller is.
fn on_worker<R: Send>(body: impl FnOnce(Fiber<'_>) -> R + Send) -> Option<R> {
    // SAFETY: it is used in this call only.
    if let Some(fiber) = unsafe { current() } {
        return Some(body(fiber));
    }
    guest::here().map(|_| registry::in_worker(|fiber, _| body(fiber)))
}
