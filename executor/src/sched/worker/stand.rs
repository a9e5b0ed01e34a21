#![doc = include_str!("../stand.md")]
//!
//! What the base does when it finds no fiber to resume. Used by `fibers.rs`.

use std::ptr::NonNull;

use super::Worker;
use super::fibers::WorkerFiber;
use crate::error::Error;
use crate::plant;
use crate::sched::graph::{GivenUp, GivenUpFor, give_up};
use crate::sched::point::Point;

impl Worker {
    /// A fiber to resume, when there was none (S1). `None`: the pool stops.
    pub(super) fn find_fiber(&self) -> Option<NonNull<WorkerFiber>> {
        while self.has_fibers_begun() {
            let fiber = self.next_fiber();
            if fiber.is_some() {
                return fiber;
            }
            if self.pool().is_stopping() && !self.pool().has_jobs() {
                // By now all that others have taken is counted.
                if !self.has_fibers_begun() {
                    return None;
                }
                // Another fiber would find nothing, and end.
                self.pool().block(self, || ());
            } else if !(self.try_add_spare() || self.has_own_jobs() && self.add_spare_over_cap()) {
                self.stand();
            }
        }
        None
    }

    /// Waits in place, or gives up a wait, if it is the last (S2).
    fn stand(&self) {
        let pool = self.pool();
        if pool.standing.begin(|| pool.has_fiber_posted()) {
            pool.call_off_duty();
            pool.block(self, || pool.standing.end());
        } else if !plant::is("no_refusal") && self.gives_up_an_ask() {
            pool.standing.found_one();
        } else if !self.add_spare_over_cap() {
            if pool.standing.begin_last() {
                let next = (self.index + 1) % self.workers();
                // It may be counted and not asleep yet.
                while pool.standing.is_full() && !pool.unblock(next) {
                    self.point(Point::Stand);
                    std::thread::yield_now();
                }
            }
            pool.block(self, || pool.standing.end());
        }
    }

    /// Ends one of its fibers' asks with an error, so that the fiber is ready (S3). `false`: none of them asks.
    fn gives_up_an_ask(&self) -> bool {
        let last = self.last_resumed.get();
        if last.is_some_and(|last| self.gives_up(last)) {
            return true;
        }
        self.records.find(|fiber| self.gives_up(fiber)).is_some()
    }

    fn gives_up(&self, fiber: NonNull<WorkerFiber>) -> bool {
        // The base is here: it is suspended, unless another worker has it.
        let given_up = self.holding(fiber, false, |record| {
            let given_up = give_up(record, GivenUpFor::Shortage, |_| true);
            if let GivenUp::Unlisted = given_up {
                self.make_held_ready(record);
            }
            given_up
        });
        match given_up {
            None | Some(GivenUp::No) => false,
            Some(GivenUp::Woken | GivenUp::Unlisted) => true,
            Some(GivenUp::NotNow) => {
                // Whoever decides a circle does not wait meanwhile.
                self.point(Point::Stand);
                std::thread::yield_now();
                true
            }
        }
    }

    /// Makes a spare fiber, if the cap allows it and the system gives a stack. If not, the reason is kept.
    #[cold]
    pub(super) fn try_add_spare(&self) -> bool {
        let added = self.pool().reserve_fiber().and_then(|()| self.add_spare());
        added
            .map_err(|error| self.shortage.replace(Some(error)))
            .is_ok()
    }

    /// The same over the cap (S4).
    fn add_spare_over_cap(&self) -> bool {
        self.pool().reserve_fiber_over_cap();
        let added = self.add_spare();
        added
            .map_err(|error| self.shortage.replace(Some(error)))
            .is_ok()
    }

    /// Why the last fiber could not be made.
    pub(crate) fn shortage(&self) -> Error {
        let shortage = self.shortage.borrow().clone();
        // None: another worker has given the wait up.
        shortage.unwrap_or_else(|| Error::fibers_exhausted(self.pool().fibers_max()))
    }
}
