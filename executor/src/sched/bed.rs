//! Where the system puts a worker that is woken (idle.md I12).
//!
//! Used by `idle.rs`. Knows nothing of why somebody sleeps.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::processor::{Processor, Processors, Thread, is_free};

/// What a sleeper and who wakes it tell each other, under the sleeper's lock.
#[derive(Default)]
pub(crate) struct Bed {
    /// Who lies in it, if that is needed. It cannot leave without the lock, and so is alive.
    sleeper: Option<Thread>,
    /// Where who has woken it for a job ran then.
    waker: Option<Processor>,
    /// Where the sleeper might run before it was kept off that one.
    before: Option<Processors>,
}

impl Bed {
    /// The calling thread is about to sleep.
    pub(super) fn lie_down(&mut self, stacking: &Stacking) {
        let sleeper = stacking.was_seen().then(Thread::current);
        // Who woke it before may have come too late to find it, and have left its place.
        *self = Bed {
            sleeper,
            ..Bed::default()
        };
    }

    /// Who calls is about to wake the sleeper for a job, and goes on itself. Whether to [`let_go`](Self::let_go) of it afterwards.
    pub(super) fn part(&mut self, stacking: &Stacking) -> bool {
        self.waker = stacking.is_free.then(Processor::current).flatten();
        if let (Some(sleeper), Some(waker), None) = (self.sleeper, self.waker, self.before) {
            self.before = sleeper.keep_off(waker);
        }
        self.before.is_some()
    }

    /// The sleeper has its place, and may go on anywhere.
    pub(super) fn let_go(&mut self) {
        if let (Some(sleeper), Some(before)) = (self.sleeper, self.before.take()) {
            sleeper.put_back(before);
        }
    }

    /// The calling thread was woken, and has taken the bed away.
    pub(super) fn get_up(mut self, stacking: &Stacking) {
        self.let_go();
        if self.waker.is_some() && self.waker == Processor::current() {
            stacking.note();
        }
    }
}

/// Whether the system was seen to put who is woken where who wakes it runs.
pub(super) struct Stacking {
    was_seen: AtomicBool,
    /// Whether threads may be asked where they run, and told where to.
    is_free: bool,
}

impl Stacking {
    pub(super) fn new() -> Self {
        Stacking {
            was_seen: AtomicBool::new(false),
            is_free: is_free(),
        }
    }

    fn was_seen(&self) -> bool {
        // Relaxed: a hint.
        self.was_seen.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn seen() -> Self {
        let stacking = Stacking::new();
        stacking.note();
        stacking
    }

    fn note(&self) {
        if !self.was_seen() {
            self.was_seen.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};
    use std::thread;

    use super::*;
    use crate::sched::idle::{Idle, SleepGuard, Waker};
    use crate::sync::Condvar;

    fn count(thread: Thread) -> Option<usize> {
        Some(thread.processors()?.count())
    }

    #[test]
    fn who_is_woken_is_kept_off_until_it_has_its_place() {
        let is_moved = || {
            let here = Processor::current()?;
            Thread::current().keep_off(here)
        };
        let can_move = thread::spawn(move || is_moved().is_some()).join();
        let can_move = is_free() && can_move.expect("no panic");
        let (bed, step) = (Mutex::new(Bed::default()), Barrier::new(2));
        let lock = || bed.lock().expect("no panic");
        for is_waker_first in [true, false] {
            thread::scope(|scope| {
                let sleeper = scope.spawn(|| {
                    let me = Thread::current();
                    let before = count(me);
                    lock().lie_down(&Stacking::seen());
                    step.wait();
                    step.wait();
                    let mine = std::mem::take(&mut *lock());
                    let kept_off = mine.before.and(mine.waker);
                    let (during, here) = (count(me), Processor::current());
                    mine.get_up(&Stacking::seen());
                    (before, kept_off, during, here, count(me))
                });
                step.wait();
                let is_parted = lock().part(&Stacking::seen());
                if is_waker_first {
                    lock().let_go();
                }
                step.wait();
                let (before, kept_off, during, here, after) = sleeper.join().expect("no panic");
                // The bed is nobody's by now.
                lock().let_go();
                assert_eq!(is_parted, can_move);
                assert_eq!(kept_off.is_some(), can_move && !is_waker_first);
                if let Some(waker) = kept_off {
                    assert_eq!(during, before.map(|before| before - 1));
                    assert_ne!(here, Some(waker));
                }
                assert_eq!(after, before);
            });
        }
    }

    #[test]
    fn nobody_is_kept_off_before_stacking_was_seen() {
        let mut bed = Bed::default();
        let stacking = Stacking::new();
        bed.lie_down(&stacking);
        assert!(!bed.part(&stacking));
        assert!(bed.before.is_none());
    }

    #[test]
    fn who_comes_where_its_waker_ran_has_seen_it() {
        let sees = |waker: fn() -> Option<Processor>| {
            let (stacking, waker) = (Stacking::new(), waker());
            let bed = Bed {
                waker,
                ..Bed::default()
            };
            bed.get_up(&stacking);
            stacking.was_seen()
        };
        // Until it is not moved in between.
        let sees_once = (0..100).any(|_| sees(Processor::current));
        assert_eq!(sees_once, Processor::current().is_some());
        assert!(!sees(|| None));
    }

    /// Who lies in its bed, is woken by `waker`, and gets up: whether it was told where that ran, and where it may run before and after.
    fn woken(waker: impl FnOnce(&Idle)) -> (bool, [Option<usize>; 2]) {
        let idle = Idle::seen(1);
        let (lies, was_told) = (AtomicBool::new(false), AtomicBool::new(false));
        let counts = thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let me = Thread::current();
                let before = count(me);
                idle.start_search();
                let wait = |wake: &Condvar, bed: &mut SleepGuard<'_>| {
                    // Before it gives the lock back, which the waker takes.
                    lies.store(true, Ordering::Release);
                    wake.wait(bed);
                    was_told.store(bed.waker.is_some(), Ordering::Relaxed);
                };
                idle.sleep(0, || false, wait);
                [before, count(me)]
            });
            while !lies.load(Ordering::Acquire) {
                thread::yield_now();
            }
            waker(&idle);
            sleeper.join().expect("no panic")
        });
        (was_told.into_inner(), counts)
    }

    #[test]
    fn who_goes_on_says_where_and_the_sleeper_is_put_back() {
        let check = |says: bool, waker: fn(&Idle)| {
            let (was_told, [before, after]) = woken(waker);
            assert_eq!(was_told, says);
            assert_eq!(after, before);
        };
        let says = is_free() && Processor::current().is_some();
        check(says, |idle| {
            assert!(idle.job_posted_by_worker(Waker::GoesOn, || false));
        });
        check(says, |idle| {
            idle.start_search();
            assert!(idle.end_search(Waker::GoesOn, || true));
        });
        check(false, |idle| {
            assert!(idle.job_posted_by_worker(Waker::Any, || false));
        });
        check(false, |idle| assert!(idle.job_posted()));
        check(false, |idle| assert!(idle.fiber_posted(0)));
    }
}
