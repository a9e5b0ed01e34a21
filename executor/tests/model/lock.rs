//! lock.md: a lock, a once-cell and permits, between loom threads that wait as fibers do.

use std::panic::Location;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::fiber::FiberRecord;
use crate::sched::line::Place;
use crate::sched::lock::{Entered, Lock};
use crate::sched::permits::Permits;
use crate::sync::{AtomicUsize, Frame, Ordering};

/// A lock and what it guards.
struct Guarded {
    lock: Lock,
    value: UnsafeCell<u32>,
    /// Of a once-cell: 1 if it is set.
    is_set: AtomicUsize,
    permits: Permits,
}

// SAFETY: loom fails the model if two use the value at once.
unsafe impl Send for Guarded {}
// SAFETY: as above.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new(permits: usize) -> Arc<Guarded> {
        Arc::new(Guarded {
            lock: Lock::new("lock", Location::caller()),
            value: UnsafeCell::new(0),
            is_set: AtomicUsize::new(0),
            permits: Permits::new(permits),
        })
    }

    fn add(&self) {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.value.with(|value| unsafe { *value })
    }

    /// Takes the lock for `fiber`, as `graph/locking.rs` does. Gives whether it was taken.
    fn take(&self, fiber: &FiberRecord, is_over: impl Fn() -> bool) -> bool {
        if self.lock.try_take(fiber) {
            return true;
        }
        let mut calls = 0;
        while !is_over() {
            let place = Frame::new(Place::new(fiber, None, calls));
            // SAFETY: it suspends below until it was called.
            let entered = unsafe { self.lock.enter(fiber, &place) };
            if entered == Entered::Taken {
                return true;
            }
            // SAFETY: `fiber` stays until it was woken.
            if unsafe { place.list.list(fiber) }.is_ok() {
                fiber.suspend();
            }
            place.leave();
            calls += 1;
        }
        false
    }

    /// Adds one under the lock.
    fn add_locked(&self) {
        let fiber = FiberRecord::here();
        assert!(self.take(&fiber, || false));
        self.add();
        self.lock.give_back(&fiber);
    }

    /// The value of the once-cell, which is made at most once.
    fn get(&self) -> u32 {
        // Acquire: as the library's.
        let is_set = || self.is_set.load(Ordering::Acquire) == 1;
        let fiber = FiberRecord::here();
        if !is_set() && self.take(&fiber, is_set) {
            if is_set() {
                self.lock.give_back(&fiber);
            } else {
                self.add();
                let order = match is_planted("lock_unset") {
                    true => Ordering::Relaxed,
                    false => Ordering::Release,
                };
                self.is_set.store(1, order);
                self.lock.give_back_to_all();
            }
        }
        self.read()
    }

    /// Takes so many permits, as the library's semaphore does; gives them back.
    fn use_permits(&self, count: usize) {
        if !self.permits.try_take(count) {
            let fiber = FiberRecord::here();
            let place = Frame::new(Place::new(&fiber, None, count));
            // SAFETY: it suspends below until it was called.
            let entered = unsafe { self.permits.enter(&place) };
            // SAFETY: `fiber` stays until it was woken.
            if entered == Entered::Waits && unsafe { place.list.list(&fiber) }.is_ok() {
                fiber.suspend();
            }
            place.leave();
        }
        self.add();
        self.permits.give_back(count);
    }
}

/// K2 to K4: three take the lock once each.
#[test]
fn one_at_a_time_holds_the_lock() {
    explore(|| {
        let guarded = Guarded::new(0);
        let others = [0, 1].map(|_| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.add_locked())
        });
        guarded.add_locked();
        for other in others {
            other.join().expect("it ends");
        }
        assert_eq!(guarded.read(), 3);
    });
}

/// K5: what is kept for one waiter nobody else takes, however often it comes.
#[test]
fn who_was_called_in_vain_is_the_next() {
    explore(|| {
        let guarded = Guarded::new(0);
        let lock = &guarded.lock;
        let [holder, patient, late] = [0, 1, 2].map(|_| FiberRecord::here());
        assert!(lock.try_take(&holder));
        let calls = if is_planted("lock_unkept") { 1 } else { 4 };
        let place = Place::new(&patient, None, calls);
        // SAFETY: it is called below.
        let entered = unsafe { lock.enter(&patient, &place) };
        assert_eq!(entered, Entered::Waits);
        lock.give_back(&holder);
        assert!(place.list.outcome().is_some(), "it is called");
        let is_kept = !lock.try_take(&holder) && !lock.try_take_from_line(&holder);
        assert!(is_kept, "it is kept");
        let behind = Place::new(&late, None, 0);
        // SAFETY: it is called below.
        let entered = unsafe { lock.enter(&late, &behind) };
        assert_eq!(entered, Entered::Waits);
        let again = Place::new(&patient, None, calls + 1);
        // SAFETY: it is not put into the line.
        let entered = unsafe { lock.enter(&patient, &again) };
        assert_eq!(entered, Entered::Taken);
        lock.give_back(&patient);
        assert!(behind.list.outcome().is_some(), "it is called");
        assert!(lock.try_take(&late));
    });
}

/// K6: one steps into the line and leaves it, while the lock is given back; another one waits.
#[test]
fn who_leaves_gives_the_call_on() {
    explore(|| {
        let guarded = Guarded::new(0);
        let holder = FiberRecord::here();
        assert!(guarded.take(&holder, || false));
        let hasty = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || {
                let fiber = FiberRecord::here();
                let place = Frame::new(Place::new(&fiber, None, 0));
                // SAFETY: it leaves below.
                match unsafe { guarded.lock.enter(&fiber, &place) } {
                    Entered::Taken => guarded.lock.give_back(&fiber),
                    Entered::Waits => {
                        let was_called = place.list.outcome().is_some();
                        if !was_called || !is_planted("lock_kept_call") {
                            guarded.lock.leave(&place);
                        }
                    }
                }
                place.leave();
            })
        };
        let other = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.add_locked())
        };
        guarded.lock.give_back(&holder);
        hasty.join().expect("it ends");
        other.join().expect("it ends");
        assert_eq!(guarded.read(), 1);
    });
}

/// K7: three ask for the value of a cell.
#[test]
fn a_cell_is_set_once_and_all_see_it() {
    explore(|| {
        let guarded = Guarded::new(0);
        let others = [0, 1].map(|_| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.get())
        });
        assert_eq!(guarded.get(), 1);
        for other in others {
            assert_eq!(other.join().expect("it ends"), 1);
        }
    });
}

/// P1, P2: three want all permits, one after another.
#[test]
fn permits_are_handed_over() {
    explore(|| {
        let guarded = Guarded::new(2);
        let others = [0, 1].map(|_| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.use_permits(2))
        });
        guarded.use_permits(2);
        for other in others {
            other.join().expect("it ends");
        }
        assert_eq!((guarded.read(), guarded.permits.count()), (3, 2));
    });
}

/// P2: two have a permit each and read; one writes who needs both, and is called by the one that comes last.
#[test]
fn who_is_called_comes_after_all_who_gave_back() {
    explore(|| {
        let guarded = Guarded::new(2);
        let readers = [0, 1].map(|_| {
            assert!(guarded.permits.try_take(1));
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || {
                guarded.read();
                guarded.permits.give_back(1);
            })
        });
        guarded.use_permits(2);
        for reader in readers {
            reader.join().expect("it ends");
        }
        assert_eq!((guarded.read(), guarded.permits.count()), (1, 2));
    });
}
