//! The fibers of a worker: made, resumed, suspended, woken.
//!
//! The worker's thread itself (the *base*) only resumes fibers: ready ones first, else a spare one.
//! Each fiber runs jobs, one after another on one stack; when a job suspends, the base goes on with
//! another fiber.

use std::cell::UnsafeCell;
use std::num::NonZero;
use std::ptr::{self, NonNull};
use std::thread;

use dagwood_fibers::{Fiber, Resumed, Suspender, watch_own_stack};

use super::{Worker, records};
use crate::error::Error;
use crate::plant;
use crate::sched::fiber::{FiberRecord, Left, current, current_place, set_current};
use crate::sched::graph;
use crate::sched::point::Point;
use crate::sched::pool::Pool;
use crate::sched::room;

/// A worker keeps at most this many spare fibers; the others give their stacks back. Fewer, where
/// that many of all workers would leave too few to wait with.
const SPARES_MAX: usize = 64;

/// What is to be done of a yield.
enum Yield {
    ToSuccessor,
    ToNobody,
    /// Nothing: it has yielded, and is back.
    Over,
}

/// A fiber of a worker. It begins with its record, by whose address it is found ([`WorkerFiber::of`]).
#[repr(C)]
pub(super) struct WorkerFiber {
    pub(super) record: FiberRecord,
    /// Where its memory is.
    home: records::Home<WorkerFiber>,
    /// The worker whose record and stack this is, on whose thread it begins and ends (moving.md M6).
    pub(super) made_by: *const Worker,
    /// Taken by the base only.
    fiber: UnsafeCell<Option<Fiber>>,
}

// There may be a million of them: 320 bytes each where stacks are of our own (a record of four cache lines, and the
// fiber). Elsewhere a fiber has more to say of its stack.
const _: () =
    assert!(size_of::<WorkerFiber>() <= (272 + size_of::<Option<Fiber>>()).next_multiple_of(64));

impl WorkerFiber {
    /// The fiber with this record, if it is a worker's: an address alone, since each load between two fibers' turns
    /// makes a switch longer.
    #[inline]
    pub(super) fn of(record: NonNull<FiberRecord>) -> NonNull<WorkerFiber> {
        // Such a record begins its fiber, and `add_spare`, the only maker, exposed it.
        NonNull::with_exposed_provenance(record.addr())
    }
}

/// A worker's address on its way into its fibers' bodies.
struct Home(*const Worker, *const WorkerFiber);

// SAFETY: a fiber's body runs on the worker's thread, or (threads backend) on a thread of its own
// while the worker's thread waits for it: one at a time, ordered by the hand-over.
unsafe impl Send for Home {}

impl Worker {
    /// The life of the worker's thread, until the pool stops, or a guest [may
    /// leave](Self::may_leave). The base: resumes one fiber after another.
    pub(crate) fn run(&self) {
        let current = current_place();
        // SAFETY: this thread's own, and used on it only.
        let current = unsafe { current.as_ref() };
        let find_next = || self.next_fiber().or_else(|| self.find_fiber());
        let Some(mut fiber) = find_next() else {
            return;
        };
        loop {
            // SAFETY: on the ready queue or spare: suspended, alive, and nobody else resumes it.
            let worker_fiber = unsafe { fiber.as_ref() };
            self.last_resumed.set(Some(fiber));
            self.change_stack(worker_fiber.record.limit());
            let successor = self.ready.first().expose_provenance();
            // Read first: it lies beside what wakers read.
            if worker_fiber.record.successor.get() != successor {
                worker_fiber.record.successor.set(successor);
            }
            // For a fiber on this thread; one on a thread of its own has said so there.
            current.set(&raw const worker_fiber.record);
            // SAFETY: only the base touches the field, and the base is here.
            let handle = unsafe { &mut *worker_fiber.fiber.get() };
            let unfinished = handle.as_mut();
            match unfinished
                .expect("an unfinished fiber has its handle")
                .resume()
            {
                Resumed::Suspended(word) => {
                    // Who says who goes next waits here.
                    if let Some(said) = NonZero::new(word) {
                        fiber = self.said_fiber(said);
                        continue;
                    }
                    let waits_here = worker_fiber.record.left.get() == Left::Waiting;
                    if !waits_here && self.arrived(fiber, current) {
                        return;
                    }
                }
                Resumed::Finished(result) => {
                    current.set(ptr::null());
                    self.bury(fiber, result);
                }
            }
            match find_next() {
                Some(next) => fiber = next,
                None => return,
            }
        }
    }

