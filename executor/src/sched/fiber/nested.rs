//! Records on one stack: a run inside a job of another executor, and an iteration, have records of their own.
//!
//! Used by runs, and by whoever walks what runs on a fiber. Knows nothing of what they run.

use std::ptr;

use super::{FiberRecord, Wake};
use crate::plant;
use crate::sched::pool::Worker;
use crate::sync::{HAS_THREADS, Ordering};

impl FiberRecord {
    /// Whether others can run while it waits, though it is the record of a run of its own.
    pub(crate) fn is_on_worker(&self) -> bool {
        self.outermost().has_worker()
    }

    /// Whether what it waits for may be done at this very moment: there are other threads, and no schedule that lets
    /// one go at a time.
    pub(crate) fn has_company(&self) -> bool {
        let worker = self.outermost().worker();
        worker.map_or(HAS_THREADS, Worker::has_company)
    }

    /// Whether a schedule lets one of the two go at a time: while this one runs, or its worker, the other stands still.
    pub(in crate::sched) fn takes_turns_with(&self, other: &FiberRecord) -> bool {
        let [own, other] = [self, other].map(|fiber| fiber.outermost().worker());
        own.zip(other)
            .is_some_and(|(own, other)| own.takes_turns_with(other))
    }

    /// Which worker of its executor runs it; 0 in a sequential run.
    pub(crate) fn worker_index(&self) -> usize {
        self.host().worker().map_or(0, Worker::index)
    }

    /// The fiber whose stack this is.
    pub(in crate::sched) fn outermost(&self) -> &FiberRecord {
        match self.wake {
            // SAFETY: the outer fiber runs us, so it is alive.
            Wake::Outer(outer) => unsafe { &*outer }.outermost(),
            Wake::Worker | Wake::Movable | Wake::Thread(_) => self,
        }
    }

    /// It, the current one, is the record of an iteration on `outer` from now on.
    pub(crate) fn become_inner_of(&self, outer: &FiberRecord) {
        self.is_inner.set(true);
        self.is_deaf.set(outer.is_deaf.get());
        // Release: pairs with the Acquire in `inner`.
        outer
            .inner
            .store(ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// The iteration on it has ended. Its record may go once no look is under way (`settle`).
    pub(crate) fn lose_inner(&self) {
        self.inner.store(ptr::null_mut(), Ordering::Release);
    }

    /// The record of the iteration that runs on it, if one does; of the current fiber, or one of the calling worker's, or
    /// under the graph's lock.
    fn inner(&self) -> Option<&FiberRecord> {
        // Acquire: pairs with the Release in `become_inner_of`.
        let inner = self.inner.load(Ordering::Acquire);
        // SAFETY: null, or not freed before `lose_inner` and a time without the lock (`run_here`).
        unsafe { inner.as_ref() }
    }

    /// The record of what runs on it: its own, or that of the iteration, and so on. To be called as [`inner`](Self::inner).
    pub(in crate::sched) fn innermost(&self) -> &FiberRecord {
        let mut innermost = self;
        while let Some(inner) = innermost.inner() {
            innermost = inner;
        }
        innermost
    }

    /// The fiber that waits for it, if it is the record of an iteration.
    pub(in crate::sched) fn around(&self) -> Option<&FiberRecord> {
        match self.wake {
            Wake::Outer(outer) if self.is_inner.get() && !plant::is("lonely_iteration") => {
                // SAFETY: the outer fiber runs us, so it is alive.
                Some(unsafe { &*outer })
            }
            _ => None,
        }
    }

    /// The fiber that it is one with as far as cancellation goes: itself, unless it is the record of an iteration.
    pub(in crate::sched) fn host(&self) -> &FiberRecord {
        self.around().map_or(self, FiberRecord::host)
    }

    /// Whether `inner` is the record of a sequential run on this fiber.
    pub(in crate::sched) fn is_outer_of(&self, inner: &FiberRecord) -> bool {
        matches!(inner.wake, Wake::Outer(outer) if ptr::eq(outer, self))
    }
}
