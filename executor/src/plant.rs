//! Planted bugs: what shows that seeds find such ones (`tests/PLANTS.md`).
//!
//! `RUSTFLAGS='--cfg plant="NAME"'` builds the library with one. In a normal build each of these is `false`, and what hangs
//! on it is no code at all. The bugs of the loom models are others (`tests/model/plant.rs`).

/// A worker that goes to sleep does not look at its inbox once more (idle.md I2): a fiber may stay there for ever.
pub(crate) const LOST_WAKE: bool = cfg!(plant = "lost_wake");

/// An event's waiters are woken before its value is there (wait.md W1).
pub(crate) const LATE_PUBLICATION: bool = cfg!(plant = "late_publication");
