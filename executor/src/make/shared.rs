//! What the handles of one jobserver share: the permits, and the thread that keeps them.

use std::process;
use std::thread::JoinHandle;

use std::sync::Arc;
use std::sync::Mutex;

use crate::error::Error;
use crate::sched::tokens::Tokens;

/// Ends the keeper, and gives all tokens back, with the last handle.
pub(super) struct Shared {
    pub(super) tokens: Arc<Tokens>,
    /// Whether spare tokens are kept for a while, and the source is asked again.
    needs_keeper: bool,
    keeper: Mutex<Option<JoinHandle<()>>>,
    process: u32,
}

impl Shared {
    pub(super) fn new(tokens: Tokens, needs_keeper: bool) -> Self {
        Shared {
            tokens: Arc::new(tokens),
            needs_keeper,
            keeper: Mutex::new(None),
            process: process::id(),
        }
    }

    /// # Errors
    ///
    /// There can be no keeper.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let mut keeper = self.keeper.lock().expect("nothing panics with it");
        if self.needs_keeper && keeper.is_none() {
            let started = self.tokens.start_keeper();
            *keeper = Some(started.map_err(|error| Error::no_thread(&error))?);
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().expect("nothing panics with it");
        // A forked child has the tokens' numbers, and not the thread.
        if self.process == process::id()
            && let Some(keeper) = keeper.take()
        {
            self.tokens.end_keeper();
            keeper.join().expect("the keeper does not panic");
        }
    }
}
