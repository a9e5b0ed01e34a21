//! Places: so many at the most are taken at once, it is known by whom, and there is a line of those for whom none is left.
//! Rules: lock.md L1 to L3.
//!
//! Used by the public limits through `graph/locking.rs`, which suspends. Knows no edge. Not made for speed: what is limited
//! so takes long.

use std::collections::BTreeMap;

use super::fiber::FiberRecord;
use super::line::{Called, Line, Place};
use super::lock::Entered;
use crate::sync::Mutex;

/// Places, and those who wait for one.
pub(crate) struct Places {
    inside: Mutex<Inside>,
    count: usize,
    /// What they are called in errors and reports.
    name: Box<str>,
}

/// Who is in, and who waits.
struct Inside {
    /// Each who has a place, and how many it has (L1).
    holders: BTreeMap<*const FiberRecord, usize>,
    taken: usize,
    line: Line,
}

/// Where one stands who waits for a place, in its frame.
#[repr(C)]
pub(crate) struct Stand<'p> {
    /// First: an edge to what its fiber waits for is one to the whole.
    pub(crate) place: Place,
    pub(crate) places: &'p Places,
}

// SAFETY: the addresses are only compared with and copied.
unsafe impl Send for Inside {}

impl Places {
    /// So many, all free.
    pub(crate) fn new(name: Box<str>, count: usize) -> Self {
        Places {
            inside: Mutex::new(Inside {
                holders: BTreeMap::new(),
                taken: 0,
                line: Line::new(),
            }),
            count,
            name,
        }
    }

    /// What they are called in errors and reports.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many are taken now.
    pub(crate) fn taken(&self) -> usize {
        self.inside.lock().taken
    }

    /// How many wait for one now.
    pub(crate) fn waiting(&self) -> usize {
        self.inside.lock().line.len()
    }

    /// Takes a place for `holder`, if one is free; then nobody waits (L2).
    pub(crate) fn try_enter(&self, holder: *const FiberRecord) -> bool {
        let mut inside = self.inside.lock();
        let is_free = inside.taken < self.count;
        if is_free {
            inside.take(holder);
        }
        is_free
    }

    /// Takes a place for the holder of `place`, or puts `place` into the line.
    ///
    /// # Safety
    ///
    /// `place` is in no line, and stays where it is until it is called, which gives its holder what it waits for, or has
    /// [left](Self::leave).
    pub(crate) unsafe fn enter(&self, place: &Place) -> Entered {
        let mut inside = self.inside.lock();
        if inside.taken < self.count {
            inside.take(place.holder());
            return Entered::Taken;
        }
        // SAFETY: by contract.
        unsafe { inside.line.push(place) };
        Entered::Waits
    }

    /// Gives a place of `holder` to the first in the line (L2).
    pub(crate) fn give_back(&self, holder: *const FiberRecord) {
        let mut inside = self.inside.lock();
        let called = inside.hand_over(holder);
        drop(inside);
        called.wake();
    }

    /// Leaves the line with nothing: who was called meanwhile gives the place on (L3).
    pub(crate) fn leave(&self, place: &Place) {
        let mut inside = self.inside.lock();
        if inside.line.remove(place) {
            return;
        }
        let called = inside.hand_over(place.holder());
        drop(inside);
        called.wake();
    }

    /// Those who have a place, each once, if `place` is in the line.
    pub(crate) fn holders_for(&self, place: &Place) -> Option<Vec<*const FiberRecord>> {
        let inside = self.inside.lock();
        let is_in = inside.line.has(place);
        is_in.then(|| inside.holders.keys().copied().collect())
    }

    /// Does something with `place`, if it is in the line.
    pub(crate) fn with_place<R>(&self, place: &Place, body: impl FnOnce(&Place) -> R) -> Option<R> {
        let inside = self.inside.lock();
        inside.line.has(place).then(|| body(place))
    }
}

impl Inside {
    /// `holder` has one place more.
    fn take(&mut self, holder: *const FiberRecord) {
        *self.holders.entry(holder).or_default() += 1;
        self.taken += 1;
    }

    /// `holder` has one place less, which goes to the first in the line.
    fn hand_over(&mut self, holder: *const FiberRecord) -> Called {
        let own = self.holders.get_mut(&holder).expect("it has a place");
        *own -= 1;
        if *own == 0 {
            self.holders.remove(&holder);
        }
        self.taken -= 1;
        if let Some(next) = self.line.first().map(Place::holder) {
            self.take(next);
        }
        let mut called = Called::nobody();
        self.line.call_first(&mut called);
        called
    }
}
