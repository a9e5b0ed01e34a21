//! The jobs from outside, a line for each level. Rules: the documentation of `Priority`.
//!
//! Used by the pool. Knows nothing of who wakes whom.

use crate::priority::Priority;
use crate::sched::job::JobRef;
use crate::sched::levels::{LEVELS, Passes};
use crate::sched::queue::Injector;
use crate::sync::Mutex;

/// The lines, and how often each was passed over.
pub(super) struct Injected {
    lines: [Injector; LEVELS],
    passes: Mutex<Passes>,
}

impl Injected {
    pub(super) fn new() -> Self {
        Injected {
            lines: std::array::from_fn(|_| Injector::new()),
            passes: Mutex::new(Passes::default()),
        }
    }

    pub(super) fn push(&self, job: JobRef, priority: Priority) {
        self.lines[priority.level()].push(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(Injector::is_empty)
    }

    /// The next to begin.
    pub(super) fn take(&self) -> Option<JobRef> {
        loop {
            let has = || std::array::from_fn(|level| !self.lines[level].is_empty());
            let level = match has() {
                [false, false, false] => return None,
                [false, true, false] => Priority::Normal.level(),
                _ => {
                    let mut passes = self.passes.lock();
                    // Looked at anew: a line that has filled up since would seem to be one that nobody was passed over in.
                    passes.next(has())?
                }
            };
            // None: others were first.
            if let Some(job) = self.lines[level].steal() {
                return Some(job);
            }
        }
    }
}
