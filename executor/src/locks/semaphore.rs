//! The semaphore.

use std::fmt;
use std::panic::Location;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{Thing, begin_wait, check_thread};
use crate::plant;
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::permits::Permits;
use crate::sync::ThreadBound;

/// So many permits: a job that wants one when there is none waits and gives its thread back.
///
/// For what is scarce and no core: open files, linkers, licences, requests to a server. Permits are handed over in the order
/// in which they were wanted, whoever wants how many: nobody overtakes.
///
/// A permit belongs to nobody, and may be given back by anybody, on any thread: so nobody can know that those who wait, wait for each
/// other, and such a wait lasts (see [`Executor::waiters`](crate::Executor::waiters)). On the sequential backend, on which
/// nothing else runs while a job waits, a permit that is not there is an error.
///
/// In the sequential build a semaphore can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::Semaphore;
///
/// # let executor = dagwood::Executor::builder().workers(4).build()?;
/// # let db = dagwood::Database::new(());
/// let linkers = Semaphore::new(2);
/// executor.run(&db, |cx| {
///     cx.par_for_each(0..8, |cx, _| {
///         let _permit = linkers.acquire(cx);
///         // At most two are here at once.
///     });
/// })?;
/// assert_eq!(linkers.available(), 2);
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Semaphore {
    permits: Permits,
    thing: Thing,
    bound: ThreadBound,
}

/// Permits of a [`Semaphore`], until they are dropped: on any thread, but in the sequential build on that of the semaphore only;
/// another thread's drop panics.
#[derive(Debug)]
#[must_use = "the permits are given back at once"]
pub struct SemaphorePermit<'s> {
    semaphore: &'s Semaphore,
    count: usize,
}

impl Semaphore {
    /// A semaphore with so many permits, at most `usize::MAX / 2`. In errors it is named by the place of this call.
    ///
    /// # Panics
    ///
    /// If there are more.
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Semaphore {
            permits: Permits::new(permits),
            thing: Thing {
                what: "semaphore",
                made_at: Location::caller(),
            },
            bound: ThreadBound::new(),
        }
    }

    /// Takes a permit; the current fiber waits for it if need be.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_acquire`](Self::checked_acquire) would give an error.
    pub fn acquire<D>(&self, cx: &Cx<'_, D>) -> SemaphorePermit<'_> {
        self.acquire_many(cx, 1)
    }

    /// Takes so many permits at once; the current fiber waits for them if need be. Of a semaphore that has never so many this lasts.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_many<D>(&self, cx: &Cx<'_, D>, count: usize) -> SemaphorePermit<'_> {
        cx.undisturbed(|| {
            let permit = self.checked_acquire_many(cx, count);
            permit.unwrap_or_else(|error| error.raise())
        })
    }

    /// Takes a permit; the current fiber waits for it if need be.
    ///
    /// # Errors
    ///
    /// On the sequential backend: there is none ([`Error::is_deadlock`]). Elsewhere: the waiting work was cancelled
    /// ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); or it would wait in a destructor that runs during
    /// an unwind. A permit that is there is taken in any case.
    pub fn checked_acquire<D>(&self, cx: &Cx<'_, D>) -> Result<SemaphorePermit<'_>, Error> {
        self.checked_acquire_many(cx, 1)
    }

    /// Takes so many permits at once; the current fiber waits for them if need be.
    ///
    /// # Errors
    ///
    /// As for [`checked_acquire`](Self::checked_acquire).
    pub fn checked_acquire_many<D>(
        &self,
        cx: &Cx<'_, D>,
        count: usize,
    ) -> Result<SemaphorePermit<'_>, Error> {
        if let Some(permit) = self.try_acquire_many(count) {
            return Ok(permit);
        }
        begin_wait(cx);
        self.wait(cx.fiber(), count)
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_acquire`](Self::checked_acquire); in the sequential build also on a thread outside.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dagwood::locks::Semaphore::new(3);
    /// let permit = semaphore.acquire_many_blocking(2)?;
    /// assert_eq!(semaphore.available(), 1);
    /// drop(permit);
    /// assert_eq!(semaphore.available(), 3);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    pub fn acquire_many_blocking(&self, count: usize) -> Result<SemaphorePermit<'_>, Error> {
        match self.try_acquire_many(count) {
            Some(permit) => Ok(permit),
            None => self.wait(holder::here(), count),
        }
    }

    /// Takes so many permits, if they are there and nobody waits. A matter of the schedule: decide nothing by it that others
    /// can see.
    pub fn try_acquire_many(&self, count: usize) -> Option<SemaphorePermit<'_>> {
        self.check();
        self.permits.try_take(count).then(|| self.permit(count))
    }

    /// Adds so many permits.
    ///
    /// # Panics
    ///
    /// If there are more than `usize::MAX / 2` then.
    pub fn add_permits(&self, count: usize) {
        self.check();
        self.permits.give_back(count);
    }

    /// How many permits are there now. A matter of the schedule.
    pub fn available(&self) -> usize {
        self.check();
        self.permits.count()
    }

    #[cold]
    fn wait(&self, fiber: &FiberRecord, count: usize) -> Result<SemaphorePermit<'_>, Error> {
        self.thing
            .wait_for_permits(fiber, &self.permits, count, false)?;
        Ok(self.permit(count))
    }

    fn permit(&self, count: usize) -> SemaphorePermit<'_> {
        SemaphorePermit {
            semaphore: self,
            count,
        }
    }

    fn check(&self) {
        check_thread(&self.bound, || self.thing.name());
    }
}

impl SemaphorePermit<'_> {
    /// Keeps the permits for good: the semaphore has so many fewer.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.check();
        if !plant::is("lost_permit") {
            self.semaphore.permits.give_back(self.count);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thing.name())
    }
}
