//! Scopes: closures that may borrow, all of which end before the scope does.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use dagwood::raw::{Job, Pool, current};

use crate::broadcast::BroadcastContext;
use crate::fifo::Fifo;
use crate::latch::CountLatch;
use crate::registry;
use crate::unwind::{Payload, halt_unwinding, resume_unwinding};

/// Where closures are spawned that may borrow what lives for `'scope`; made by [`scope`] and [`in_place_scope`].
pub struct Scope<'scope> {
    base: Base<'scope>,
}

/// As [`Scope`], but of what one worker has spawned the first goes first; made by [`scope_fifo`] and
/// [`in_place_scope_fifo`].
pub struct ScopeFifo<'scope> {
    base: Base<'scope>,
    /// For each worker of the pool, what it has spawned.
    fifos: Vec<Fifo<'scope>>,
}

/// What both kinds have.
struct Base<'scope> {
    /// `None`: there are no workers, closures run at once.
    pool: Option<Pool>,
    /// The first panic that came.
    panic: Mutex<Option<Payload>>,
    /// The scope's own closure, and those that were spawned.
    jobs: CountLatch,
    /// As it is, neither shortened nor lengthened.
    lifetime: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

/// A scope's address, for closures that end before the scope does.
struct Pointer<T>(*const T);

// SAFETY: scopes are shared by the threads that their closures run on.
unsafe impl<T: Sync> Send for Pointer<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Pointer<T> {}

impl<T> Pointer<T> {
    /// # Safety
    ///
    /// The scope has not ended.
    unsafe fn get(&self) -> &T {
        // SAFETY: by contract.
        unsafe { &*self.0 }
    }
}

/// Runs a closure that may spawn others, in the current pool, or the global one outside of any, and waits for all of them.
///
/// Of what one worker has spawned, the last goes first, unless another worker takes it. Waiting suspends the fiber.
///
/// # Panics
///
/// If the closure or a spawned one panics, after all have ended: with the closure's own panic, or else with the one that came first.
///
/// # Examples
///
/// ```
/// let mut squares = [0; 4];
/// rayon_core::scope(|scope| {
///     for (i, square) in squares.iter_mut().enumerate() {
///         scope.spawn(move |_| *square = i * i);
///     }
/// });
/// assert_eq!(squares, [0, 1, 4, 9]);
/// ```
pub fn scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    registry::in_worker(|fiber, _| Scope::new(fiber.home()).complete(op))
}

/// As [`scope`]; but of what one worker has spawned, the first goes first.
///
/// # Panics
///
/// As [`scope`].
///
/// # Examples
///
/// ```
/// let mut words = ["", ""];
/// let [first, second] = &mut words;
/// rayon_core::scope_fifo(|scope| {
///     scope.spawn_fifo(|_| *first = "hello");
///     scope.spawn_fifo(|_| *second = "world");
/// });
/// assert_eq!(words, ["hello", "world"]);
/// ```
pub fn scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
    R: Send,
{
    registry::in_worker(|fiber, _| ScopeFifo::new(fiber.home()).complete(op))
}

/// As [`scope`], but the closure itself runs here, whatever thread this is; so it need not be `Send`.
///
/// # Panics
///
/// As [`scope`].
///
/// # Examples
///
/// ```
/// let here = std::thread::current().id();
/// rayon_core::in_place_scope(|scope| {
///     scope.spawn(|_| assert!(rayon_core::current_thread_index().is_some()));
///     assert_eq!(std::thread::current().id(), here);
/// });
/// ```
pub fn in_place_scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R,
{
    Scope::new(registry::current_pool()).complete(op)
}

/// As [`scope_fifo`], but the closure itself runs here, whatever thread this is; so it need not be `Send`.
///
/// # Panics
///
/// As [`scope`].
///
/// # Examples
///
/// ```
/// let mut answer = 0;
/// rayon_core::in_place_scope_fifo(|scope| scope.spawn_fifo(|_| answer = 42));
/// assert_eq!(answer, 42);
/// ```
pub fn in_place_scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R,
{
    ScopeFifo::new(registry::current_pool()).complete(op)
}

impl<'scope> Scope<'scope> {
    pub(crate) fn new(pool: Option<Pool>) -> Self {
        Scope {
            base: Base::new(pool),
        }
    }

    pub(crate) fn complete<R>(self, op: impl FnOnce(&Self) -> R) -> R {
        self.base.complete(|| op(&self))
    }

    /// Starts a closure that ends before the scope does, and may spawn others.
    ///
    /// What it panics with, the scope does.
    pub fn spawn<BODY>(&self, body: BODY)
    where
        BODY: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        let scope = Pointer(self);
        self.base.spawn(move || {
            // SAFETY: the scope waits for this closure.
            body(unsafe { scope.get() });
        });
    }

    /// Starts a closure once on each worker of the pool.
    pub fn spawn_broadcast<BODY>(&self, body: BODY)
    where
        BODY: Fn(&Scope<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        let scope = Pointer(self);
        self.base.spawn_broadcast(move |context| {
            // SAFETY: the scope waits for this closure.
            body(unsafe { scope.get() }, context);
        });
    }
}

