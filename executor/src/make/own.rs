//! Tokens that are no jobserver's: as many as a limit leaves, or as a test says.

use crate::sched::token_source::TokenSource;
use crate::sync::{AtomicUsize, Ordering};
use std::sync::Arc;

/// As many as anybody wants: the limit is the permits' own.
pub(super) struct Endless;

impl TokenSource for Endless {
    fn take(&mut self) -> bool {
        true
    }

    fn give_back(&mut self) {}
}

/// A pipe that is none, with so many tokens in it.
#[derive(Clone, Debug)]
pub(super) struct Simulated(pub(super) Arc<AtomicUsize>);

impl TokenSource for Simulated {
    fn take(&mut self) -> bool {
        let one_less = |tokens: usize| tokens.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    fn give_back(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
