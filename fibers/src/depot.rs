#![doc = include_str!("depot.md")]
//!
//! Used by `stacks.rs`. Knows nothing of fibers.

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mechanism::system::memory;
use crate::mechanism::region::{self, GuardCall, Layout, Region};
use crate::settings::StackSettings;

/// How many stacks a pool takes or gives at once.
pub(crate) const BATCH: usize = 32;

/// So many unused stacks keep their memory; the others give it back (D5).
pub(crate) const WARM_MAX: usize = 1024;

/// The largest region, in bytes: 16 GiB, on 32-bit targets 64 MiB. Each is as large as all before it.
const REGION_BYTES_MAX: usize = 1 << (usize::BITS / 4 + 18);

/// The stacks of several workers, and where they come from.
pub(crate) struct Depot {
    layout: Layout,
    call: GuardCall,
    settings: StackSettings,
    kept: Mutex<Kept>,
    /// How many stacks have been made, by all pools. Counts only; orders nothing.
    made: AtomicUsize,
}

#[derive(Default)]
struct Kept {
    regions: Vec<Region>,
    /// In all regions.
    slots: usize,
    fresh: Vec<Fresh>,
    /// Unused, with their memory.
    warm: Vec<NonZeroUsize>,
    /// Unused, without.
    cold: Vec<NonZeroUsize>,
    /// How many slots are with pools or under stacks (D2).
    out: usize,
}

/// Slots one above another that have not been used yet: without guards at the depot, with them in a pool.
#[derive(Copy, Clone, Default)]
pub(crate) struct Fresh {
    next: Option<NonZeroUsize>,
    slots: usize,
}

impl Fresh {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Takes the lowest `slots`, or what there is.
    fn split_off(&mut self, slots: usize, layout: Layout) -> Fresh {
        let taken = Fresh {
            next: self.next,
            slots: slots.min(self.slots),
        };
        self.skip(taken.slots, layout);
        taken
    }

    fn next_if_any(self) -> Option<NonZeroUsize> {
        self.next.filter(|_| self.slots > 0)
    }

    fn skip(&mut self, slots: usize, layout: Layout) {
        self.slots -= slots;
        self.next = self
            .next
            .and_then(|top| top.checked_add(slots * layout.slot_bytes));
    }
}

