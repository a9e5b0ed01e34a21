//! loom's atomics, with a [`Place`] each, and with the bugs that can be planted in them.

use std::sync::atomic::AtomicBool as StdBool;

use loom::sync::atomic as loom_atomic;

pub(crate) use loom::sync::atomic::Ordering;

use super::{Place, frames_may_end};
use crate::plant::is_planted;

/// loom's flag.
pub(crate) struct AtomicBool {
    place: Place,
    inner: loom_atomic::AtomicBool,
    /// For a plant: whether a load has found it down.
    was_down: StdBool,
}

impl AtomicBool {
    pub(crate) fn new(value: bool) -> Self {
        AtomicBool {
            place: Place::new(),
            inner: loom_atomic::AtomicBool::new(value),
            was_down: StdBool::new(false),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> bool {
        self.place.touch();
        let order = weakened("latch_acquire", order, Ordering::Acquire);
        let is_set = self.inner.load(order);
        let was_down = self.was_down.swap(!is_set, Ordering::Relaxed);
        is_set || was_down && is_planted("latch_any_token")
    }

    pub(crate) fn store(&self, value: bool, order: Ordering) {
        self.place.touch();
        let order = weakened("latch_release", order, Ordering::Release);
        self.inner.store(value, order);
        if value && is_planted("latch_touch") {
            frames_may_end();
            self.place.touch();
        }
    }
}

/// loom's word of flags.
pub(crate) struct AtomicU32 {
    place: Place,
    inner: loom_atomic::AtomicU32,
}

impl AtomicU32 {
    pub(crate) fn new(value: u32) -> Self {
        AtomicU32 {
            place: Place::new(),
            inner: loom_atomic::AtomicU32::new(value),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.place.touch();
        self.inner.load(order)
    }

    pub(crate) fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.place.touch();
        self.inner.swap(value, order)
    }

    pub(crate) fn fetch_or(&self, more: u32, order: Ordering) -> u32 {
        self.place.touch();
        self.inner.fetch_or(more, order)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.place.touch();
        let success = weakened("stance_release", success, Ordering::AcqRel);
        self.inner
            .compare_exchange_weak(current, new, success, failure)
    }
}

/// loom's counter.
pub(crate) struct AtomicUsize {
    place: Place,
    inner: loom_atomic::AtomicUsize,
}

impl AtomicUsize {
    pub(crate) fn new(value: usize) -> Self {
        AtomicUsize {
            place: Place::new(),
            inner: loom_atomic::AtomicUsize::new(value),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.place.touch();
        self.inner.load(order)
    }

    pub(crate) fn store(&self, value: usize, order: Ordering) {
        self.place.touch();
        self.inner.store(value, order);
    }

    pub(crate) fn swap(&self, value: usize, order: Ordering) -> usize {
        self.place.touch();
        self.inner.swap(value, order)
    }

    pub(crate) fn fetch_add(&self, more: usize, order: Ordering) -> usize {
        self.place.touch();
        self.inner.fetch_add(more, order)
    }

    pub(crate) fn fetch_sub(&self, less: usize, order: Ordering) -> usize {
        self.place.touch();
        self.inner.fetch_sub(less, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.place.touch();
        if is_planted("idle_wake_race") {
            let now = self.inner.load(failure);
            return if now == current {
                self.inner.store(new, success);
                Ok(now)
            } else {
                Err(now)
            };
        }
        // Of permits, whose orders say so.
        if success == Ordering::Relaxed && is_planted("permit_lost") {
            return Ok(current);
        }
        // Of permits that are handed over.
        let success = match success {
            Ordering::AcqRel if is_planted("permit_acquire") => Ordering::Release,
            as_asked => as_asked,
        };
        self.inner.compare_exchange(current, new, success, failure)
    }
}

/// loom's pointer.
pub(crate) struct AtomicPtr<T> {
    place: Place,
    inner: loom_atomic::AtomicPtr<T>,
}

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        AtomicPtr {
            place: Place::new(),
            inner: loom_atomic::AtomicPtr::new(value),
        }
    }

    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        self.place.touch();
        self.inner.store(value, order);
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.place.touch();
        self.inner.load(order)
    }

    pub(crate) fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
        self.place.touch();
        let is_close = order == Ordering::AcqRel;
        let order = weakened("wait_release", order, Ordering::AcqRel);
        let before = self.inner.swap(value, order);
        if is_close && is_planted("join_touch") {
            frames_may_end();
            self.place.touch();
        }
        before
    }

    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.place.touch();
        if success == Ordering::AcqRel && is_planted("claim_twice") {
            let now = self.inner.load(failure);
            if now == current {
                self.inner.store(new, Ordering::Release);
                return Ok(now);
            }
            return Err(now);
        }
        // A lock's, by one that waits.
        if new.addr() & 7 == 5 && is_planted("lock_unqueued") {
            return Ok(current);
        }
        let success = weakened("claim_release", success, Ordering::Release);
        let success = weakened("lock_release", success, Ordering::Release);
        self.inner.compare_exchange(current, new, success, failure)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.place.touch();
        let is_list = success == Ordering::AcqRel;
        if is_planted(if is_list { "wait_lost" } else { "ready_lost" }) {
            self.inner.store(new, Ordering::Release);
            return Ok(current);
        }
        let success = weakened("ready_release", success, Ordering::Release);
        self.inner
            .compare_exchange_weak(current, new, success, failure)
    }
}

/// loom's fence.
pub(crate) fn fence(order: Ordering) {
    if !is_planted("idle_fence") {
        loom_atomic::fence(order);
    }
}

/// With that plant, `Relaxed` where `strong` was asked for.
fn weakened(plant: &str, asked: Ordering, strong: Ordering) -> Ordering {
    if asked == strong && is_planted(plant) {
        Ordering::Relaxed
    } else {
        asked
    }
}
