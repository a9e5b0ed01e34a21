//! Tokens that are no jobserver's: as many as a limit leaves, or as a test says.

use std::sync::{Arc, Mutex};

use crate::sched::token_source::TokenSource;

/// As many as anybody wants: the limit is the permits' own.
pub(super) struct Endless;

impl TokenSource for Endless {
    fn take(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    fn give_back(&mut self) {}
}

/// A pipe that is none, with so many tokens in it.
#[derive(Clone, Debug)]
pub(super) struct Simulated(Arc<Mutex<usize>>);

impl Simulated {
    pub(super) fn new(tokens: usize) -> Self {
        Simulated(Arc::new(Mutex::new(tokens)))
    }

    /// Changes how many there are, and gives how many there were.
    pub(super) fn change(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let mut tokens = self.0.lock().expect("nothing panics with it");
        let before = *tokens;
        *tokens = change(before);
        before
    }
}

impl TokenSource for Simulated {
    fn take(&mut self) -> Result<bool, String> {
        Ok(self.change(|tokens| tokens.saturating_sub(1)) > 0)
    }

    fn give_back(&mut self) {
        self.change(|tokens| tokens + 1);
    }
}
