//! The twin of a mechanism that this build does not have: the same signatures, and no value of any type.
//!
//! Used by `mechanism.rs` in place of `switch.rs` or `threads.rs`, so that the code above matches on both
//! mechanisms in every build, and the arm of a missing one compiles to nothing.

#![allow(dead_code, reason = "unused where both mechanisms exist")]

use std::convert::Infallible;
use std::io;

use crate::fiber::Resumed;
use crate::settings::StackSettings;

pub(crate) const AVAILABLE: bool = false;

pub(crate) const NAME: &str = "";

#[derive(Clone)]
pub(crate) struct Depot(Infallible);

impl Depot {
    pub(crate) fn new(_settings: StackSettings) -> io::Result<Depot> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn pool(&self) -> Stacks {
        match self.0 {}
    }

    pub(crate) fn made(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn splits_mappings(&self) -> bool {
        match self.0 {}
    }
}

pub(crate) struct Stacks(Infallible);

impl Stacks {
    pub(crate) fn stack_bytes(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn limit_threads(&mut self, _max: usize) {
        match self.0 {}
    }

    pub(crate) fn created(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn cached(&self) -> usize {
        match self.0 {}
    }
}

pub(crate) struct Fiber(Infallible);

impl Fiber {
    pub(crate) fn new(
        stacks: &mut Stacks,
        _body: impl FnOnce(&crate::Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        match stacks.0 {}
    }

    pub(crate) fn resume(&mut self) -> Resumed {
        match self.0 {}
    }

    pub(crate) fn is_done(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn recycle(self, _stacks: &mut Stacks) {
        match self.0 {}
    }
}

/// Only so that dropping a fiber looks the same to the compiler in every build.
impl Drop for Fiber {
    fn drop(&mut self) {
        match self.0 {}
    }
}

#[derive(Copy, Clone)]
pub(crate) struct Suspender(Infallible);

impl Suspender {
    /// # Safety
    ///
    /// None: there is no such thing.
    pub(crate) unsafe fn suspend(self, _word: usize) {
        match self.0 {}
    }
}

pub(crate) fn leaked() -> usize {
    0
}

pub(crate) const HAS_SEGMENTS: bool = false;

pub(crate) struct Segment(Infallible);

impl Segment {
    pub(crate) fn new(_bytes: usize) -> io::Result<Segment> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn bottom(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn call<R>(&mut self, _body: impl FnOnce() -> R) -> R {
        match self.0 {}
    }
}
