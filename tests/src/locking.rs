//! What the scenarios of locks have in common.

use dagwood::locks::RwLock;
use dagwood::{Cx, Error};

/// Whether a run, or a wait, has ended so.
pub fn is_deadlock<T>(result: &Result<T, Error>) -> bool {
    result.as_ref().is_err_and(Error::is_deadlock)
}

/// Lets others go on until `is_true`.
pub fn until<D>(cx: &Cx<'_, D>, is_true: impl Fn() -> bool) {
    while !is_true() {
        cx.yield_now();
    }
}

/// Whether somebody waits for it: a reader does not overtake.
pub fn has_line<T>(lock: &RwLock<T>) -> bool {
    lock.try_read().is_none()
}
