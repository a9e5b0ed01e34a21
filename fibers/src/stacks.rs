//! The stacks of one worker, taken from the depot that it shares with others.
//!
//! Used by `switch.rs`, which makes fibers on them, and by whoever goes on on a further one. Its twin for systems
//! other than Linux is `switch/plain_stacks.rs`. Knows nothing of fibers.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::mechanism::depot::{self, BATCH, Fresh};
pub(crate) use crate::mechanism::depot::Stack;
use crate::settings::StackSettings;

/// A hold of a depot.
#[derive(Clone)]
pub(crate) struct Depot(Arc<depot::Depot>);

impl Depot {
    pub(crate) fn new(settings: StackSettings) -> io::Result<Depot> {
        depot::Depot::new(settings).map(Depot)
    }

    pub(crate) fn pool(&self) -> Stacks {
        Stacks {
            depot: Arc::clone(&self.0),
            unused: Vec::new(),
            fresh: Fresh::default(),
            created: 0,
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made()
    }

    pub(crate) fn splits_mappings(&self) -> bool {
        self.0.splits_mappings()
    }
}

/// A worker's stacks: used last in, first out (depot.md D4).
pub(crate) struct Stacks {
    depot: Arc<depot::Depot>,
    unused: Vec<NonZeroUsize>,
    fresh: Fresh,
    created: usize,
}

impl Stacks {
    pub(crate) fn stack_bytes(&self) -> usize {
        self.depot.settings().stack_bytes
    }

    pub(crate) fn created(&self) -> usize {
        self.created
    }

    pub(crate) fn cached(&self) -> usize {
        self.unused.len()
    }

    /// A stack to run on.
    ///
    /// # Errors
    ///
    /// The system gives no further one. What there was is as before.
    #[inline]
    pub(crate) fn take(&mut self) -> io::Result<Stack> {
        let top = match self.unused.pop() {
            Some(top) => top,
            None => self.take_elsewhere()?,
        };
        // SAFETY: the slot is ours, and all that come to `unused` have their guards (depot.md D1).
        Ok(unsafe { Stack::new(top, &self.depot) })
    }

    #[cold]
    fn take_elsewhere(&mut self) -> io::Result<NonZeroUsize> {
        if self.fresh.is_empty() {
            // As many as it has made so far: few guards where few are used.
            let slots = self.created.clamp(1, BATCH);
            self.fresh = self.depot.take(slots, &mut self.unused)?;
        }
        if let Some(top) = self.unused.pop() {
            return Ok(top);
        }
        let top = self.depot.first_use(&mut self.fresh);
        self.created += 1;
        Ok(top.expect("a batch is not empty"))
    }

    /// Takes a stack back on which nothing runs any more; one of another depot goes there.
    #[inline]
    pub(crate) fn give(&mut self, stack: Stack) {
        if stack.is_of(&self.depot) {
            self.unused.push(stack.into_top());
            if self.unused.len() > 2 * BATCH {
                self.depot.give(self.unused.drain(..BATCH));
            }
        }
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        self.depot.give(self.unused.drain(..));
        self.depot.give_run(std::mem::take(&mut self.fresh));
    }
}
