//! `join`: two closures, perhaps at once. The second is a job in this frame that costs next to
//! nothing until somebody wants it.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use crate::cx::Cx;
use crate::error::{Payload, discard};
use crate::part::{Marked, Reclaimed, reclaim};
use crate::plant;
use crate::query::record::Branches;
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::fork::Fork;
use crate::sched::graph::Frame;
use crate::sched::job::{Job, JobKind};
use crate::sched::room;
use crate::sched::wait::Outcome;
use crate::sync::Mutex;

/// The second half of a join, in the frame of the join. Begins with the fork.
#[repr(C)]
struct Half<'db, D, B, RB> {
    fork: Fork,
    deaf: Deaf,
    /// The context of the join, for what a thief's own context is made of.
    cx: *const Cx<'db, D>,
    /// Taken once: by the join if nobody else has the half, else by who popped it.
    body: UnsafeCell<MaybeUninit<B>>,
    /// Written by the thief before it closes the fork; taken by the join afterwards. With what has marked the frame.
    result: UnsafeCell<MaybeUninit<Marked<Result<RB, Payload>>>>,
}

impl<'db, D, B, RB> Half<'db, D, B, RB>
where
    B: FnOnce(&Cx<'db, D>) -> RB,
{
    const LINKED: &'static JobKind = &JobKind::whole(Self::start);
    const KIND: &'static JobKind = &JobKind::of_fork(Self::LINKED);

    #[inline]
    fn new(cx: &Cx<'db, D>, body: B) -> Self {
        Half {
            fork: Fork::new(Self::KIND),
            deaf: Deaf::of(cx.fiber()),
            cx,
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
        // SAFETY: the join's context lies in the frame of the join or around it; what we read of it
        // does not change.
        let (run, locals, giver) = unsafe { Cx::shared_parts(half.cx) };
        let locals = if plant::is("lost_locals") {
            ptr::null()
        } else {
            locals
        };
        let done = Frame::enter(fiber, awaited, giver, || {
            // SAFETY: the current fiber; run and bindings outlive the join that waits for us.
            let cx = unsafe { Cx::new(run, fiber, locals) };
            half.deaf
                .during(fiber, || catch_unwind(AssertUnwindSafe(|| body(&cx))))
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

/// What a join tells the record of its query; at last, also by a panic, that it has ended.
struct Notes<'c, 'db, D> {
    cx: &'c Cx<'db, D>,
    level: usize,
    /// What the second branch asked for, if it ran elsewhere.
    elsewhere: Mutex<Branches>,
}

impl<D> Drop for Notes<'_, '_, D> {
    fn drop(&mut self) {
        let branches = self.elsewhere.lock().take();
        self.cx.note_branches(self.level, branches);
        self.cx.note_join(self.level);
    }
}

impl<'db, D> Cx<'db, D> {
    /// Runs both closures, perhaps at the same time, and gives both results.
    ///
    /// `a` runs here and now. `b` may be taken by another worker; if none does, it runs here
    /// afterwards. On the sequential backend, and with one worker as long as `a` does not wait, the
    /// order is `a`, `b`.
    ///
    /// # Panics
    ///
    /// If one of them panics, the other still runs to its end; then the panic goes on, that of `a`
    /// if both panic. If there is no memory for more stack where little is left, neither runs, and the
    /// provider or `run` around it fails with an error that [is
    /// exhausted](crate::Error::is_exhausted).
    ///
    /// # Examples
    ///
    /// ```
    /// # let executor = dagwood::Executor::builder().workers(2).build()?;
    /// # let db = dagwood::Database::new(vec![1, 2, 3, 4]);
    /// fn sum(cx: &dagwood::Cx<'_, Vec<u64>>, from: usize, to: usize) -> u64 {
    ///     if to - from == 1 {
    ///         return cx.data()[from];
    ///     }
    ///     let middle = from.midpoint(to);
    ///     let (left, right) = cx.join(|cx| sum(cx, from, middle), |cx| sum(cx, middle, to));
    ///     left + right
    /// }
    /// assert_eq!(executor.run(&db, |cx| sum(cx, 0, 4))?, 10);
    /// # Ok::<(), dagwood::Error>(())
    /// ```
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA + Send,
        B: FnOnce(&Cx<'db, D>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if self.recorder().is_some() {
            return self.join_recorded(a, b);
        }
        self.fork_and_join(a, b)
    }

    /// The same where asks are recorded: apart, so that the other way costs one compare more only.
    #[cold]
    #[inline(never)]
    fn join_recorded<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA + Send,
        B: FnOnce(&Cx<'db, D>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let notes = Notes {
            cx: self,
            level: self.note_fork(),
            elsewhere: Mutex::new(None),
        };
        let (level, elsewhere) = (notes.level, &notes.elsewhere);
        self.fork_and_join(a, move |cx: &Cx<'db, D>| {
            // Who takes the half makes a context without a recorder for it.
            if cx.recorder().is_some() {
                cx.note_branch(level);
                return b(cx);
            }
            let (result, branches) =
                cx.with_recorder(true, |cx| catch_unwind(AssertUnwindSafe(|| b(cx))));
            *elsewhere.lock() = branches;
            result.unwrap_or_else(|payload| resume_unwind(payload))
        })
    }

    #[inline]
    fn fork_and_join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA + Send,
        B: FnOnce(&Cx<'db, D>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let half = Half::new(self, b);
        let fiber = self.fiber();
        // SAFETY: `half` stays in this frame until it was taken back (`remove`), or, if it was
        // published, until it is popped or closed (`finish_published`): nothing between here and
        // there unwinds. `B` and `RB` are `Send`. The record of a running fiber does not move.
        unsafe { fiber.forks.push(NonNull::from(&half).cast()) };
        if fiber.has_attention(&raw const half) && self.attend_unless_deep_or_ended(&raw const half)
        {
            return self.join_deeper(a, &half);
        }
        let ra = match catch_unwind(AssertUnwindSafe(|| a(self))) {
            Ok(ra) => ra,
            Err(payload) => return self.finish_panicked(payload, &half),
        };
        if !self.fiber().forks.remove(&half.fork) {
            return self.finish_published(Ok(ra), &half);
        }
        // The body is taken here and not before: a body whose address the cold path also gets would
        // be copied once more.
        // SAFETY: nobody else has seen the half.
        let b = unsafe { half.take_body() };
        (ra, b(self))
    }

    /// Little stack is left: goes on on another segment, if there is memory for one; else neither `a`
    /// nor `b` runs.
    #[cold]
    #[inline(never)]
    fn join_deeper<A, B, RA, RB>(&self, a: A, half: &Half<'db, D, B, RB>) -> (RA, RB)
    where
        A: FnOnce(&Cx<'db, D>) -> RA,
        B: FnOnce(&Cx<'db, D>) -> RB,
    {
        // First of all: without memory the closures are dropped below, and their destructors may do
        // anything.
        let is_private = self.fiber().forks.remove(&half.fork);
        debug_assert!(is_private, "nothing has run since it was pushed");
        if let Some(error) = self.end() {
            // SAFETY: nobody else has seen the half.
            drop(unsafe { half.take_body() });
            drop(a);
            error.raise();
        }
        let on_segment = || {
            // SAFETY: as in `join`; the list has not looked at it yet, so it is still new.
            unsafe { self.fiber().forks.push(NonNull::from(half).cast()) };
            match catch_unwind(AssertUnwindSafe(|| a(self))) {
                Err(payload) => self.finish_panicked(payload, half),
                Ok(ra) if !self.fiber().forks.remove(&half.fork) => {
                    self.finish_published(Ok(ra), half)
                }
                Ok(ra) => {
                    // SAFETY: nobody else has seen the half.
                    let b = unsafe { half.take_body() };
                    (ra, b(self))
                }
            }
        };
        match room::deeper(self.fiber(), on_segment) {
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
    fn finish_panicked<B, RA, RB>(&self, payload: Payload, half: &Half<'db, D, B, RB>) -> (RA, RB)
    where
        B: FnOnce(&Cx<'db, D>) -> RB,
    {
        if !self.fiber().forks.remove(&half.fork) {
            return self.finish_published(Err(payload), half);
        }
        // SAFETY: nobody else has seen the half.
        let b = unsafe { half.take_body() };
        if self.is_ending() {
            discard(b);
        } else {
            discard(catch_unwind(AssertUnwindSafe(|| b(self))));
        }
        resume_unwind(payload)
    }

    /// Others could see the second half: takes it back, or waits until it is done.
    #[cold]
    fn finish_published<B, RA, RB>(
        &self,
        ra: Result<RA, Payload>,
        half: &Half<'db, D, B, RB>,
    ) -> (RA, RB)
    where
        B: FnOnce(&Cx<'db, D>) -> RB,
    {
        self.settle_item();
        // SAFETY: published, since it was not taken back by `remove`.
        let awaited = unsafe { half.fork.awaited() };
        let (rb, cycle) = match reclaim(self.fiber(), half.fork.job(), awaited) {
            Reclaimed::Back => {
                // SAFETY: just taken back.
                let b = unsafe { half.take_body() };
                match ra {
                    Err(payload) if self.is_ending() => {
                        discard(b);
                        resume_unwind(payload)
                    }
                    _ => (catch_unwind(AssertUnwindSafe(|| b(self))), None),
                }
            }
            Reclaimed::Done(cycle) => {
                // SAFETY: closed.
                let (rb, marked) = unsafe { half.take_result() };
                marked.inspect(|marked| Frame::take_over(self.fiber(), marked));
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
}
