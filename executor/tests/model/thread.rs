//! Threads as the library's latch needs them: a handle and a park token.
//!
//! Not loom's own, which wakes a thread out of whatever it is blocked on, a join included.

use std::sync::Arc;

use super::{Condvar, Mutex, Place, frames_may_end};
use crate::plant::is_planted;

/// A thread's handle. It lies in the latch, so it is tracked.
pub(crate) struct Thread {
    place: Place,
    token: Arc<Token>,
}

/// The park token of a thread: there or not.
struct Token {
    is_there: Mutex<bool>,
    arrival: Condvar,
}

loom::thread_local! {
    static TOKEN: Arc<Token> = Arc::new(Token {
        is_there: Mutex::new(false),
        arrival: Condvar::new(),
    });
}

/// The handle of the calling thread.
pub(crate) fn current() -> Thread {
    Thread {
        place: Place::new(),
        token: TOKEN.with(Arc::clone),
    }
}

/// Waits for the calling thread's token, and takes it.
pub(crate) fn park() {
    let token = TOKEN.with(Arc::clone);
    let mut is_there = token.is_there.lock();
    while !*is_there {
        token.arrival.wait(&mut is_there);
    }
    *is_there = false;
}

impl Token {
    fn give(&self) {
        *self.is_there.lock() = true;
        self.arrival.notify_one();
    }
}

impl Thread {
    /// Gives the thread its token. The thread may run on before the caller does, and before the
    /// token is there.
    pub(crate) fn unpark(&self) {
        frames_may_end();
        self.place.touch();
        if !is_planted("latch_early_unpark") {
            self.token.give();
        }
        frames_may_end();
    }
}

impl Clone for Thread {
    fn clone(&self) -> Self {
        self.place.touch();
        if is_planted("latch_early_unpark") {
            self.token.give();
        }
        Thread {
            place: Place::new(),
            token: Arc::clone(&self.token),
        }
    }
}
