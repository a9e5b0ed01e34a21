//! A query in progress: who called it, who waits for it, and how they block.
//!
//! Used by the memo and the census. The shape is that of rustc's `QueryJob` and `QueryLatch`. It
//! must not know how many threads there are.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A query in progress.
pub(super) struct Active<K> {
    /// Which one.
    pub(super) key: K,
    /// The query whose provider asked for it first; the root has none.
    pub(super) parent: Option<Arc<Active<K>>>,
    latch: Mutex<Latch<K>>,
}

/// Whether the query is done, and who is to be told.
pub(super) struct Latch<K> {
    pub(super) is_complete: bool,
    pub(super) waiters: Vec<Arc<Waiter<K>>>,
}

/// A thread that blocks.
pub(super) struct Waiter<K> {
    /// On behalf of which query.
    pub(super) query: Option<Arc<Active<K>>>,
    /// What it waits for.
    pub(super) on: Arc<Active<K>>,
    /// Where it blocks, together with the latch of `on`.
    pub(super) condvar: Condvar,
}

impl<K> Active<K> {
    /// It begins.
    pub(super) fn new(key: K, parent: Option<Arc<Active<K>>>) -> Self {
        Active {
            key,
            parent,
            latch: Mutex::new(Latch {
                is_complete: false,
                waiters: Vec::new(),
            }),
        }
    }

    /// The latch. No code of users runs while it is held.
    pub(super) fn latch(&self) -> MutexGuard<'_, Latch<K>> {
        self.latch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
