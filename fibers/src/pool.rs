//! The stacks of one worker, of whichever mechanism.
//!
//! Used by the scheduler, and by `fiber.rs` to take and give back. How stacks are made and kept is the
//! adapters' business.

use std::fmt;
use std::io;

use crate::mechanism::{Mechanism, switch, threads};
use crate::settings::StackSettings;

/// Where the stacks of several workers come from: each has a [`StackPool`] of this depot. A handle: clones share
/// the depot.
#[derive(Clone)]
pub struct StackDepot {
    depot: Depot,
}

/// The adapters' depots. Of a mechanism that is not available there is no value.
#[derive(Clone)]
enum Depot {
    Switch(switch::Depot),
    Thread(threads::Depot),
}

impl StackDepot {
    /// A depot of stacks like this. Nothing is mapped before the first is wanted.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`], with a message that says what there is, when `mechanism` is not in
    /// [`Mechanism::available`]; [`io::ErrorKind::InvalidInput`] for more than half of the address space; what the
    /// system says when it has no [`Guards::Light`](crate::Guards::Light) and these are asked for.
    pub fn new(mechanism: Mechanism, settings: StackSettings) -> io::Result<StackDepot> {
        if !Mechanism::available().contains(&mechanism) {
            return Err(unavailable(mechanism));
        }
        let bytes = settings.stack_bytes;
        // Rounding up to pages could overflow.
        if bytes > usize::MAX / 2 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a fiber stack of {bytes} bytes is more than the address space can hold"),
            ));
        }
        let depot = match mechanism {
            Mechanism::Switch => Depot::Switch(switch::Depot::new(settings)?),
            Mechanism::Thread => Depot::Thread(threads::Depot::new(settings)?),
        };
        Ok(StackDepot { depot })
    }

    /// An empty pool, for one worker.
    pub fn pool(&self) -> StackPool {
        let stacks = match &self.depot {
            Depot::Switch(depot) => Stacks::Switch(depot.pool()),
            Depot::Thread(depot) => Stacks::Thread(depot.pool()),
        };
        StackPool { stacks }
    }

    /// How many stacks all its pools have made: the high-water mark, since they are kept for reuse. Zero for
    /// [`Mechanism::Thread`], whose stacks are the system's.
    pub fn made(&self) -> usize {
        match &self.depot {
            Depot::Switch(depot) => depot.made(),
            Depot::Thread(depot) => depot.made(),
        }
    }

    /// Whether each stack takes mappings of its own, of which a process may have so many only.
    pub fn splits_mappings(&self) -> bool {
        match &self.depot {
            Depot::Switch(depot) => depot.splits_mappings(),
            Depot::Thread(depot) => depot.splits_mappings(),
        }
    }
}

impl fmt::Debug for StackDepot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackDepot")
            .field("made", &self.made())
            .finish_non_exhaustive()
    }
}

/// Stacks for one worker: made on demand, all of one size, each with a guard, reused last in, first out.
///
/// One worker uses a pool at a time; while nobody does, it may move to another thread. Dropping it gives the
/// stacks in it back, and does not concern fibers that still run on others.
pub struct StackPool {
    pub(crate) stacks: Stacks,
}

/// The adapters' pools. Of a mechanism that is not available there is no value.
pub(crate) enum Stacks {
    Switch(switch::Stacks),
    Thread(threads::Stacks),
}

impl StackPool {
    /// An empty pool with a depot of its own, for stacks of at least `stack_bytes` bytes with the best guards there
    /// are.
    ///
    /// # Errors
    ///
    /// As [`StackDepot::new`].
    pub fn new(mechanism: Mechanism, stack_bytes: usize) -> io::Result<StackPool> {
        StackDepot::new(mechanism, StackSettings::new(stack_bytes)).map(|depot| depot.pool())
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
