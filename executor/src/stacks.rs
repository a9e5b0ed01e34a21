//! What is asked of fibers' stacks, and what is told of them.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// How the guard below a fiber's stack is made, which turns an overflow into the end of the process.
///
/// # Examples
///
/// ```
/// use dagwood::{Executor, Guards};
///
/// let executor = Executor::builder().guards(Guards::Splitting).workers(1).build()?;
/// assert!(executor.stacks().fibers_max < 1_000_000);
/// assert_eq!("splitting".parse::<Guards>()?, Guards::Splitting);
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guards {
    /// Light ones if the system has them, else splitting ones.
    #[default]
    Best,
    /// By `MADV_GUARD_INSTALL` (Linux 6.13): a million stacks share a few mappings. An error where the system has not
    /// got it.
    Light,
    /// By `mprotect`: each stack takes two mappings, of which Linux by default allows a process 65,530.
    Splitting,
}

impl fmt::Display for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guards::Best => "best",
            Guards::Light => "light",
            Guards::Splitting => "splitting",
        })
    }
}

impl FromStr for Guards {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Guards::Best, Guards::Light, Guards::Splitting]
            .into_iter()
            .find(|guards| guards.to_string() == name)
            .ok_or_else(|| {
                Error::setup(format!("unknown guards {name:?}: best, light or splitting"))
            })
    }
}

/// What an executor's fibers take; from [`Executor::stacks`](crate::Executor::stacks).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stacks {
    /// How many fibers there are now, running, waiting and spare.
    pub fibers: usize,
    /// How many there may be.
    pub fibers_max: usize,
    /// How many stacks have been made: the high-water mark, since they are kept for reuse. Zero on the threads
    /// backend, whose stacks are the system's.
    pub made: usize,
}

/// For tests of exhaustion: system calls for stacks that fail from the stack with this number on.
#[doc(hidden)]
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct StackFaults {
    pub map_from: Option<usize>,
    pub guard_from: Option<usize>,
}
