//! The runs of a pool: how many are going on, and the end of all of them (shutdown). Rules: cancel.md X7, X8.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Pool;
use crate::error::{Error, Reason};
use crate::plant;
use crate::sched::cancel::{Interrupt, Region};
use crate::sched::fiber::FiberRecord;
use crate::sync::{Condvar, Mutex};

/// How long a shutdown waits until it asks once more: a worker that is alone may have overwritten the wish
/// (attention.md A5).
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Counts runs.
pub(crate) struct Runs {
    count: Mutex<Count>,
    /// One has ended, or will never.
    ended: Condvar,
    /// For scheduling points; says what `Count::is_shut` does.
    is_shut: AtomicBool,
}

#[derive(Default)]
struct Count {
    running: usize,
    /// Those of which a fiber refuses to end.
    stuck: usize,
    is_shut: bool,
}

/// A run that is going on.
pub(crate) struct RunningRun<'p>(&'p Runs);

impl Runs {
    pub(super) fn new() -> Self {
        Runs {
            count: Mutex::new(Count::default()),
            ended: Condvar::new(),
            is_shut: AtomicBool::new(false),
        }
    }

    /// A run begins.
    ///
    /// # Errors
    ///
    /// There are to be no more.
    pub(crate) fn begin(&self) -> Result<RunningRun<'_>, Error> {
        let mut count = self.count.lock();
        if count.is_shut {
            return Err(Error::cancelled(Reason::Shutdown));
        }
        count.running += 1;
        Ok(RunningRun(self))
    }

    /// Whether there are to be no more, and those that are are to end.
    pub(crate) fn is_shut(&self) -> &AtomicBool {
        &self.is_shut
    }

    /// How many there are.
    pub(crate) fn running(&self) -> usize {
        self.count.lock().running
    }

    /// One more will never end.
    fn one_is_stuck(&self) {
        self.count.lock().stuck += 1;
        self.ended.notify_all();
    }
}

impl Drop for RunningRun<'_> {
    fn drop(&mut self) {
        self.0.count.lock().running -= 1;
        self.0.ended.notify_all();
    }
}

impl Pool {
    /// Ends all runs, and begins no more. Waits until they have ended, unless the caller is itself part of one. Gives how
    /// many will never end.
    pub(crate) fn shut_down(&self, waits: bool) -> usize {
        self.runs.count.lock().is_shut = true;
        self.runs.is_shut.store(true, Ordering::Release);
        self.interrupt();
        let mut count = self.runs.count.lock();
        while waits && !plant::is("hasty_shutdown") && count.running > count.stuck {
            if self.runs.ended.wait_for(&mut count, ASK_AGAIN).timed_out() {
                drop(count);
                self.raise_all();
                count = self.runs.count.lock();
            }
        }
        count.stuck
    }

    /// A fiber refuses to end, and with it its run.
    pub(crate) fn note_stuck(&self, fiber: &FiberRecord) {
        // SAFETY: null, or that of the job that runs on the fiber.
        let region: Option<&Region> = unsafe { fiber.region().as_ref() };
        if region.is_some_and(Region::note_stuck) {
            self.runs.one_is_stuck();
        }
    }
}
