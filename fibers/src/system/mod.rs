//! The system calls of this crate, each as a function with Rust's errors.
//!
//! Used by `region.rs` (memory) and `overflow.rs` (signals), and from outside (`large.rs`, `processor.rs`); on Linux only. Below this folder alone is `libc`
//! named. Knows no stack and no fiber.

pub(crate) mod large;
pub(crate) mod memory;
pub(crate) mod processor;
pub(crate) mod signal;
