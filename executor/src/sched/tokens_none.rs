//! The twin of the permits in the sequential build: who calls runs, with the implicit token, and nobody is asked for another.

use std::time::Duration;

use super::token_source::TokenSource;

/// How many tokens went to and fro: none.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) asked: u64,
    pub(crate) taken: u64,
    pub(crate) given_back: u64,
}

/// Nothing is shared.
pub(crate) struct Tokens;

impl Tokens {
    pub(crate) fn new(_: Box<dyn TokenSource>, _: usize, _: Duration) -> Self {
        Tokens
    }

    pub(crate) fn refresh(&self) {}

    pub(crate) fn set_limit(&self, _: usize) {}

    pub(crate) fn close(&self) {}

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    pub(crate) fn running(&self) -> usize {
        0
    }
}
