//! Planted bugs: what shows that the suite, and its seeds, find such ones (`tests/PLANTS.md`).
//!
//! A build with `RUSTFLAGS='--cfg plant="any"'` has all of them, and shows the one that `DAGWOOD_PLANT` names. In a normal
//! build none is shown, and what hangs on it is no code at all. The bugs of the loom models are others
//! (`tests/model/plant.rs`).

/// Whether the bug of this name is to be shown.
#[cfg(plant = "any")]
pub(crate) fn is(name: &str) -> bool {
    static SHOWN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("DAGWOOD_PLANT").ok());
    SHOWN.as_deref() == Some(name)
}

/// The same in a normal build.
#[cfg(not(plant = "any"))]
#[inline(always)]
pub(crate) const fn is(_: &str) -> bool {
    false
}
