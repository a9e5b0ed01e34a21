//! What an executor runs on: a pool of workers, or the caller's thread. The one place where builds
//! differ in kind.

#[cfg(any(feature = "fibers", feature = "threads"))]
#[path = "backend/parallel.rs"]
mod imp;

#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "backend/sequential.rs"]
mod imp;

pub(crate) use imp::Engine;
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(crate) use imp::pool_settings;
