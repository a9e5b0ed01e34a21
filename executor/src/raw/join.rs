//! `join` without a context, with [`fork.md`](../sched/fork.md)'s frames: as `crate::join`, by the same `half.rs`. A context
//! that is lent goes along.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::lent::Lent;
use super::{Fiber, current};
use crate::error::Error;
use crate::half::{self, Joiner};
use crate::query::record::{Branches, Recorder};
use crate::sched::fiber::FiberRecord;
use crate::sched::wanted::reason_of;
use crate::sync::Mutex;

/// What is called is told whether it is called elsewhere. There is nothing to cancel.
impl<B, RB> Joiner<B, RB> for FiberRecord
where
    B: FnOnce(bool) -> RB,
{
    #[inline]
    fn fiber(&self) -> &FiberRecord {
        self
    }

    fn attend_unless_deep_or_ended<T>(&self, here: *const T) -> bool {
        let is_deep = here.addr() < self.limit();
        if !is_deep {
            attend(self, true);
        }
        is_deep
    }

    fn attend(&self) {
        attend(self, false);
    }

    fn end(&self) -> Option<Error> {
        None
    }

    fn is_ending(&self) -> bool {
        false
    }

    fn settle(&self) {}

    #[inline]
    fn call_here(&self, body: B) -> RB {
        body(false)
    }

    unsafe fn call_elsewhere(_: *const Self, _: &FiberRecord, body: B) -> RB {
        body(true)
    }

    unsafe fn giver(joiner: *const Self) -> *const FiberRecord {
        joiner
    }
}

impl Fiber<'_> {
    /// Runs both closures, perhaps at the same time, as [`Cx::join`](crate::Cx::join). `b` is told whether another fiber
    /// runs it. A [lent](crate::Cx::lend) context is lent to both.
    ///
    /// # Panics
    ///
    /// If one of them panics, after both have ended: with the panic of `a` if both do.
    #[inline]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce(bool) -> RB + Send,
        RB: Send,
    {
        if Lent::of(self.record).is_none() {
            half::join(self.record, a, b)
        } else {
            self.join_lent(a, b)
        }
    }

    #[cold]
    #[inline(never)]
    fn join_lent<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce(bool) -> RB + Send,
        RB: Send,
    {
        let lent = *Lent::of(self.record).expect("the caller has looked");
        let branches = Branching::new(&lent);
        let shared = Shared(&branches);
        half::join(self.record, a, move |is_elsewhere| {
            let shared = shared;
            if is_elsewhere {
                shared.0.elsewhere(|| b(true))
            } else {
                shared.0.here();
                b(false)
            }
        })
    }
}

/// The branches of a join with a lent context. At last, also by a panic, it tells the record that they have ended.
struct Branching<'l> {
    lent: &'l Lent,
    level: usize,
    /// What the second branch asked for, if it ran elsewhere.
    notes: Mutex<Branches>,
}

/// On its way to who takes the second half.
struct Shared<'l>(&'l Branching<'l>);

// SAFETY: elsewhere only `elsewhere` is called, which reads what does not change and writes what is locked; what the lent
// context is made of is shared by all jobs of a run.
unsafe impl Send for Shared<'_> {}

impl<'l> Branching<'l> {
    fn new(lent: &'l Lent) -> Self {
        Branching {
            lent,
            level: lent.recorder().map_or(0, Recorder::fork),
            notes: Mutex::new(None),
        }
    }

    /// The second branch begins on the fiber of the first.
    fn here(&self) {
        if let Some(recorder) = self.lent.recorder() {
            recorder.next(self.level);
        }
    }

    /// The second branch runs on another fiber.
    fn elsewhere<R>(&self, body: impl FnOnce() -> R) -> R {
        // SAFETY: the fiber lives as long as the job that this is part of.
        let fiber = unsafe { current() }.expect("a half is a job");
        let recorder = self.lent.recorder().map(|_| Recorder::new());
        let lent = self.lent.for_branch(recorder.as_ref());
        let run = || lent.during(fiber.record, body);
        let result = catch_unwind(AssertUnwindSafe(run));
        *self.notes.lock() = recorder.map(Recorder::into_notes);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

impl Drop for Branching<'_> {
    fn drop(&mut self) {
        let Some(recorder) = self.lent.recorder() else {
            return;
        };
        if let Some(notes) = self.notes.lock().take() {
            recorder.append(self.level, notes);
        }
        recorder.join(self.level);
    }
}

/// A scheduling point with the attention word raised.
#[cold]
fn attend(fiber: &FiberRecord, may_wait: bool) {
    if let Some(worker) = fiber.worker() {
        worker.attend(fiber, may_wait);
        if reason_of(fiber).is_some() {
            fiber.raise_attention();
        }
    }
}