impl Depot {
    pub(crate) fn new(settings: StackSettings) -> io::Result<Arc<Depot>> {
        Ok(Arc::new(Depot {
            layout: Layout::new(settings.stack_bytes)?,
            call: GuardCall::choose(settings.guards)?,
            settings,
            kept: Mutex::default(),
            made: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn settings(&self) -> &StackSettings {
        &self.settings
    }

    pub(crate) fn splits_mappings(&self) -> bool {
        self.call == GuardCall::Forbid
    }

    /// How many stacks there are: also the most that were ever in use, but for those in pools.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch for a pool: unused stacks into `unused`, or a run of at most so many fresh ones, which have their
    /// guards.
    ///
    /// # Errors
    ///
    /// There is none, and the system gives no more address space, or no guard.
    pub(crate) fn take(
        self: &Arc<Self>,
        slots: usize,
        unused: &mut Vec<NonZeroUsize>,
    ) -> io::Result<Fresh> {
        let mut kept = self.lock();
        let list = if kept.warm.is_empty() {
            &mut kept.cold
        } else {
            &mut kept.warm
        };
        let left = list.len().saturating_sub(BATCH);
        let count = list.len() - left;
        unused.extend(list.drain(left..));
        let fresh = if count == 0 {
            self.take_fresh(slots, &mut kept)?
        } else {
            Fresh::default()
        };
        if kept.out == 0 {
            // The depot's hold of itself (D2); `came_back` drops it.
            std::mem::forget(Arc::clone(self));
        }
        kept.out += count + fresh.slots;
        drop(kept);
        if fresh.is_empty() {
            Ok(fresh)
        } else {
            self.guard(fresh)
        }
    }

    fn take_fresh(&self, slots: usize, kept: &mut Kept) -> io::Result<Fresh> {
        if kept.fresh.is_empty() {
            self.grow(kept)?;
        }
        let mut run = kept.fresh.pop().ok_or_else(memory::out_of_memory)?;
        let taken = run.split_off(slots, self.layout);
        if !run.is_empty() {
            kept.fresh.push(run);
        }
        Ok(taken)
    }

    /// Maps another region, as large as all before it, or as the system gives.
    fn grow(&self, kept: &mut Kept) -> io::Result<()> {
        let most = (REGION_BYTES_MAX / self.layout.slot_bytes).max(1);
        let mut slots = kept.slots.clamp(BATCH.min(most), most);
        loop {
            let refused = self.settings.faults.map_fails(kept.slots + slots);
            let region = match refused {
                true => Err(memory::out_of_memory()),
                false => Region::new(slots, self.layout),
            };
            match region {
                Ok(region) => {
                    kept.fresh.push(Fresh {
                        next: Some(region.first_top(self.layout)),
                        slots,
                    });
                    kept.slots += slots;
                    kept.regions.push(region);
                    return Ok(());
                }
                Err(error) if slots == 1 => return Err(error),
                Err(_) => slots /= 2,
            }
        }
    }

    /// Makes the guards of a run that was just taken; what cannot have one goes back.
    ///
    /// # Errors
    ///
    /// Not even the first could be made.
    fn guard(self: &Arc<Self>, run: Fresh) -> io::Result<Fresh> {
        let mut rest = run;
        let made = self.made();
        let faults = &self.settings.faults;
        let allowed = (0..run.slots).take_while(|index| !faults.guard_fails(made + index + 1));
        let guarded = match (run.next, allowed.count()) {
            (Some(first), slots @ 1..) => {
                // SAFETY: the slots are the caller's, and fresh (D1).
                unsafe { self.call.guard_run(first, slots, self.layout) }
            }
            _ => Err(memory::out_of_memory()),
        };
        let taken = rest.split_off(*guarded.as_ref().unwrap_or(&0), self.layout);
        self.give_fresh(rest);
        guarded.map(|_| taken)
    }

    /// The next slot of a pool's run, for its first use.
    pub(crate) fn first_use(&self, run: &mut Fresh) -> Option<NonZeroUsize> {
        let top = run.split_off(1, self.layout);
        self.made.fetch_add(top.slots, Ordering::Relaxed);
        top.next_if_any()
    }

    /// Takes unused stacks back (D5).
    pub(crate) fn give(self: &Arc<Self>, tops: impl ExactSizeIterator<Item = NonZeroUsize>) {
        let count = tops.len();
        let mut tops = tops;
        let mut kept = self.lock();
        let room = WARM_MAX.saturating_sub(kept.warm.len());
        kept.warm.extend(tops.by_ref().take(room));
        drop(kept);
        let mut cold: Vec<_> = tops.collect();
        if !cold.is_empty() {
            // SAFETY: given to us and not listed yet (D1).
            unsafe { region::discard(&cold, self.layout) };
        }
        let mut kept = self.lock();
        kept.cold.append(&mut cold);
        self.came_back(kept, count);
    }

    /// Takes back what is left of a pool's run: with guards, without memory.
    pub(crate) fn give_run(self: &Arc<Self>, mut run: Fresh) {
        let tops = std::iter::from_fn(|| run.split_off(1, self.layout).next_if_any());
        let tops: Vec<NonZeroUsize> = tops.collect();
        self.made.fetch_add(tops.len(), Ordering::Relaxed);
        let mut kept = self.lock();
        kept.cold.extend(&tops);
        self.came_back(kept, tops.len());
    }

    /// Takes back slots without guards.
    fn give_fresh(self: &Arc<Self>, fresh: Fresh) {
        if !fresh.is_empty() {
            let mut kept = self.lock();
            kept.fresh.push(fresh);
            self.came_back(kept, fresh.slots);
        }
    }

    /// Fewer slots are out (D2). The caller holds the depot itself, so it does not go here.
    fn came_back(self: &Arc<Self>, mut kept: MutexGuard<'_, Kept>, slots: usize) {
        let before = kept.out;
        kept.out -= slots;
        let is_last = before > 0 && kept.out == 0;
        drop(kept);
        if is_last {
            // SAFETY: drops the hold that `take` made when the first slot went out.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
        }
    }
}

/// A stack that somebody may run on: its memory is theirs until it is dropped or given back to a pool.
pub(crate) struct Stack {
    top: NonZeroUsize,
    /// Alive while a slot is out (D2).
    depot: NonNull<Depot>,
}

impl Stack {
    /// # Safety
    ///
    /// The slot with this top has come from this depot, has its guard, and is the caller's (D1).
    pub(crate) unsafe fn new(top: NonZeroUsize, depot: &Arc<Depot>) -> Stack {
        let depot = NonNull::new(Arc::as_ptr(depot).cast_mut()).expect("an Arc is not null");
        Stack { top, depot }
    }

    /// Where the stack begins, growing down.
    pub(crate) fn top(&self) -> NonZeroUsize {
        self.top
    }

    /// The end of its guard.
    pub(crate) fn limit(&self) -> NonZeroUsize {
        let limit = self.top.get() - self.depot().layout.slot_bytes;
        NonZeroUsize::new(limit).expect("a slot is not at zero")
    }

    pub(crate) fn is_of(&self, depot: &Arc<Depot>) -> bool {
        std::ptr::eq(self.depot.as_ptr(), Arc::as_ptr(depot))
    }

    pub(crate) fn into_top(self) -> NonZeroUsize {
        let top = self.top;
        std::mem::forget(self);
        top
    }

    fn depot(&self) -> &Depot {
        // SAFETY: our slot is out, so the depot holds itself (D2).
        unsafe { self.depot.as_ref() }
    }

    /// Another hold of the depot.
    fn hold_depot(&self) -> Arc<Depot> {
        let depot = self.depot.as_ptr().cast_const();
        // SAFETY: alive, as above, and every depot lies in an `Arc` (`Depot::new`).
        unsafe { Arc::increment_strong_count(depot) };
        // SAFETY: the count was raised for this one.
        unsafe { Arc::from_raw(depot) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.hold_depot().give(std::iter::once(self.top));
    }
}
