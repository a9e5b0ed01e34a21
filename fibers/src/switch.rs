//! The adapter of corosensei; below this file and its folder alone is it named.
//!
//! Used through `mechanism.rs`. It knows coroutines, and nothing of who resumes them; where stacks come from is
//! `stacks.rs`'s business.

use std::any::Any;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::fiber::Resumed;
pub(crate) use crate::mechanism::stacks::{Depot, Stacks};
use crate::mechanism::stacks::Stack;

pub(crate) const AVAILABLE: bool = true;

pub(crate) const NAME: &str = "corosensei";

/// Bodies up to this size are written onto the new stack; corosensei takes at most 1,024 bytes there.
const INLINE_BODY_BYTES: usize = 512;

/// Counts only; orders nothing.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

type Switched = Coroutine<(), usize, Result<(), Box<dyn Any + Send>>, Stack>;

/// A coroutine that is leaked, not unwound, when it is dropped half way.
pub(crate) struct Fiber {
    coroutine: ManuallyDrop<Switched>,
}

impl Fiber {
    #[inline]
    pub(crate) fn new(
        stacks: &mut Stacks,
        body: impl FnOnce(&crate::Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        let stack = stacks.take()?;
        let coroutine = if size_of_val(&body) <= INLINE_BODY_BYTES {
            with_stack(stack, body)
        } else {
            let body: Box<dyn FnOnce(&crate::Suspender) + Send> = Box::new(body);
            with_stack(stack, body)
        };
        Ok(Fiber {
            coroutine: ManuallyDrop::new(coroutine),
        })
    }

    #[inline]
    pub(crate) fn resume(&mut self) -> Resumed {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(word) => Resumed::Suspended(word),
            CoroutineResult::Return(result) => Resumed::Finished(result),
        }
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.coroutine.done()
    }

    #[inline]
    pub(crate) fn recycle(self, stacks: &mut Stacks) {
        if self.is_done() {
            let mut this = ManuallyDrop::new(self);
            // SAFETY: `this` is ours and is neither used nor dropped again, so the coroutine is taken once.
            let coroutine = unsafe { ManuallyDrop::take(&mut this.coroutine) };
            stacks.give(coroutine.into_stack());
        }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if self.coroutine.started() && !self.coroutine.done() {
            LEAKED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // SAFETY: `self` is being dropped, so nothing reads the coroutine afterwards; `recycle`, the other
        // place that takes it, never lets its `Fiber` be dropped.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) }
    }
}

fn with_stack(
    stack: Stack,
    body: impl FnOnce(&crate::Suspender) + Send + 'static,
) -> Switched {
    Coroutine::with_stack(stack, move |yielder, ()| {
        let suspender = crate::Suspender::of_switch(Suspender(NonNull::from(yielder)));
        // Caught here, so that a panic is a value already when it comes to the switch.
        catch_unwind(AssertUnwindSafe(|| body(&suspender)))
    })
}

/// The way out of a running coroutine. `with_stack` makes it and lends it to the body.
#[derive(Copy, Clone)]
pub(crate) struct Suspender(NonNull<Yielder<(), usize>>);

impl Suspender {
    /// # Safety
    ///
    /// The coroutine's body runs, and is not suspended.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self, word: usize) {
        // SAFETY: the yielder lies at the base of the coroutine's stack while the body runs.
        let yielder = unsafe { self.0.as_ref() };
        yielder.suspend(word);
    }
}
