//! The once-cell.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{Held, begin_wait, check_thread};
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::lock::Lock;
use crate::sync::{AtomicBool, Ordering, ThreadBound};

/// A value that is made once, by whoever comes first; the jobs that come meanwhile wait and give their threads back.
///
/// The initialiser may ask, fork and wait: a parallel loop inside it is helped by all threads. If it
/// unwinds, the cell stays empty, and the next one that waits tries. An initialiser that comes back to its own cell gets the
/// error of a deadlock.
///
/// A [query](crate::Query) is the better cell where the value depends on what a record should show: it is made by whoever comes
/// first, so what its initialiser asks for is recorded there, and differs by schedule.
///
/// In the sequential build a cell can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::OnceCell;
///
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// let squares = OnceCell::new();
/// let sum: usize = executor.run(&db, |cx| {
///     let found = cx.par_map(0..10_usize, |cx, item| {
///         let squares = squares.get_or_init(cx, |cx| cx.par_map(0..100_usize, |_, n| n * n));
///         squares[item]
///     });
///     found.into_iter().sum()
/// })?;
/// assert_eq!(sum, 285);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct OnceCell<T> {
    lock: Lock,
    is_set: AtomicBool,
    /// Written by who holds the lock, before it is set; only read afterwards.
    value: UnsafeCell<Option<T>>,
    bound: ThreadBound,
}

// SAFETY: the value goes where the cell goes; it is `Send`.
unsafe impl<T: Send> Send for OnceCell<T> {}
// SAFETY: written once, by whoever holds the lock, and only read once it is set: readers on several threads share `&T`, and
// any thread may give the `T`. In the sequential build only the thread that made the cell comes beyond `check`.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

impl<T> OnceCell<T> {
    /// An empty cell. In errors it is named by the place of this call.
    #[track_caller]
    pub fn new() -> Self {
        OnceCell {
            lock: Lock::new("once-cell", Location::caller()),
            is_set: AtomicBool::new(false),
            value: UnsafeCell::new(None),
            bound: ThreadBound::new(),
        }
    }

    /// The value, if it is there. A matter of the schedule: decide nothing by it that others can see.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.check();
        // Acquire: pairs with the Release in `fill`.
        if !self.is_set.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: set: nobody writes any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, which `initialise` makes if it is not there yet. Who comes while another one makes it waits.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_get_or_init`](Self::checked_get_or_init) would give an error; and with what `initialise` unwinds
    /// with.
    #[inline]
    pub fn get_or_init<'db, D>(
        &self,
        cx: &Cx<'db, D>,
        initialise: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        // Where nothing unwinds only the wait is undisturbed, not the initialiser.
        let held = cx.undisturbed(|| self.hold(cx).unwrap_or_else(|error| error.raise()));
        self.fill(held, || initialise(cx))
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// The wait would be part of a deadlock ([`Error::is_deadlock`]); the waiting work was cancelled
    /// ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); or it would wait in a destructor that runs during
    /// an unwind.
    ///
    /// # Panics
    ///
    /// With what `initialise` unwinds with.
    pub fn checked_get_or_init<'db, D>(
        &self,
        cx: &Cx<'db, D>,
        initialise: impl FnOnce(&Cx<'db, D>) -> T,
    ) -> Result<&T, Error> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let held = self.hold(cx)?;
        Ok(self.fill(held, || initialise(cx)))
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_get_or_init`](Self::checked_get_or_init).
    ///
    /// # Panics
    ///
    /// With what `initialise` unwinds with.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = dagwood::locks::OnceCell::new();
    /// assert_eq!(*cell.get_or_init_blocking(|| 1)?, 1);
    /// assert_eq!(*cell.get_or_init_blocking(|| 2)?, 1);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn get_or_init_blocking(&self, initialise: impl FnOnce() -> T) -> Result<&T, Error> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let held = self.hold_here(holder::here())?;
        Ok(self.fill(held, initialise))
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Gives it back if there is one, or somebody is about to make one.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.check();
        let held = Held::try_take(holder::here(), &self.lock);
        if held.is_none() || self.get().is_some() {
            return Err(value);
        }
        self.fill(held, || value);
        Ok(())
    }

    /// The value, to whoever has the cell to itself.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// The value, if it was set.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The right to fill the cell, or `None` if it was filled meanwhile.
    #[cold]
    fn hold<D>(&self, cx: &Cx<'_, D>) -> Result<Option<Held<'_>>, Error> {
        if let Some(held) = Held::take(cx.fiber(), &self.lock) {
            return Ok(Some(held));
        }
        begin_wait(cx);
        self.hold_here(cx.fiber())
    }

    #[cold]
    fn hold_here(&self, fiber: &FiberRecord) -> Result<Option<Held<'_>>, Error> {
        match Held::take(fiber, &self.lock) {
            Some(held) => Ok(Some(held)),
            None => {
                let is_over = || self.get().is_some() && !plant::is("filled_again");
                Held::wait(fiber, &self.lock, is_over)
            }
        }
    }

    /// Fills the cell, unless it is filled. If `make` unwinds, the next one may try.
    fn fill(&self, held: Option<Held<'_>>, make: impl FnOnce() -> T) -> &T {
        if let Some(held) = held
            && (self.get().is_none() || plant::is("filled_again"))
        {
            let value = make();
            // SAFETY: we hold the lock, and it is not set: nobody reads.
            unsafe { *self.value.get() = Some(value) };
            // Release: pairs with the Acquire in `get`.
            self.is_set.store(true, Ordering::Release);
            held.give_back_to_all();
        }
        self.get().expect("it was filled")
    }

    #[inline]
    fn check(&self) {
        check_thread(&self.bound, || self.lock.name());
    }
}

impl<T> Default for OnceCell<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
