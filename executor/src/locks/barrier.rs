//! The barrier.

use std::fmt;
use std::panic::Location;

use crate::cx::Cx;
use crate::error::Error;
use crate::locks::wait::{Thing, begin_wait, check_thread};
use crate::sched::fiber::FiberRecord;
use crate::sched::holder;
use crate::sched::line::{Called, Line, Place};
use crate::sync::{Mutex, ThreadBound};

/// Lets jobs go on when so many have come, again and again.
///
/// Nobody is known to be about to come, so a wait for too few is no deadlock that is found; on the sequential backend, on which nothing
/// else runs meanwhile, each but the last to come gets an error. Those who wait must be able to wait at the same time:
/// jobs of one loop are, whatever the number of workers.
///
/// In the sequential build a barrier can be used only on the thread that made it; another thread's use panics.
///
/// # Examples
///
/// ```
/// use dagwood::locks::Barrier;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # let executor = dagwood::Executor::builder().workers(2).build()?;
/// # let db = dagwood::Database::new(());
/// # if executor.backend() == dagwood::Backend::Sequential { return Ok(()) }
/// let (barrier, begun) = (Barrier::new(8), AtomicUsize::new(0));
/// executor.run(&db, |cx| {
///     cx.par_for_each(0..8, |cx, _| {
///         begun.fetch_add(1, Ordering::Relaxed);
///         barrier.wait(cx);
///         assert_eq!(begun.load(Ordering::Relaxed), 8);
///     });
/// })?;
/// # Ok::<(), dagwood::Error>(())
/// ```
pub struct Barrier {
    size: usize,
    line: Mutex<Line>,
    thing: Thing,
    bound: ThreadBound,
}

impl Barrier {
    /// A barrier for so many; none and one are alike. In reports it is named by the place of this call.
    #[track_caller]
    pub fn new(size: usize) -> Self {
        Barrier {
            size,
            line: Mutex::new(Line::new()),
            thing: Thing {
                what: "barrier",
                made_at: Location::caller(),
            },
            bound: ThreadBound::new(),
        }
    }

    /// Waits until so many have come. Gives whether the caller was the last: a matter of the schedule.
    ///
    /// # Panics
    ///
    /// As [`Cx::get`], where [`checked_wait`](Self::checked_wait) would give an error.
    pub fn wait<D>(&self, cx: &Cx<'_, D>) -> bool {
        cx.undisturbed(|| self.checked_wait(cx).unwrap_or_else(|error| error.raise()))
    }

    /// Waits until so many have come. Gives whether the caller was the last: a matter of the schedule.
    ///
    /// # Errors
    ///
    /// The waiting work was cancelled ([`Error::is_cancelled`]); no memory is left to wait ([`Error::is_exhausted`]); it would wait in a
    /// destructor that runs during an unwind; or nothing else runs (the sequential backend: [`Error::is_deadlock`]). It has not
    /// come then, unless the others have gone on meanwhile.
    pub fn checked_wait<D>(&self, cx: &Cx<'_, D>) -> Result<bool, Error> {
        begin_wait(cx);
        self.wait_here(cx.fiber())
    }

    /// The same without a context: a thread outside blocks, a job's fiber waits.
    ///
    /// # Errors
    ///
    /// As for [`checked_wait`](Self::checked_wait).
    pub fn wait_blocking(&self) -> Result<bool, Error> {
        self.wait_here(holder::here())
    }

    fn wait_here(&self, fiber: &FiberRecord) -> Result<bool, Error> {
        check_thread(&self.bound, || self.thing.name());
        let mut line = self.line.lock();
        if line.len() + 1 < self.size {
            drop(line);
            self.thing.may_wait(fiber, false)?;
            line = self.line.lock();
        }
        if line.len() + 1 >= self.size {
            let mut called = Called::nobody();
            line.call_all(&mut called);
            drop(line);
            called.wake();
            return Ok(true);
        }
        let place = Place::new(fiber, None, 0);
        // SAFETY: below it waits until it is called, or is taken out.
        unsafe { line.push(&place) };
        drop(line);
        self.thing.wait(fiber, &place, || {
            self.line.lock().remove(&place);
        })?;
        Ok(false)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thing.name())
    }
}