    /// A fiber has ended: another may have its stack.
    #[cold]
    fn bury(&self, fiber: NonNull<WorkerFiber>, result: thread::Result<()>) {
        result.expect("jobs carry their panics as values");
        self.last_resumed.set(None);
        // SAFETY: alive: it is freed below.
        let handle = unsafe { fiber.as_ref() }.fiber.get();
        // SAFETY: only the base touches the field, and the base is here.
        let done = unsafe { (*handle).take() }.expect("just resumed");
        done.recycle(&mut self.stacks.borrow_mut());
        self.made.set(self.made.get() - 1);
        self.forget(fiber);
        if self.pool().has_statistics() {
            self.counters().fibers.sub();
        }
    }

    /// The first ready fiber, of which the last one to run has said that it goes next: its address.
    #[inline]
    fn said_fiber(&self, said: NonZero<usize>) -> NonNull<WorkerFiber> {
        self.collect_ready();
        let first = NonNull::with_exposed_provenance(said);
        self.ready.take_off(first);
        WorkerFiber::of(first)
    }

    /// Who goes next where nobody was said to: a spare one for the job that a yield has found, or by level, or who has been
    /// ready longest, or a spare one.
    #[inline]
    pub(super) fn next_fiber(&self) -> Option<NonNull<WorkerFiber>> {
        self.collect_ready();
        if self.has_next_job()
            && let Some(spare) = self.spares.borrow_mut().pop()
        {
            return Some(spare);
        }
        if self.is_diverted.get()
            && let Some(next) = self.next_by_level()
        {
            return Some(next);
        }
        let ready = self.ready.pop().map(WorkerFiber::of);
        ready.or_else(|| self.spares.borrow_mut().pop())
    }

    /// Makes a fiber, for which the caller has reserved a place.
    pub(super) fn add_spare(&self) -> Result<(), Error> {
        let attention = &raw const self.pool().seat(self.index).attention;
        let worker_fiber = self.records.add(|home| WorkerFiber {
            home,
            made_by: self,
            record: FiberRecord::of_worker(
                self,
                self.pool().identity(),
                attention,
                self.segments.borrow().segment_bytes(),
                self.moves_fibers,
            ),
            fiber: UnsafeCell::new(None),
        });
        // For `WorkerFiber::of`.
        let _ = worker_fiber.as_ptr().expose_provenance();
        let home = Home(self, worker_fiber.as_ptr());
        let stack_bytes = self.stacks.borrow().stack_bytes();
        let body = move |suspender: &Suspender| {
            let home = home;
            // SAFETY: the worker outlives its fibers.
            let worker = unsafe { &*home.0 };
            // SAFETY: a fiber's record is freed after the fiber has finished.
            let worker_fiber = unsafe { &*home.1 };
            worker_fiber.record.suspender.set(Some(suspender.raw()));
            worker_fiber
                .record
                .change_stack(room::limit_from_top(stack_bytes));
            // For a fiber on a thread of its own: of the others the base says so.
            set_current(&raw const worker_fiber.record);
            if worker.pool().watches_own_stacks() {
                watch_own_stack();
            }
            Worker::run_jobs(worker_fiber);
            // The thread may be used for another fiber, or end.
            set_current(ptr::null());
        };
        match Fiber::new(&mut self.stacks.borrow_mut(), body) {
            Ok(fiber) => {
                // SAFETY: alive: just made.
                let place = unsafe { worker_fiber.as_ref() }.fiber.get();
                // SAFETY: the fiber has not run, and the base, which touches the field later, is
                // not here.
                unsafe { *place = Some(fiber) };
                self.spares.borrow_mut().push(worker_fiber);
                self.made.set(self.made.get() + 1);
                if self.pool().has_statistics() {
                    let counters = self.counters();
                    counters.fibers_created.add();
                    counters.fibers.add();
                    counters.fibers_peak.raise_to(counters.fibers.get());
                }
                Ok(())
            }
            Err(error) => {
                self.forget(worker_fiber);
                Err(Error::no_stack(&error))
            }
        }
    }

    /// Frees the record of a fiber that has finished or never was.
    fn forget(&self, fiber: NonNull<WorkerFiber>) {
        // SAFETY: alive: it is freed below.
        let record = unsafe { fiber.as_ref() };
        let home = record.home;
        if record.record.locks_held() > 0 {
            // SAFETY: it has ended; who walks to it holds the lock.
            graph::retire(|| unsafe { FiberRecord::become_nobody(fiber.cast().as_ptr()) });
        } else {
            // SAFETY: made in `add_spare`, and on no list any more.
            graph::retire(|| unsafe { self.records.take(fiber, home) });
        }
        self.pool().release_fiber();
    }

