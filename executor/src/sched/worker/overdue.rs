//! A fiber that is ready while a job runs on its worker: it goes first once it has been so for too long (attention.md A6).
//!
//! Used at scheduling points whose attention word is raised, so what it costs falls on nobody else. Knows no job.

use std::cell::Cell;
use std::ptr;
use std::time::{Duration, Instant};

use super::Worker;
use crate::plant;
use crate::sched::fiber::FiberRecord;

/// How long a fiber is ready before the running job lets it go first. (A switch to and fro takes a hundredth of a
/// microsecond on fibers, and some fifty on threads: less than a twentieth of this.)
const READY_MAX: Duration = Duration::from_millis(1);

/// Where points come quickly, the clock, which costs more than all the rest, is read at every so many.
const POINTS_PER_LOOK: u32 = 8;

/// What quickly is: these many would come in a fiftieth of the time.
const QUICK: Duration = Duration::from_micros(20);

/// Since when the fiber that goes next has been known to be ready.
pub(super) struct Overdue {
    /// An address, to compare with (or that of the inbox, whoever is in it). That fiber may have run meanwhile, and be
    /// next once more: then the job gives way too soon, but no more than once in the time.
    next: Cell<*const FiberRecord>,
    since: Cell<Option<Instant>>,
    looked: Cell<Option<Instant>>,
    /// How many points pass before the clock is read.
    passes: Cell<u32>,
}

impl Overdue {
    pub(super) fn new() -> Self {
        Overdue {
            next: Cell::new(ptr::null()),
            since: Cell::new(None),
            looked: Cell::new(None),
            passes: Cell::new(0),
        }
    }

    /// Whether `next`, which is ready and goes next, has been so for too long.
    fn is_over(&self, next: *const FiberRecord) -> bool {
        let passes = self.passes.get();
        let is_known = ptr::eq(self.next.get(), next);
        if is_known && passes > 0 {
            self.passes.set(passes - 1);
            return false;
        }
        let now = Instant::now();
        let last = self.looked.replace(Some(now));
        let is_quick = last.is_some_and(|last| now.duration_since(last) < QUICK);
        self.passes
            .set(if is_quick { POINTS_PER_LOOK - 1 } else { 0 });
        if !is_known {
            self.next.set(next);
            self.since.set(Some(now));
            return false;
        }
        let since = self.since.get();
        since.is_some_and(|since| now.duration_since(since) >= READY_MAX)
    }

    fn forget(&self) {
        self.next.set(ptr::null());
    }
}

/// Whether a job must not wait where `fiber`, the current one, is.
fn must_stay(fiber: &FiberRecord) -> bool {
    std::thread::panicking() || fiber.refuses_runs() || fiber.must_not_suspend().is_some()
}

impl Worker {
    /// A fiber has become ready here, while another runs: that one is to look (attention.md A6), unless nobody is let go
    /// first here.
    #[inline]
    pub(super) fn ask_for_ready(&self) {
        let attention = &self.seat().attention;
        // No wish of another is overlooked: whoever lowers the word is this very thread.
        if !self.is_alone && !attention.is_raised() {
            attention.raise();
        }
    }

    /// A scheduling point of `fiber`, while another is ready here, or is said to be: that one goes first, if it has
    /// been so for too long, and a job `may_wait` at this point.
    pub(super) fn attend_ready(&self, fiber: &FiberRecord, may_wait: bool) {
        let inbox = &self.seat().inbox;
        // They stay there until it is time: with them would come one that any worker may resume meanwhile.
        let next = match self.next_ready() {
            next if !next.is_null() => next,
            _ if inbox.is_empty() => return,
            _ => ptr::from_ref(inbox).cast(),
        };
        if plant::is("unlimited_job") {
            return;
        }
        let is_over = may_wait && self.overdue.is_over(next) && !must_stay(fiber);
        if is_over {
            // Who is called heeds it at the base, where it is in no job.
            let is_called = self.collect_in_job();
            if !(is_called || self.has_ready()) || self.lets_ready_go_first(fiber) {
                return;
            }
        }
        self.ask_for_ready();
    }

    /// A ready fiber goes before `fiber`, the current one. `false`: it must not wait here.
    pub(super) fn lets_ready_go_first(&self, fiber: &FiberRecord) -> bool {
        if must_stay(fiber) {
            return false;
        }
        self.overdue.forget();
        self.count(|counters| &counters.interruptions);
        // It may be the next itself, before those of lower levels: no change of stacks raises the word then (A4).
        self.ask_for_ready();
        self.give_way(fiber);
        true
    }
}
