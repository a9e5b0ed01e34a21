//! The lock of readers and writers: permits, of which a reader takes one and a writer all.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::ptr::NonNull;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{LOCK, begin_wait, check_thread};
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{self, Kind, Name, Subject};
use crate::sched::holder;
use crate::sched::permits::PERMITS_MAX;
use crate::sched::shared::{self, Shared};
use crate::sync::ThreadBound;

/// A value that many may read, or one may change; a job that waits for it gives its thread back.
///
/// Who comes first is served first: nobody overtakes a writer that waits. So a reader that takes the lock once more while a
/// writer waits would come to no end, and so would one that wants to write. That, and any other circle through
/// mutexes, limits, queries, tasks and joins, is a [deadlock](Error::is_deadlock), and told: by an error to one of
/// those who wait, as soon as one that holds the lock waits for who wants it, whatever the other readers do. It is
/// not poisoned, as a [`Mutex`](super::Mutex) is not.
///
/// On the sequential backend this goes for threads: a thread waits for another one, and a job that holds the lock
/// itself is told. In the sequential build a lock can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::RwLock;
///
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// let lock = RwLock::new(1);
/// executor.run(&db, |cx| {
///     cx.join(|cx| *lock.write(cx) += 1, |cx| assert!(*lock.read(cx) > 0));
/// })?;
/// assert_eq!(lock.into_inner(), 2);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct RwLock<T> {
    shared: Shared,
    bound: ThreadBound,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes where the lock goes; it is `Send`.
unsafe impl<T: Send> Send for RwLock<T> {}
// SAFETY: readers on several threads share `&T`, and one writer at a time, which has all permits, has it alone. In the
// sequential build only the thread that made the lock comes beyond `check`.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

/// Permits that are held, until this is dropped; it stays on its OS thread.
struct Taken<'l> {
    shared: &'l Shared,
    count: usize,
    /// Who holds them. A raw pointer: not `Send`.
    holder: *const FiberRecord,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // SAFETY: a record that holds is not freed (lock.md K1); this has not left its thread.
        let holder = unsafe { &*self.holder };
        if holder.end_share(self.shared.number) {
            shared::untell(holder, self.shared.number);
        }
        holder.let_go();
        self.shared.permits.give_back(self.count);
    }
}

/// The right to read an [`RwLock`]'s value, until it is dropped. It stays on its OS thread.
#[must_use = "the lock is given back at once"]
pub struct ReadGuard<'l, T> {
    lock: &'l RwLock<T>,
    _taken: Taken<'l>,
}

/// The right to change an [`RwLock`]'s value, until it is dropped. It stays on its OS thread.
#[must_use = "the lock is given back at once"]
pub struct WriteGuard<'l, T> {
    lock: &'l RwLock<T>,
    _taken: Taken<'l>,
}

// SAFETY: a shared guard gives a `&T` only.
unsafe impl<T: Sync> Sync for ReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for WriteGuard<'_, T> {}

