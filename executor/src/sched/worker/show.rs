//! What a worker shows to others, and takes back: jobs that its fibers have forked.
//!
//! When a fiber is asked to show some stands in `attention.rs`. Knows nothing of what jobs do.

use std::time::Instant;

use super::Worker;
use crate::sched::fiber::FiberRecord;
use crate::sched::job::{Job, JobRef};
use crate::sched::point::Point;
use crate::sync::Ordering;

/// So many parts of a loop are enough for any number of workers, and so many small jobs.
///
/// Each part is at least as large as all that its fiber keeps, and who takes one shows parts of it at once. With one for each of
/// very many workers a fiber would keep single items, however many there were. And where very many workers make small
/// jobs public that come back untaken, each costs ten times what it does itself.
const ENOUGH: usize = 6;

impl Worker {
    /// Puts a job where any worker may take it.
    pub(crate) fn publish(&self, job: JobRef) {
        if self.is_alone {
            // Who could be woken is this very worker.
            return self.deque.push(job);
        }
        self.post(|| self.deque.push(job));
    }

    /// Others may take jobs of the deque, those that `push` puts there too.
    #[inline]
    fn post(&self, push: impl FnOnce()) {
        let pool = self.pool();
        let wake = || {
            let (idle, waker) = (&pool.idle, self.waker(true));
            idle.job_posted_by_worker(waker, || self.is_neglected())
        };
        if pool.posting(Some(self), push, wake) {
            self.relies_on_woken();
        }
    }

    #[inline]
    pub(super) fn publish_all(&self, fiber: &FiberRecord) {
        while let Some(job) = fiber.forks.take_oldest() {
            self.publish(job);
        }
    }

    /// Shows the fiber's oldest jobs, until enough are public (idle.md I6). If not, the word stays raised.
    pub(super) fn show(&self, fiber: &FiberRecord) {
        // A destructor that forks during an unwind must not wait: its jobs stay where they are.
        let is_done = !std::thread::panicking() && self.shows_enough(fiber);
        let attention = &self.seat().attention;
        if !is_done && !attention.is_raised() {
            attention.raise();
        }
    }

    /// Whether all are content with what it shows now.
    fn shows_enough(&self, fiber: &FiberRecord) -> bool {
        // One job for each other worker, also for those that are busy now: when they are done, this one may be in a long leaf.
        while let Some(left) = self.publish_enough(fiber) {
            if self.lowers_word(fiber, || self.deque.len() >= left) {
                return true;
            }
        }
        // It holds no more. Where it has shown jobs time and again, these are small.
        let shows_some = || self.deque.len() >= ENOUGH;
        let is_small = || shows_some() && !self.allowance.takes(Instant::now());
        if is_small() && self.lowers_word(fiber, shows_some) {
            return true;
        }
        let is_modest = || {
            let is_modest = self.seat().is_modestly_asked.load(Ordering::Relaxed);
            is_modest && !self.pool().idle.has_sleepers()
        };
        is_modest() && self.lowers_word(fiber, is_modest)
    }

    /// Lowers the word. Whether all are content, looked at afterwards: so a wish that comes meanwhile stays (attention.md A3).
    fn lowers_word(&self, fiber: &FiberRecord, is_content: impl FnOnce() -> bool) -> bool {
        self.seat().attention.lower(fiber.limit());
        is_content()
    }

    /// Shows the fiber's oldest jobs until as many are public as there are workers, or [`ENOUGH`] parts of a loop were shown. How
    /// many of them must be left for all to be content; `None`: it has not so many.
    pub(super) fn publish_enough(&self, fiber: &FiberRecord) -> Option<usize> {
        let workers = self.workers();
        let mut parts = 0;
        while self.deque.len() < workers {
            parts += usize::from(self.publish_oldest(fiber)?);
            if parts == ENOUGH {
                // Who takes a part shows parts of it.
                return Some(1);
            }
        }
        Some(workers)
    }

    /// Shows the fiber's oldest job, if it has one. Whether that can be divided.
    pub(super) fn publish_oldest(&self, fiber: &FiberRecord) -> Option<bool> {
        let job = fiber.forks.take_oldest()?;
        let is_divisible = job.is_divisible();
        self.publish(job);
        Some(is_divisible)
    }

