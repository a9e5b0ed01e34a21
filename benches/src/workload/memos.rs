//! Maps that can serve as a memo: the baseline, and the concurrent ones that query engines are built on.
//!
//! Used by the workloads whose operations are hits and misses. None of them marks what is being computed, records what
//! was asked, or can wait: they are floors. They know neither keys nor what is computed.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash};

use dashmap::DashMap;
use hashbrown::HashTable;
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// A map from keys to results.
pub(super) trait Memo<K>: Default {
    /// What is known.
    fn get(&self, key: &K) -> Option<u64>;
    /// From now on it is known.
    fn insert(&self, key: K, value: u64);

    /// What is known, computed now if it is not.
    #[inline]
    fn ask(&self, key: K, compute: impl FnOnce() -> u64) -> u64 {
        if let Some(value) = self.get(&key) {
            return value;
        }
        let value = compute();
        self.insert(key, value);
        value
    }
}

/// The baseline: a map that one thread owns.
pub(super) struct Plain<K>(RefCell<FxHashMap<K, u64>>);

/// The number of shards, as in rustc.
const SHARDS: usize = 32;

/// The shape of rustc's query caches: tables behind a lock each, chosen by the upper bits of the hash.
pub(super) struct Shards<K>(Box<[Shard<K>]>);

type Shard<K> = Mutex<HashTable<(K, u64)>>;

/// `dashmap`.
pub(super) struct Dashmap<K: Eq + Hash>(DashMap<K, u64, FxBuildHasher>);

/// `papaya`, pinned for each access, as a query engine would.
pub(super) struct Papaya<K>(papaya::HashMap<K, u64, FxBuildHasher>);

impl<K> Default for Plain<K> {
    fn default() -> Self {
        Plain(RefCell::default())
    }
}

impl<K: Copy + Eq + Hash> Memo<K> for Plain<K> {
    #[inline]
    fn get(&self, key: &K) -> Option<u64> {
        self.0.borrow().get(key).copied()
    }

    #[inline]
    fn insert(&self, key: K, value: u64) {
        self.0.borrow_mut().insert(key, value);
    }
}

impl<K> Default for Shards<K> {
    fn default() -> Self {
        Shards((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl<K> Shards<K> {
    #[inline]
    fn shard(&self, hash: u64) -> &Shard<K> {
        // Below the seven bits that the table itself takes from the top.
        &self.0[(hash >> 52) as usize % SHARDS]
    }
}

impl<K: Copy + Eq + Hash> Memo<K> for Shards<K> {
    #[inline]
    fn get(&self, key: &K) -> Option<u64> {
        let hash = FxBuildHasher.hash_one(key);
        let shard = self.shard(hash).lock();
        shard
            .find(hash, |entry| entry.0 == *key)
            .map(|entry| entry.1)
    }

    #[inline]
    fn insert(&self, key: K, value: u64) {
        let hash = FxBuildHasher.hash_one(key);
        let mut shard = self.shard(hash).lock();
        if shard.find(hash, |entry| entry.0 == key).is_none() {
            let rehash = |entry: &(K, u64)| FxBuildHasher.hash_one(entry.0);
            shard.insert_unique(hash, (key, value), rehash);
        }
    }
}

impl<K: Eq + Hash> Default for Dashmap<K> {
    fn default() -> Self {
        Dashmap(DashMap::default())
    }
}

impl<K: Copy + Eq + Hash> Memo<K> for Dashmap<K> {
    #[inline]
    fn get(&self, key: &K) -> Option<u64> {
        self.0.get(key).map(|value| *value)
    }

    #[inline]
    fn insert(&self, key: K, value: u64) {
        self.0.insert(key, value);
    }
}

impl<K> Default for Papaya<K> {
    fn default() -> Self {
        Papaya(papaya::HashMap::default())
    }
}

impl<K: Copy + Eq + Hash> Memo<K> for Papaya<K> {
    #[inline]
    fn get(&self, key: &K) -> Option<u64> {
        self.0.pin().get(key).copied()
    }

    #[inline]
    fn insert(&self, key: K, value: u64) {
        self.0.pin().insert(key, value);
    }
}

/// Runs `body`, with the number of each, on so many threads at once; on the calling one, if it is one.
pub(super) fn on_threads<R: Send>(count: usize, body: impl Fn(usize) -> R + Sync) -> Vec<R> {
    if count == 1 {
        return vec![body(0)];
    }
    let body = &body;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || body(number)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| match thread.join() {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        };
        threads.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<M: Memo<u64>>() {
        let memo = M::default();
        for key in 0..1000 {
            assert_eq!(memo.ask(key, || key * 3), key * 3);
            assert_eq!(memo.ask(key, || unreachable!()), key * 3);
        }
    }

    #[test]
    fn each_map_computes_once() {
        check::<Plain<u64>>();
        check::<Shards<u64>>();
        check::<Dashmap<u64>>();
        check::<Papaya<u64>>();
    }
}
