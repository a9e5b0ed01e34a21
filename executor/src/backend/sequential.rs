//! The sequential build: no pool to choose.

use std::convert::Infallible;
use std::sync::Arc;

use crate::builder::Builder;
use crate::error::{Error, Reason};
use crate::executor::Backend;
use crate::priority::Priority;
use crate::sched::cancel::{Region, Shut, Signal, Watch};
use crate::sched::stats::{Counters, Statistics};
use crate::schedule::ScheduleLog;
use crate::stacks::Stacks;
use crate::sync::ThreadBound;
use crate::waiters::WaitReport;

/// What an executor runs on.
pub(crate) enum Engine {
    Sequential(Sequential),
}

/// The caller's thread.
pub(crate) struct Sequential {
    pub(crate) stack_bytes: usize,
    counters: Counters,
    has_statistics: bool,
    shut: Shut,
    /// Only this thread counts.
    bound: ThreadBound,
}

impl Engine {
    pub(crate) fn new(_: Backend, builder: &Builder) -> Result<Engine, Error> {
        let (counters, has_statistics) = (Counters::default(), builder.has_statistics);
        Ok(Engine::Sequential(Sequential {
            stack_bytes: builder.stack_bytes,
            counters,
            has_statistics,
            shut: Shut::new(),
            bound: ThreadBound::new(),
        }))
    }

    pub(crate) fn backends() -> &'static [Backend] {
        &[Backend::Sequential]
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Sequential
    }

    pub(crate) fn workers(&self) -> usize {
        1
    }

    /// How many workers start jobs.
    pub(crate) fn on_duty(&self) -> usize {
        1
    }

    /// There is one.
    pub(crate) fn put_on_duty(&self, _: usize) {}

    /// A number that no other living engine has.
    pub(crate) fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn counters(&self) -> &Counters {
        let Engine::Sequential(sequential) = self;
        &sequential.counters
    }

    pub(crate) fn has_statistics(&self) -> bool {
        let Engine::Sequential(sequential) = self;
        sequential.has_statistics && sequential.bound.is_here()
    }

    /// Another run begins.
    ///
    /// # Errors
    ///
    /// The executor was shut down.
    pub(crate) fn begin_run(&self) -> Result<Option<Infallible>, Error> {
        let Engine::Sequential(sequential) = self;
        if sequential.shut.is_set() {
            return Err(Error::cancelled(Reason::Shutdown));
        }
        // Nobody waits for its end.
        Ok(None)
    }

    /// Begins no more runs. Gives how many will never end.
    pub(crate) fn shut_down(&self, _: bool) -> usize {
        let Engine::Sequential(sequential) = self;
        sequential.shut.set();
        0
    }

    /// Nobody waits.
    pub(crate) fn waiters(&self) -> WaitReport {
        WaitReport::default()
    }

    /// What a run is cancelled by, which a job that works for `outer` begins, if that is not null.
    ///
    /// # Safety
    ///
    /// The engine and `outer` outlive the region.
    pub(crate) unsafe fn region(
        &self,
        outer: *const Region,
        signal: Option<Arc<Signal>>,
        priority: Priority,
    ) -> Region {
        let Engine::Sequential(sequential) = self;
        // SAFETY: by contract.
        unsafe { Region::of_run(outer, signal, &raw const sequential.shut, true, priority) }
    }

    /// Nobody needs to be told: who runs looks.
    pub(crate) fn watch<'s>(&self, _: &'s Signal) -> Option<Watch<'s>> {
        None
    }

    /// Nobody sets a signal in time: who runs looks at the clock.
    pub(crate) fn alarm(&self, _: &Arc<Signal>) -> Option<()> {
        None
    }

    pub(crate) fn stacks(&self) -> Stacks {
        Stacks::default()
    }

    pub(crate) fn schedule_log(&self) -> Option<ScheduleLog> {
        None
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut sum = Statistics::default();
        if self.has_statistics() {
            self.counters().add_to(&mut sum);
        }
        sum
    }
}
