//! The adapter of `dagwood-arch-fallback`, and the only source file that uses it.
//!
//! Used through `mechanism.rs`. It gives that crate's types the shape that `switch.rs` has.

use std::io;
use std::ptr::NonNull;

use dagwood_arch_fallback as fallback;

use crate::fiber::Resumed;
use crate::settings::StackSettings;

pub(crate) const AVAILABLE: bool = true;

pub(crate) fn leaked() -> usize {
    fallback::leaked()
}

/// Where pools come from; they share nothing.
#[derive(Clone)]
pub(crate) struct Depot(StackSettings);

impl Depot {
    pub(crate) fn new(settings: StackSettings) -> io::Result<Depot> {
        Ok(Depot(settings))
    }

    pub(crate) fn pool(&self) -> Stacks {
        Stacks(fallback::StackPool::new(self.0.stack_bytes))
    }

    /// Not counted: a thread's stack is the system's.
    pub(crate) fn made(&self) -> usize {
        0
    }

    pub(crate) fn splits_mappings(&self) -> bool {
        true
    }
}

pub(crate) struct Stacks(fallback::StackPool);

impl Stacks {

    pub(crate) fn stack_bytes(&self) -> usize {
        self.0.stack_bytes()
    }

    pub(crate) fn limit_threads(&mut self, max: usize) {
        self.0.limit_threads(max);
    }

    pub(crate) fn created(&self) -> usize {
        self.0.created()
    }

    pub(crate) fn cached(&self) -> usize {
        self.0.cached()
    }
}

/// In a box, so that fibers that are stacks stay small.
pub(crate) struct Fiber(Box<fallback::Fiber>);

impl Fiber {
    pub(crate) fn new(
        stacks: &mut Stacks,
        body: impl FnOnce(&crate::Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        fallback::Fiber::new(&mut stacks.0, move |suspender| {
            body(&crate::Suspender::of_thread(Suspender(NonNull::from(
                suspender,
            ))));
        })
        .map(|fiber| Fiber(Box::new(fiber)))
    }

    pub(crate) fn resume(&mut self) -> Resumed {
        match self.0.resume() {
            fallback::Resumed::Suspended => Resumed::Suspended(0),
            fallback::Resumed::Finished(result) => Resumed::Finished(result),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.is_done()
    }

    pub(crate) fn recycle(self, stacks: &mut Stacks) {
        self.0.recycle(&mut stacks.0);
    }
}

/// The thread's own handle. `Fiber::new` makes it and lends it to the body.
#[derive(Copy, Clone)]
pub(crate) struct Suspender(NonNull<fallback::Suspender>);

impl Suspender {
    /// # Safety
    ///
    /// The thread runs the body.
    pub(crate) unsafe fn suspend(self, _word: usize) {
        // SAFETY: the thread owns its `Suspender` for as long as it runs bodies.
        let suspender = unsafe { self.0.as_ref() };
        suspender.suspend();
    }
}
