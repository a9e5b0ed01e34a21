//! A closure on each worker.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use dagwood::raw::{self, Job, current};

use crate::latch::CountLatch;
use crate::registry::{self, Registry};
use crate::unwind::{halt_unwinding, resume_unwinding};

/// Says to a closure of a broadcast which worker runs it.
pub struct BroadcastContext<'a> {
    index: usize,
    num_threads: usize,
    /// Neither `Send` nor `Sync`.
    not_send: PhantomData<&'a mut dyn Fn()>,
}

impl BroadcastContext<'_> {
    /// The context of the current worker.
    pub(crate) fn with<R>(body: impl FnOnce(BroadcastContext<'_>) -> R) -> R {
        // SAFETY: it is used in this call only.
        let fiber = unsafe { current() }.expect("a broadcast's call is a job");
        body(BroadcastContext {
            index: fiber.index(),
            num_threads: fiber.workers(),
            not_send: PhantomData,
        })
    }

    /// Which worker of the pool this is, from 0.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many workers get the broadcast.
    #[inline]
    pub fn num_threads(&self) -> usize {
        self.num_threads
    }
}

impl fmt::Debug for BroadcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastContext")
            .field("index", &self.index)
            .field("num_threads", &self.num_threads)
            .finish()
    }
}

/// Runs `op` once on each worker of the current pool, or the global one outside of any, and gives the results in the
/// order of the workers.
///
/// A worker makes its call when it has nothing to do of its own, before it looks for work elsewhere; not while it is in
/// the middle of something.
///
/// # Panics
///
/// If calls panic, after all have ended: with the panic of the first worker's of these.
///
/// # Examples
///
/// ```
/// let indices = rayon_core::broadcast(|context| context.index());
/// assert!(indices.into_iter().eq(0..rayon_core::current_num_threads()));
/// ```
pub fn broadcast<OP, R>(op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    match registry::current_pool() {
        Some(pool) => broadcast_in(op, &pool),
        // There are no workers: the caller is the one.
        None => vec![registry::in_worker(|_, _| BroadcastContext::with(&op))],
    }
}

/// Starts `op` on each worker of the current pool, or the global one outside of any (or in a job of a
/// `dagwood::Executor`), and does not wait for it.
///
/// If a call panics, that is for the pool's [panic handler](crate::ThreadPoolBuilder::panic_handler).
///
/// # Examples
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// rayon_core::spawn_broadcast(move |context| sender.send(context.index()).unwrap());
/// assert_eq!(receiver.into_iter().count(), rayon_core::current_num_threads());
/// ```
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    spawn_broadcast_in(op, &Registry::current());
}

pub(crate) fn broadcast_in<OP, R>(op: OP, pool: &raw::Pool) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    let workers = pool.workers();
    let latch = CountLatch::new(workers);
    let results: Vec<Mutex<Option<thread::Result<R>>>> =
        (0..workers).map(|_| Mutex::new(None)).collect();
    for (worker, result) in results.iter().enumerate() {
        let (op, latch) = (&op, &latch);
        let body = move || {
            let done = halt_unwinding(|| BroadcastContext::with(op));
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            latch.count_down();
        };
        // SAFETY: all that it borrows lives until the wait below has seen that it was called.
        registry::post_to(pool, worker, unsafe { Job::new(body) });
    }
    latch.wait();
    let done = results.into_iter().map(|result| {
        let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.expect("each call has ended")
    });
    done.collect::<thread::Result<Vec<R>>>()
        .unwrap_or_else(|payload| resume_unwinding(payload))
}

pub(crate) fn spawn_broadcast_in<OP>(op: OP, registry: &Arc<Registry>)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    let op = Arc::new(op);
    for worker in 0..registry.num_threads() {
        registry.begin();
        let (op, own) = (Arc::clone(&op), Arc::clone(registry));
        let body = move || {
            own.catch_unwind(|| BroadcastContext::with(&*op));
            drop(op);
            own.terminate();
        };
        // SAFETY: it borrows nothing.
        registry::post_to(registry.pool(), worker, unsafe { Job::new(body) });
    }
}
