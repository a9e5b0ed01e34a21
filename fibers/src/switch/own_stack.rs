//! What makes a stack of ours one that corosensei runs on.

use corosensei::stack::{Stack, StackPointer};

use crate::mechanism::stacks;

// SAFETY: below each stack lies its guard (depot.md D1), and it has at least a page of 4 KiB (`Layout::new`).
// Both ends are multiples of a page, and nobody else touches what lies between.
unsafe impl Stack for stacks::Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.top()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        stacks::Stack::limit(self)
    }
}
