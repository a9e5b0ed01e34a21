//! A value for each worker.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::ptr;

use crate::cx::Cx;
use crate::executor::Executor;
use crate::plant;
use crate::sync::{AtomicPtr, Ordering, ThreadBound};

/// A value for each worker of an executor, which the job that runs there may change: counters, buffers, pools of memory.
///
/// It is used in a closure that must not wait ([`Cx::no_suspend`]): otherwise another job of the same worker would come to the same value.
/// Whoever gets there all the same (by [`Cx::yield_now`], or inside a closure of its own) is
/// told so by a panic that names both places; no two ever have it at once.
///
/// Which job runs on which worker is a matter of the schedule: let no result depend on it.
///
/// The value does not leave the closure:
///
/// ```compile_fail
/// fn keep<'w>(local: &'w dagwood::WorkerLocal<u32>, cx: &dagwood::Cx<'_, ()>) -> &'w mut u32 {
///     local.with(cx, |value| value)
/// }
/// ```
///
/// # Examples
///
/// ```
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// let done = dagwood::WorkerLocal::new(&executor, |_| 0);
/// executor.run(&db, |cx| {
///     cx.par_for_each(0..100, |cx, _| done.with(cx, |done| *done += 1));
/// })?;
/// assert_eq!(done.into_values().sum::<u32>(), 100);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct WorkerLocal<T> {
    slots: Box<[Slot<T>]>,
    /// Of its executor.
    identity: usize,
    bound: ThreadBound,
}

/// On cache lines of its own.
#[repr(align(128))]
struct Slot<T> {
    /// Where the job is that uses it, or null.
    user: AtomicPtr<Location<'static>>,
    value: UnsafeCell<T>,
}

// SAFETY: one at a time uses the value (`Slot::user`), on whatever thread; it is `Send`. In the sequential build only the
// thread that made it comes beyond the check.
unsafe impl<T: Send> Sync for Slot<T> {}

/// Says at the end of a use that there is none.
struct Unused<'s>(&'s AtomicPtr<Location<'static>>);

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of the next use.
        self.0.store(ptr::null_mut(), Ordering::Release);
    }
}

impl<T> WorkerLocal<T> {
    /// What `make` gives for each of the executor's workers, which are numbered.
    pub fn new(executor: &Executor, make: impl FnMut(usize) -> T) -> Self {
        let slot = |value| Slot {
            user: AtomicPtr::new(ptr::null_mut()),
            value: UnsafeCell::new(value),
        };
        WorkerLocal {
            slots: (0..executor.workers()).map(make).map(slot).collect(),
            identity: executor.identity(),
            bound: ThreadBound::new(),
        }
    }

    /// Runs `body` with the value of the worker that the caller runs on. It must not wait.
    ///
    /// # Panics
    ///
    /// If `body` does or waits; if the value is in use; if the caller runs on another executor; in the sequential build, if
    /// it is on another thread than the one that made this.
    #[track_caller]
    pub fn with<D, R>(&self, cx: &Cx<'_, D>, body: impl FnOnce(&mut T) -> R) -> R {
        let (fiber, place) = (cx.fiber(), Location::caller());
        assert!(
            self.bound.is_here() && fiber.executor() == self.identity,
            "a worker-local value at {place} is that of another executor, or thread"
        );
        let slot = &self.slots[fiber.worker_index()];
        let here = ptr::from_ref(place).cast_mut();
        // Acquire: pairs with the Release at the end of the last use.
        let taken =
            slot.user
                .compare_exchange(ptr::null_mut(), here, Ordering::Acquire, Ordering::Relaxed);
        if let Err(user) = taken {
            // SAFETY: not null; a location is never dropped.
            let user = unsafe { &*user };
            panic!("a worker-local value at {place} is in use by what began at {user}");
        }
        let _unused = Unused(&slot.user);
        let value = || {
            // SAFETY: in use by us alone.
            unsafe { &mut *slot.value.get() }
        };
        if plant::is("borrowed_over_a_wait") {
            return body(value());
        }
        fiber.without_suspending(place, || body(value()))
    }

    /// The values, to whoever has all of this.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|slot| slot.value.get_mut())
    }

    /// The values.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.slots.into_iter().map(|slot| slot.value.into_inner())
    }
}

impl<T> fmt::Debug for WorkerLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerLocal")
            .field("workers", &self.slots.len())
            .finish_non_exhaustive()
    }
}