    #[inline(always)]
    pub(super) fn switch_to_base(&self, fiber: &FiberRecord, left: Left) {
        let is_waiting = left == Left::Waiting;
        if !is_waiting {
            fiber.left.set(left);
        }
        // Said here, so that the base need not look first: who goes next. (Then it does not look at `left` either.)
        let next = match fiber.successor.get() {
            _ if !is_waiting || self.is_diverted.get() => 0,
            0 => self.ready.first().expose_provenance(),
            known => known,
        };
        let suspender = fiber.suspender.get().expect("set when the body began");
        // SAFETY: the body of this very fiber is running, and nobody else has its suspender.
        unsafe { suspender.suspend(next) };
        if !is_waiting {
            fiber.left.set(Left::Waiting);
        }
    }

    /// What is left of a yield that is not quick. One call: each that may happen in a yield makes all of them longer.
    #[cold]
    fn yield_slowly(&self, record: &FiberRecord) -> Yield {
        if !self.has_successor() {
            self.point(Point::Yield);
            Yield::ToNobody
        } else if self.has_hooks() {
            self.give_way(record);
            Yield::Over
        } else {
            Yield::ToSuccessor
        }
    }

    /// Makes sure that there is a fiber to start a job on. `false`: there can be none.
    pub(super) fn has_spare_or_makes_one(&self) -> bool {
        !self.spares.borrow().is_empty() || self.try_add_spare()
    }

    /// Suspends the current fiber, which is listed as a waiter, until it is woken.
    pub(crate) fn suspend(&self, record: &FiberRecord) {
        self.wait_at_base(record, Left::Waiting);
        self.suspended.set(self.suspended.get() - 1);
    }

    /// Others get what the current fiber holds; it switches to the base, with the hooks around it, if there are any. Another
    /// worker may own it afterwards, if it may move.
    #[inline(always)]
    pub(super) fn wait_at_base(&self, record: &FiberRecord, left: Left) {
        if !plant::is("kept_forks") {
            self.publish_all(record);
        }
        self.suspended.set(self.suspended.get() + 1);
        if self.pool().is_watched() {
            self.note_wait();
            if self.has_hooks() {
                return self.switch_with_hooks(record, left);
            }
        }
        self.switch_to_base(record, left);
    }

    /// A fiber is about to suspend: for statistics, and for a schedule.
    #[cold]
    fn note_wait(&self) {
        if self.pool().has_statistics() {
            self.counters().waits.add();
            let waiting = self.waiting() as u64;
            self.counters().suspended_peak.raise_to(waiting);
        }
        self.point(Point::Listed);
    }

    /// Lets others go on before the current fiber does. `false`: there are none.
    #[inline(always)]
    pub(crate) fn yield_now(&self, record: &FiberRecord) -> bool {
        // What it waits for may be a job that it holds.
        self.publish_all(record);
        if !self.has_quick_successor() {
            match self.yield_slowly(record) {
                Yield::ToSuccessor => (),
                Yield::ToNobody => return false,
                Yield::Over => return true,
            }
        }
        self.ready.push(record);
        self.switch_to_base(record, Left::Waiting);
        true
    }

    /// Ready fibers go before the current one, which goes on after them. Another is ready.
    pub(super) fn give_way(&self, record: &FiberRecord) {
        self.publish_all(record);
        self.ready.push(record);
        if self.has_hooks() {
            self.switch_with_hooks(record, Left::Waiting);
        } else {
            self.switch_to_base(record, Left::Waiting);
        }
    }

    /// Puts a fiber of this worker that was just woken on its ready queue. Any thread.
    pub(crate) fn make_ready(&self, fiber: &FiberRecord) {
        // SAFETY: the current fiber is alive, since it runs this.
        let waker = unsafe { current().as_ref() }.and_then(FiberRecord::worker);
        match waker {
            Some(waker) if ptr::eq(waker, self) => {
                self.add_ready(fiber);
                self.ask_for_ready();
            }
            Some(waker) if plant::is("moved_fiber") => waker.ready.push(fiber),
            Some(waker) if waker.pool == self.pool => {
                self.pool().post_fiber(self.index, fiber, Some(waker))
            }
            _ => {
                // SAFETY: the pool lives while `fiber` is suspended, and lies in an `Arc`
                // (`Pool::start`).
                let pool = unsafe { Pool::hold(self.pool) };
                // Once pushed, the fiber may run and the executor may end: only our own hold keeps
                // the pool.
                pool.post_fiber(self.index, fiber, None);
            }
        }
    }

    /// Whether another spare fiber would be one too many.
    pub(super) fn has_spares_enough(&self) -> bool {
        let pool = self.pool();
        let share = pool.fibers_max() / (2 * pool.seats().len());
        self.spares.borrow().len() >= share.clamp(1, SPARES_MAX)
    }
}
