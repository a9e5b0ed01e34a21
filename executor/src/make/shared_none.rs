//! The twin of `shared.rs` in the sequential build: no thread.

use crate::error::Error;
use crate::sched::tokens::Tokens;

/// Nothing is shared.
pub(super) struct Shared {
    pub(super) tokens: Tokens,
}

impl Shared {
    pub(super) fn new(tokens: Tokens, _: bool) -> Self {
        Shared { tokens }
    }

    #[allow(clippy::unnecessary_wraps, reason = "a twin")]
    pub(super) fn begin(&self) -> Result<(), Error> {
        Ok(())
    }
}
