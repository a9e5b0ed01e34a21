//! Atomics and locks for the whole crate: real ones with a worker pool, cells in the sequential build, loom's in models.
//!
//! Everything shared between fibers goes through here, so that the sequential build has no atomic and no lock, and
//! so that loom sees what it must see. Knows nothing of fibers, jobs or queries.

#[cfg(loom)]
#[path = "sync/model.rs"]
mod imp;

#[cfg(all(not(loom), any(feature = "fibers", feature = "threads")))]
#[path = "sync/parallel.rs"]
mod imp;

#[cfg(all(not(loom), not(any(feature = "fibers", feature = "threads"))))]
#[path = "sync/sequential.rs"]
mod imp;

pub(crate) use imp::*;
