//! The twin of the pool in the sequential build: there are no workers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use dagwood_fibers::Segment;

use super::cancel::Interrupt;
use super::fiber::FiberRecord;
use super::graph::Awaited;
use super::job::{Job, JobRef};
use super::slab::Chunk;
use super::stats::Counters;
use crate::error::Error;

/// No worker exists.
pub(crate) struct Worker(Infallible);

impl Worker {
    pub(crate) fn counters(&self) -> &Counters {
        match self.0 {}
    }

    pub(crate) fn shortage(&self) -> Error {
        match self.0 {}
    }

    pub(crate) fn times_waits(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn become_interruptible(&self) {
        match self.0 {}
    }

    pub(crate) fn watcher(&self) -> Arc<dyn Interrupt> {
        match self.0 {}
    }

    pub(crate) fn leak_current(&self, _: &FiberRecord) {
        match self.0 {}
    }

    pub(crate) fn suspend(&self, _: &FiberRecord) {
        match self.0 {}
    }

    pub(crate) fn suspend_movable(_: &FiberRecord) {
        unreachable!("no fiber is a worker's");
    }

    pub(crate) fn wake_movable(_: &FiberRecord) {
        unreachable!("no fiber is a worker's");
    }

    pub(crate) fn yield_now(&self, _: &FiberRecord) -> bool {
        match self.0 {}
    }

    pub(crate) fn make_ready(&self, _: &FiberRecord) {
        match self.0 {}
    }

    pub(crate) fn index(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn workers(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn post_to(&self, _: usize, _: JobRef) {
        match self.0 {}
    }

    pub(crate) fn take_chunk(&self) -> Chunk {
        match self.0 {}
    }

    pub(crate) fn give_chunk(&self, _: Chunk) {
        match self.0 {}
    }

    pub(crate) fn change_stack(&self, _: usize) {
        match self.0 {}
    }

    pub(crate) fn take_segment(&self) -> std::io::Result<Segment> {
        match self.0 {}
    }

    pub(crate) fn give_segment(&self, _: Segment) {
        match self.0 {}
    }

    pub(crate) fn publish(&self, _: JobRef) {
        match self.0 {}
    }

    pub(crate) fn has_company(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn takes_turns_with(&self, _: &Worker) -> bool {
        match self.0 {}
    }

    pub(crate) fn attend(&self, _: &FiberRecord, _: bool) {
        match self.0 {}
    }

    pub(crate) fn point_before_wait(&self, _: &FiberRecord) {
        match self.0 {}
    }

    pub(crate) fn lingers(
        &self,
        _: &FiberRecord,
        _: &Awaited,
        _: Duration,
        _: impl Fn() -> bool,
    ) -> bool {
        match self.0 {}
    }

    pub(crate) fn sees_end(&self, _: &FiberRecord, _: impl Fn() -> bool) -> bool {
        match self.0 {}
    }

    pub(crate) fn yield_to_work(&self, _: &FiberRecord, _: bool) -> bool {
        match self.0 {}
    }

    pub(crate) fn has_jobs_of(&self, _: &FiberRecord) -> bool {
        match self.0 {}
    }

    pub(crate) fn take_back(&self, _: &Job) -> bool {
        match self.0 {}
    }
}
