//! What the workloads of hits and misses share: which engines there are, and what an answer under other keys means.
//!
//! Used by `hits.rs` and `misses.rs`, which say how each kind of engine does their job.

use super::job::cannot_run;
use super::memos::{Dashmap, Memo, Papaya, Shards};
use super::ring::{Dense, Hashed, Key};
use super::{Job, Number, Setup};
use crate::engine::Engine;

/// A workload of asks, with keys of type `K`.
pub(super) trait OnMemoEngines<K: Key> {
    fn ours(&self, setup: Setup) -> Result<Job<'_>, String>;
    fn with_plain(&self) -> Job<'_>;
    fn with_memo<M: Memo<K> + Sync + 'static>(&self, workers: usize) -> Job<'_>;
    /// `has_ids`: under ids that are ready-made, else under pairs.
    fn with_salsa(&self, workers: usize, has_ids: bool) -> Job<'_>;
    /// The answer, if keys are of this type.
    fn sum<R: Key>(&self) -> u64;

    /// The job of an engine.
    fn on(&self, setup: Setup) -> Result<Job<'_>, String> {
        Ok(match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => return self.ours(setup),
            Engine::Plain => self.with_plain(),
            Engine::Shards => self.with_memo::<Shards<K>>(setup.workers),
            Engine::Dashmap => self.with_memo::<Dashmap<K>>(setup.workers),
            Engine::Papaya => self.with_memo::<Papaya<K>>(setup.workers),
            Engine::Salsa => self.with_salsa(setup.workers, true),
            Engine::SalsaTuple => self.with_salsa(setup.workers, false),
            other => return Err(cannot_run(other)),
        })
    }

    /// What is to be added to salsa's answer. Its results under ids are numbers, those under pairs are spread, whatever
    /// they are under our keys.
    fn offset_of_salsa(&self, has_ids: bool) -> u64 {
        let theirs = match has_ids {
            true => self.sum::<Dense>(),
            false => self.sum::<Hashed>(),
        };
        self.sum::<K>().wrapping_sub(theirs)
    }
}

/// The answer with something added.
pub(super) fn plus(answer: Number, offset: u64) -> Number {
    Number {
        value: answer.value.wrapping_add(offset),
        ..answer
    }
}
