//! Atomics and locks for the whole crate: real ones with a worker pool, cells in the sequential
//! build.
//!
//! Everything shared between fibers goes through here, so that the sequential build has no atomic
//! and no lock, and so that models (`tests/model.rs`) can put loom's in its place. Knows nothing of
//! fibers, jobs or queries.

#[cfg(any(feature = "fibers", feature = "threads"))]
#[path = "sync/parallel.rs"]
mod imp;

#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "sync/sequential.rs"]
mod imp;

pub(crate) use imp::*;
pub(crate) use std::thread;