impl<T> RwLock<T> {
    /// A lock that nobody holds. In errors it is named by the place of this call.
    #[track_caller]
    pub fn new(value: T) -> Self {
        RwLock {
            shared: Shared::new(
                PERMITS_MAX,
                "lock of readers and writers",
                Location::caller(),
            ),
            bound: ThreadBound::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock to read; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_read`](Self::checked_read) would give an error.
    pub fn read<D>(&self, cx: &Cx<'_, D>) -> ReadGuard<'_, T> {
        cx.undisturbed(|| self.checked_read(cx).unwrap_or_else(|error| error.raise()))
    }

    /// Takes the lock to write; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_write`](Self::checked_write) would give an error.
    pub fn write<D>(&self, cx: &Cx<'_, D>) -> WriteGuard<'_, T> {
        cx.undisturbed(|| self.checked_write(cx).unwrap_or_else(|error| error.raise()))
    }

    /// Takes the lock to read; the current fiber waits for it if need be.
    ///
    /// # Errors
    ///
    /// Who holds the lock waits for this job ([`Error::is_deadlock`]); the waiting work was cancelled
    /// ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); or it would wait where
    /// nothing waits ([`Cx::no_suspend`], a destructor that runs during an unwind). A lock that is free is taken in
    /// any case.
    pub fn checked_read<D>(&self, cx: &Cx<'_, D>) -> Result<ReadGuard<'_, T>, Error> {
        self.take_in(cx, 1).map(|taken| self.read_guard(taken))
    }

    /// Takes the lock to write; the current fiber waits for it if need be.
    ///
    /// # Errors
    ///
    /// As for [`checked_read`](Self::checked_read).
    pub fn checked_write<D>(&self, cx: &Cx<'_, D>) -> Result<WriteGuard<'_, T>, Error> {
        let taken = self.take_in(cx, PERMITS_MAX);
        taken.map(|taken| self.write_guard(taken))
    }

    /// Takes the lock to read, without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_read`](Self::checked_read).
    pub fn read_blocking(&self) -> Result<ReadGuard<'_, T>, Error> {
        let taken = self.take(1);
        taken.map(|taken| self.read_guard(taken))
    }

    /// Takes the lock to write, without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_read`](Self::checked_read).
    pub fn write_blocking(&self) -> Result<WriteGuard<'_, T>, Error> {
        let taken = self.take(PERMITS_MAX);
        taken.map(|taken| self.write_guard(taken))
    }

    /// Takes the lock to read, if no writer holds it or waits. A matter of the schedule: decide nothing by it that others can
    /// see.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.try_take(holder::of(holder::here()), 1)
            .map(|taken| self.read_guard(taken))
    }

    /// Takes the lock to write, if nobody holds it or waits. A matter of the schedule, as [`try_read`](Self::try_read).
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.try_take(holder::of(holder::here()), PERMITS_MAX)
            .map(|taken| self.write_guard(taken))
    }

    /// The value, to whoever has the lock to itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    fn read_guard<'l>(&'l self, taken: Taken<'l>) -> ReadGuard<'l, T> {
        ReadGuard {
            lock: self,
            _taken: taken,
        }
    }

    fn write_guard<'l>(&'l self, taken: Taken<'l>) -> WriteGuard<'l, T> {
        WriteGuard {
            lock: self,
            _taken: taken,
        }
    }

    /// So many permits were just taken for `holder`.
    fn taken(&self, holder: &FiberRecord, count: usize) -> Taken<'_> {
        holder.hold();
        holder.share(self.shared.number);
        Taken {
            shared: &self.shared,
            count,
            holder,
        }
    }

    #[inline]
    fn try_take(&self, holder: &FiberRecord, count: usize) -> Option<Taken<'_>> {
        check_thread(&self.bound, || self.shared.name());
        let is_taken = self.shared.permits.try_take(count);
        is_taken.then(|| self.taken(holder, count))
    }

    fn take_in<D>(&self, cx: &Cx<'_, D>, count: usize) -> Result<Taken<'_>, Error> {
        // Asked once: a thread that ends may have another record each time.
        let holder = holder::of(cx.fiber());
        if let Some(taken) = self.try_take(holder, count) {
            return Ok(taken);
        }
        begin_wait(cx);
        self.wait(cx.fiber(), holder, count)
    }

    fn take(&self, count: usize) -> Result<Taken<'_>, Error> {
        let fiber = holder::here();
        let holder = holder::of(fiber);
        match self.try_take(holder, count) {
            Some(taken) => Ok(taken),
            None => self.wait(fiber, holder, count),
        }
    }

    #[cold]
    fn wait(
        &self,
        fiber: &FiberRecord,
        holder: &FiberRecord,
        count: usize,
    ) -> Result<Taken<'_>, Error> {
        // SAFETY: `describe` takes a living one.
        let what = unsafe { Subject::new(SHARED, &self.shared) };
        graph::wait_for_share(fiber, &self.shared, count, what)?;
        Ok(self.taken(holder, count))
    }
}

const SHARED: &Kind = &Kind {
    describe: Some(describe),
    ..*LOCK
};

/// # Safety
///
/// `shared` is a living one.
unsafe fn describe(shared: NonNull<()>) -> Name {
    // SAFETY: by contract; the name never changes.
    let shared = unsafe { shared.cast::<Shared>().as_ref() };
    Name {
        kind: "lock",
        text: shared.name(),
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: no writer has the lock until the guard is dropped (it takes all permits).
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody else has a permit until the guard is dropped.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for as long.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shared.name())
    }
}
