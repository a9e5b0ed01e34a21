//! `miss-dense`, `miss-hashed` and `stampede`: first asks, of queries that compute next to nothing.
//!
//! A run makes a database and drops it: both are in the figure, as is the growth of the tables. In the first two the
//! workers divide the keys among themselves; in `stampede` each asks for all of them, in the same order.

use std::sync::Arc;

use dagwood::{Database, Executor};

use super::memo_engines::{OnMemoEngines, plus};
use super::memos::{Memo, Plain, on_threads};
use super::ring::{Dense, Hashed, Key, Ring, flow};
use super::salsas::Db;
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

struct Misses<K> {
    ring: Arc<Ring>,
    keys: Vec<K>,
    /// Whether each worker asks for everything.
    is_stampede: bool,
}

fn misses<K: Key>(request: &Request, is_stampede: bool) -> Result<Box<dyn Loaded>, Failure> {
    let len = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let ring = Arc::new(Ring::new(len));
    Ok(Box::new(Misses::<K> {
        // In order: what is asked for first of all comes in some order of its program.
        keys: (0..len).map(K::of).collect(),
        ring,
        is_stampede,
    }))
}

pub(super) fn load_dense(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    misses::<Dense>(request, false)
}

pub(super) fn load_hashed(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    misses::<Hashed>(request, false)
}

pub(super) fn load_stampede(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    misses::<Hashed>(request, true)
}

impl<K: Key> Misses<K> {
    /// The keys that a worker asks for.
    fn part(&self, worker: usize, workers: usize) -> &[K] {
        if self.is_stampede {
            return &self.keys;
        }
        let bound = |worker: usize| worker * self.keys.len() / workers;
        &self.keys[bound(worker)..bound(worker + 1)]
    }

    /// What the sums of the workers come to.
    fn total(&self, sums: &[u64]) -> Number {
        let value = if self.is_stampede {
            assert!(
                sums.iter().all(|sum| *sum == sums[0]),
                "workers differ: {sums:?}"
            );
            sums[0]
        } else {
            sums.iter().copied().fold(0, u64::wrapping_add)
        };
        Number {
            label: "sum of the results".to_owned(),
            value,
        }
    }

    #[inline]
    fn ask_all(&self, memo: &impl Memo<K>, keys: &[K]) -> u64 {
        flow(keys, 1, |key| memo.ask(key, || self.ring.compute(key)))
    }
}

impl<K: Key> OnMemoEngines<K> for Misses<K> {
    fn sum<R: Key>(&self) -> u64 {
        self.ring.sum::<R>()
    }

    fn with_memo<M: Memo<K> + Sync + 'static>(&self, workers: usize) -> Job<'_> {
        Job::other(move || {
            let memo = M::default();
            let ask = |worker| self.ask_all(&memo, self.part(worker, workers));
            self.total(&on_threads(workers, ask))
        })
    }

    fn with_plain(&self) -> Job<'_> {
        Job::other(move || self.total(&[self.ask_all(&Plain::default(), &self.keys)]))
    }

    /// The inputs are made in the run, if they are to be used: there is no result without them.
    fn with_salsa(&self, workers: usize, has_ids: bool) -> Job<'_> {
        let offset = self.offset_of_salsa(has_ids);
        Job::other(move || {
            let db = Db::new(&self.ring, has_ids);
            let sums = db.ask_on(workers, has_ids, |worker| self.part(worker, workers));
            plus(self.total(&sums), offset)
        })
    }

    fn ours(&self, setup: Setup) -> Result<Job<'_>, String> {
        Job::on_executor(setup, None, move |executor: &Executor| {
            let db = Database::new(Arc::clone(&self.ring));
            let workers = executor.workers();
            let sums = executor.run(&db, |cx| {
                cx.broadcast(|cx, worker| flow(self.part(worker, workers), 1, |key| *cx.get(key)))
            })?;
            Ok(self.total(&sums))
        })
    }
}

impl<K: Key> Loaded for Misses<K> {
    fn size(&self) -> u64 {
        self.keys.len() as u64
    }

    fn ops(&self) -> u64 {
        self.keys.len() as u64
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.sum::<K>().to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        self.on(setup)
    }
}
