//! The adapter of the crate `context` (Boost.Context's switch); below this file and its folder alone is it named.
//!
//! Used through `mechanism.rs`, in place of `switch.rs` and in its shape. It knows contexts, and nothing of who
//! resumes them; where stacks come from is `stacks.rs`'s business, which registers a switch keeps is
//! `context/jump.rs`'s.
//!
//! A *context* is the place where a stack was left. A jump there gives the other side, as its value, the place that
//! it came from, and one word. Ours is: on the first way in the address of the [`Start`], which lies at the top of
//! the stack; on the last way out the address of the body's result; on all others zero.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fiber::Resumed;
use crate::mechanism::context_crate::{Context, Transfer, stack};
use crate::mechanism::jump::jump;
use crate::mechanism::stacks::Stack;
pub(crate) use crate::mechanism::stacks::{Depot, Stacks};

pub(crate) const AVAILABLE: bool = true;

pub(crate) const NAME: &str = "context";

/// Bodies up to this size and alignment are written onto the new stack.
const INLINE_BODY_BYTES: usize = 512;

/// What the word of a jump says if it is no address.
const NOTHING: usize = 0;

/// Counts only; orders nothing.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

type Ended = Result<(), Box<dyn Any + Send>>;

/// A body that has not begun, at the top of its stack.
struct Start {
    body: NonNull<u8>,
    drop_body: unsafe fn(NonNull<u8>),
}

/// A stack that is leaked, not unwound, when it is dropped half way.
pub(crate) struct Fiber {
    /// Where it goes on. None once the body has ended.
    context: Option<Context>,
    /// Some until it is resumed for the first time.
    start: Option<Start>,
    stack: ManuallyDrop<Stack>,
}

impl Fiber {
    #[inline]
    pub(crate) fn new(
        stacks: &mut Stacks,
        body: impl FnOnce(&crate::Suspender) + Send + 'static,
    ) -> io::Result<Fiber> {
        let stack = stacks.take()?;
        Ok(if size_of_val(&body).max(align_of_val(&body)) <= INLINE_BODY_BYTES {
            with_stack(stack, body)
        } else {
            let body: Box<dyn FnOnce(&crate::Suspender) + Send> = Box::new(body);
            with_stack(stack, body)
        })
    }

    #[inline]
    pub(crate) fn resume(&mut self) -> Resumed {
        let context = self.context.take().expect("a finished fiber was resumed");
        let start = self.start.take().map_or(NOTHING, |start| {
            start.body.as_ptr().expose_provenance()
        });
        // SAFETY: the context is where the fiber's stack was left last (or its beginning), it was taken out of its
        // place, so it is used once, and the stack stays while we are not dropped.
        let transfer = unsafe { jump(context, start) };
        if transfer.data == NOTHING {
            self.context = Some(transfer.context);
            return Resumed::Suspended(NOTHING);
        }
        let ended = ptr::with_exposed_provenance::<Ended>(transfer.data);
        // SAFETY: the last jump out of `enter` sends the address of the result in its frame, which nobody reads or
        // drops there; the frame's memory is untouched, since that stack is not resumed again.
        Resumed::Finished(unsafe { ended.read() })
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.context.is_none()
    }

    #[inline]
    pub(crate) fn recycle(self, stacks: &mut Stacks) {
        if self.is_done() {
            let mut this = ManuallyDrop::new(self);
            // SAFETY: `this` is ours and is neither used nor dropped again, so the stack is taken once.
            let stack = unsafe { ManuallyDrop::take(&mut this.stack) };
            stacks.give(stack);
        }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if let Some(start) = self.start.take() {
            // SAFETY: the body lies where `with_stack` put it, and has not begun; `start` was taken, so it is
            // dropped once.
            unsafe { (start.drop_body)(start.body) };
        } else if !self.is_done() {
            LEAKED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // SAFETY: `self` is being dropped, so nothing uses the stack afterwards; `recycle`, the other place that
        // takes it, never lets its `Fiber` be dropped.
        unsafe { ManuallyDrop::drop(&mut self.stack) }
    }
}

/// Writes the body to the top of the stack, and makes a context that begins below it.
fn with_stack<B>(stack: Stack, body: B) -> Fiber
where
    B: FnOnce(&crate::Suspender) + Send + 'static,
{
    let top = stack.top().get();
    let limit = ptr::with_exposed_provenance_mut(stack.limit().get());
    // Aligned like the body, which wants no more than the limit above: it stays in the stack's last page.
    let address = (top - size_of::<B>()) & !(align_of::<B>() - 1);
    let place = NonZeroUsize::new(address).expect("a stack is not at zero");
    let place = NonNull::<B>::with_exposed_provenance(place);
    // SAFETY: the memory below the top is this stack's, which nobody uses yet; aligned as reckoned.
    unsafe { place.write(body) };
    // SAFETY: both are ends of memory of ours, of which the upper part is the body's.
    let rest = unsafe { stack::Stack::new(place.as_ptr().cast(), limit) };
    // SAFETY: the stack is ours as long as the context is used, and has its page at least below the body.
    let context = unsafe { Context::new(&rest, enter::<B>) };
    let start = Start {
        body: place.cast(),
        drop_body: drop_body::<B>,
    };
    Fiber {
        context: Some(context),
        start: Some(start),
        stack: ManuallyDrop::new(stack),
    }
}

/// # Safety
///
/// A `B` lies there, and is not used again.
unsafe fn drop_body<B>(place: NonNull<u8>) {
    // SAFETY: the caller's.
    unsafe { place.cast::<B>().drop_in_place() }
}

/// The first frame of a stack.
extern "C" fn enter<B>(first: Transfer) -> !
where
    B: FnOnce(&crate::Suspender) + Send + 'static,
{
    let place = ptr::with_exposed_provenance::<B>(first.data);
    // SAFETY: the first jump here sends the place where `with_stack` has put the body; whoever resumed has taken the
    // `Start`, so nobody else drops it.
    let body = unsafe { place.read() };
    let resumer = Cell::new(Some(first.context));
    let suspender = crate::Suspender::of_switch(Suspender(NonNull::from(&resumer)));
    // Nothing unwinds out of this frame: below it is nothing.
    let ended = catch_unwind(AssertUnwindSafe(|| body(&suspender)));
    let ended = ManuallyDrop::new(ended);
    if let Some(resumer) = resumer.take() {
        let address = (&raw const ended).expose_provenance();
        // SAFETY: the resumer waits in the jump that led here last. It reads the result, which is not dropped here,
        // and never comes back.
        let _never = unsafe { jump(resumer, address) };
    }
    std::process::abort()
}

/// The way out of a running fiber. `enter` makes it and lends it to the body. Points at where the last jump in has come
/// from; none while suspended.
#[derive(Copy, Clone)]
pub(crate) struct Suspender(NonNull<Cell<Option<Context>>>);

impl Suspender {
    /// Does not carry the word: to the resumer a word says that the body has ended.
    ///
    /// # Safety
    ///
    /// The body runs, and is not suspended.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self, _word: usize) {
        // SAFETY: it lies in the frame of `enter` while the body runs.
        let place = unsafe { self.0.as_ref() };
        let resumer = place.take().expect("a suspended fiber was suspended again");
        // SAFETY: the resumer waits in the jump that led here last, and was taken, so it is used once.
        let transfer = unsafe { jump(resumer, NOTHING) };
        place.set(Some(transfer.context));
    }
}
