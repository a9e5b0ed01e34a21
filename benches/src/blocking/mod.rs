//! The engine `rayon-blocking`: what rustc planned in 2018, as a model.
//!
//! Stock `rayon-core` runs the joins, a sharded memo holds the results, and a thread that asks for
//! a query in progress blocks until it is done. A thread that waits in a join meanwhile runs
//! whatever it finds, on top of the waiting stack; what it finds may ask for a query below it.
//! Nobody can go on then, though no query depends on itself. rustc found that by counting its
//! active threads; so does the model: `census` counts those that block, `monitor` looks for the
//! rest, and a run that cannot end is unwound and says so.
//!
//! Used by the workloads that have queries. It must not know any of them.

mod active;
mod census;
mod cycle;
mod memo;
mod monitor;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

use crate::trouble::Trouble;
use active::Active;
use census::{Verdict, Waited};
use memo::{Claim, Look, Memo};
use monitor::Monitor;

/// A query: its key, and how it is computed. All queries of one engine are of one type.
pub(crate) trait Provide: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    /// What it gives.
    type Value: Clone + Send + Sync + 'static;

    /// Computes it.
    fn provide(self, asker: &Asker<'_, Self>) -> Self::Value;
}

/// The threads, and the memo of one run after the other.
pub(crate) struct Blocking<K: Provide> {
    pool: Arc<ThreadPool>,
    memo: Arc<Memo<K>>,
    _monitor: Monitor,
}

impl<K: Provide> Blocking<K> {
    /// So many threads, with stacks of so many bytes: asks nest on them.
    pub(crate) fn new(threads: usize, stack_bytes: usize) -> Result<Self, String> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(stack_bytes)
            .build()
            .map_err(|error| error.to_string())?;
        let pool = Arc::new(pool);
        let memo = Arc::new(Memo::new(threads));
        let monitor = Monitor::start(Arc::clone(&pool), Arc::clone(&memo))?;
        Ok(Blocking {
            pool,
            memo,
            _monitor: monitor,
        })
    }

    /// One run, on an empty memo.
    pub(crate) fn run<T: Send>(
        &self,
        root: impl FnOnce(&Asker<'_, K>) -> T + Send,
    ) -> Result<T, Trouble> {
        let asker = Asker {
            memo: &self.memo,
            query: None,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| self.pool.install(|| root(&asker))));
        let verdict = self.memo.clear();
        match (verdict, outcome) {
            (Some(Verdict::Cycle(text)), _) => Err(Trouble::Failed(text)),
            (Some(Verdict::Stuck(text)), _) => Err(Trouble::Hung(text)),
            (None, Ok(value)) => Ok(value),
            (None, Err(payload)) => resume_unwind(payload),
        }
    }
}

/// What unwinds the jobs of a run that cannot end.
struct GivenUp;

/// Who asks: the query whose provider runs, or the root.
pub(crate) struct Asker<'a, K: Provide> {
    memo: &'a Arc<Memo<K>>,
    query: Option<Arc<Active<K>>>,
}

impl<K: Provide> Asker<'_, K> {
    /// The query's value. Whoever asks first computes it; others block their threads until it is
    /// there.
    pub(crate) fn get(&self, query: K) -> K::Value {
        let census = &self.memo.census;
        loop {
            match self.memo.look(&query, self.query.as_ref()) {
                Look::Ready(value) => return value,
                Look::Claimed(claim) if !census.is_over() => return self.compute(query, claim),
                // What is in progress comes to an end: the next look finds it.
                Look::InProgress(active)
                    if census.wait(self.query.as_ref(), &active) == Waited::ToTheEnd => {}
                Look::Poisoned if !census.is_over() => {
                    // The hook has spoken of the first panic.
                    let text = format!("{query:?} has no value: its provider panicked");
                    resume_unwind(Box::new(text))
                }
                _ => resume_unwind(Box::new(GivenUp)),
            }
        }
    }

    fn compute(&self, query: K, claim: Claim<'_, K>) -> K::Value {
        let value = query.provide(&Asker {
            memo: self.memo,
            query: Some(Arc::clone(claim.active())),
        });
        claim.complete(value.clone());
        value
    }

    /// Both, perhaps at once; each asks on behalf of the same query.
    pub(crate) fn join<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce(&Self) -> RA + Send,
        b: impl FnOnce(&Self) -> RB + Send,
    ) -> (RA, RB) {
        let both = rayon_core::join(
            || a(self),
            || {
                self.memo.census.note();
                b(self)
            },
        );
        self.memo.census.note();
        both
    }
}
