//! The threads of a pool: how workers begin on them, and end.
//!
//! Used by executors that have threads of their own, and by who brings threads (`raw/pool.rs`). Knows nothing of jobs.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use dagwood_fibers::{FaultStack, StackPool};

use super::watchdog::Watchdog;
use super::{Pool, Settings, Worker};
use crate::error::Error;
use crate::sched::job::without_unwinding;
use crate::sched::queue::Deque;

/// A worker to be, on its way to the thread that it runs on.
pub(crate) struct Member {
    pub(super) pool: Arc<Pool>,
    pub(super) index: usize,
    pub(super) deque: Deque,
    pub(super) stacks: StackPool,
    pub(super) has_fault_stack: bool,
    pub(super) is_embedded: bool,
}

/// The running threads of a pool. Dropping it stops them and waits for them.
pub(crate) struct Threads {
    /// Ends first.
    watchdog: Option<Watchdog>,
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the workers, on threads of their own.
    pub(crate) fn start(settings: &Settings) -> Result<Threads, Error> {
        if let Some(jobserver) = &settings.jobserver {
            jobserver.begin()?;
        }
        let (pool, members) = Pool::make(settings)?;
        // From here on an early return drops `threads`, which stops those that have started.
        let mut threads = Threads {
            watchdog: None,
            pool: Arc::clone(&pool),
            threads: Vec::new(),
        };
        pool.join_permits();
        let (started, starts) = mpsc::channel();
        for member in members {
            let started = started.clone();
            let tell = move |prepared| {
                // The starter is gone if another worker could not start; then the pool is
                // stopping.
                let _ = started.send(prepared);
            };
            let thread = std::thread::Builder::new()
                .name(format!("dagwood {}", member.index))
                .spawn(move || member.live(tell));
            threads
                .threads
                .push(thread.map_err(|error| Error::no_thread(&error))?);
        }
        drop(started);
        let begun = starts.into_iter().collect::<Result<Vec<()>, Error>>()?;
        if begun.len() < pool.seats.len() {
            return Err(Error::setup("a worker ended at its start"));
        }
        if let Some(period) = settings.watching.period {
            threads.watchdog = Some(Watchdog::start(&pool, period, settings.watching.clone())?);
        }
        Ok(threads)
    }
}

impl Member {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The worker. It must not move once it has begun.
    pub(crate) fn into_worker(self) -> (Arc<Pool>, Worker) {
        let worker = Worker::new(&self.pool, self.index, self.deque, self.stacks);
        (self.pool, worker.embedded(self.is_embedded))
    }

    /// The life of a worker's thread, until the pool stops. `begun` is told whether the worker can run.
    pub(crate) fn live(self, begun: impl FnOnce(Result<(), Error>)) {
        let index = self.index;
        let has_fault_stack = self.has_fault_stack;
        let (pool, worker) = self.into_worker();
        let fault_stack = has_fault_stack.then(FaultStack::install).transpose();
        let prepared = worker.prepare().and(match &fault_stack {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::no_stack(error)),
        });
        let is_prepared = prepared.is_ok();
        begun(prepared);
        if is_prepared {
            without_unwinding(|| {
                if let Some(seeded) = pool.seeded() {
                    seeded.begin(index, &*pool);
                }
                pool.obtain_permit(&worker);
                worker.run();
            });
        }
    }
}

impl Threads {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.watchdog = None;
        self.pool.stop_schedule();
        self.pool.stop();
        let here = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // A worker that drops the last handle itself ends after its job.
            if thread.thread().id() != here {
                thread.join().expect("workers carry panics as values");
            }
        }
        self.pool.leave_permits();
    }
}
