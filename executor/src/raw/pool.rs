//! Pools whose threads somebody else starts.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::{Job, Settings, call};
use crate::backend::pool_settings;
use crate::executor::{Backend, Executor};
use crate::priority::Priority;
use crate::sched::job::without_unwinding;
use crate::sched::pool::{self, Worker};
use crate::sched::witness;

/// Workers that share their jobs. A handle: clones are of the same pool.
#[derive(Clone)]
pub struct Pool(Arc<pool::Pool>);

/// A worker to be, on its way to the thread that it runs on.
#[must_use = "a pool whose members do not run does nothing"]
pub struct Member(pool::Member);

/// A worker on a thread that does other things in between, to which it belongs.
pub struct Guest {
    worker: Box<Worker>,
    /// The worker's own, too.
    _pool: Arc<pool::Pool>,
}

impl Pool {
    /// A pool, and its workers to be. A worker does what it holds before what was [posted](Self::post) to it alone.
    ///
    /// # Errors
    ///
    /// There can be no such stacks, or the backend is not part of this build.
    pub fn new(settings: &Settings) -> io::Result<(Pool, Vec<Member>)> {
        let mut builder = Executor::builder().workers(settings.workers);
        if let Some(bytes) = settings.stack_bytes {
            builder = builder.stack_bytes(bytes);
        }
        let backend = settings.backend.unwrap_or(Executor::backends()[0]);
        if backend == Backend::Sequential || !Executor::backends().contains(&backend) {
            return Err(io::Error::other(format!("no pool runs on {backend} here")));
        }
        let made = witness::install().and_then(|()| {
            let settings = pool::Settings {
                is_embedded: true,
                ..pool_settings(backend, &builder)?
            };
            let made = pool::Pool::make(&settings)?;
            made.0.try_stack()?;
            Ok(made)
        });
        let (pool, members) = made.map_err(|error| io::Error::other(error.to_string()))?;
        Ok((Pool(pool), members.into_iter().map(Member).collect()))
    }

    /// A number that no other living pool has.
    #[inline]
    pub fn identity(&self) -> usize {
        self.0.identity()
    }

    /// How many workers it has.
    #[inline]
    pub fn workers(&self) -> usize {
        self.0.seats().len()
    }

    /// Says what the pool belongs to, for [`Fiber::owner`](super::Fiber::owner).
    ///
    /// # Safety
    ///
    /// What looks at it knows that it is of the type that it takes it for.
    pub unsafe fn set_owner(&self, owner: *const ()) {
        self.0.set_owner(owner);
    }

    /// Puts a job where any worker finds it.
    pub fn inject(&self, job: Job) {
        self.0.inject(job.0, Priority::Normal);
    }

    /// Gives a job to one worker alone.
    pub fn post(&self, worker: usize, job: Job) {
        self.0.post_job_as_outsider(worker, job.0);
    }

    /// Runs `body` as a job, and waits for it: a fiber by suspending, a thread by blocking.
    ///
    /// # Errors
    ///
    /// What `body` panicked with.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> std::thread::Result<R> {
        call(body, false, |job| self.0.inject(job, Priority::Normal))
    }

    /// The workers end as soon as they find nothing to do.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

impl Member {
    /// Works, on the calling thread, until the pool [stops](Pool::stop). Without memory for a first stack the process is
    /// aborted: others may wait for this worker by now.
    pub fn run(self) {
        without_unwinding(|| self.0.live(expect_begun));
    }

    /// Makes the calling thread's a guest.
    ///
    /// # Errors
    ///
    /// There is no memory for a first stack.
    pub fn into_guest(self) -> io::Result<Guest> {
        let (pool, worker) = self.0.into_worker();
        let worker = Box::new(worker);
        worker
            .prepare()
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Guest {
            worker,
            _pool: pool,
        })
    }
}

fn expect_begun(begun: Result<(), crate::error::Error>) {
    if let Err(error) = begun {
        eprintln!("dagwood: a worker cannot begin: {error}; aborting");
        std::process::abort();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.0.index()).finish()
    }
}

impl Guest {
    /// Runs `body` as a job of this worker, and works until it has ended, and everything that was begun meanwhile.
    ///
    /// # Errors
    ///
    /// What `body` panicked with.
    pub fn run<R: Send>(&self, body: impl FnOnce() -> R + Send) -> std::thread::Result<R> {
        call(body, true, |job| {
            without_unwinding(|| expect_begun(self.worker.visit(job)));
        })
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guest").field(&self.worker.index()).finish()
    }
}

/// What the pool of a worker was told that it belongs to.
pub(super) fn owner(worker: &Worker) -> *const () {
    worker.pool().owner()
}

/// Which of its pool's workers it is.
pub(super) fn index(worker: &Worker) -> usize {
    worker.index()
}

/// A visit ends.
pub(super) fn leave(worker: &Worker) {
    worker.leave();
}

/// The pool of a worker.
pub(super) fn home(worker: &Worker) -> Option<Pool> {
    // SAFETY: a worker's thread holds its pool.
    Some(Pool(unsafe { pool::Pool::hold(worker.pool().into()) }))
}
