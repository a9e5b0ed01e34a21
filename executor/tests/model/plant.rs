//! Planted bugs: what shows that a model can fail.
//!
//! `DAGWOOD_PLANT=NAME cargo test -p dagwood --test model` builds the models with one bug, in a
//! stand-in or in a model's driver, never in the files under test. Which plants there are, and
//! which models each must break, stands in `ci/src/plants.rs`; the gate's step `models` tries them
//! all.

/// The plant of this build, if it has one.
pub(crate) const PLANT: Option<&str> = option_env!("DAGWOOD_PLANT");

/// The bugs of the suite are others.
pub(crate) fn is(_: &str) -> bool {
    false
}

/// Whether this build has that plant.
pub(crate) fn is_planted(name: &str) -> bool {
    PLANT == Some(name)
}
