//! loom tries the orders of events of the library's protocols: the very source files, on loom's
//! atomics.
//!
//! A model that deadlocks, reads unpublished data or breaks an assertion fails with the order that
//! did it.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(
    dead_code,
    reason = "the files under test have more than the models use"
)]

#[path = "model/sync.rs"]
mod sync;

#[path = "model/sched.rs"]
mod sched;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use sched::fiber::FiberRecord;
use sched::idle::Idle;
use sched::ready::{Inbox, ReadyList};
use sched::wait::{Outcome, WaitList, Waiter};
use sync::Mutex;

/// Explores a model with at most three preemptions.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A slot, reduced to its wait list and its value.
struct Cell {
    list: WaitList,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is written before the close and read after it; loom checks that.
unsafe impl Sync for Cell {}
// SAFETY: as above.
unsafe impl Send for Cell {}

fn await_value(cell: &Cell) -> u32 {
    if cell.list.outcome().is_none() {
        let fiber = FiberRecord::here();
        let waiter = Waiter::new(&fiber);
        // SAFETY: `waiter` stays here until the fiber was woken.
        if unsafe { cell.list.list(&waiter) }.is_ok() {
            fiber.suspend();
        }
    }
    assert_eq!(cell.list.outcome(), Some(Outcome::READY));
    // SAFETY: closed.
    cell.value.with(|value| unsafe { *value })
}

/// wait.md: two askers and a closer. Each asker sees the value; none hangs, none is woken twice.
#[test]
fn each_waiter_of_a_list_is_woken_once_and_sees_the_value() {
    explore(|| {
        let cell = Arc::new(Cell {
            list: WaitList::new(),
            value: UnsafeCell::new(0),
        });
        let asker = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || await_value(&cell))
        };
        let closer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                // SAFETY: nobody reads before the close.
                cell.value.with_mut(|value| unsafe { *value = 7 });
                cell.list.close(Outcome::READY).wake();
            })
        };
        assert_eq!(await_value(&cell), 7);
        assert_eq!(asker.join().expect("the asker ends"), 7);
        closer.join().expect("the closer ends");
    });
}

/// wait.md W5: an abandoned list is reopened by one of two askers, which then closes it for the
/// other.
#[test]
fn one_asker_reopens_an_abandoned_list() {
    explore(|| {
        let cell = Arc::new(Cell {
            list: WaitList::new(),
            value: UnsafeCell::new(0),
        });
        let ask = |cell: &Cell| loop {
            match cell.list.outcome() {
                Some(Outcome::EMPTY) if cell.list.reopen() => {
                    // SAFETY: the claim is ours, so nobody else writes, and nobody reads before the
                    // close.
                    cell.value.with_mut(|value| unsafe { *value += 1 });
                    cell.list.close(Outcome::READY).wake();
                }
                // SAFETY: closed.
                Some(Outcome::READY) => return cell.value.with(|value| unsafe { *value }),
                Some(_) => (),
                None => {
                    let fiber = FiberRecord::here();
                    let waiter = Waiter::new(&fiber);
                    // SAFETY: `waiter` stays here until the fiber was woken.
                    if unsafe { cell.list.list(&waiter) }.is_ok() {
                        fiber.suspend();
                    }
                }
            }
        };
        let asker = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || ask(&cell))
        };
        cell.list.close(Outcome::EMPTY).wake();
        assert_eq!(ask(&cell), 1);
        assert_eq!(asker.join().expect("the asker ends"), 1);
    });
}

/// Jobs, in a locked queue in place of the deques; and the idle protocol.
struct Pool {
    jobs: Mutex<u32>,
    inbox: Inbox,
    idle: Idle,
}

impl Pool {
    fn new(workers: usize) -> Arc<Pool> {
        Arc::new(Pool {
            jobs: Mutex::new(0),
            inbox: Inbox::new(),
            idle: Idle::new(workers),
        })
    }

    fn post(&self) {
        *self.jobs.lock() += 1;
        self.idle.job_posted();
    }

    fn take(&self) -> bool {
        let mut jobs = self.jobs.lock();
        let has_job = *jobs > 0;
        *jobs -= u32::from(has_job);
        has_job
    }

    fn has_jobs(&self) -> bool {
        *self.jobs.lock() > 0
    }

    /// Searches and sleeps until `found`.
    fn search(&self, worker: usize, found: impl Fn() -> bool, is_work_there: impl Fn() -> bool) {
        self.idle.start_search();
        while !found() {
            self.idle
                .sleep(worker, &is_work_there, |wake, guard| wake.wait(guard));
        }
        self.idle.end_search(|| self.has_jobs());
    }
}

/// idle.md I1 and I2: a job is posted while a worker goes to sleep.
#[test]
fn a_job_posted_to_a_sleepy_worker_is_taken() {
    explore(|| {
        let pool = Pool::new(1);
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.search(0, || pool.take(), || pool.has_jobs()))
        };
        pool.post();
        worker.join().expect("the worker ends");
    });
}

/// idle.md I5: two jobs, two workers that each take one: the poster may skip a wake when somebody
/// searches, and the last searcher makes up for it.
#[test]
fn two_jobs_reach_two_workers() {
    explore(|| {
        let pool = Pool::new(2);
        let workers = [0, 1].map(|worker| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.search(worker, || pool.take(), || pool.has_jobs()))
        });
        pool.post();
        pool.post();
        for worker in workers {
            worker.join().expect("the worker ends");
        }
    });
}

/// idle.md I4: a fiber is put into the inbox of a worker that goes to sleep.
#[test]
fn a_fiber_reaches_its_sleepy_owner() {
    explore(|| {
        let pool = Pool::new(1);
        let fiber = Arc::new(FiberRecord::here());
        let owner = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let ready = ReadyList::new();
                let collect = || {
                    pool.inbox.drain_into(&ready);
                    !ready.is_empty()
                };
                pool.search(0, collect, || !pool.inbox.is_empty());
                assert!(ready.pop().is_some());
            })
        };
        pool.inbox.push(&fiber);
        pool.idle.fiber_posted(0);
        owner.join().expect("the owner ends");
    });
}
