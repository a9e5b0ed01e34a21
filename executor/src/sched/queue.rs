//! Queues of jobs that have not started: each worker's deque and the injector. The only file that
//! names crossbeam-deque.

use crossbeam_deque::{Injector as Global, Steal, Stealer as Other, Worker as Own};

use super::job::JobRef;

/// A worker's own queue: last in, first out for itself; first in, first out for thieves.
pub(crate) struct Deque(Own<JobRef>);

impl Deque {
    pub(crate) fn new() -> Self {
        Deque(Own::new_lifo())
    }

    pub(crate) fn stealer(&self) -> Stealer {
        Stealer(self.0.stealer())
    }

    pub(crate) fn push(&self, job: JobRef) {
        self.0.push(job);
    }

    pub(crate) fn pop(&self) -> Option<JobRef> {
        self.0.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The other end of a worker's deque.
pub(crate) struct Stealer(Other<JobRef>);

impl Stealer {
    /// Takes the oldest job. Never inlined: inside it a thread-local is read, whose address must
    /// not be kept over a switch.
    #[inline(never)]
    pub(crate) fn steal(&self) -> Option<JobRef> {
        take(|| self.0.steal())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Jobs from outside the pool.
pub(crate) struct Injector(Global<JobRef>);

impl Injector {
    pub(crate) fn new() -> Self {
        Injector(Global::new())
    }

    /// Never inlined, as for [`Stealer::steal`].
    #[inline(never)]
    pub(crate) fn push(&self, job: JobRef) {
        self.0.push(job);
    }

    /// Never inlined, as for [`Stealer::steal`].
    #[inline(never)]
    pub(crate) fn steal(&self) -> Option<JobRef> {
        take(|| self.0.steal())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn take(mut steal: impl FnMut() -> Steal<JobRef>) -> Option<JobRef> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
