//! The memo: what is known, what is in progress, and what never came to an end.
//!
//! Used by the engine. Sharded as rustc's; a shard's lock is never held while a provider runs. It
//! must not know why threads wait.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHasher};

use super::Provide;
use super::active::Active;
use super::census::{Census, Verdict};

const SHARD_BITS: u32 = 5;

/// The memo of a run.
pub(super) struct Memo<K: Provide> {
    shards: Vec<Shard<K>>,
    /// Who runs and who is blocked.
    pub(super) census: Census<K>,
}

/// A cache line each, and the prefetcher's next one.
#[repr(align(128))]
struct Shard<K: Provide>(Mutex<FxHashMap<K, Slot<K>>>);

enum Slot<K: Provide> {
    InProgress(Arc<Active<K>>),
    Ready(K::Value),
    /// Its provider unwound.
    Poisoned,
}

/// What a look at a query's slot gives.
pub(super) enum Look<'a, K: Provide> {
    /// The value.
    Ready(K::Value),
    /// Somebody else computes it.
    InProgress(Arc<Active<K>>),
    /// It has no value and will have none.
    Poisoned,
    /// It is for the caller to compute.
    Claimed(Claim<'a, K>),
}

/// The right and the duty to compute a query; dropped without a value, it leaves the slot poisoned.
pub(super) struct Claim<'a, K: Provide> {
    memo: &'a Memo<K>,
    active: Arc<Active<K>>,
    is_complete: bool,
}

impl<K: Provide> Memo<K> {
    /// An empty one.
    pub(super) fn new(threads: usize) -> Self {
        Memo {
            shards: (0..1 << SHARD_BITS)
                .map(|_| Shard(Mutex::default()))
                .collect(),
            census: Census::new(threads),
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, FxHashMap<K, Slot<K>>> {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(key);
        let shard = &self.shards[(hash >> (u64::BITS - SHARD_BITS)) as usize];
        shard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the query up, and claims it if nobody has.
    pub(super) fn look(&self, key: &K, asker: Option<&Arc<Active<K>>>) -> Look<'_, K> {
        let mut slots = self.shard(key);
        match slots.get(key) {
            Some(Slot::Ready(value)) => Look::Ready(value.clone()),
            Some(Slot::InProgress(active)) => Look::InProgress(Arc::clone(active)),
            Some(Slot::Poisoned) => Look::Poisoned,
            None => {
                let active = Arc::new(Active::new(key.clone(), asker.cloned()));
                slots.insert(key.clone(), Slot::InProgress(Arc::clone(&active)));
                Look::Claimed(Claim {
                    memo: self,
                    active,
                    is_complete: false,
                })
            }
        }
    }

    /// The end of a run: forgets everything, and says why the run was given up, if it was.
    pub(super) fn clear(&self) -> Option<Verdict> {
        for shard in &self.shards {
            let mut slots = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(mem::take(&mut *slots));
        }
        self.census.clear()
    }
}

impl<K: Provide> Claim<'_, K> {
    /// The query as one in progress.
    pub(super) fn active(&self) -> &Arc<Active<K>> {
        &self.active
    }

    /// Publishes the value, then wakes whoever waits for it.
    pub(super) fn complete(mut self, value: K::Value) {
        self.is_complete = true;
        self.end(Slot::Ready(value));
    }

    fn end(&self, slot: Slot<K>) {
        let key = &self.active.key;
        self.memo.shard(key).insert(key.clone(), slot);
        self.memo.census.release(&self.active);
    }
}

impl<K: Provide> Drop for Claim<'_, K> {
    fn drop(&mut self) {
        if !self.is_complete {
            self.end(Slot::Poisoned);
        }
    }
}
