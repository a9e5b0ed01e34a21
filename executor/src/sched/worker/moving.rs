//! Fibers that may move: how one waits, is woken, taken by another worker, and comes home. Rules: moving.md.
//!
//! Used by the base, by workers that search, and by who looks at waits. Pinned fibers never come here.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::Worker;
use super::fibers::WorkerFiber;
use crate::plant;
use crate::sched::fiber::{FiberRecord, Left, current};
use crate::sched::pool::Pool;
use crate::sched::stance::OnLeaving;
use crate::sched::wanted::Findings;
use crate::sync::Ordering;

impl Worker {
    /// Suspends `record`, the current fiber, which is listed as a waiter, until it is woken: here, or on another worker.
    pub(crate) fn suspend_movable(record: &FiberRecord) {
        let here = record.worker().expect("a worker's fiber");
        record.is_bound.set(here.counts_panics());
        here.wait_at_base(record, Left::Movable);
        // Not the one from before (M8).
        let here = record.worker().expect("a worker's fiber");
        here.suspended.set(here.suspended.get() - 1);
        here.has_shared_one.set(false);
    }

    /// Whether an unwind is under way that the OS thread has counted, and others' panics would be taken for a second (M7).
    fn counts_panics(&self) -> bool {
        std::thread::panicking() && self.pool().has_own_stacks()
    }

    /// Makes a movable fiber that was just woken ready, if it has left its stack (M2). Any thread.
    pub(crate) fn wake_movable(record: &FiberRecord) {
        let owner = record.worker().expect("a worker's fiber");
        let (pool, index) = (owner.pool, owner.index);
        // SAFETY: the current fiber is alive, since it runs this.
        let waker = unsafe { current().as_ref() }.and_then(FiberRecord::worker);
        match waker {
            Some(waker) if waker.pool == pool => {
                waker.pool().wake_movable(index, record, Some(waker))
            }
            _ => {
                // SAFETY: the pool lives while the fiber waits, and lies in an `Arc` (`Pool::make`).
                let pool = unsafe { Pool::hold(pool) };
                // Once woken, the fiber may run and the executor may end: only our own hold keeps the pool.
                pool.wake_movable(index, record, None);
            }
        }
    }

    /// A fiber has come to the base without a job, or may go on elsewhere. `current`: this thread's. `true`: a visit ends.
    #[cold]
    pub(super) fn arrived(
        &self,
        fiber: NonNull<WorkerFiber>,
        current: &Cell<*const FiberRecord>,
    ) -> bool {
        // SAFETY: it has just come back, and nobody else resumes it before it is let go.
        let worker_fiber = unsafe { fiber.as_ref() };
        let (record, home) = (&worker_fiber.record, worker_fiber.made_by);
        let is_spare = record.left.get() == Left::Spare;
        if is_spare && ptr::eq(home, self) {
            self.spares.borrow_mut().push(fiber);
            let leaves = self.may_leave();
            if leaves {
                current.set(ptr::null());
            }
            return leaves;
        }
        // It may go on, and end, as soon as it is let go: nothing here names it by then.
        current.set(ptr::null());
        self.last_resumed.set(None);
        if is_spare {
            // SAFETY: a worker does not end before the fibers that it made (M6).
            self.send_home(record, unsafe { &*home });
        } else {
            self.let_go(record);
        }
        false
    }

    /// Gives a fiber without a job back to the worker that made it (M6).
    fn send_home(&self, record: &FiberRecord, home: &Worker) {
        let index = home.index;
        record.move_to(home, &raw const self.pool().seat(index).attention);
        self.pool().post_home(index, record, self);
    }

    /// A fiber that is off its stack, and held by the caller, may go on (M1, M4).
    fn let_go(&self, record: &FiberRecord) {
        loop {
            match record.stance.leave() {
                OnLeaving::Waits => return,
                OnLeaving::IsLookedFor => self.ends_wait(record, &mut Findings::default()),
                OnLeaving::IsReady => {
                    let owner = record.worker().expect("a worker's fiber").index;
                    return self.pool().push_fiber(owner, record, Some(self));
                }
            }
        }
    }

    /// Calls `look` with a fiber that this worker made, if it stands still: nobody resumes it meanwhile (M4). If it does
    /// not, and `is_noted`, its wait is ended when it waits again, if that is to be (M5).
    pub(super) fn holding<R>(
        &self,
        fiber: NonNull<WorkerFiber>,
        is_noted: bool,
        look: impl FnOnce(&FiberRecord) -> R,
    ) -> Option<R> {
        // SAFETY: one of this worker's records, so alive.
        let record = unsafe { &fiber.as_ref().record };
        if !record.is_movable() {
            // It is suspended, or runs this.
            return Some(look(record));
        }
        if !record.stance.hold(is_noted) {
            return None;
        }
        let result = look(record);
        self.let_go(record);
        Some(result)
    }

    /// A fiber of this worker was taken off its list, and held by the caller if it may move: it is ready.
    pub(super) fn make_held_ready(&self, record: &FiberRecord) {
        if !record.is_movable() {
            return self.add_ready(record);
        }
        let is_off = record.stance.wake();
        debug_assert!(!is_off, "it is held");
    }

    /// Somebody has rung (M3): one of the fibers that are ready for any worker is to be resumed here, unless one is that has
    /// not been yet. The others stay where they can be taken.
    pub(super) fn answer_bell(&self) {
        let seat = self.seat();
        if !self.has_shared_one.get()
            && let Some(record) = seat.shared.pop()
        {
            // SAFETY: suspended, so alive.
            let record = unsafe { record.as_ref() };
            self.pool().take_on(record);
            self.has_shared_one.set(true);
            self.ready.push(record);
        }
        if !seat.shared.is_empty() {
            seat.inbox.ring();
            self.ask_for_ready();
        }
    }

    /// Takes a ready fiber of another worker, to be resumed here next (M3).
    pub(super) fn takes_fiber(&self) -> bool {
        if !self.moves_fibers || plant::is("kept_ready") || plant::is("lost_wake") {
            return false;
        }
        let others = (1..self.workers()).map(|step| (self.index + step) % self.workers());
        let pop = |victim| Some((victim, self.pool().seat(victim).shared.pop()?));
        let Some((victim, record)) = others.into_iter().find_map(pop) else {
            return false;
        };
        // SAFETY: suspended, so alive, and ours now.
        let record = unsafe { record.as_ref() };
        self.pool().take_on(record);
        record.move_to(self, &raw const self.seat().attention);
        self.pool()
            .seat(victim)
            .taken
            .fetch_add(1, Ordering::Relaxed);
        self.suspended.set(self.suspended.get() + 1);
        self.has_shared_one.set(true);
        self.count(|counters| &counters.migrations);
        self.ready.push(record);
        true
    }

    /// How many of its fibers wait: those that others have taken do not any more.
    pub(super) fn waiting(&self) -> usize {
        let taken = self.seat().taken.load(Ordering::Relaxed);
        self.suspended.get().wrapping_sub(taken)
    }

    /// Whether a fiber waits on this worker, or one that it made is elsewhere: then it does not end (M6). Asked by the base,
    /// when no fiber is ready or spare.
    pub(super) fn has_fibers_begun(&self) -> bool {
        self.waiting() > 0 || self.made.get() > 0
    }
}
