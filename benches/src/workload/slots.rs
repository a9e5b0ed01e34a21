//! One slot for each item of a loop: what the loops write, so that no item can be left out unnoticed.
//!
//! Used by the workloads whose items have no other result. It must not know them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Answer;

/// The slots of one job, and the number of the run that fills them.
pub(super) struct Slots {
    slots: Arc<[AtomicU32]>,
    run: u32,
}

impl Slots {
    /// Slots for that many items.
    pub(super) fn new(items: usize) -> Self {
        Slots {
            slots: (0..items).map(|_| AtomicU32::new(0)).collect(),
            run: 0,
        }
    }

    /// The next run: what earlier ones left counts as wrong from here on.
    pub(super) fn next_run(&mut self) -> Fill<'_> {
        self.run += 1;
        Fill {
            slots: &self.slots,
            run: self.run,
        }
    }

    /// What the last run wrote.
    pub(super) fn filled(&self) -> Filled {
        Filled {
            slots: Arc::clone(&self.slots),
            run: self.run,
        }
    }
}

/// The slots of one run.
#[derive(Copy, Clone)]
pub(super) struct Fill<'a> {
    pub(super) slots: &'a [AtomicU32],
    run: u32,
}

impl<'a> Fill<'a> {
    /// Writes the result of an item.
    #[inline]
    pub(super) fn write(&self, slot: &AtomicU32, result: u32) {
        let run = self.run;
        Place { slot, run }.write(result);
    }

    /// A place for each item.
    pub(super) fn places(self) -> impl Iterator<Item = Place<'a>> {
        let run = self.run;
        self.slots.iter().map(move |slot| Place { slot, run })
    }
}

/// Where one item writes: all that a task of its own need know.
#[derive(Copy, Clone)]
pub(super) struct Place<'a> {
    slot: &'a AtomicU32,
    run: u32,
}

impl Place<'_> {
    #[inline]
    pub(super) fn write(self, result: u32) {
        // Relaxed: the end of the run orders it.
        self.slot
            .store(result.wrapping_add(self.run), Ordering::Relaxed);
    }
}

/// What a run wrote; good until the next one.
pub(super) struct Filled {
    slots: Arc<[AtomicU32]>,
    run: u32,
}

impl Answer for Filled {
    fn checksum(&self) -> String {
        // Relaxed: the run is over.
        let results = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        let results = results.map(|result| result.wrapping_sub(self.run));
        results.map(u64::from).sum::<u64>().to_string()
    }

    fn text(&self) -> String {
        format!(
            "sum over {} items = {}\n",
            self.slots.len(),
            self.checksum()
        )
    }
}
