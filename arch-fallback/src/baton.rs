//! How a resumer and a fiber's thread pass control: whose turn it is, and every step from one turn to the next.
//!
//! Used by `fiber.rs` (the resumer's steps) and `pool.rs` (the steps of the fiber's thread). It knows no
//! thread handle and no pool.
//!
//! ```text
//! resumer's steps                     fiber thread's steps
//! start      Idle      -> Start       next_body  Start  -> Fiber, or leaves at End
//! proceed    Suspended -> Fiber       suspend    Fiber  -> Suspended, then waits for Fiber
//! (wait)     Finished  -> Idle        finish     Fiber  -> Finished
//! end        Idle      -> End
//! ```
//!
//! The lock is never held while a body runs, and no step can panic while it holds it with a turn half
//! written; a poisoned lock is therefore taken over as it is.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::fiber::{Resumed, Suspender};

/// What a fiber runs.
pub(crate) type Body = Box<dyn FnOnce(&Suspender) + Send>;

/// Whose turn it is.
enum Turn {
    /// Nobody's: the thread waits for a body.
    Idle,
    /// The thread's, which has not yet taken the body.
    Start(Body),
    /// The thread's: the body runs.
    Fiber,
    /// The resumer's: the body waits in `suspend`.
    Suspended,
    /// The resumer's, which has not yet taken the result.
    Finished(thread::Result<()>),
    /// The thread is to end.
    End,
}

/// Control over one fiber thread: whoever's turn it is runs, the other waits here.
pub(crate) struct Baton {
    turn: Mutex<Turn>,
    /// Notified when the turn becomes the thread's.
    to_fiber: Condvar,
    /// Notified when the turn becomes the resumer's.
    to_resumer: Condvar,
}

impl Baton {
    pub(crate) fn new() -> Baton {
        Baton {
            turn: Mutex::new(Turn::Idle),
            to_fiber: Condvar::new(),
            to_resumer: Condvar::new(),
        }
    }

    /// Resumer: lets the idle thread run `body`, and waits until it suspends or ends.
    pub(crate) fn start(&self, body: Body) -> Resumed {
        self.pass(&self.to_fiber, Turn::Start(body), |turn| {
            matches!(turn, Turn::Idle)
        });
        self.wait_for_resumers_turn()
    }

    /// Resumer: lets the suspended body go on, and waits until it suspends again or ends.
    pub(crate) fn proceed(&self) -> Resumed {
        self.pass(&self.to_fiber, Turn::Fiber, |turn| {
            matches!(turn, Turn::Suspended)
        });
        self.wait_for_resumers_turn()
    }

    /// Resumer: tells the idle thread to end. Does not wait for it.
    pub(crate) fn end(&self) {
        let mut turn = self.lock();
        // Not asserted: this runs in destructors. A thread that still has a body is never told to end.
        if matches!(*turn, Turn::Idle) {
            *turn = Turn::End;
        }
        drop(turn);
        self.to_fiber.notify_one();
    }

    /// Fiber thread: waits for the next body; `None` when the thread is to end.
    pub(crate) fn next_body(&self) -> Option<Body> {
        let turn = self.lock();
        let mut turn = self
            .to_fiber
            .wait_while(turn, |turn| !matches!(turn, Turn::Start(_) | Turn::End))
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *turn, Turn::Fiber) {
            Turn::Start(body) => Some(body),
            _ => None,
        }
    }

    /// Fiber thread: gives the turn to the resumer and waits to get it back.
    pub(crate) fn suspend(&self) {
        self.pass(&self.to_resumer, Turn::Suspended, |turn| {
            matches!(turn, Turn::Fiber)
        });
        let turn = self.lock();
        let turn = self
            .to_fiber
            .wait_while(turn, |turn| !matches!(turn, Turn::Fiber))
            .unwrap_or_else(PoisonError::into_inner);
        drop(turn);
    }

    /// Fiber thread: the body has ended.
    pub(crate) fn finish(&self, result: thread::Result<()>) {
        self.pass(&self.to_resumer, Turn::Finished(result), |turn| {
            matches!(turn, Turn::Fiber)
        });
    }

    /// One step: from the turn that `is_mine` accepts to `next`. The other side is woken after the lock is free.
    fn pass(&self, other: &Condvar, next: Turn, is_mine: fn(&Turn) -> bool) {
        let mut turn = self.lock();
        let mine = is_mine(&turn);
        if mine {
            *turn = next;
        }
        drop(turn);
        assert!(mine, "a fiber's control was passed out of turn");
        other.notify_one();
    }

    fn wait_for_resumers_turn(&self) -> Resumed {
        let turn = self.lock();
        let mut turn = self
            .to_resumer
            .wait_while(turn, |turn| {
                !matches!(turn, Turn::Suspended | Turn::Finished(_))
            })
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *turn, Turn::Idle) {
            Turn::Finished(result) => Resumed::Finished(result),
            suspended => {
                *turn = suspended;
                Resumed::Suspended
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
