//! A short look before a wait: what comes in the next moment needs no suspension. Rules: wait.md W9.
//!
//! Used by the waits of `graph/waits.rs`. Knows nothing of how they wait.

use super::Worker;
use crate::sched::fiber::FiberRecord;

/// How often it looks: for a microsecond at most, or so, which is what a wait costs with the way to the waker and back.
const PROBES: u32 = 32;

impl Worker {
    /// Whether `is_over` in the next moment, for which `fiber`, the current one, is about to wait; looked at as long as there is
    /// nothing else to do here.
    pub(crate) fn sees_end(&self, fiber: &FiberRecord, is_over: impl Fn() -> bool) -> bool {
        let has_jobs = || self.deque.len() > 0 || fiber.forks.may_have_work();
        if !self.has_company() || has_jobs() || self.pool().has_injected() {
            return false;
        }
        for _ in 0..PROBES {
            if is_over() {
                return true;
            }
            if self.has_begun_work() {
                break;
            }
            std::hint::spin_loop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread;

    use super::PROBES;
    use crate::sched::worker::testing::{alone_among, alone_on, free_executor, worker};
    use crate::{Cx, Database};

    /// Whether it saw the end, and how often it looked: of what is over at the look of this number.
    fn probes(cx: &Cx<'_, ()>, over_at: u32) -> (bool, u32) {
        let looks = Cell::new(0);
        let is_over = || looks.replace(looks.get() + 1) + 1 == over_at;
        let sees_end = worker(cx).sees_end(cx.fiber(), is_over);
        (sees_end, looks.get())
    }

    #[test]
    fn what_ends_soon_is_seen_and_what_does_not_is_waited_for() {
        alone_among(2, |cx| {
            assert_eq!(probes(cx, 5), (true, 5));
            assert_eq!(probes(cx, PROBES + 1), (false, PROBES));
        });
    }

    #[test]
    fn who_has_something_else_to_do_does_not_look() {
        alone_among(2, |cx| {
            // Nobody asks: the fork stays private.
            worker(cx).seat().attention.lower(cx.fiber().limit());
            let with_private_fork = cx.join(
                |cx| {
                    assert_eq!(worker(cx).deque.len(), 0);
                    probes(cx, 1)
                },
                |_| (),
            );
            assert_eq!(with_private_fork.0, (false, 0));
            let with_public_job = cx.join(
                |cx| {
                    worker(cx).publish_all(cx.fiber());
                    probes(cx, 1)
                },
                |_| (),
            );
            assert_eq!(with_public_job.0, (false, 0));
        });
        let alone = alone_among(1, |cx| probes(cx, 1));
        assert_eq!(alone, (false, 0), "nobody else could end it");
    }

    #[test]
    fn two_that_answer_each_other_keep_nobody_outside_waiting() {
        let executor = &free_executor(2);
        thread::scope(|outside| {
            alone_on(executor, |cx| {
                outside.spawn(|| executor.run(&Database::new(()), |_| ()));
                while !worker(cx).pool().has_injected() {
                    thread::yield_now();
                }
                assert_eq!(probes(cx, 1), (false, 0));
            });
        });
    }

    #[test]
    fn a_ready_fiber_goes_first() {
        alone_among(2, |cx| {
            let probed = cx.scope(|cx, scope| {
                // Begins when this one yields, and is ready when this one goes on.
                scope.spawn(cx, |cx| cx.yield_now());
                cx.yield_now();
                probes(cx, 2)
            });
            assert_eq!(probed, (false, 1));
        });
    }
}
