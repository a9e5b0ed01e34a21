//! The twin of `stacks.rs` for systems other than Linux: each stack is a mapping of its own, as corosensei makes it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::stack::{DefaultStack, Stack as _};

use crate::settings::StackSettings;

pub(crate) use corosensei::stack::DefaultStack as Stack;

/// Where pools come from; they share a count.
#[derive(Clone)]
pub(crate) struct Depot {
    settings: StackSettings,
    /// Counts only; orders nothing.
    made: Arc<AtomicUsize>,
}

impl Depot {
    pub(crate) fn new(settings: StackSettings) -> io::Result<Depot> {
        let made = Arc::default();
        Ok(Depot { settings, made })
    }

    pub(crate) fn pool(&self) -> Stacks {
        Stacks {
            depot: self.clone(),
            unused: Vec::new(),
            created: 0,
            length: 0,
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    pub(crate) fn splits_mappings(&self) -> bool {
        true
    }
}

/// A worker's stacks, kept for reuse.
pub(crate) struct Stacks {
    depot: Depot,
    unused: Vec<DefaultStack>,
    created: usize,
    /// Of each of its stacks, with guard and rounding; zero before the first is made.
    length: usize,
}

fn length(stack: &DefaultStack) -> usize {
    stack.base().get() - stack.limit().get()
}

impl Stacks {
    pub(crate) fn stack_bytes(&self) -> usize {
        self.depot.settings.stack_bytes
    }

    pub(crate) fn created(&self) -> usize {
        self.created
    }

    pub(crate) fn cached(&self) -> usize {
        self.unused.len()
    }

    pub(crate) fn take(&mut self) -> io::Result<DefaultStack> {
        if let Some(stack) = self.unused.pop() {
            return Ok(stack);
        }
        let stack = DefaultStack::new(self.stack_bytes())?;
        self.created += 1;
        self.depot.made.fetch_add(1, Ordering::Relaxed);
        self.length = length(&stack);
        Ok(stack)
    }

    /// Takes a stack back; one of another size is freed.
    pub(crate) fn give(&mut self, stack: DefaultStack) {
        if length(&stack) == self.length {
            self.unused.push(stack);
        }
    }
}
