//! The twin of `stance.rs` in the sequential build: no fiber moves.

/// Takes no place.
pub(crate) struct Stance;

impl Stance {
    pub(crate) fn new() -> Self {
        Stance
    }
}
