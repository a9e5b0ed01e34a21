//! The mutex.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{Held, begin_wait, check_thread};
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::lock::Lock;
use crate::sync::ThreadBound;

/// A value that one at a time may use; a job that waits for it gives its thread back.
///
/// It may be held over any wait: over `get`, `join` and parallel loops, and over another lock's. (A `std` or `parking_lot`
/// mutex that is held so blocks the thread of whoever takes it next.)
///
/// *It is not poisoned*: who unwinds while it holds the mutex gives it back, as with `parking_lot`. Unwinding is an
/// ordinary thing here: a cancelled request, a query that failed or is part of a cycle unwinds whoever waits for it. If that poisoned, one
/// cancelled request would fail all later ones, and whether it does would hang on the schedule. So do not wait, nor ask
/// for what may fail, while the value is half changed.
///
/// In the sequential build a mutex can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::Mutex;
///
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// let sum = Mutex::new(0);
/// executor.run(&db, |cx| {
///     cx.par_for_each(0..64_usize, |cx, item| {
///         let mut sum = sum.lock(cx);
///         // Others that want the lock wait, and their threads help with this.
///         *sum += cx.par_map(0..4_usize, |_, part| part * item).into_iter().sum::<usize>();
///     });
/// })?;
/// assert_eq!(sum.into_inner(), 12_096);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Mutex<T> {
    lock: Lock,
    bound: ThreadBound,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes where the mutex goes; it is `Send`.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: one at a time reaches the value (lock.md), from whatever thread; it is `Send`. In the sequential build only the
// thread that made the mutex comes beyond `check`.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The right to use a [`Mutex`]'s value, until it is dropped.
///
/// It stays on its OS thread, as those of `std` and `parking_lot` do:
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>() {}
/// is_send::<dagwood::locks::MutexGuard<'static, ()>>();
/// ```
///
/// If it is leaked (`mem::forget`), its mutex is never free again: a job that takes it once more on the same fiber gets the error of a
/// deadlock, others wait.
#[must_use = "the mutex is given back at once"]
pub struct MutexGuard<'m, T> {
    pub(super) mutex: &'m Mutex<T>,
    _held: Held<'m>,
}

// SAFETY: a shared guard gives a `&T` only.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// A mutex that nobody holds. In errors it is named by the place of this call.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Mutex {
            lock: Lock::new("mutex", Location::caller()),
            bound: ThreadBound::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the mutex; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_lock`](Self::checked_lock) would give an error.
    #[inline]
    pub fn lock<D>(&self, cx: &Cx<'_, D>) -> MutexGuard<'_, T> {
        match self.take(cx.fiber()) {
            Some(guard) => guard,
            None => cx.undisturbed(|| self.lock_slowly(cx).unwrap_or_else(|error| error.raise())),
        }
    }

    /// Takes the mutex; the current fiber waits for it if need be.
    ///
    /// # Errors
    ///
    /// The wait would be part of a deadlock ([`Error::is_deadlock`]); the waiting work was cancelled
    /// ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); or it would wait in a destructor that runs during
    /// an unwind. A mutex that is free is taken in any case.
    #[inline]
    pub fn checked_lock<D>(&self, cx: &Cx<'_, D>) -> Result<MutexGuard<'_, T>, Error> {
        match self.take(cx.fiber()) {
            Some(guard) => Ok(guard),
            None => self.lock_slowly(cx),
        }
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// In an item of a parallel loop, items that the job has taken besides do not begin elsewhere meanwhile: use [`lock`](Self::lock) there.
    ///
    /// # Errors
    ///
    /// As for [`checked_lock`](Self::checked_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = dagwood::locks::Mutex::new(1);
    /// *mutex.lock_blocking()? += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn lock_blocking(&self) -> Result<MutexGuard<'_, T>, Error> {
        let fiber = holder::here();
        match self.take(fiber) {
            Some(guard) => Ok(guard),
            None => self.wait(fiber),
        }
    }

    /// Takes the mutex, if nobody holds it. A matter of the schedule: decide nothing by it that others can see.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.check();
        Held::try_take(holder::here(), &self.lock).map(|held| self.guard(held))
    }

    /// The value, to whoever has the mutex to itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Takes the mutex for `fiber`, the current one, if it is free and nobody waits.
    #[inline]
    fn take(&self, fiber: &FiberRecord) -> Option<MutexGuard<'_, T>> {
        self.check();
        Held::take(fiber, &self.lock).map(|held| self.guard(held))
    }

    #[cold]
    fn lock_slowly<D>(&self, cx: &Cx<'_, D>) -> Result<MutexGuard<'_, T>, Error> {
        begin_wait(cx);
        self.wait(cx.fiber())
    }

    #[cold]
    fn wait(&self, fiber: &FiberRecord) -> Result<MutexGuard<'_, T>, Error> {
        let held = Held::wait(fiber, &self.lock, || false)?;
        Ok(self.guard(held.expect("it is never over")))
    }

    #[inline]
    fn guard<'m>(&'m self, held: Held<'m>) -> MutexGuard<'m, T> {
        MutexGuard {
            mutex: self,
            _held: held,
        }
    }

    #[inline]
    fn check(&self) {
        check_thread(&self.bound, || self.lock.name());
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: held until the guard is dropped (lock.md K1).
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed for as long.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lock.name())
    }
}
