//! The halves of a join: the first is called here and now, the second is a job in the frame of the join that costs next to
//! nothing until somebody wants it.
//!
//! Used by `Cx::join`, and by joins without a context (`raw/join.rs`). What is called how, only their [`Joiner`] knows.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::error::{Error, Payload, discard};
use crate::part::{Marked, Reclaimed, reclaim};
use crate::plant;
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::fork::Fork;
use crate::sched::graph::Frame;
use crate::sched::job::{Job, JobKind};
use crate::sched::room;
use crate::sched::wait::Outcome;

/// Who joins: how it calls its second half, and whether it is to end before.
pub(crate) trait Joiner<B, RB> {
    /// The fiber that it runs on, the current one.
    fn fiber(&self) -> &FiberRecord;

    /// A scheduling point with the attention word raised; `here` lies in the frame of the join. `true`: little stack is
    /// left, or [`end`](Self::end) is to tell why it ends.
    fn attend_unless_deep_or_ended<T>(&self, here: *const T) -> bool;

    /// A scheduling point with the attention word raised, at which it does not wait.
    fn attend(&self);

    /// The error to raise if it was cancelled: neither half begins.
    fn end(&self) -> Option<Error>;

    /// Whether it is to end, after its first half: a second one that nobody has begun does not begin.
    fn is_ending(&self) -> bool;

    /// It may be about to wait.
    fn settle(&self);

    /// Calls the second half where the first was called.
    fn call_here(&self, body: B) -> RB;

    /// Calls the second half on `fiber`, the current one, which has taken it.
    ///
    /// # Safety
    ///
    /// The join of `joiner` waits for this call; what it runs meanwhile changes nothing that is read here.
    unsafe fn call_elsewhere(joiner: *const Self, fiber: &FiberRecord, body: B) -> RB;

    /// The fiber of the join, for who has taken the second half.
    ///
    /// # Safety
    ///
    /// As for [`call_elsewhere`](Self::call_elsewhere).
    unsafe fn giver(joiner: *const Self) -> *const FiberRecord;
}

/// The second half of a join, in the frame of the join. Begins with the fork.
#[repr(C)]
struct Half<J, B, RB> {
    fork: Fork,
    deaf: Deaf,
    /// Whose join it is.
    joiner: *const J,
    /// Taken once: by the join if nobody else has the half, else by who popped it.
    body: UnsafeCell<MaybeUninit<B>>,
    /// Written by the thief before it closes the fork; taken by the join afterwards. With what has marked the frame.
    result: UnsafeCell<MaybeUninit<Marked<Result<RB, Payload>>>>,
}

