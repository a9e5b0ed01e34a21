//! How far an analysis has come, for who looks on.
//!
//! Counted by the jobs with plain additions; `watch` (of the command line) reads it now and then.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of what is done.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    files: AtomicU64,
    items: AtomicU64,
    modules: AtomicU64,
    pages: AtomicU64,
}

/// What is done at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) files: u64,
    pub(crate) items: u64,
    pub(crate) modules: u64,
    pub(crate) pages: u64,
}

impl Progress {
    pub(super) fn file(&self, items: usize) {
        self.files.fetch_add(1, Relaxed);
        self.items.fetch_add(items as u64, Relaxed);
    }

    pub(super) fn module(&self) {
        self.modules.fetch_add(1, Relaxed);
    }

    pub(super) fn page(&self) {
        self.pages.fetch_add(1, Relaxed);
    }

    /// The counts now; each for itself.
    pub(crate) fn done(&self) -> Done {
        Done {
            files: self.files.load(Relaxed),
            items: self.items.load(Relaxed),
            modules: self.modules.load(Relaxed),
            pages: self.pages.load(Relaxed),
        }
    }
}
