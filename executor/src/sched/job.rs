//! What the scheduler moves: a job that has not started, and the list of those a fiber keeps to itself.
//!
//! A job is a header that its holder (a frame or a heap cell) begins with. Knows nothing of what it runs.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::fiber::FiberRecord;

/// The head of a job.
pub(crate) struct Job {
    run: unsafe fn(NonNull<Job>, &FiberRecord),
    older: Cell<*const Job>,
    newer: Cell<*const Job>,
    is_private: Cell<bool>,
}

impl Job {
    /// A job that `run` starts, given its address.
    pub(crate) const fn new(run: unsafe fn(NonNull<Job>, &FiberRecord)) -> Self {
        Job {
            run,
            older: Cell::new(ptr::null()),
            newer: Cell::new(ptr::null()),
            is_private: Cell::new(false),
        }
    }
}

/// A job on its way to whoever starts it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRef(NonNull<Job>);

// SAFETY: whoever makes a `JobRef` promises that the job may be started on any thread (`JobRef::new`).
unsafe impl Send for JobRef {}

impl JobRef {
    /// # Safety
    ///
    /// The job stays in place until it was started, what it runs is `Send`, and it is started at most once.
    pub(crate) unsafe fn new(job: NonNull<Job>) -> Self {
        JobRef(job)
    }

    /// Whether this is that job.
    pub(crate) fn is(self, job: &Job) -> bool {
        ptr::eq(self.0.as_ptr(), job)
    }

    /// Starts the job on `fiber`, the current one.
    pub(crate) fn run(self, fiber: &FiberRecord) {
        // SAFETY: alive and not started (`new`): a `JobRef` is taken out of a queue by one worker only.
        let run = unsafe { self.0.as_ref() }.run;
        // SAFETY: as above; `run` is the function this job was made with.
        without_unwinding(|| unsafe { run(self.0, fiber) });
    }
}

/// Calls what must carry panics as values: others would wait for ever, or read a frame that is gone.
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

/// The jobs that a fiber has forked and nobody else can see: a list through their frames.
///
/// Joins nest, so the newest is always the one to be taken back first; the oldest is the first to be published.
pub(crate) struct JobList {
    oldest: Cell<*const Job>,
    newest: Cell<*const Job>,
}

impl JobList {
    pub(crate) const fn new() -> Self {
        JobList {
            oldest: Cell::new(ptr::null()),
            newest: Cell::new(ptr::null()),
        }
    }

    /// Adds the newest.
    ///
    /// # Safety
    ///
    /// The job stays in place until it was taken back by [`remove`](Self::remove) or, once published, started; what it
    /// runs is `Send`.
    #[inline]
    pub(crate) unsafe fn push(&self, job: NonNull<Job>) {
        let older = self.newest.replace(job.as_ptr());
        // SAFETY: in place (this function's contract).
        let job = unsafe { job.as_ref() };
        job.older.set(older);
        job.is_private.set(true);
        // SAFETY: what is on the list is in place (this function's contract).
        match unsafe { older.as_ref() } {
            Some(older) => older.newer.set(self.newest.get()),
            None => self.oldest.set(self.newest.get()),
        }
    }

    /// Takes `job`, the newest, back; `false`: it was published.
    #[inline]
    pub(crate) fn remove(&self, job: &Job) -> bool {
        if !job.is_private.get() {
            return false;
        }
        debug_assert!(ptr::eq(self.newest.get(), job), "joins nest");
        let older = job.older.get();
        self.newest.set(older);
        if older.is_null() {
            self.oldest.set(ptr::null());
        }
        true
    }

    /// Takes the oldest, for others to see.
    pub(crate) fn take_oldest(&self) -> Option<JobRef> {
        let oldest = NonNull::new(self.oldest.get().cast_mut())?;
        // SAFETY: what is on the list is in place (`push`).
        let job = unsafe { oldest.as_ref() };
        job.is_private.set(false);
        if ptr::eq(self.newest.get(), job) {
            self.oldest.set(ptr::null());
            self.newest.set(ptr::null());
        } else {
            let newer = job.newer.get();
            self.oldest.set(newer);
            // SAFETY: as above: `newer` is on the list, since `job` is not the newest.
            unsafe { &*newer }.older.set(ptr::null());
        }
        // SAFETY: in place until started and `Send` (`push`); started once, as it left the list and goes to one queue.
        Some(unsafe { JobRef::new(oldest) })
    }
}
