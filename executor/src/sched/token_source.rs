//! Where tokens come from: what the permits of running workers know of a jobserver.

use crate::plant;

/// Tokens beside the implicit one. Asked under the lock of the permits, so it never waits.
pub(crate) trait TokenSource: Send {
    /// Takes a token, if there is one.
    ///
    /// # Errors
    ///
    /// Why it never gives one again.
    fn take(&mut self) -> Result<bool, String>;

    /// Gives one back that was taken.
    fn give_back(&mut self);
}

/// Says why there are no tokens, and what is done instead. Not under a lock.
pub(crate) fn warn(cause: &str, instead: &str) {
    if !plant::is("silent_trouble") {
        eprintln!("dagwood: warning: no jobserver: {cause}; {instead}");
    }
}
