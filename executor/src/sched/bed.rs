//! Where the system puts a worker that is woken (idle.md I12).
//!
//! Used by `idle.rs`. Knows nothing of why somebody sleeps.

// Of the real kind in models, too: a hint orders nothing.
use std::sync::atomic::{AtomicBool, Ordering};

use crate::processor::{Processor, Processors, Thread};

/// What a sleeper and who wakes it tell each other, under the sleeper's lock.
#[derive(Default)]
pub(crate) struct Bed {
    /// Who lies in it. It cannot end without the lock.
    sleeper: Option<Thread>,
    /// Where who has woken it ran, if that goes on.
    waker: Option<Processor>,
    /// Where it might run before it was kept off that one.
    before: Option<Processors>,
}

impl Bed {
    /// The calling thread is about to sleep.
    pub(super) fn lie_down(&mut self) {
        self.sleeper = Some(Thread::current());
    }

    /// Who calls is about to wake the sleeper, if it is there, and goes on itself.
    pub(super) fn part(&mut self, stacking: &Stacking) {
        let Some(sleeper) = self.sleeper else {
            return;
        };
        self.waker = Processor::current();
        if self.before.is_none() && stacking.was_seen() {
            self.before = self.waker.and_then(|waker| sleeper.keep_off(waker));
        }
    }

    /// The calling thread was woken, and has taken the bed away.
    pub(super) fn get_up(self, stacking: &Stacking) {
        if self.waker.is_some() && self.waker == Processor::current() {
            stacking.note();
        }
        if let Some(before) = self.before {
            before.put_back();
        }
    }
}

/// Whether the system puts who is woken behind who wakes it.
#[derive(Default)]
pub(super) struct Stacking(AtomicBool);

impl Stacking {
    fn was_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self) {
        if !self.was_seen() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::{Barrier, Mutex};
    use std::thread;

    use super::*;

    /// A thread sleeps and another wakes it: where it ran when it was woken, and whether that was where the waker did.
    fn wake(stacking: &Stacking) -> (Processor, bool) {
        let (bed, is_down, is_woken) =
            (Mutex::new(Bed::default()), Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let before = thread::available_parallelism().expect("the system tells");
                bed.lock().expect("no panic").lie_down();
                is_down.wait();
                is_woken.wait();
                let bed = std::mem::take(&mut *bed.lock().expect("no panic"));
                let (waker, here) = (bed.waker.expect("it was woken"), Processor::current());
                bed.get_up(stacking);
                assert_eq!(thread::available_parallelism().expect("it did"), before);
                (waker, here == Some(waker))
            });
            is_down.wait();
            bed.lock().expect("no panic").part(stacking);
            is_woken.wait();
            sleeper.join().expect("no panic")
        })
    }

    #[test]
    fn who_is_woken_is_elsewhere_and_may_be_anywhere_afterwards() {
        if thread::available_parallelism().is_ok_and(|processors| processors.get() == 1) {
            return;
        }
        let stacking = Stacking::default();
        stacking.note();
        for _ in 0..100 {
            assert!(!wake(&stacking).1);
        }
    }

    #[test]
    fn nobody_is_kept_off_before_stacking_was_seen() {
        let stacking = Stacking::default();
        let mut bed = Bed::default();
        bed.part(&stacking);
        assert_eq!(bed.waker, None, "nobody sleeps there");
        bed.lie_down();
        bed.part(&stacking);
        assert!(bed.waker.is_some());
        assert!(bed.before.is_none());
    }
}
