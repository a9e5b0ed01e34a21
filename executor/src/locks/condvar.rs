//! The condition variable.

use std::fmt;
use std::panic::Location;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::mutex::MutexGuard;
use crate::locks::wait::{Thing, begin_wait, check_thread};
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::line::{Called, Line, Place};
use crate::sync::{Mutex, ThreadBound};

/// To wait, with a [`Mutex`](super::Mutex) given back meanwhile, until somebody says that its value has changed.
///
/// Who waits longest is told first. When it goes on, the value may be another one again: wait in a loop, or by
/// [`wait_while`](Self::wait_while). Nobody is known to be about to tell, so such a wait is no deadlock that is found; on the
/// sequential backend, on which nothing else runs meanwhile, it is an error.
///
/// In the sequential build it can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::{Condvar, Mutex};
///
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
/// let (stock, more) = (Mutex::new(0), Condvar::new());
/// executor.run(&db, |cx| {
///     let buyer = |cx: &dagwood::Cx<'_, ()>| {
///         let mut stock = more.wait_while(cx, stock.lock(cx), |stock| *stock < 3);
///         *stock -= 3;
///     };
///     cx.join(buyer, |cx| {
///         for _ in 0..4 {
///             *stock.lock(cx) += 1;
///             more.notify_one();
///         }
///     });
/// })?;
/// assert_eq!(stock.into_inner(), 1);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Condvar {
    line: Mutex<Line>,
    thing: Thing,
    bound: ThreadBound,
}

impl Condvar {
    /// One that nobody waits for. In reports it is named by the place of this call.
    #[track_caller]
    pub fn new() -> Self {
        Condvar {
            line: Mutex::new(Line::new()),
            thing: Thing {
                what: "condition variable",
                made_at: Location::caller(),
            },
            bound: ThreadBound::new(),
        }
    }

    /// Gives the mutex back, waits until it is told, and takes the mutex again.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_wait`](Self::checked_wait) would give an error.
    pub fn wait<'m, T, D>(&self, cx: &Cx<'_, D>, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
        cx.undisturbed(|| {
            let waited = self.checked_wait(cx, guard);
            waited.unwrap_or_else(|error| error.raise())
        })
    }

    /// The same, again and again as long as `condition` holds; not at all if it does not.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait), and with what `condition` panics with.
    pub fn wait_while<'m, T, D>(
        &self,
        cx: &Cx<'_, D>,
        mut guard: MutexGuard<'m, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'m, T> {
        while condition(&mut guard) {
            guard = self.wait(cx, guard);
        }
        guard
    }

    /// Gives the mutex back, waits until it is told, and takes the mutex again.
    ///
    /// # Errors
    ///
    /// The waiting work was cancelled ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); it would wait in a
    /// destructor that runs during an unwind; nothing else runs (the sequential backend: [`Error::is_deadlock`]); or the mutex
    /// cannot be taken again. The mutex is not held then.
    pub fn checked_wait<'m, T, D>(
        &self,
        cx: &Cx<'_, D>,
        guard: MutexGuard<'m, T>,
    ) -> Result<MutexGuard<'m, T>, Error> {
        begin_wait(cx);
        let mutex = guard.mutex;
        self.wait_here(cx.fiber(), guard)?;
        self.told(mutex.checked_lock(cx))
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_wait`](Self::checked_wait).
    pub fn wait_blocking<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
    ) -> Result<MutexGuard<'m, T>, Error> {
        let mutex = guard.mutex;
        self.wait_here(holder::here(), guard)?;
        self.told(mutex.lock_blocking())
    }

    /// Tells the one that waits longest, if one does.
    pub fn notify_one(&self) {
        self.check();
        let mut called = Called::nobody();
        self.line.lock().call_first(&mut called);
        called.wake();
    }

    /// Tells all who wait.
    pub fn notify_all(&self) {
        self.check();
        let mut called = Called::nobody();
        self.line.lock().call_all(&mut called);
        called.wake();
    }

    fn wait_here<T>(&self, fiber: &FiberRecord, guard: MutexGuard<'_, T>) -> Result<(), Error> {
        self.check();
        self.thing.may_wait(fiber, false)?;
        let place = Place::new(fiber, None, 0);
        // SAFETY: below it waits until it is called, or is taken out.
        unsafe { self.line.lock().push(&place) };
        // Whoever changes the value from now on finds us in the line.
        drop(guard);
        self.thing.wait(fiber, &place, || {
            let was_called = !self.line.lock().remove(&place);
            if was_called {
                self.notify_one();
            }
        })
    }

    /// What came of taking the mutex again. Who was told and cannot have it lets another be told: what it was told of is
    /// still there.
    fn told<T>(&self, taken: Result<T, Error>) -> Result<T, Error> {
        if taken.is_err() && !plant::is("untold_condvar") {
            self.notify_one();
        }
        taken
    }

    fn check(&self) {
        check_thread(&self.bound, || self.thing.name());
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thing.name())
    }
}
