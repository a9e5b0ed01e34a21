//! Closures that are run in the order in which they came, by tickets that are run in any order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What is to be run.
type Body<'a> = Box<dyn FnOnce() + Send + 'a>;

/// A line of closures: one for each ticket that was given out and not used.
pub(crate) struct Fifo<'a>(Mutex<VecDeque<Body<'a>>>);

impl<'a> Fifo<'a> {
    pub(crate) fn new() -> Self {
        Fifo(Mutex::new(VecDeque::new()))
    }

    /// Adds the last one. The caller sees to it that [`run_first`](Self::run_first) is called once for it.
    pub(crate) fn push(&self, body: impl FnOnce() + Send + 'a) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.push_back(Box::new(body));
    }

    /// Runs the one that has waited longest.
    pub(crate) fn run_first(&self) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = line.pop_front().expect("one for each ticket");
        drop(line);
        first();
    }
}

impl fmt::Debug for Fifo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fifo").finish_non_exhaustive()
    }
}
