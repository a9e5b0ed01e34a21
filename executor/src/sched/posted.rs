//! Whether a job that is there for good lies in a queue: the flag of a sweep. Rules: cancel.md X2.
//!
//! Knows nothing of jobs.

use crate::sync::{AtomicUsize, Ordering};

/// The flag: zero or one.
pub(crate) struct Posted(AtomicUsize);

impl Posted {
    pub(crate) fn new() -> Self {
        Posted(AtomicUsize::new(0))
    }

    /// Whether the caller is to push the job: if not, who starts it sees what the caller has written.
    #[must_use = "the job is to be pushed"]
    pub(crate) fn raise(&self) -> bool {
        // AcqRel: pairs with `lower`. A swap in any case: it hands on what others have released here.
        self.0.swap(1, Ordering::AcqRel) == 0
    }

    /// The job has left its queue, and has not looked yet.
    pub(crate) fn lower(&self) {
        // AcqRel: sees what all have written who did not push it again.
        self.0.swap(0, Ordering::AcqRel);
    }
}
