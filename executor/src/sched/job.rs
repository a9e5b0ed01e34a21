//! What the scheduler moves: a job that has not started.
//!
//! It is a header that its holder (a frame or a heap cell) begins with. Knows nothing of what it
//! runs.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;

/// The head of a job.
pub(crate) struct Job {
    /// Changed by the list that a fork is on, before anybody else sees the job.
    pub(super) kind: Cell<&'static JobKind>,
}

/// What can be done with a job, given its address.
pub(crate) struct JobKind {
    /// Starts it.
    start: Start,
    /// Of work that a fiber holds ([`Fork`](super::fork::Fork)): splits a part off, a job of its
    /// own, if there is one. `None`: it is given away as a whole.
    pub(super) split: Option<Split>,
    /// Whether it is at least as much as who gives it away keeps, and who has started it can give parts of it away in turn.
    is_divisible: bool,
    /// Of a fork that its list has not linked yet (fork.md K9): its kind afterwards.
    pub(super) linked: Option<&'static JobKind>,
}

type Start = unsafe fn(NonNull<Job>, &FiberRecord);
type Split = unsafe fn(NonNull<Job>) -> Option<JobRef>;

impl JobKind {
    /// Of a job that is started as a whole.
    pub(crate) const fn whole(start: Start) -> Self {
        JobKind {
            start,
            split: None,
            is_divisible: false,
            linked: None,
        }
    }

    /// The same, for one that can be divided once it has been started, if it `is_divisible`.
    pub(crate) const fn part(start: Start, is_divisible: bool) -> Self {
        JobKind {
            is_divisible,
            ..Self::whole(start)
        }
    }

    /// Of work that only gives parts away.
    pub(crate) const fn divided(split: Split) -> Self {
        JobKind {
            split: Some(split),
            ..Self::whole(never)
        }
    }

    /// Of a new fork that is `linked` as soon as its list looks at it.
    pub(crate) const fn of_fork(linked: &'static JobKind) -> Self {
        JobKind {
            linked: Some(linked),
            ..*linked
        }
    }
}

unsafe fn never(_: NonNull<Job>, _: &FiberRecord) {
    unreachable!("this is never published");
}

impl Job {
    #[inline]
    pub(crate) const fn new(kind: &'static JobKind) -> Self {
        Job {
            kind: Cell::new(kind),
        }
    }
}

/// A job on its way to whoever starts it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRef(NonNull<Job>);

// SAFETY: whoever makes a `JobRef` promises that the job may be started on any thread
// (`JobRef::new`).
unsafe impl Send for JobRef {}

impl JobRef {
    /// # Safety
    ///
    /// The job stays in place until it was started, what it runs is `Send`, and it is started at
    /// most once.
    pub(crate) unsafe fn new(job: NonNull<Job>) -> Self {
        JobRef(job)
    }

    /// Whether this is that job.
    pub(crate) fn is(self, job: &Job) -> bool {
        ptr::eq(self.0.as_ptr(), job)
    }

    /// Whether it is a part that can be divided in turn.
    pub(crate) fn is_divisible(self) -> bool {
        // SAFETY: alive and not started (`new`), for who takes it out of a queue or has not put it into one yet.
        unsafe { self.0.as_ref() }.kind.get().is_divisible
    }

    /// Starts the job on `fiber`, the current one.
    pub(crate) fn run(self, fiber: &FiberRecord) {
        // SAFETY: alive and not started (`new`): a `JobRef` is taken out of a queue by one worker
        // only.
        let start = unsafe { self.0.as_ref() }.kind.get().start;
        // SAFETY: as above; `start` belongs to the kind this job was made with.
        without_unwinding(|| unsafe { start(self.0, fiber) });
    }
}

/// Calls what must carry panics as values: others would wait for ever, or read a frame that is
/// gone.
pub(crate) fn without_unwinding<R>(body: impl FnOnce() -> R) -> R {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            eprintln!("dagwood: a panic left a job, which is a bug of the library; aborting");
            std::process::abort();
        }
    }
    let abort = Abort;
    let result = body();
    std::mem::forget(abort);
    result
}
