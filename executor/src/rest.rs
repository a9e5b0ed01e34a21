//! What is left of a parallel loop: a range of indices that its fiber goes through one by one, and
//! of which it gives the upper half away whenever somebody wants work or an item waits.
//!
//! Used by the loops of `par.rs`. Knows nothing of items and results.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::cx::Cx;
use crate::error::{Payload, discard};
use crate::local::Binding;
use crate::pace::{Pace, SINGLE};
use crate::part::{Given, Taken, Work};
use crate::plant;
use crate::query::record::Branches;
use crate::run::Run;
use crate::sched::fiber::{Deaf, FiberRecord};
use crate::sched::fork::Fork;
use crate::sched::job::{Job, JobKind, JobRef};
use crate::sched::room::Here;

/// Calls `body` with each index of `range`, perhaps at the same time. All calls have ended when this
/// returns.
///
/// # Errors
///
/// What panicked.
pub(crate) fn for_each_index<'db, D, B>(
    cx: &Cx<'db, D>,
    range: Range<usize>,
    body: &B,
) -> Result<(), Failures>
where
    B: Fn(&Cx<'db, D>, usize) + Sync,
{
    let here = Here::uninit();
    if cx.is_deep(&raw const here) {
        return cx.deeper(|| for_each_index(cx, range, body));
    }
    let plan = Plan {
        run: cx.run(),
        locals: cx.locals(),
        is_recorded: cx.recorder().is_some(),
        deaf: Deaf::of(cx.fiber()),
        body,
    };
    cx.settle_item();
    let level = cx.note_fork();
    let result = Rest::new(&plan, range, cx.fiber()).finish(cx, level);
    cx.note_join(level);
    result
}

/// The indices whose calls panicked, in order, and the panic of the first of them (or the error of a
/// cycle that the loop was part of: then nobody goes on).
pub(crate) struct Failures {
    pub(crate) first: Payload,
    pub(crate) indices: Vec<Range<usize>>,
}

/// The items that a fiber takes at once. One of them says that those behind it are free only when that may matter
/// (fork.md K7): a store for each would cost as much as a cheap item does.
///
/// It lies in the frame of its loop, and only items know of it. So where they do not use their contexts the compiler sees
/// that nothing ends the block early, and has a plain loop.
pub(crate) struct Block {
    /// Of the part that it is taken from: the first index that may be given away.
    next: *const Cell<usize>,
    /// Its end: never behind `next`.
    stop: Cell<usize>,
}

/// The item of a loop that a context belongs to, if any.
#[derive(Copy, Clone)]
pub(crate) struct Item {
    block: *const Block,
    index: usize,
}

impl Item {
    pub(crate) const NONE: Item = Item {
        block: ptr::null(),
        index: 0,
    };

    #[inline]
    fn new(block: &Block, index: usize) -> Self {
        Item { block, index }
    }

    /// Lets the items behind this one be given away. Called before all that may wait, or look for
    /// something to give away.
    ///
    /// # Safety
    ///
    /// The call for this item has not ended, and the caller runs on its fiber.
    pub(crate) unsafe fn settle(self) -> bool {
        // SAFETY: null, or the block of a loop that is in the middle of this item.
        if let Some(block) = unsafe { self.block.as_ref() } {
            // SAFETY: the part of the loop lies in a frame around the block.
            let next = unsafe { &*block.next };
            block.stop.set(self.index + 1);
            return next.replace(self.index + 1) != self.index + 1;
        }
        false
    }
}

/// Says at which item the body of a loop unwound.
struct SettleOnUnwind(Item);

impl Drop for SettleOnUnwind {
    fn drop(&mut self) {
        // SAFETY: in the frame of the call for this item.
        unsafe { self.0.settle() };
    }
}

/// What all parts of a loop share: it lies in the frame of the loop.
struct Plan<'b, 'db, D, B> {
    run: *const Run<'db, D>,
    locals: *const Binding,
    /// Whether what items ask for is recorded.
    is_recorded: bool,
    deaf: Deaf,
    body: &'b B,
}

/// The part of a loop that one fiber has. Begins with its fork.
#[repr(C)]
struct Rest<'b, 'db, D, B>
where
    B: Fn(&Cx<'db, D>, usize) + Sync,
{
    fork: Fork,
    /// The first index that may be given away.
    next: Cell<usize>,
    end: Cell<usize>,
    /// What was given away; the last is the leftmost.
    given: RefCell<Vec<Given<Stretch<'b, 'db, D, B>>>>,
    failures: RefCell<Option<Failures>>,
    plan: &'b Plan<'b, 'db, D, B>,
    /// That has this part.
    fiber: *const FiberRecord,
}

/// A range that was given away.
struct Stretch<'b, 'db, D, B> {
    range: Range<usize>,
    plan: &'b Plan<'b, 'db, D, B>,
}

impl<'db, D, B> Work for Stretch<'_, 'db, D, B>
where
    B: Fn(&Cx<'db, D>, usize) + Sync,
{
    type Done = (Result<(), Failures>, Branches);
    const IS_DIVISIBLE: bool = true;

    fn run(self, fiber: &FiberRecord) -> Self::Done {
        // SAFETY: the current fiber; run and bindings outlive the loop, which waits for us.
        let cx = unsafe { Cx::new(self.plan.run, fiber, self.plan.locals) };
        cx.with_recorder(self.plan.is_recorded, |cx| {
            let finish = || Rest::new(self.plan, self.range, fiber).finish(cx, 0);
            self.plan.deaf.during(fiber, finish)
        })
    }
}

impl<'b, 'db, D, B> Rest<'b, 'db, D, B>
where
    B: Fn(&Cx<'db, D>, usize) + Sync,
{
    const LINKED: &'static JobKind = &JobKind::divided(Self::split);
    const KIND: &'static JobKind = &JobKind::of_fork(Self::LINKED);

    fn new(plan: &'b Plan<'b, 'db, D, B>, range: Range<usize>, fiber: &FiberRecord) -> Self {
        Rest {
            fiber,
            fork: Fork::new(Self::KIND),
            next: Cell::new(range.start),
            end: Cell::new(range.end),
            given: RefCell::new(Vec::new()),
            failures: RefCell::new(None),
            plan,
        }
    }

    /// Goes through the range, and waits for what was given away meanwhile. Never unwinds. What items ask for is recorded
    /// at `level`.
    fn finish(self, cx: &Cx<'db, D>, level: usize) -> Result<(), Failures> {
        let fiber = cx.fiber();
        // SAFETY: it stays in this frame until it is removed below: nothing between here and there
        // unwinds. What it gives away is `Send`: the body and the run are `Sync`. The record of a
        // running fiber does not move.
        unsafe { fiber.forks.push(NonNull::from(&self).cast()) };
        let mut cycle = None;
        loop {
            self.go_through(cx, level);
            let Some(given) = self.given.borrow_mut().pop() else {
                break;
            };
            match given.take(fiber) {
                Taken::Back(stretch) => {
                    self.next.set(stretch.range.start);
                    self.end.set(stretch.range.end);
                    fiber.forks.note_work();
                }
                Taken::Done((done, branches), error) => {
                    cx.note_branches(level, branches);
                    done.unwrap_or_else(|failures| self.add(failures));
                    cycle = cycle.or(error);
                }
            }
        }
        fiber.forks.remove(&self.fork);
        match (self.failures.into_inner(), cycle) {
            (Some(failures), _) => Err(failures),
            (None, Some(error)) => Err(Failures {
                first: error.into_payload(),
                indices: Vec::new(),
            }),
            (None, None) => Ok(()),
        }
    }

    /// Calls the body with the indices that are left here.
    fn go_through(&self, cx: &Cx<'db, D>, level: usize) {
        while let Err(first) = catch_unwind(AssertUnwindSafe(|| self.call_each(cx, level))) {
            let next = self.next.get();
            let mut indices = next - 1..next;
            if cx.is_ending() {
                // What was not begun is not called.
                indices.end = self.end.get();
                self.next.set(indices.end);
            }
            let indices = vec![indices];
            self.add(Failures { first, indices });
        }
    }

    #[inline]
    fn call_each(&self, cx: &Cx<'db, D>, level: usize) {
        if !self.plan.is_recorded {
            self.call_blocks(cx);
        }
        self.call_singly(cx, level);
    }

    /// Calls the body with all but the last few indices. Attention is looked for before each block.
    #[inline]
    fn call_blocks(&self, cx: &Cx<'db, D>) {
        let body = self.plan.body;
        let mut index = self.next.get();
        let left = |index| self.end.get().saturating_sub(index);
        if left(index) <= SINGLE {
            return;
        }
        let mut pace = Pace::new(cx.fiber().is_on_worker() && cx.fiber().has_company());
        while left(index) > SINGLE {
            // The first is ours (fork.md K4).
            self.next.set(index + 1);
            cx.point_to_end_before();
            if left(index) <= SINGLE {
                // It has given others away there.
                self.next.set(index);
                break;
            }
            let len = pace.take(left(index));
            let block = Block {
                next: &raw const self.next,
                stop: Cell::new(index + len),
            };
            self.next.set(index + len);
            let start = index;
            while index < block.stop.get() {
                let item = Item::new(&block, index);
                let guard = SettleOnUnwind(item);
                body(&cx.with_item(item), index);
                std::mem::forget(guard);
                index += 1;
            }
            pace.done(index - start);
        }
    }

    /// Calls the body with what is left. Attention is looked for before each item, and those behind it are always free.
    #[inline]
    fn call_singly(&self, cx: &Cx<'db, D>, level: usize) {
        let cx = &cx.with_item(Item::NONE);
        let body = self.plan.body;
        let mut index = self.next.get();
        while index < self.end.get() {
            self.next.set(index + 1);
            cx.point_to_end_before();
            cx.note_branch(level);
            body(cx, index);
            index += 1;
        }
    }

    /// Gives the upper half of what is left away.
    ///
    /// # Safety
    ///
    /// `job` is the head of a `Rest` on the list of the current fiber.
    unsafe fn split(job: NonNull<Job>) -> Option<JobRef> {
        // SAFETY: by contract; the head is the first field of `repr(C)` structs.
        let rest = unsafe { job.cast::<Self>().as_ref() };
        let (next, end) = (rest.next.get(), rest.end.get());
        if next == end {
            return None;
        }
        let middle = next + (end - next) / 2;
        let is_lost = middle > next && plant::is("lost_item");
        rest.end.set(middle - usize::from(is_lost));
        let stretch = Stretch {
            range: middle..end,
            plan: rest.plan,
        };
        // SAFETY: `Send` as said in `finish`, which takes all that was given before it returns.
        let (given, job) = unsafe { Given::new(stretch, rest.fiber) };
        rest.given.borrow_mut().push(given);
        Some(job)
    }

    /// Adds failures that come after those that are known.
    fn add(&self, new: Failures) {
        let known = self.failures.take();
        let failures = match known {
            None => new,
            Some(mut known) => {
                known.indices.extend(new.indices);
                discard(new.first);
                known
            }
        };
        *self.failures.borrow_mut() = Some(failures);
    }
}
