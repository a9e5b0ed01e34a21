//! The adapter of corosensei, and the only source file that uses it.
//!
//! Used through `mechanism.rs`. It knows coroutines and their stacks, and nothing of who resumes them.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::fiber::Resumed;

pub(crate) const AVAILABLE: bool = true;

/// Bodies up to this size are written onto the new stack; corosensei takes at most 1,024 bytes there.
const INLINE_BODY_BYTES: usize = 512;

/// Counts only; orders nothing.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// Stacks of one size, kept for reuse.
pub(crate) struct Stacks {
    stack_bytes: usize,
    created: usize,
    unused: Vec<DefaultStack>,
}

impl Stacks {
    pub(crate) fn new(stack_bytes: usize) -> io::Result<Stacks> {
        Ok(Stacks {
            stack_bytes,
            created: 0,
            unused: Vec::new(),
        })
    }

    pub(crate) fn stack_bytes(&self) -> usize {
        self.stack_bytes
    }

    pub(crate) fn created(&self) -> usize {
        self.created
    }

    pub(crate) fn cached(&self) -> usize {
        self.unused.len()
    }

    fn take(&mut self) -> io::Result<DefaultStack> {
        if let Some(stack) = self.unused.pop() {
            return Ok(stack);
        }
        let stack = DefaultStack::new(self.stack_bytes)?;
        self.created += 1;
        Ok(stack)
    }
}

type Switched = Coroutine<(), (), Result<(), Box<dyn Any + Send>>, DefaultStack>;

/// A coroutine that is leaked, not unwound, when it is dropped half way.
pub(crate) struct Fiber {
    coroutine: ManuallyDrop<Switched>,
    stack_bytes: usize,
}

impl Fiber {
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
            stack_bytes: stacks.stack_bytes,
        })
    }

    #[inline]
    pub(crate) fn resume(&mut self) -> Resumed {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(()) => Resumed::Suspended,
            CoroutineResult::Return(result) => Resumed::Finished(result),
        }
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.coroutine.done()
    }

    pub(crate) fn recycle(self, stacks: &mut Stacks) {
        if self.is_done() && self.stack_bytes == stacks.stack_bytes {
            let mut this = ManuallyDrop::new(self);
            // SAFETY: `this` is ours and is neither used nor dropped again, so the coroutine is taken once.
            let coroutine = unsafe { ManuallyDrop::take(&mut this.coroutine) };
            stacks.unused.push(coroutine.into_stack());
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
    stack: DefaultStack,
    body: impl FnOnce(&crate::Suspender) + Send + 'static,
) -> Switched {
    Coroutine::with_stack(stack, move |yielder, ()| {
        let suspender = crate::Suspender::from_switch(Suspender {
            yielder: NonNull::from(yielder),
            is_suspended: Cell::new(false),
        });
        // Caught here, so that a panic is a value already when it comes to the switch.
        catch_unwind(AssertUnwindSafe(|| body(&suspender)))
    })
}

/// The way out of a running coroutine. `with_stack` makes it and lends it to the body.
pub(crate) struct Suspender {
    /// Also makes it neither `Send` nor `Sync`.
    yielder: NonNull<Yielder<(), ()>>,
    is_suspended: Cell<bool>,
}

impl Suspender {
    #[inline]
    pub(crate) fn suspend(&self) {
        assert!(
            !self.is_suspended.replace(true),
            "a suspended fiber was suspended again"
        );
        // SAFETY: the yielder lies at the base of the coroutine's stack while the body runs, and `with_stack`
        // lends a `Suspender` for no longer than that.
        let yielder = unsafe { self.yielder.as_ref() };
        yielder.suspend(());
        self.is_suspended.set(false);
    }
}
