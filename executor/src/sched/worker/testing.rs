//! For the tests of workers: pools in which it is known what the other workers do.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Barrier;
use std::thread;

use super::Worker;
use crate::{Cx, Database, Executor, Schedule};

/// Whose workers run as the system lets them, whatever the environment says.
pub(super) fn free_executor(workers: usize) -> Executor {
    let builder = Executor::builder().workers(workers);
    let executor = builder.schedule(Schedule::Free).build();
    executor.expect("an executor")
}

/// Runs `body` on one of so many workers, while all others are blocked and take nothing.
pub(super) fn alone_among<R: Send>(
    workers: usize,
    body: impl FnOnce(&Cx<'_, ()>) -> R + Send,
) -> R {
    alone_on(&free_executor(workers), body)
}

/// The same on one of the workers of `executor`.
pub(super) fn alone_on<R: Send>(
    executor: &Executor,
    body: impl FnOnce(&Cx<'_, ()>) -> R + Send,
) -> R {
    let workers = executor.workers();
    let db = Database::new(());
    let (are_busy, is_over) = (&Barrier::new(workers), &Barrier::new(workers));
    let block = |_: &Cx<'_, ()>| {
        are_busy.wait();
        is_over.wait();
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| executor.run(&db, block).expect("it only blocks"));
        }
        are_busy.wait();
        let result = panic::catch_unwind(AssertUnwindSafe(|| executor.run(&db, body)));
        is_over.wait();
        let result = result.unwrap_or_else(|panic| panic::resume_unwind(panic));
        result.expect("a run without a failure")
    })
}

/// That of the current fiber.
pub(super) fn worker<'a>(cx: &'a Cx<'_, ()>) -> &'a Worker {
    cx.fiber().worker().expect("a worker runs it")
}
