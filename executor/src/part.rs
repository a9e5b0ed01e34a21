//! Parts of a call that its fiber gives away: how they are done elsewhere, and how the fiber comes
//! by them: back, or done. Used by joins, loops and scopes. Knows nothing of what is done.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

use crate::error::Error;
use crate::sched::fiber::FiberRecord;
use crate::sched::graph::{self, Awaited, Frame};
use crate::sched::job::{Job, JobKind, JobRef};
use crate::sched::wait::Outcome;

/// What came of a branch, with the error that has marked its frame meanwhile, if one has.
pub(crate) type Marked<R> = (R, Option<Error>);

/// What has become of a published job.
#[must_use = "a job that came back has not run"]
pub(crate) enum Reclaimed {
    /// Nobody had begun with it: it is the caller's again.
    Back,
    /// It was done elsewhere. With the error of a cycle that waiting for it was part of: raise it.
    Done(Option<Error>),
}

/// Takes `job`, which was published by `fiber`, the current one, back from its queue, or waits until
/// it is done (fork.md K8).
pub(crate) fn reclaim(fiber: &FiberRecord, job: &Job, awaited: &Awaited) -> Reclaimed {
    if awaited.list.outcome().is_some() {
        return Reclaimed::Done(None);
    }
    if fiber.worker().is_some_and(|worker| worker.take_back(job)) {
        return Reclaimed::Back;
    }
    Reclaimed::Done(graph::wait_for_child(fiber, awaited))
}

/// What can be given away.
pub(crate) trait Work {
    /// What comes of it.
    type Done;

    /// Whether it is at least as much as its giver keeps, and who does it can give parts of it away.
    const IS_DIVISIBLE: bool;

    /// Does it on `fiber`, the current one. Never unwinds.
    fn run(self, fiber: &FiberRecord) -> Self::Done;
}

/// Work on its way, on the heap. Begins with its head.
#[repr(C)]
struct Part<W: Work> {
    job: Job,
    awaited: Awaited,
    /// The fiber that waits for it in the end, perhaps through others.
    giver: *const FiberRecord,
    /// Taken once: by who starts the part, or by the giver.
    work: UnsafeCell<Option<W>>,
    /// Written by who does the work, before the close.
    done: UnsafeCell<Option<W::Done>>,
    /// What has marked its frame; written as `done` is.
    marked: UnsafeCell<Option<Error>>,
}

/// What the giver keeps of work that it gave away, and must [`take`](Self::take) in the end.
pub(crate) struct Given<W: Work>(NonNull<Part<W>>);

/// What came of work that was given away.
pub(crate) enum Taken<W: Work> {
    /// Nobody had begun with it.
    Back(W),
    /// It was done elsewhere, with the error of a cycle that the wait was part of.
    Done(W::Done, Option<Error>),
}

impl<W: Work> Given<W> {
    /// Makes a job of `work`, for which `giver` waits in the end.
    ///
    /// # Safety
    ///
    /// `work` may be done by another thread, and what it borrows, as `giver`, lives until it was taken.
    pub(crate) unsafe fn new(work: W, giver: *const FiberRecord) -> (Given<W>, JobRef) {
        let part = NonNull::from(Box::leak(Box::new(Part {
            job: Job::new(Part::<W>::KIND),
            awaited: Awaited::new(ptr::null()),
            giver,
            work: UnsafeCell::new(Some(work)),
            done: UnsafeCell::new(None),
            marked: UnsafeCell::new(None),
        })));
        // SAFETY: freed by `take` only, which sees to it that it is in no queue and was done or not
        // started; `Send` by contract.
        (Given(part), unsafe { JobRef::new(part.cast()) })
    }

    /// Waits until it is done. On any fiber, or as a thread; for what is not in a deque of the waiter's.
    pub(crate) fn wait(self, fiber: &FiberRecord) -> (W::Done, Option<Error>) {
        // SAFETY: alive: freed below only.
        let part = unsafe { self.0.as_ref() };
        let cycle = graph::wait_for_child(fiber, &part.awaited);
        // SAFETY: leaked by `new`; done, and whoever did it touches it no more.
        let part = unsafe { Box::from_raw(self.0.as_ptr()) };
        (part.into_done(fiber), cycle)
    }

    /// Takes it back, or waits until it is done. On the fiber that published it.
    pub(crate) fn take(self, fiber: &FiberRecord) -> Taken<W> {
        // SAFETY: alive: freed below only.
        let part = unsafe { self.0.as_ref() };
        let reclaimed = reclaim(fiber, &part.job, &part.awaited);
        // SAFETY: leaked by `new`; out of the queue and not started, or done, and then whoever did
        // it touches it no more.
        let part = unsafe { Box::from_raw(self.0.as_ptr()) };
        match reclaimed {
            Reclaimed::Back => Taken::Back(part.work.into_inner().expect("not started")),
            Reclaimed::Done(cycle) => Taken::Done(part.into_done(fiber), cycle),
        }
    }
}

impl<W: Work> Part<W> {
    const KIND: &'static JobKind = &JobKind::part(Self::start, W::IS_DIVISIBLE);

    /// What came of it, for `fiber`, the current one. It is closed.
    fn into_done(self, fiber: &FiberRecord) -> W::Done {
        let marked = self.marked.into_inner();
        marked.inspect(|marked| Frame::take_over(fiber, marked));
        self.done.into_inner().expect("written before the close")
    }

    /// # Safety
    ///
    /// `job` is the head of a living part that nobody else starts.
    unsafe fn start(job: NonNull<Job>, fiber: &FiberRecord) {
        // SAFETY: by contract; the head is the first field of a `repr(C)` struct. It stays until we
        // close.
        let part = unsafe { job.cast::<Self>().as_ref() };
        part.awaited.set_owner(fiber);
        // SAFETY: only who starts the part touches its work.
        let work = unsafe { &mut *part.work.get() }.take();
        let work = work.expect("a part is started once");
        let (done, marked) = Frame::enter(fiber, &part.awaited, part.giver, || work.run(fiber));
        // SAFETY: the giver reads after the close only.
        unsafe { *part.done.get() = Some(done) };
        // SAFETY: as above.
        unsafe { *part.marked.get() = marked };
        part.awaited.list.close(Outcome::READY).wake();
        // The part may be gone from here on.
    }
}
