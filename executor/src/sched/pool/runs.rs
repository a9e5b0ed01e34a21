//! The runs of a pool: how many are going on, and the end of all of them (shutdown). Rules: cancel.md X7, X8.

use std::time::Duration;

use super::Pool;
use crate::error::{Error, Reason};
use crate::plant;
use crate::sched::cancel::{Interrupt, Region, Shut};
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
    /// For scheduling points; says what `Count::is_shut` does. And how many will never end.
    shut: Shut,
}

#[derive(Default)]
struct Count {
    running: usize,
    is_shut: bool,
}

/// A run that is going on.
pub(crate) struct RunningRun<'p>(&'p Runs);

impl Runs {
    pub(super) fn new() -> Self {
        Runs {
            count: Mutex::new(Count::default()),
            ended: Condvar::new(),
            shut: Shut::new(),
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
    pub(crate) fn shut(&self) -> &Shut {
        &self.shut
    }

    /// How many there are.
    pub(crate) fn running(&self) -> usize {
        self.count.lock().running
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
        self.runs.shut.set();
        self.interrupt();
        let mut count = self.runs.count.lock();
        while waits && !plant::is("hasty_shutdown") && count.running > self.runs.shut.stuck() {
            if self.runs.ended.wait_for(&mut count, ASK_AGAIN).timed_out() {
                drop(count);
                self.raise_all();
                count = self.runs.count.lock();
            }
        }
        self.runs.shut.stuck()
    }

    /// A fiber refuses to end, and with it its run: all on its stack is part of that (cancel.md X3, X9). (That of another
    /// pool, whose job began the run, is seen by that one's shutdown when it looks again.)
    pub(crate) fn note_stuck(&self, fiber: &FiberRecord) {
        // SAFETY: null, or that of the job on the fiber.
        let region: Option<&Region> = unsafe { fiber.region().as_ref() };
        region.inspect(|region| region.note_stuck());
        // Not between its look and its wait.
        drop(self.runs.count.lock());
        self.runs.ended.notify_all();
    }
}
