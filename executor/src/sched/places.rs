//! Places: so many at the most are taken at once, it is known by whom, and there is a line of those for whom none is left.
//! Rules: lock.md L1 to L3.
//!
//! Used by the public limits through `graph/locking.rs`, which suspends. Knows no edge. Not made for speed: what is limited
//! so takes long.

use std::ptr;

use super::fiber::FiberRecord;
use super::line::{Called, Line, Place};
use super::lock::Entered;
use super::wait::WaitList;
use crate::sync::Mutex;

/// Places, and those who wait for one.
#[repr(C)]
pub(crate) struct Places {
    /// Nobody lists itself here, and it names nobody. First: an edge to it is one to the whole.
    _edge: WaitList,
    inside: Mutex<Inside>,
    count: usize,
    /// What they are called in errors and reports.
    name: Box<str>,
}

/// Who is in, and who waits.
struct Inside {
    /// Each who has a place, as often as it has one (L1).
    holders: Vec<*const FiberRecord>,
    line: Line,
}

// SAFETY: the addresses are only compared with and copied.
unsafe impl Send for Inside {}

impl Places {
    /// So many, all free.
    pub(crate) fn new(name: Box<str>, count: usize) -> Self {
        Places {
            _edge: WaitList::new(ptr::null()),
            inside: Mutex::new(Inside {
                holders: Vec::new(),
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
        self.inside.lock().holders.len()
    }

    /// How many wait for one now.
    pub(crate) fn waiting(&self) -> usize {
        self.inside.lock().line.len()
    }

    /// Takes a place for `holder`, if one is free; then nobody waits (L2).
    pub(crate) fn try_enter(&self, holder: *const FiberRecord) -> bool {
        let mut inside = self.inside.lock();
        let is_free = inside.holders.len() < self.count;
        if is_free {
            inside.holders.push(holder);
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
        if inside.holders.len() < self.count {
            inside.holders.push(place.holder());
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

    /// Those who have a place, if `waiter` is in the line.
    pub(crate) fn holders_for(
        &self,
        waiter: *const FiberRecord,
    ) -> Option<Vec<*const FiberRecord>> {
        let inside = self.inside.lock();
        inside.line.find(waiter).map(|_| inside.holders.clone())
    }

    /// Does something with the place at which `fiber` waits, if it is in the line.
    pub(crate) fn with_place<R>(
        &self,
        fiber: *const FiberRecord,
        body: impl FnOnce(&Place) -> R,
    ) -> Option<R> {
        self.inside.lock().line.find(fiber).map(body)
    }
}

impl Inside {
    /// `holder` has one place less, which goes to the first in the line.
    fn hand_over(&mut self, holder: *const FiberRecord) -> Called {
        let own = self.holders.iter().position(|one| ptr::eq(*one, holder));
        self.holders.swap_remove(own.expect("it has a place"));
        if let Some(next) = self.line.first().map(Place::holder) {
            self.holders.push(next);
        }
        let mut called = Called::nobody();
        self.line.call_first(&mut called);
        called
    }
}
