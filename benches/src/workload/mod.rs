//! The workloads: one table of what there is and which engine can run what, and the shapes they all have.
//!
//! Used by every command. A new workload is a file here and an entry in [`ALL`], in `all.rs`.

mod all;
mod closure;
mod coarse;
mod cycle_beside;
mod depth;
mod divide;
mod fork_join;
mod grid;
mod hits;
mod idle;
mod integrate;
mod job;
mod lock;
mod loops;
mod matmul;
mod meeting;
mod memo_engines;
mod memos;
mod misses;
mod nqueens;
mod oversubscribed;
mod pipeline;
mod provider;
mod ring;
mod rust_source;
mod salsa_grid;
mod salsas;
mod shared;
mod skynet;
mod slots;
mod spawn;
mod starve;
mod suspended;
mod switch;
mod tree_sum;
mod trickle;
mod twins;
mod uts;
mod wake;
mod wavefront;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::engine::Engine;
use crate::failure::Failure;
use crate::other_build;

pub(crate) use all::{ALL, TOGETHER};
pub(crate) use job::{Answer, Counters, Figures, Interleaving, Job, Number, Setup};

/// One workload: what it is, and how to load it.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Its name on the command line and in JSON.
    pub(crate) name: &'static str,
    /// One line for `list` and `--help`.
    pub(crate) about: &'static str,
    /// What one of its operations is called, in the singular.
    pub(crate) unit: &'static str,
    /// What `--size` counts.
    pub(crate) size_means: &'static str,
    /// The size without `--size`.
    pub(crate) default_size: u64,
    /// The sizes it accepts.
    pub(crate) sizes: RangeInclusive<u64>,
    /// The engine whose row, with 1 worker, the ratios refer to.
    pub(crate) baseline: Engine,
    /// What the ratios compare.
    pub(crate) measure: Measure,
    /// The engines that can run it.
    pub(crate) engines: &'static [Engine],
    /// Whether `--input` means anything to it.
    pub(crate) takes_input: bool,
    load: fn(&Request) -> Result<Box<dyn Loaded>, Failure>,
}

/// The figure of a run that counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How long it takes.
    Wall,
    /// What it takes of the cores, where the wall time is given.
    Cpu,
}

/// What a workload is asked to work on.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The workload's own scale.
    pub(crate) size: u64,
    /// The input's place, for workloads that take one.
    pub(crate) input: Option<PathBuf>,
}

/// A workload with its input ready; from here jobs are made.
pub(crate) trait Loaded {
    /// The size in effect.
    fn size(&self) -> u64;
    /// The operations in one run.
    fn ops(&self) -> u64;
    /// The checksum of the right answer, where it is known without an engine.
    fn known_checksum(&self) -> Option<String> {
        None
    }
    /// A digest of the input, where there is one.
    fn input_digest(&self) -> Option<&str> {
        None
    }
    /// The input in words, where there is one.
    fn input_text(&self) -> Option<String> {
        None
    }
    /// The job for one engine; everything that need not be timed is done here.
    fn job(&self, setup: Setup) -> Result<Job<'_>, String>;
}