impl<'scope> ScopeFifo<'scope> {
    pub(crate) fn new(pool: Option<Pool>) -> Self {
        let workers = pool.as_ref().map_or(0, Pool::workers);
        ScopeFifo {
            base: Base::new(pool),
            fifos: (0..workers).map(|_| Fifo::new()).collect(),
        }
    }

    pub(crate) fn complete<R>(self, op: impl FnOnce(&Self) -> R) -> R {
        self.base.complete(|| op(&self))
    }

    /// Starts a closure that ends before the scope does, and may spawn others.
    ///
    /// What it panics with, the scope does.
    pub fn spawn_fifo<BODY>(&self, body: BODY)
    where
        BODY: FnOnce(&ScopeFifo<'scope>) + Send + 'scope,
    {
        let scope = Pointer(self);
        let body = move || {
            // SAFETY: the scope waits for this closure.
            body(unsafe { scope.get() });
        };
        let Some(worker) = self.base.worker_here() else {
            return self.base.spawn(body);
        };
        let line = &self.fifos[worker];
        line.push(body);
        let line = Pointer(line);
        self.base.spawn(move || {
            // SAFETY: part of the scope, which waits for this closure.
            unsafe { line.get() }.run_first();
        });
    }

    /// Starts a closure once on each worker of the pool.
    pub fn spawn_broadcast<BODY>(&self, body: BODY)
    where
        BODY: Fn(&ScopeFifo<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        let scope = Pointer(self);
        self.base.spawn_broadcast(move |context| {
            // SAFETY: the scope waits for this closure.
            body(unsafe { scope.get() }, context);
        });
    }
}

impl<'scope> Base<'scope> {
    fn new(pool: Option<Pool>) -> Self {
        Base {
            pool,
            panic: Mutex::new(None),
            jobs: CountLatch::new(1),
            lifetime: PhantomData,
        }
    }

    /// Runs the scope's own closure, and waits for the others.
    fn complete<R>(&self, op: impl FnOnce() -> R) -> R {
        let result = halt_unwinding(op);
        self.jobs.count_down();
        self.jobs.wait();
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        let first = panic.take();
        drop(panic);
        match (result, first) {
            (Err(payload), _) | (Ok(_), Some(payload)) => resume_unwinding(payload),
            (Ok(result), None) => result,
        }
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'scope) {
        self.jobs.add();
        let base = Pointer(self);
        let run = move || {
            // SAFETY: the scope waits for this closure, until it is counted down.
            unsafe { base.get() }.run(body);
        };
        // SAFETY: what it borrows lives for `'scope`, and the scope waits for it.
        let job = unsafe { Job::new(run) };
        match &self.pool {
            Some(pool) => registry::push_to(pool, job),
            // SAFETY: it is used in this call only.
            None => match unsafe { current() } {
                Some(fiber) => fiber.push(job),
                None => registry::global_registry().pool().inject(job),
            },
        }
    }

    fn spawn_broadcast(&self, body: impl Fn(BroadcastContext<'_>) + Send + Sync + 'scope) {
        let Some(pool) = &self.pool else {
            return self.spawn(move || BroadcastContext::with(body));
        };
        let body = Arc::new(body);
        for worker in 0..pool.workers() {
            self.jobs.add();
            let (base, body) = (Pointer(self), Arc::clone(&body));
            let run = move || {
                // SAFETY: the scope waits for this closure, until it is counted down.
                unsafe { base.get() }.run(move || BroadcastContext::with(&*body));
            };
            // SAFETY: as in `spawn`.
            registry::post_to(pool, worker, unsafe { Job::new(run) });
        }
    }

    /// Runs a spawned closure.
    fn run(&self, body: impl FnOnce()) {
        if let Err(payload) = halt_unwinding(body) {
            let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            let other = if panic.is_none() {
                panic.replace(payload)
            } else {
                Some(payload)
            };
            drop(panic);
            // What a panic carries may panic when it is dropped.
            std::mem::forget(halt_unwinding(|| drop(other)));
        }
        self.jobs.count_down();
        // The scope may be gone from here on.
    }

    /// Which worker of the scope's pool the caller is on.
    fn worker_here(&self) -> Option<usize> {
        let pool = self.pool.as_ref()?;
        // SAFETY: it is used in this call only.
        let fiber = unsafe { current() }?;
        (fiber.pool() == pool.identity()).then(|| fiber.index())
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("pool", &self.base.pool)
            .field("jobs", &self.base.jobs)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ScopeFifo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFifo")
            .field("pool", &self.base.pool)
            .field("jobs", &self.base.jobs)
            .finish_non_exhaustive()
    }
}
