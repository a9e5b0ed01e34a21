//! The twin of `system/processor.rs` for systems other than Linux: it says nothing, and changes nothing.

/// A processor: none here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Processor {}

/// A thread, of which nothing is known.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Thread;

/// The processors on which a thread may run: never known here.
#[derive(Copy, Clone)]
pub enum Processors {}

/// Whether the system may be asked where threads run, and told where to: not here.
pub fn is_free() -> bool {
    false
}

impl Processor {
    /// Gives none here.
    pub fn current() -> Option<Self> {
        None
    }
}

impl Thread {
    /// The calling thread.
    pub fn current() -> Self {
        Thread
    }

    /// Gives none here.
    pub fn processors(self) -> Option<Processors> {
        None
    }

    /// Never called here, since there is no [`Processor`].
    pub fn keep_off(self, processor: Processor) -> Option<Processors> {
        match processor {}
    }

    /// Never called here, since nothing is known to put back.
    pub fn put_back(self, before: Processors) {
        match before {}
    }
}

impl Processors {
    /// Never called here, since there are none.
    pub fn count(&self) -> usize {
        match *self {}
    }
}