/// The workload of that name.
pub(crate) fn find(name: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// The workload that a comparison without a name means.
    pub(crate) fn main() -> &'static Workload {
        &ALL[0]
    }

    /// The engines of this build that can run it, and of the other builds that take part.
    pub(crate) fn compiled_in(&self) -> impl Iterator<Item = Engine> {
        let others = other_build::takes_part(self);
        let is_there = move |engine: &Engine| {
            engine.is_compiled_in() || others && other_build::home(*engine).is_some()
        };
        self.engines.iter().copied().filter(is_there)
    }

    /// The same with another baseline and other engines.
    pub(crate) fn against(&self, baseline: Engine, engines: &'static [Engine]) -> Workload {
        Workload {
            baseline,
            engines,
            sizes: self.sizes.clone(),
            ..*self
        }
    }

    /// Makes the input ready. `size` is the default one where it is absent.
    pub(crate) fn load(
        &self,
        size: Option<u64>,
        input: Option<PathBuf>,
    ) -> Result<Box<dyn Loaded>, Failure> {
        let size = size.unwrap_or(self.default_size);
        if !self.sizes.contains(&size) {
            return Err(Failure::Usage(format!(
                "--size {size} is out of range for {}: it takes {} to {} ({})",
                self.name,
                self.sizes.start(),
                self.sizes.end(),
                self.size_means
            )));
        }
        (self.load)(&Request { size, input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kind;

    /// `rust-source` and `rust-deep` have their own tests; `idle` watches threads, and here tests start others; `oversubscribed`
    /// starts the program (tests/comparison.rs).
    const TESTED_ELSEWHERE: [&str; 4] = ["rust-source", "rust-deep", "idle", "oversubscribed"];

    /// A small size of each other workload.
    const SMALL: &[(&str, u64)] = &[
        ("fork-join", 12),
        ("grid-hashed", 12),
        ("grid-dense", 12),
        ("provider-1us", 20),
        ("hit-hashed", 3),
        ("hit-hashed-chain", 3),
        ("hit-dense", 3),
        ("hit-dense-chain", 3),
        ("hit-recorded", 3),
        ("hot-key", 3),
        ("miss-hashed", 500),
        ("miss-dense", 500),
        ("stampede", 500),
        ("shared", 6),
        ("closure", 300),
        ("cycle-beside", 50),
        ("tree-sum", 20),
        ("tree-sum-large", 63),
        ("nqueens", 6),
        ("integrate", 4),
        ("skynet", 3),
        ("uts-t1", 4),
        ("uts-t3", 20),
        ("matmul", 75),
        ("loop-cheap", 100),
        ("loop-uneven", 100),
        ("loop-rested", 100),
        ("spawn", 30),
        ("wavefront", 5),
        ("wavefront-asked", 5),
        ("coarse", 2),
        ("depth", 30),
        ("switch", 100),
        ("wake", 20),
        ("wake-late", 20),
        ("lock", 1_000),
        ("pipeline", 1_000),
        ("starve", 3),
        ("starve-joining", 3),
        ("suspended", 300),
        ("trickle-100", 2),
        ("trickle-1000", 3),
    ];

    #[test]
    fn every_workload_has_a_small_size() {
        let named: Vec<_> = ALL
            .iter()
            .map(|workload| workload.name)
            .filter(|name| !TESTED_ELSEWHERE.contains(name))
            .collect();
        let small: Vec<_> = SMALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(small, named);
    }

    /// On every engine of this build. Those that may hang are asked in processes of their own, in
    /// `tests/guarded.rs`.
    #[test]
    fn all_engines_give_the_known_answer() {
        for &(name, size) in SMALL {
            let workload = find(name).unwrap();
            let loaded = workload.load(Some(size), None).unwrap();
            let known = loaded.known_checksum().unwrap();
            for engine in workload.compiled_in() {
                if engine.kind() == Kind::Machine || engine.may_hang() {
                    continue;
                }
                for workers in [1, 2, 3] {
                    let setup = Setup {
                        engine,
                        workers,
                        statistics: false,
                        interleaving: Interleaving::Free,
                    };
                    let mut job = loaded.job(setup).unwrap();
                    // Twice: the second run must not live on the first one's results.
                    for _ in 0..2 {
                        assert_eq!(job.run().unwrap().checksum(), known, "{name} on {engine}");
                    }
                }
            }
        }
    }

    #[test]
    fn shared_nodes_are_asked_while_in_progress() {
        let workload = find("shared").unwrap();
        let loaded = workload.load(Some(20), None).unwrap();
        for engine in workload.compiled_in() {
            let waits_expected = match engine {
                Engine::Fibers | Engine::Threads => true,
                Engine::Sequential => false,
                _ => continue,
            };
            let setup = Setup {
                engine,
                workers: 2,
                statistics: true,
                interleaving: Interleaving::Free,
            };
            let mut job = loaded.job(setup).unwrap();
            job.run().unwrap();
            let counters = job.counters().unwrap();
            assert_eq!(counters.waits > 0, waits_expected, "{engine}: {counters:?}");
        }
    }

    #[test]
    fn a_size_out_of_range_is_refused_with_the_range() {
        let Err(failure) = find("fork-join").unwrap().load(Some(1), None) else {
            panic!("loaded")
        };
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("2 to 60"), "{failure}");
    }

    #[test]
    fn each_baseline_can_run_its_workload() {
        for workload in ALL {
            assert!(workload.engines.contains(&workload.baseline));
            assert!(workload.sizes.contains(&workload.default_size));
            // What `capacity` runs.
            let has_sequential = workload.engines.contains(&Engine::Sequential);
            assert!(has_sequential || !workload.engines.contains(&Engine::Capacity));
        }
    }
}