    /// One job less to see: another should be shown at the next scheduling point, unless there is one for each other worker;
    /// but not time and again while jobs come back at once (idle.md I6).
    fn has_taken_back(&self, job: JobRef) {
        let has_sleepers = self.pool().idle.has_sleepers();
        let shown = self.deque.len();
        let shows_others = shown > 0;
        // Who searches asks for itself.
        let is_missed = has_sleepers && !shows_others;
        let enough = match job.is_divisible() {
            true => self.workers().min(ENOUGH),
            false => self.workers(),
        };
        let is_one_for_each = shown + 1 >= enough;
        if is_missed || !is_one_for_each && self.allowance.takes(Instant::now()) {
            self.seat().attention.raise();
        }
        if !has_sleepers || self.has_schedule {
            self.neglect.forget();
        } else if shows_others {
            // Nobody has come for those so far (idle.md I10).
            self.post(|| ());
        } else if !self.is_neglected() {
            self.neglect.forget();
        }
    }

    /// Takes a published job back, if it is on top of the deque.
    pub(crate) fn take_back(&self, job: &Job) -> bool {
        self.point(Point::TakeBack);
        let Some(top) = self.deque.pop() else {
            return false;
        };
        let is_it = top.is(job);
        if is_it {
            self.has_taken_back(top);
        } else {
            // Somebody else's: it must not run on this stack (invariant 3).
            self.publish(top);
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::ENOUGH;
    use crate::sched::worker::testing::{alone_among, free_executor, worker};
    use crate::{Cx, Database};

    const WORKERS: usize = 16;

    #[test]
    fn a_loop_shows_some_parts_to_very_many_workers() {
        let most = alone_among(WORKERS, |cx| {
            let shown = cx.par_map(0..1 << 14, |cx, _: i32| worker(cx).deque.len());
            shown.into_iter().max()
        });
        let some = ENOUGH..2 * ENOUGH;
        assert!(most.is_some_and(|most| some.contains(&most)), "{most:?}");
    }

    /// As many forks lie within each other as are enough, but fewer than there are workers.
    #[test]
    fn small_forks_are_not_shown_all_the_time() {
        const FORKS: usize = 10_000;
        fn below(cx: &Cx<'_, ()>, depth: usize) -> usize {
            if depth > 0 {
                return cx.join(|cx| below(cx, depth - 1), |_| ()).0;
            }
            let is_asked = |cx: &Cx<'_, ()>| worker(cx).seat().attention.is_raised();
            let forks = 0..FORKS;
            forks
                .filter(|_| cx.join(|cx| is_asked(cx), |_| ()).0)
                .count()
        }
        let start = Instant::now();
        let asked = alone_among(WORKERS, |cx| below(cx, ENOUGH));
        // Where a fork takes as long as the allowance needs to come back, it may ask at each.
        let is_slow = start.elapsed() > Duration::from_micros(5) * FORKS as u32;
        assert!(is_slow || asked < FORKS / 2, "{asked} of {FORKS}");
    }

    /// The second halves of joins within each other are long leaves: their fiber looks before each of them.
    #[test]
    fn a_long_second_half_hides_no_older_one() {
        let start = Instant::now();
        let wait_until = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                assert!(start.elapsed() < Duration::from_secs(60), "nobody comes");
                thread::yield_now();
            }
        };
        type Body<'a> = &'a (dyn Fn(&Cx<'_, ()>) + Sync);
        fn chain(cx: &Cx<'_, ()>, depth: usize, end: Body<'_>, leaf: Body<'_>) {
            match depth {
                0 => end(cx),
                _ => drop(cx.join(|cx| chain(cx, depth - 1, end, leaf), leaf)),
            }
        }
        let executor = free_executor(2);
        let elsewhere = AtomicUsize::new(0);
        let run = executor.run(&Database::new(()), |cx| {
            let here = thread::current().id();
            // The other has taken what was shown, and wants more.
            let end = |cx: &Cx<'_, ()>| wait_until(&|| worker(cx).seat().attention.is_raised());
            let leaf = |_: &Cx<'_, ()>| {
                if thread::current().id() == here {
                    wait_until(&|| elsewhere.load(Ordering::Relaxed) > 2);
                } else {
                    elsewhere.fetch_add(1, Ordering::Relaxed);
                }
            };
            chain(cx, 8, &end, &leaf);
        });
        run.expect("a run without a failure");
    }
}
