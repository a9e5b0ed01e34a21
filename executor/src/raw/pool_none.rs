//! The twin of pools in the sequential build: each job runs at once, on the thread that gives it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use super::{Job, Settings, call};
use crate::sched::attention::Attention;
use crate::sched::fiber::{FiberRecord, current, set_current};
use crate::sched::job::JobRef;
use crate::sched::pool::Worker;
use crate::sched::room;

/// Nobody's workers. A handle: clones are of the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Inline>);

struct Inline {
    segment_bytes: usize,
}

/// Stands for the one worker.
#[must_use = "as in other builds"]
pub struct Member(Pool);

/// Stands for the one worker, on the thread that it belongs to.
pub struct Guest {
    pool: Pool,
    not_send: PhantomData<*const ()>,
}

/// As much as in other builds.
const STACK_BYTES: usize = 8 << 20;

impl Pool {
    /// A pool, and its one worker.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new(settings: &Settings) -> io::Result<(Pool, Vec<Member>)> {
        let stack_bytes = settings.stack_bytes.unwrap_or(STACK_BYTES);
        let segment_bytes = room::segment_bytes(stack_bytes);
        let pool = Pool(Arc::new(Inline { segment_bytes }));
        Ok((pool.clone(), vec![Member(pool)]))
    }

    /// A number that no other living pool has.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// One.
    pub fn workers(&self) -> usize {
        1
    }

    /// Nobody asks for it here.
    ///
    /// # Safety
    ///
    /// What looks at it knows that it is of the type that it takes it for.
    pub unsafe fn set_owner(&self, _: *const ()) {}

    /// Runs a job.
    pub fn inject(&self, job: Job) {
        self.run_now(job.0);
    }

    /// Runs a job.
    pub fn post(&self, _: usize, job: Job) {
        self.run_now(job.0);
    }

    fn run_now(&self, job: JobRef) {
        // SAFETY: null, or the fiber that runs this.
        let outer = unsafe { current().as_ref() };
        let attention = Attention::calm();
        let fiber = FiberRecord::sequential(
            outer,
            self.identity(),
            &raw const attention,
            self.0.segment_bytes,
        );
        let before = set_current(&raw const fiber);
        // How much is left of the caller's stack is not known.
        if room::on_own_stack(&fiber, || job.run(&fiber)).is_err() {
            job.run(&fiber);
        }
        set_current(before);
    }

    /// Runs `body`.
    ///
    /// # Errors
    ///
    /// What `body` panicked with.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> std::thread::Result<R> {
        call(body, false, |job| self.run_now(job))
    }

    /// There is nothing to stop.
    pub fn stop(&self) {}
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Member {
    /// Returns at once.
    pub fn run(self) {}

    /// Makes the calling thread's a guest.
    ///
    /// # Errors
    ///
    /// None.
    pub fn into_guest(self) -> io::Result<Guest> {
        Ok(Guest {
            pool: self.0,
            not_send: PhantomData,
        })
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&0).finish()
    }
}

impl Guest {
    /// Runs `body`.
    ///
    /// # Errors
    ///
    /// What `body` panicked with.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> std::thread::Result<R> {
        self.pool.run(body)
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guest").field(&0).finish()
    }
}

/// There is no worker.
pub(super) fn owner(_: &Worker) -> *const () {
    ptr::null()
}

/// There is no worker.
pub(super) fn index(_: &Worker) -> usize {
    0
}

/// There is no worker.
pub(super) fn leave(_: &Worker) {}

/// There is no worker.
pub(super) fn home(_: &Worker) -> Option<Pool> {
    None
}
