//! The twin of `signals.rs` where there are no signals.

use dagwood::Jobserver;

/// Nothing ends the process so.
pub(crate) fn give_back_at_the_end(_: Jobserver) {}
