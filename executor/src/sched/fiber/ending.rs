//! What a fiber works for, and whether it may be told to end (cancel.md).
//!
//! Used by whoever runs jobs, and by those who cancel. Knows no reason: a [`Region`] does.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic;

use super::{CALM, FiberRecord};
use crate::priority::Priority;
use crate::sched::cancel::{Interrupt, NEVER, Region, Signal, Watch};
use crate::sched::pool::Worker;
use crate::sched::wanted::reason_of;
use crate::sync::Ordering;

/// How often a fiber is told that the executor shuts down, until it counts as one that refuses to end.
const REFUSALS_MAX: u16 = 10_000;

impl FiberRecord {
    /// What it works for; null for a thread outside.
    #[inline]
    pub(crate) fn region(&self) -> *const Region {
        // Relaxed: see the field.
        self.region.load(Ordering::Relaxed)
    }

    /// Whether what it works for may be stopped: if not, [`Region::reason`] would give nothing. Asked by the fiber itself,
    /// or under the graph's lock while it waits.
    #[inline]
    pub(in crate::sched) fn may_be_stopped(&self) -> bool {
        // SAFETY: static, or outlives the region, which outlives what works for it.
        let brake = unsafe { &*self.brake.get() };
        // Relaxed: zero leads to nothing, and who looks further loads the reason itself.
        brake.load(atomic::Ordering::Relaxed) != 0
    }

    /// It works for `region` from now on. Gives what it worked for.
    pub(crate) fn enter_region(&self, region: *const Region) -> *const Region {
        let before = self.region();
        self.region.store(region.cast_mut(), Ordering::Relaxed);
        // SAFETY: null, or that of a job that is about to run here, or goes on.
        let entered = unsafe { region.as_ref() };
        self.brake
            .set(entered.map_or(&raw const NEVER, Region::brake));
        self.priority
            .set(entered.map_or(Priority::Normal, Region::priority));
        let is_due = entered.is_some_and(Region::is_polled) || reason_of(self).is_some();
        if is_due {
            self.raise_attention();
        } else if !self.has_worker() && !ptr::eq(self.attention.get(), &raw const CALM) {
            // It may have been raised for what it comes from, and nobody else lowers it.
            self.attention().set(self.limit());
        }
        before
    }

    /// Its job has ended: what that worked for may be gone.
    pub(in crate::sched) fn leave_region(&self) {
        self.region.store(ptr::null_mut(), Ordering::Relaxed);
        self.brake.set(&raw const NEVER);
        self.refusals.set(0);
    }

    /// Lets `signal` tell the pool that runs it, if one does.
    pub(crate) fn watch<'s>(&self, signal: &'s Signal) -> Option<Watch<'s>> {
        Some(Watch::new(signal, self.watcher()?))
    }

    /// The pool that runs it, if one does.
    pub(in crate::sched) fn watcher(&self) -> Option<Arc<dyn Interrupt>> {
        self.host().worker().map(Worker::watcher)
    }

    /// It may be cancelled from now on: no wish may be lost (attention.md A5).
    pub(crate) fn become_interruptible(&self) {
        if let Some(worker) = self.host().worker() {
            worker.become_interruptible();
            self.raise_attention();
        }
    }

    /// Whether what runs cannot be cancelled (cancel.md X6).
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_deaf.get()
    }

    /// Runs what cannot be cancelled (cancel.md X6).
    pub(crate) fn undisturbed<R>(&self, body: impl FnOnce() -> R) -> R {
        let before = self.is_deaf.replace(true);
        let result = body();
        self.is_deaf.set(before);
        result
    }

    /// It was told that the executor shuts down. If it goes on all the same, time and again, it ends here: it is not
    /// resumed any more (cancel.md X7).
    pub(in crate::sched) fn note_refusal(&self) {
        if let Some(outer) = self.around() {
            return outer.note_refusal();
        }
        let refusals = self.refusals.get();
        self.refusals.set(refusals.saturating_add(1));
        if refusals == REFUSALS_MAX
            && let Some(worker) = self.worker()
        {
            worker.leak_current(self);
        }
    }
}
