//! The crate `context` under a second name.
//!
//! Used by `dagwood-fibers` alone, where its feature `context` chooses that switch. On some targets its feature
//! `fibers` brings `context`, on others the feature `context` does; Cargo can only say so of two packages.

#![forbid(unsafe_code)]

pub use context::{Context, Transfer, stack};