impl<J, B, RB> Half<J, B, RB>
where
    J: Joiner<B, RB>,
{
    const LINKED: &'static JobKind = &JobKind::whole(Self::start);
    const KIND: &'static JobKind = &JobKind::of_fork(Self::LINKED);

    #[inline]
    fn new(joiner: &J, fiber: &FiberRecord, body: B) -> Self {
        Half {
            fork: Fork::new(Self::KIND),
            deaf: Deaf::of(fiber),
            joiner,
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
        // SAFETY: by contract; the head is the first field of `repr(C)` structs. The frame stays
        // until we close.
        let half = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: by contract.
        let awaited = unsafe { half.fork.awaited() };
        awaited.set_owner(fiber);
        // SAFETY: only who starts the half takes its body.
        let body = unsafe { half.take_body() };
        // SAFETY: the join waits until we close (`finish_published`), and its joiner lies in its frame or around it.
        let giver = unsafe { J::giver(half.joiner) };
        // SAFETY: as above.
        let call = || unsafe { J::call_elsewhere(half.joiner, fiber, body) };
        let done = Frame::enter(fiber, awaited, giver, || {
            half.deaf
                .during(fiber, || catch_unwind(AssertUnwindSafe(call)))
        });
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

/// Calls `a`, and `b` as `joiner` does, perhaps at the same time.
#[inline(always)]
pub(crate) fn join<J, A, B, RA, RB>(joiner: &J, a: A, b: B) -> (RA, RB)
where
    J: Joiner<B, RB>,
    A: FnOnce() -> RA,
    B: Send,
    RB: Send,
{
    let fiber = joiner.fiber();
    let half = Half::new(joiner, fiber, b);
    // SAFETY: `half` stays in this frame until it was taken back (`remove`), or, if it was
    // published, until it is popped or closed (`finish_published`): nothing between here and
    // there unwinds. `B` and `RB` are `Send`. The record of a running fiber does not move.
    unsafe { fiber.forks.push(NonNull::from(&half).cast()) };
    if fiber.has_attention(&raw const half) {
        // The cold path gets the address of what it is given. Were that the closure itself and not a copy, the fast path
        // would write it to memory, too; so the compiler must not see that they are the same.
        return join_attended(joiner, black_box(a), &half);
    }
    finish(a, &half)
}

/// A scheduling point, then as `join`. All of it apart, so that the fast path keeps nothing over a call here.
#[cold]
#[inline(never)]
fn join_attended<J, A, B, RA, RB>(joiner: &J, a: A, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
    A: FnOnce() -> RA,
{
    if joiner.attend_unless_deep_or_ended(half) {
        join_deeper(joiner, a, half)
    } else {
        finish_attended(a, half)
    }
}

/// One copy of [`finish`] for all but the fast path.
#[inline(never)]
fn finish_attended<J, A, B, RA, RB>(a: A, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
    A: FnOnce() -> RA,
{
    finish(a, half)
}

/// Calls `a`, then `b`, unless somebody has taken it.
#[inline(always)]
fn finish<J, A, B, RA, RB>(a: A, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
    A: FnOnce() -> RA,
{
    let ra = catch_unwind(AssertUnwindSafe(a));
    // From the frame: a register to keep it in over the call would have to be saved, and where the cache takes one write in a
    // cycle (AMD Zen 4), a join takes about as many cycles as it writes.
    // SAFETY: written by `Half::new`, and borrowed by who calls the join, which is under way.
    let joiner = unsafe { &*half.joiner };
    let fiber = joiner.fiber();
    let ra = match ra {
        Ok(ra) => ra,
        Err(payload) => return finish_panicked(joiner, payload, half),
    };
    if !fiber.forks.remove(&half.fork) {
        return finish_published(joiner, Ok(ra), half);
    }
    if fiber.must_attend() {
        return finish_wanted(joiner, ra, half);
    }
    // The body is taken here and not before: a body whose address the cold path also gets would
    // be copied once more.
    // SAFETY: nobody else has seen the half.
    let b = unsafe { half.take_body() };
    (ra, joiner.call_here(b))
}

/// Between the halves of a join that others could not see, while somebody wants jobs: shows older forks, since the second half may be
/// a long leaf. All of it apart, as in [`join_attended`].
#[cold]
#[inline(never)]
fn finish_wanted<J, B, RA, RB>(joiner: &J, ra: RA, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
{
    joiner.attend();
    // SAFETY: nobody else has seen the half.
    let b = unsafe { half.take_body() };
    (ra, joiner.call_here(b))
}

/// Little stack is left: goes on on another segment, if there is memory for one; else neither `a`
/// nor `b` runs.
#[cold]
#[inline(never)]
fn join_deeper<J, A, B, RA, RB>(joiner: &J, a: A, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
    A: FnOnce() -> RA,
{
    // First of all: without memory the closures are dropped below, and their destructors may do
    // anything.
    let is_private = joiner.fiber().forks.remove(&half.fork);
    debug_assert!(is_private, "nothing has run since it was pushed");
    if let Some(error) = joiner.end() {
        // SAFETY: nobody else has seen the half.
        drop(unsafe { half.take_body() });
        drop(a);
        error.raise();
    }
    let on_segment = || {
        // SAFETY: as in `join`; the list has not looked at it yet, so it is still new.
        unsafe { joiner.fiber().forks.push(NonNull::from(half).cast()) };
        finish_attended(a, half)
    };
    match room::deeper(joiner.fiber(), on_segment) {
        Ok(Ok(both)) => both,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(error) => {
            // SAFETY: nobody else has seen the half.
            drop(unsafe { half.take_body() });
            error.raise()
        }
    }
}

/// `a` has panicked: `b` runs all the same, so that what happens does not depend on who takes
/// it.
#[cold]
fn finish_panicked<J, B, RA, RB>(joiner: &J, payload: Payload, half: &Half<J, B, RB>) -> (RA, RB)
where
    J: Joiner<B, RB>,
{
    if !joiner.fiber().forks.remove(&half.fork) {
        return finish_published(joiner, Err(payload), half);
    }
    // SAFETY: nobody else has seen the half.
    let b = unsafe { half.take_body() };
    if joiner.is_ending() {
        discard(b);
    } else {
        discard(catch_unwind(AssertUnwindSafe(|| joiner.call_here(b))));
    }
    resume_unwind(payload)
}

/// Others could see the second half: takes it back, or waits until it is done.
#[cold]
fn finish_published<J, B, RA, RB>(
    joiner: &J,
    ra: Result<RA, Payload>,
    half: &Half<J, B, RB>,
) -> (RA, RB)
where
    J: Joiner<B, RB>,
{
    joiner.settle();
    // SAFETY: published, since it was not taken back by `remove`.
    let awaited = unsafe { half.fork.awaited() };
    let (rb, cycle) = match reclaim(joiner.fiber(), half.fork.job(), awaited) {
        Reclaimed::Back => {
            // SAFETY: just taken back.
            let b = unsafe { half.take_body() };
            match ra {
                Err(payload) if joiner.is_ending() => {
                    discard(b);
                    resume_unwind(payload)
                }
                _ => {
                    let rb = catch_unwind(AssertUnwindSafe(|| joiner.call_here(b)));
                    (rb, None)
                }
            }
        }
        Reclaimed::Done(cycle) => {
            // SAFETY: closed.
            let (rb, marked) = unsafe { half.take_result() };
            marked.inspect(|marked| Frame::take_over(joiner.fiber(), marked));
            (rb, cycle)
        }
    };
    match (ra, rb, cycle) {
        (Err(_), Err(payload), _) if plant::is("second_panic_first") => resume_unwind(payload),
        (Err(payload), rb, _) => {
            discard(rb);
            resume_unwind(payload)
        }
        (Ok(_), Err(payload), _) => resume_unwind(payload),
        (Ok(_), Ok(_), Some(error)) => error.raise(),
        (Ok(ra), Ok(rb), None) => (ra, rb),
    }
}
