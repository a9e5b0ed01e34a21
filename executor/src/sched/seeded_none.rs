//! The twin of `seeded.rs` in a build with `--cfg no_schedule`, for comparison: there is no schedule but the free one.

use std::convert::Infallible;

use super::fiber::FiberRecord;
use super::job::JobRef;
use super::point::Point;
use super::pool::Pool;
use crate::error::Error;
use crate::priority::Priority;
use crate::schedule::{Schedule, ScheduleLog};

/// What would come from outside.
#[allow(dead_code, reason = "as in `seeded.rs`")]
pub(crate) enum Post {
    Job(JobRef, Priority),
    Fiber(usize, *const FiberRecord),
    Sweeps,
    Duty(usize),
}

/// None exists.
pub(crate) struct Seeded(Infallible);

impl Seeded {
    pub(crate) fn new(schedule: &Schedule, _: usize) -> Result<Option<Self>, Error> {
        if schedule.is_chosen() {
            return Err(Error::setup(
                "this build has no schedules (`--cfg no_schedule`)",
            ));
        }
        Ok(None)
    }

    pub(crate) fn begin(&self, _: usize, _: &Pool) {
        match self.0 {}
    }

    pub(crate) fn point(&self, _: Point, _: usize, _: &Pool) {
        match self.0 {}
    }

    pub(crate) fn job_ended(&self) {
        match self.0 {}
    }

    pub(crate) fn rest(&self, _: usize, _: &Pool) {
        match self.0 {}
    }

    pub(crate) fn is_over(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn told_from_outside(&self, _: &Pool) {
        match self.0 {}
    }

    pub(crate) fn way(&self, _: Point, _: usize) -> usize {
        match self.0 {}
    }

    pub(crate) fn is_base_here(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn as_base(&self, _: impl FnOnce()) {
        match self.0 {}
    }

    pub(crate) fn stop(&self, _: bool) {
        match self.0 {}
    }

    pub(crate) fn log(&self, _: bool) -> ScheduleLog {
        match self.0 {}
    }

    pub(crate) fn run_begins(&self) {
        match self.0 {}
    }

    pub(crate) fn run_ends(&self) -> Result<(), Error> {
        match self.0 {}
    }

    pub(crate) fn report(&self, _: &str) {
        match self.0 {}
    }
}

impl Pool {
    pub(crate) fn post_from_outside(&self, seeded: &Seeded, _: Post) {
        match seeded.0 {}
    }
}
