//! `join` without a context, with [`fork.md`](../sched/fork.md)'s frames: as `crate::join`, which says more.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use super::lent::Lent;
use super::{Fiber, current};
use crate::error::{Payload, discard};
use crate::part::{Marked, Reclaimed, reclaim};
use crate::query::record::{Branches, Recorder};
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::fork::Fork;
use crate::sched::graph::Frame;
use crate::sched::job::{Job, JobKind};
use crate::sched::room;
use crate::sched::wait::Outcome;
use crate::sync::Mutex;

/// The second half of a join, in the frame of the join. Begins with the fork.
#[repr(C)]
struct Half<B, RB> {
    fork: Fork,
    deaf: Deaf,
    /// Whose join it is.
    giver: *const FiberRecord,
    /// Taken once: by the join if nobody else has the half, else by who popped it.
    body: UnsafeCell<MaybeUninit<B>>,
    /// Written by the thief before it closes the fork; taken by the join afterwards. With what has marked the frame.
    result: UnsafeCell<MaybeUninit<Marked<Result<RB, Payload>>>>,
}

impl<B, RB> Half<B, RB>
where
    B: FnOnce(bool) -> RB,
{
    const LINKED: &'static JobKind = &JobKind::whole(Self::start);
    const KIND: &'static JobKind = &JobKind::of_fork(Self::LINKED);

    #[inline]
    fn new(body: B, giver: &FiberRecord) -> Self {
        Half {
            fork: Fork::new(Self::KIND),
            deaf: Deaf::of(giver),
            giver,
            body: UnsafeCell::new(MaybeUninit::new(body)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Runs a published half on `fiber`.
    ///
    /// # Safety
    ///
    /// `job` is the head of a living, published half that nobody else starts.
    unsafe fn start(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract; the head is the first field of `repr(C)` structs. The frame stays until we close.
        let half = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: by contract.
        let awaited = unsafe { half.fork.awaited() };
        awaited.set_owner(fiber);
        // SAFETY: only who starts the half takes its body.
        let body = unsafe { half.take_body() };
        let deaf = half.deaf;
        let run = || deaf.during(fiber, || catch_unwind(AssertUnwindSafe(|| body(true))));
        let done = Frame::enter(fiber, awaited, half.giver, run);
        // SAFETY: the join reads after the close only.
        unsafe { &mut *half.result.get() }.write(done);
        awaited.list.close(Outcome::READY).wake();
        // The frame may be gone from here on.
    }

    /// Takes the body.
    ///
    /// # Safety
    ///
    /// Nobody else takes it.
    #[inline]
    unsafe fn take_body(&self) -> B {
        // SAFETY: by contract.
        let body = unsafe { &*self.body.get() };
        // SAFETY: written by `new`, and taken once.
        unsafe { body.assume_init_read() }
    }

    /// Takes the result of a half that was started elsewhere.
    ///
    /// # Safety
    ///
    /// The half is closed, and nobody else takes its result.
    unsafe fn take_result(&self) -> Marked<Result<RB, Payload>> {
        // SAFETY: by contract, and the thief touches nothing after the close.
        let result = unsafe { &*self.result.get() };
        // SAFETY: written before the close, and taken once.
        unsafe { result.assume_init_read() }
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
            fork_and_join(self.record, a, b)
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
        fork_and_join(self.record, a, move |is_elsewhere| {
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

#[inline]
fn fork_and_join<A, B, RA, RB>(fiber: &FiberRecord, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce(bool) -> RB + Send,
    RB: Send,
{
    let half = Half::new(b, fiber);
    // SAFETY: `half` stays in this frame until it was taken back (`remove`), or, if it was published, until it is popped
    // or closed (`finish_published`): nothing between here and there unwinds. `B` and `RB` are `Send`. The record of a
    // running fiber does not move.
    unsafe { fiber.forks.push(NonNull::from(&half).cast()) };
    if fiber.has_attention(&raw const half) && attend_unless_deep(fiber, &half) {
        return join_deeper(fiber, a, &half);
    }
    finish_first(fiber, a, &half)
}

/// Runs `a`, then `b`, unless somebody has taken it.
#[inline(always)]
fn finish_first<A, B, RA, RB>(fiber: &FiberRecord, a: A, half: &Half<B, RB>) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce(bool) -> RB,
{
    let ra = match catch_unwind(AssertUnwindSafe(a)) {
        Ok(ra) => ra,
        Err(payload) => return finish_panicked(fiber, payload, half),
    };
    if !fiber.forks.remove(&half.fork) {
        return finish_published(fiber, Ok(ra), half);
    }
    // SAFETY: nobody else has seen the half.
    let b = unsafe { half.take_body() };
    (ra, b(false))
}

/// A scheduling point with the attention word raised. `true`: little stack is left.
#[cold]
fn attend_unless_deep<T>(fiber: &FiberRecord, here: *const T) -> bool {
    let is_deep = here.addr() < fiber.limit();
    if let (false, Some(worker)) = (is_deep, fiber.worker()) {
        worker.attend(fiber);
        // SAFETY: null, or that of the job that runs here.
        if unsafe { fiber.region().as_ref() }.is_some_and(|region| region.reason().is_some()) {
            fiber.raise_attention();
        }
    }
    is_deep
}

/// Little stack is left: goes on on another segment, if there is memory for one; else neither `a` nor `b` runs.
#[cold]
#[inline(never)]
fn join_deeper<A, B, RA, RB>(fiber: &FiberRecord, a: A, half: &Half<B, RB>) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce(bool) -> RB,
{
    let is_private = fiber.forks.remove(&half.fork);
    debug_assert!(is_private, "nothing has run since it was pushed");
    let on_segment = || {
        // SAFETY: as in `fork_and_join`; the list has not looked at it yet, so it is still new.
        unsafe { fiber.forks.push(NonNull::from(half).cast()) };
        finish_first(fiber, a, half)
    };
    match room::deeper(fiber, on_segment) {
        Ok(Ok(both)) => both,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(error) => {
            // SAFETY: nobody else has seen the half.
            drop(unsafe { half.take_body() });
            error.raise()
        }
    }
}

/// `a` has panicked: `b` runs all the same.
#[cold]
fn finish_panicked<B, RA, RB>(fiber: &FiberRecord, payload: Payload, half: &Half<B, RB>) -> (RA, RB)
where
    B: FnOnce(bool) -> RB,
{
    if !fiber.forks.remove(&half.fork) {
        return finish_published(fiber, Err(payload), half);
    }
    // SAFETY: nobody else has seen the half.
    let b = unsafe { half.take_body() };
    discard(catch_unwind(AssertUnwindSafe(|| b(false))));
    resume_unwind(payload)
}

/// Others could see the second half: takes it back, or waits until it is done.
#[cold]
fn finish_published<B, RA, RB>(
    fiber: &FiberRecord,
    ra: Result<RA, Payload>,
    half: &Half<B, RB>,
) -> (RA, RB)
where
    B: FnOnce(bool) -> RB,
{
    // SAFETY: published, since it was not taken back by `remove`.
    let awaited = unsafe { half.fork.awaited() };
    let (rb, cycle) = match reclaim(fiber, half.fork.job(), awaited) {
        Reclaimed::Back => {
            // SAFETY: just taken back.
            let b = unsafe { half.take_body() };
            (catch_unwind(AssertUnwindSafe(|| b(false))), None)
        }
        Reclaimed::Done(cycle) => {
            // SAFETY: closed.
            let (rb, marked) = unsafe { half.take_result() };
            marked.inspect(|marked| Frame::take_over(fiber, marked));
            (rb, cycle)
        }
    };
    match (ra, rb, cycle) {
        (Err(payload), rb, _) => {
            discard(rb);
            resume_unwind(payload)
        }
        (Ok(_), Err(payload), _) => resume_unwind(payload),
        (Ok(_), Ok(_), Some(error)) => error.raise(),
        (Ok(ra), Ok(rb), None) => (ra, rb),
    }
}
