//! What the scheduler moves: a job that has not started.
//!
//! It is a header that its holder (a frame or a heap cell) begins with. Knows nothing of what it
//! runs.

use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;

/// The head of a job.
pub(crate) struct Job {
    run: unsafe fn(NonNull<Job>, &FiberRecord),
}

impl Job {
    /// A job that `run` starts, given its address.
    #[inline]
    pub(crate) const fn new(run: unsafe fn(NonNull<Job>, &FiberRecord)) -> Self {
        Job { run }
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

    /// Starts the job on `fiber`, the current one.
    pub(crate) fn run(self, fiber: &FiberRecord) {
        // SAFETY: alive and not started (`new`): a `JobRef` is taken out of a queue by one worker
        // only.
        let run = unsafe { self.0.as_ref() }.run;
        // SAFETY: as above; `run` is the function this job was made with.
        without_unwinding(|| unsafe { run(self.0, fiber) });
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
