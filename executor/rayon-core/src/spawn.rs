//! Closures that nobody waits for.

use std::sync::Arc;

use crate::registry::Registry;

/// Starts a closure that nobody waits for, in the current pool, or the global one outside of any. (In a job of a
/// `dagwood::Executor`, too, it is the global one: such a closure may outlive the `run`.)
///
/// A pool ends only when all that was spawned into it has ended, even if it was dropped before. Of what one worker has
/// spawned, the last goes first, unless another worker takes it.
///
/// If it panics, the pool's [panic handler](crate::ThreadPoolBuilder::panic_handler) is called; without one the process
/// is aborted.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// rayon_core::spawn(move || sender.send(1 + 1).unwrap());
/// assert_eq!(receiver.recv(), Ok(2));
/// ```
pub fn spawn<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    spawn_in(func, &Registry::current());
}

/// As [`spawn`]; but of what one worker has spawned so, the first goes first.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// rayon_core::spawn_fifo(move || sender.send(1 + 1).unwrap());
/// assert_eq!(receiver.recv(), Ok(2));
/// ```
pub fn spawn_fifo<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    spawn_fifo_in(func, &Registry::current());
}

pub(crate) fn spawn_in<F>(func: F, registry: &Arc<Registry>)
where
    F: FnOnce() + Send + 'static,
{
    registry.push(detached(func, registry));
}

pub(crate) fn spawn_fifo_in<F>(func: F, registry: &Arc<Registry>)
where
    F: FnOnce() + Send + 'static,
{
    let body = detached(func, registry);
    match registry.worker_here() {
        Some(worker) => {
            registry.fifo(worker).push(body);
            let own = Arc::clone(registry);
            registry.push(move || own.fifo(worker).run_first());
        }
        None => registry.push(body),
    }
}

/// The closure as the registry counts it: it does not end before.
fn detached<F>(func: F, registry: &Arc<Registry>) -> impl FnOnce() + Send + use<F>
where
    F: FnOnce() + Send + 'static,
{
    registry.begin();
    let registry = Arc::clone(registry);
    move || {
        registry.catch_unwind(func);
        registry.terminate();
    }
}
