//! How a worker of a pool sleeps: what it looks at before, and what it blocks on. Rules: idle.md.
//!
//! Used by workers. Knows nothing of what they do when they are woken.

use std::ptr;
use std::time::Duration;

use super::{Pool, Worker};
use crate::plant;
use crate::sched::idle::SleepGuard;
use crate::sched::point::Point;
use crate::sync::{Condvar, MutexGuard, Ordering};

/// How long a worker sleeps, with statistics on, before it looks whether it should.
const AUDIT_PERIOD: Duration = Duration::from_millis(10);

impl Pool {
    /// Lets a worker sleep until there is something for it, and it has a permit.
    pub(crate) fn sleep(&self, sleeper: &Worker) {
        self.sleep_counted(sleeper);
        self.obtain_permit_as_searcher(sleeper);
    }

    /// Lets a worker, which may have no permit then, sleep until there is something for it.
    pub(super) fn sleep_counted(&self, sleeper: &Worker) {
        let worker = sleeper.index();
        let seat = self.seat(worker);
        let has_own_or_shared =
            || !plant::is("lost_wake") && (seat.has_own() || self.has_shared_fibers());
        // A worker that is off duty is to leave the searchers: I9.
        let is_work_there = || {
            self.is_stopping()
                || has_own_or_shared()
                || self.has_unbegun()
                || self.is_off_duty(worker)
        };
        // Nobody asks for a sleeper, so it asks once more, in earnest, when it is counted (idle.md I6).
        let ask = || {
            let others = self.seats.iter().filter(|other| !ptr::eq(*other, seat));
            others
                .filter(|other| !other.attention.is_raised())
                .for_each(|other| other.attention.raise());
        };
        // Work that nobody is about to take: no searcher, and nobody on the way to wake one.
        let is_left = || {
            is_work_there()
                && !self.idle.has_searchers()
                && !self.is_off_duty(worker)
                && self.posting.load(Ordering::SeqCst) == 0
        };
        if self.idle.hungry() == self.seats.len() {
            self.depot.trim();
        }
        let mut found_in_a_row = 0;
        let second_look = || {
            sleeper.point(Point::Sleepy);
            ask();
            is_work_there()
        };
        self.idle.sleep(worker, second_look, |wake, guard| {
            if self.gives_permit_back(worker, guard) {
                return;
            }
            if !self.has_statistics || self.seeded.is_some() {
                return self.rest(worker, wake, guard);
            }
            let is_audit = wake.wait_for(guard, AUDIT_PERIOD).timed_out();
            found_in_a_row = if is_audit && is_left() {
                found_in_a_row + 1
            } else {
                0
            };
            if found_in_a_row == 2 {
                seat.counters.sleeps_with_work.add();
            }
        });
    }

    /// Lets a worker sleep that can start no job, until one of its fibers is ready, or it has a job of its own, or another has
    /// woken it. `woken` is called before it waits for a permit: it may count it as a worker that goes on.
    pub(crate) fn block(&self, sleeper: &Worker, woken: impl FnOnce()) {
        self.block_only(sleeper, || false);
        woken();
        self.obtain_permit_at_once(sleeper);
    }

    /// The same, or until `is_over`, of which the worker is [told](crate::sched::idle::Idle::told).
    pub(super) fn block_until(&self, sleeper: &Worker, is_over: impl Fn() -> bool) {
        self.block_only(sleeper, is_over);
        self.obtain_permit(sleeper);
    }

    fn block_only(&self, sleeper: &Worker, is_over: impl Fn() -> bool) {
        let worker = sleeper.index();
        let is_due = || self.seat(worker).has_own() || is_over();
        self.idle.block(worker, is_due, |wake, guard| {
            if !self.gives_permit_back(worker, guard) {
                self.rest(worker, wake, guard);
            }
        });
    }

    /// Blocks on the condition variable of a worker that sleeps, or until a schedule lets it go on.
    pub(super) fn rest(&self, worker: usize, wake: &Condvar, guard: &mut SleepGuard<'_>) {
        match self.seeded() {
            // If it is over by now it comes back at once, and who called looks again.
            Some(seeded) if !seeded.is_over() => {
                MutexGuard::unlocked(guard, || seeded.rest(worker, self));
            }
            _ => wake.wait(guard),
        }
    }

    /// Wakes a worker that sleeps so.
    pub(crate) fn unblock(&self, worker: usize) -> bool {
        self.idle.fiber_posted(worker)
    }
}
