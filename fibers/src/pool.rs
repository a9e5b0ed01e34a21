//! The stacks of one worker, of whichever mechanism.
//!
//! Used by the scheduler, and by `fiber.rs` to take and give back. How stacks are made and kept is the
//! adapters' business.

use std::fmt;
use std::io;

use crate::mechanism::{Mechanism, switch, threads};

/// Stacks for one worker: made on demand, all of one size, each with a guard page, reused last in, first out.
///
/// One worker uses a pool at a time; while nobody does, it may move to another thread. Dropping it frees the
/// stacks in it, and does not concern fibers that still run on others.
pub struct StackPool {
    pub(crate) stacks: Stacks,
}

/// The adapters' pools. Of a mechanism that is not available there is no value.
pub(crate) enum Stacks {
    Switch(switch::Stacks),
    Thread(threads::Stacks),
}

impl StackPool {
    /// An empty pool for stacks of at least `stack_bytes` bytes; the mechanism and the system may have a
    /// larger minimum and round up to pages.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`], with a message that says what there is, when `mechanism` is not in
    /// [`Mechanism::available`]; [`io::ErrorKind::InvalidInput`] for more than half of the address space.
    pub fn new(mechanism: Mechanism, stack_bytes: usize) -> io::Result<StackPool> {
        if !Mechanism::available().contains(&mechanism) {
            return Err(unavailable(mechanism));
        }
        // Rounding up to pages could overflow.
        if stack_bytes > usize::MAX / 2 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a fiber stack of {stack_bytes} bytes is more than the address space can hold"
                ),
            ));
        }
        let stacks = match mechanism {
            Mechanism::Switch => Stacks::Switch(switch::Stacks::new(stack_bytes)?),
            Mechanism::Thread => Stacks::Thread(threads::Stacks::new(stack_bytes)?),
        };
        Ok(StackPool { stacks })
    }

    /// How the fibers on these stacks are switched.
    pub fn mechanism(&self) -> Mechanism {
        match &self.stacks {
            Stacks::Switch(_) => Mechanism::Switch,
            Stacks::Thread(_) => Mechanism::Thread,
        }
    }

    /// The stack size asked for, in bytes.
    pub fn stack_bytes(&self) -> usize {
        match &self.stacks {
            Stacks::Switch(stacks) => stacks.stack_bytes(),
            Stacks::Thread(stacks) => stacks.stack_bytes(),
        }
    }

    /// For tests of exhaustion: where fibers are threads, no further one is made while the pool has
    /// `max`, as if the system refused.
    #[doc(hidden)]
    pub fn limit_threads(&mut self, max: usize) {
        match &mut self.stacks {
            Stacks::Switch(_) => {}
            Stacks::Thread(stacks) => stacks.limit_threads(max),
        }
    }

    /// How many stacks this pool has made so far.
    pub fn created(&self) -> usize {
        match &self.stacks {
            Stacks::Switch(stacks) => stacks.created(),
            Stacks::Thread(stacks) => stacks.created(),
        }
    }

    /// How many unused stacks lie in the pool.
    pub fn cached(&self) -> usize {
        match &self.stacks {
            Stacks::Switch(stacks) => stacks.cached(),
            Stacks::Thread(stacks) => stacks.cached(),
        }
    }
}

impl fmt::Debug for StackPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackPool")
            .field("mechanism", &self.mechanism())
            .field("stack_bytes", &self.stack_bytes())
            .field("created", &self.created())
            .field("cached", &self.cached())
            .finish()
    }
}

#[cold]
fn unavailable(mechanism: Mechanism) -> io::Error {
    let wanted = match mechanism {
        Mechanism::Switch => "a stack switch (feature `fibers`, on a target that has one)",
        Mechanism::Thread => "fibers as OS threads (feature `threads`)",
    };
    let available = Mechanism::available();
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "{wanted} is not compiled into this build of dagwood-fibers; available: {available:?}"
        ),
    )
}
