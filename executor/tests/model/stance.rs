//! Fibers that may move (moving.md): made ready once, resumed off their stacks, and looked at while nobody resumes them.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::plant::is_planted;
use crate::sched::stance::{OnLeaving, Stance};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// A fiber with its stack, the list that it is ready on, and what is said of its work.
struct Fiber {
    stance: Stance,
    stack: UnsafeCell<u32>,
    ready: Mutex<u32>,
    reason: AtomicUsize,
    /// How often its wait was ended.
    ended: AtomicUsize,
}

// SAFETY: loom fails the model if two use the stack at once.
unsafe impl Sync for Fiber {}
// SAFETY: as above.
unsafe impl Send for Fiber {}

impl Fiber {
    fn new() -> Arc<Fiber> {
        Arc::new(Fiber {
            stance: Stance::new(),
            stack: UnsafeCell::new(0),
            ready: Mutex::new(0),
            reason: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        })
    }

    fn run(&self) {
        // SAFETY: loom fails the model if somebody uses it meanwhile.
        self.stack.with_mut(|stack| unsafe { *stack += 1 });
    }

    fn push(&self) {
        *self.ready.lock() += 1;
    }

    /// A waker. (Planted: it does not ask whether the fiber has left.)
    fn wake(&self) {
        if self.stance.wake() || is_planted("stance_early") {
            self.push();
        }
    }

    /// A base that has got control back, or who has held the fiber. (Planted: a note is not read.)
    fn leave(&self) {
        loop {
            match self.stance.leave() {
                OnLeaving::Waits => return,
                OnLeaving::IsReady => return self.push(),
                OnLeaving::IsLookedFor if is_planted("stance_note") => (),
                OnLeaving::IsLookedFor => self.look(),
            }
        }
    }

    /// Looks at the wait of the fiber, which stands still.
    fn look(&self) {
        // SAFETY: loom fails the model if somebody writes meanwhile.
        self.stack.with(|stack| unsafe { *stack });
        if self.reason.load(Ordering::Relaxed) == 1 {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Who sweeps. (Planted: it looks without holding the fiber.)
    fn sweep(&self) {
        if self.stance.hold(true) {
            self.look();
            self.leave();
        } else if is_planted("stance_unheld") {
            self.look();
        }
    }

    /// Resumes the fiber if it is ready. Whether it was.
    fn resume(&self) -> bool {
        let mut ready = self.ready.lock();
        if *ready == 0 {
            return false;
        }
        *ready -= 1;
        drop(ready);
        let is_off = self.stance.go_on();
        assert!(is_off, "a fiber is resumed before it has left its stack");
        self.run();
        true
    }
}

fn beside(fiber: &Arc<Fiber>, body: impl FnOnce(&Fiber) + 'static) -> thread::JoinHandle<()> {
    let fiber = Arc::clone(fiber);
    thread::spawn(move || body(&fiber))
}

/// M1, M2: a waker, and a worker that takes the fiber, while it is on its way to its base.
#[test]
fn a_fiber_is_resumed_once_and_off_its_stack() {
    explore(|| {
        let fiber = Fiber::new();
        let base = beside(&fiber, |fiber| {
            fiber.run();
            fiber.leave();
        });
        let waker = beside(&fiber, Fiber::wake);
        let early = fiber.resume();
        base.join().expect("it ends");
        waker.join().expect("it ends");
        let late = fiber.resume();
        assert!(early != late, "resumed once: {early}, {late}");
        assert!(!fiber.resume(), "it was made ready twice");
    });
}

/// M4: a waker, one that sweeps, and a worker that takes the fiber, which waits.
#[test]
fn a_fiber_that_is_held_is_not_resumed() {
    explore(|| {
        let fiber = Fiber::new();
        fiber.leave();
        let sweeper = beside(&fiber, Fiber::sweep);
        let waker = beside(&fiber, Fiber::wake);
        let early = fiber.resume();
        sweeper.join().expect("it ends");
        waker.join().expect("it ends");
        let late = fiber.resume();
        assert!(early != late, "resumed once: {early}, {late}");
    });
}

/// M5: a fiber that has looked, and is about to wait, while it is cancelled.
#[test]
fn a_reason_reaches_a_fiber_that_is_about_to_wait() {
    explore(|| {
        let fiber = Fiber::new();
        let base = beside(&fiber, |fiber| {
            fiber.run();
            fiber.leave();
        });
        fiber.reason.store(1, Ordering::Relaxed);
        fiber.sweep();
        base.join().expect("it ends");
        let ended = fiber.ended.load(Ordering::Relaxed);
        assert!(ended == 1, "nobody ends the wait");
    });
}
