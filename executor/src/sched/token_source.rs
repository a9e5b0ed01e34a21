//! Where tokens come from: what the permits of running workers know of a jobserver.

use std::io::Write;

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
        let warning = format!("dagwood: warning: no jobserver: {cause}; {instead}\n");
        // Not `eprintln!`, which panics where nobody reads (`make 2>&1 | head`): in a worker, or in the keeper, too.
        let _ = std::io::stderr().write_all(warning.as_bytes());
    }
}
