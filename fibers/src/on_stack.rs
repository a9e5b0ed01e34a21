//! Segments by corosensei's call on another stack.
//!
//! Used through `mechanism.rs`, in every build for a target that corosensei has. AddressSanitizer is told of these
//! calls by its feature `sanitizer`.

use std::io;

use corosensei::on_stack;
use corosensei::stack::{DefaultStack, MIN_STACK_SIZE, Stack};

pub(crate) const HAS_SEGMENTS: bool = true;

pub(crate) struct Segment {
    stack: DefaultStack,
    stack_bytes: usize,
}

impl Segment {
    pub(crate) fn new(bytes: usize) -> io::Result<Segment> {
        if bytes > usize::MAX / 2 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stack_bytes = bytes.max(MIN_STACK_SIZE);
        Ok(Segment {
            stack: DefaultStack::new(stack_bytes)?,
            stack_bytes,
        })
    }

    pub(crate) fn bottom(&self) -> usize {
        self.stack.base().get() - self.stack_bytes
    }

    /// Calls `body`, which must not unwind, on this stack.
    pub(crate) fn call<R>(&mut self, body: impl FnOnce() -> R) -> R {
        on_stack(&mut self.stack, body)
    }
}
