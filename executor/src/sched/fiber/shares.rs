//! Which locks a fiber holds that others may hold with it (lock.md S1): no word of such a lock names its holders.
//!
//! Used by locks of readers and writers, and by whoever adds or removes an edge. Knows no lock but by its number.

use std::cell::Cell;
use std::ptr;

use super::FiberRecord;

/// What it holds, and whether that is told. On the heap from the first one on.
#[derive(Default)]
pub(super) struct Shares(Cell<Option<Box<Held>>>);

struct Held {
    /// The numbers of the locks, each as often as it is held.
    locks: Vec<usize>,
    /// What others know of, while it waits.
    told: Vec<usize>,
    /// As whose it is known: an address, to compare with.
    teller: *const FiberRecord,
}

impl Default for Held {
    fn default() -> Self {
        Held {
            locks: Vec::new(),
            told: Vec::new(),
            teller: ptr::null(),
        }
    }
}

impl Shares {
    /// Not called by two at a time: none of what is called inside calls this again.
    fn with<R>(&self, body: impl FnOnce(&mut Held) -> R) -> R {
        let mut held = self.0.take().unwrap_or_default();
        let result = body(&mut held);
        self.0.set(Some(held));
        result
    }

    fn if_any<R>(&self, body: impl FnOnce(&mut Held) -> R) -> Option<R> {
        let mut held = self.0.take()?;
        let result = body(&mut held);
        self.0.set(Some(held));
        Some(result)
    }
}

impl FiberRecord {
    /// It holds this lock, once more. It is the current fiber, or around it, or the OS thread's own.
    pub(crate) fn share(&self, lock: usize) {
        self.shares.with(|held| held.locks.push(lock));
    }

    /// It holds this lock once less. Whether it is told that it does, though it does not any more: it waits, and another
    /// fiber of its thread has dropped its guard.
    #[must_use]
    pub(crate) fn end_share(&self, lock: usize) -> bool {
        self.shares.with(|held| {
            let place = held.locks.iter().rposition(|known| *known == lock);
            held.locks.swap_remove(place.expect("it holds it"));
            held.told.contains(&lock) && !held.locks.contains(&lock)
        })
    }

    /// Which record waits while what it holds is told: its own, or that of a run on it.
    pub(in crate::sched) fn teller(&self) -> *const FiberRecord {
        self.shares
            .if_any(|held| held.teller)
            .unwrap_or(ptr::null())
    }

    /// Whether it holds this lock. Asked by itself.
    pub(in crate::sched) fn has_share(&self, lock: usize) -> bool {
        let has = |held: &mut Held| held.locks.contains(&lock);
        self.shares.if_any(has).unwrap_or(false)
    }

    /// `fiber`, which is it or runs on it, begins or ends to wait:
    /// calls `tell` with each lock that it holds now, and `untell` with each that was told before. By itself, under
    /// the graph's lock.
    pub(in crate::sched) fn tell_shares(
        &self,
        fiber: &FiberRecord,
        is_waiting: bool,
        untell: impl FnMut(usize),
        tell: impl FnMut(usize),
    ) {
        self.shares.if_any(|held| {
            held.told.drain(..).for_each(untell);
            held.teller = fiber;
            if is_waiting {
                held.told.extend_from_slice(&held.locks);
                held.told.iter().copied().for_each(tell);
            }
        });
    }
}
