//! Ready fibers whose runs are of another than the usual level: they stand in lines of their own, so that the others pay nothing
//! for them.
//!
//! Used by the worker and its base. Rules: the documentation of `Priority`.

use std::cell::Cell;
use std::ptr::NonNull;

use super::Worker;
use super::fibers::WorkerFiber;
use crate::plant;
use crate::priority::Priority;
use crate::sched::fiber::FiberRecord;
use crate::sched::levels::Passes;
use crate::sched::ready::ReadyList;

/// The two other lines of a worker.
pub(super) struct Aside {
    urgent: ReadyList,
    low: ReadyList,
    passes: Cell<Passes>,
}

impl Aside {
    pub(super) fn new() -> Self {
        Aside {
            urgent: ReadyList::new(),
            low: ReadyList::new(),
            passes: Cell::new(Passes::default()),
        }
    }

    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.low.is_empty()
    }
}

impl Worker {
    /// Puts a fiber that was woken in line here.
    #[inline]
    pub(super) fn add_ready(&self, fiber: &FiberRecord) {
        match fiber.priority() {
            Priority::Normal => self.ready.push(fiber),
            priority => self.set_aside(fiber, priority),
        }
    }

    #[cold]
    fn set_aside(&self, fiber: &FiberRecord, priority: Priority) {
        match priority {
            Priority::High => self.aside.urgent.push(fiber),
            _ => self.aside.low.push(fiber),
        }
        self.note_diversions();
    }

    /// Whether a fiber is ready here.
    #[inline]
    pub(in crate::sched) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.aside.is_empty()
    }

    /// One of those who go next, if any is ready here; null else.
    pub(super) fn next_ready(&self) -> *const FiberRecord {
        let lines = [&self.aside.urgent, &self.ready, &self.aside.low];
        let first = lines.iter().find(|line| !line.is_empty());
        first.map_or(std::ptr::null(), |line| line.first())
    }

    /// To be called when what goes before, or behind, the first ready fiber has changed.
    pub(super) fn note_diversions(&self) {
        self.is_diverted
            .set(self.has_next_job() || !self.aside.is_empty());
    }

    /// The next of all lines, when some stand aside.
    #[cold]
    pub(super) fn next_by_level(&self) -> Option<NonNull<WorkerFiber>> {
        let lines = [&self.aside.urgent, &self.ready, &self.aside.low];
        let mut passes = match plant::is("starved_level") {
            true => Passes::default(),
            false => self.aside.passes.get(),
        };
        let level = passes.next(lines.map(|line| !line.is_empty()))?;
        self.aside.passes.set(passes);
        let next = lines[level].pop();
        self.note_diversions();
        next.map(WorkerFiber::of)
    }
}
