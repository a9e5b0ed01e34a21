//! A counter that jobs share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what has happened, on whatever thread.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// Nothing yet.
    pub const fn new() -> Self {
        Count(AtomicUsize::new(0))
    }

    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
