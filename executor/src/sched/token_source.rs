//! Where tokens come from: what the permits of running workers know of a jobserver.

/// Tokens beside the implicit one. Asked under the lock of the permits, so it never waits.
pub(crate) trait TokenSource: Send {
    /// Takes a token, if there is one.
    fn take(&mut self) -> bool;

    /// Gives one back that was taken.
    fn give_back(&mut self);
}
