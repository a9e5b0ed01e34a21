//! The sequential build: no pool to choose.

use crate::error::Error;
use crate::executor::{Backend, Builder};
use crate::sched::stats::{Counters, Statistics};
use crate::schedule::ScheduleLog;
use crate::stacks::Stacks;
use crate::sync::ThreadBound;

/// What an executor runs on.
pub(crate) enum Engine {
    Sequential(Sequential),
}

/// The caller's thread.
pub(crate) struct Sequential {
    pub(crate) stack_bytes: usize,
    counters: Counters,
    has_statistics: bool,
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
