//! The engines that can be compared: one table of names, kinds and what they are.
//!
//! Used by the command line, the plan of a comparison and the workloads. It must not know any workload.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use dagwood::{Backend, Executor};

use crate::bare_switch;

/// One way of doing a workload's job.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    /// dagwood on stackful fibers.
    Fibers,
    /// The same, and idle workers resume the ready fibers of others.
    MovingFibers,
    /// dagwood on OS threads that block.
    Threads,
    /// dagwood on the calling thread, in program order.
    Sequential,
    /// The same, of this program compiled without a backend.
    SequentialBuild,
    /// dagwood on stackful fibers, of this program compiled with the feature `context`.
    FibersOnContext,
    /// `rayon-core`, called directly; loops by `rayon`.
    Rayon,
    /// Our crate `rayon-core`, called directly. A peer as far as comparisons go: no backend's own interface.
    DagwoodRayonCore,
    /// `rayon` on our crate `rayon-core`, as a user would patch it: another program.
    RayonPatched,
    /// The same program on rayon's own.
    RayonStock,
    /// `rayon-core` whose threads block on a query in progress.
    RayonBlocking,
    /// `chili`.
    Chili,
    /// `forte`.
    Forte,
    /// Hash tables behind 32 locks, the shape of rustc's query caches.
    Shards,
    /// `dashmap`, as a memo.
    Dashmap,
    /// `papaya`, as a memo.
    Papaya,
    /// `salsa`, keys being ids that are ready-made.
    Salsa,
    /// `salsa`, keys being pairs of numbers.
    SalsaTuple,
    /// `parking_lot`'s mutex, between OS threads.
    ParkingLot,
    /// std's bounded channel, between OS threads.
    StdChannel,
    /// Plain nested calls.
    Calls,
    /// A plain single-threaded memo or loop.
    Plain,
    /// Tarjan's algorithm.
    Tarjan,
    /// `corosensei`, called directly.
    Corosensei,
    /// `context`, as `dagwood-fibers` calls it.
    Context,
    /// The same, with two sides whose floating-point state differs.
    ContextMxcsr,
    /// Two OS threads that spin on one cache line.
    CacheLine,
    /// Two OS threads that sleep until they are woken.
    Park,
    /// N independent sequential processes at once.
    Capacity,
}

/// Where an engine comes from.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A backend of dagwood, chosen at run time.
    Ours(Backend),
    /// dagwood, compiled otherwise: another binary. Runs in a comparison of its own only.
    OtherBuild,
    /// Another library; its failures are its own and do not fail a comparison.
    Peer,
    /// Code of this harness that needs no library, or no more of one than a switch of stacks.
    Bare,
    /// A measure of the machine rather than of a library; runs only when named.
    Machine,
}

impl Engine {
    /// Every engine, in the order in which tables show them.
    pub(crate) const ALL: &'static [Engine] = &[
        Engine::Fibers,
        Engine::MovingFibers,
        Engine::Threads,
        Engine::Sequential,
        Engine::SequentialBuild,
        Engine::FibersOnContext,
        Engine::Rayon,
        Engine::DagwoodRayonCore,
        Engine::RayonPatched,
        Engine::RayonStock,
        Engine::RayonBlocking,
        Engine::Chili,
        Engine::Forte,
        Engine::Shards,
        Engine::Dashmap,
        Engine::Papaya,
        Engine::Salsa,
        Engine::SalsaTuple,
        Engine::ParkingLot,
        Engine::StdChannel,
        Engine::Calls,
        Engine::Plain,
        Engine::Tarjan,
        Engine::Corosensei,
        Engine::Context,
        Engine::ContextMxcsr,
        Engine::CacheLine,
        Engine::Park,
        Engine::Capacity,
    ];

    /// The name on the command line, in tables and in JSON; peers bear the name of their crate's family.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Fibers => "fibers",
            Engine::MovingFibers => "fibers-migrating",
            Engine::Threads => "threads",
            Engine::Sequential => "sequential",
            Engine::SequentialBuild => "sequential-build",
            Engine::FibersOnContext => "fibers-on-context",
            Engine::Rayon => "rayon",
            Engine::DagwoodRayonCore => "dagwood-rayon-core",
            Engine::RayonPatched => "rayon-patched",
            Engine::RayonStock => "rayon-stock",
            Engine::RayonBlocking => "rayon-blocking",
            Engine::Chili => "chili",
            Engine::Forte => "forte",
            Engine::Shards => "shards",
            Engine::Dashmap => "dashmap",
            Engine::Papaya => "papaya",
            Engine::Salsa => "salsa",
            Engine::SalsaTuple => "salsa-tuple",
            Engine::ParkingLot => "parking-lot",
            Engine::StdChannel => "std-channel",
            Engine::Calls => "calls",
            Engine::Plain => "plain",
            Engine::Tarjan => "tarjan",
            Engine::Corosensei => "corosensei",
            Engine::Context => "context",
            Engine::ContextMxcsr => "context-mxcsr",
            Engine::CacheLine => "cache-line",
            Engine::Park => "park",
            Engine::Capacity => "capacity",
        }
    }

    /// One line for `list` and `--help`.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Engine::Fibers => "dagwood on stackful fibers: a wait frees the thread",
            Engine::MovingFibers => {
                "the same with migrate_fibers: idle workers resume the ready fibers of others"
            }
            Engine::Threads => {
                "dagwood on OS threads: a wait blocks its thread and passes the worker's place on"
            }
            Engine::Sequential => "dagwood in program order on one thread",
            Engine::FibersOnContext => {
                "the same as fibers, in a build whose fibers are switched by the crate context (only in `compare mechanisms`, which builds it)"
            }
            Engine::SequentialBuild => {
                "the same, compiled without locks and atomics: another binary (for compare vintage)"
            }
            Engine::Rayon => "the peer rayon-core, called directly; loops by rayon",
            Engine::DagwoodRayonCore => {
                "rayon-core's interface on dagwood's workers (executor/rayon-core), called directly"
            }
            Engine::RayonPatched => {
                "rayon on our rayon-core, by [patch]: another program (for compare par-*, which builds it)"
            }
            Engine::RayonStock => "the same program on rayon's own rayon-core",
            Engine::RayonBlocking => {
                "the plan of rustc in 2018: rayon-core, and a wait for a query blocks the thread; may hang"
            }
            Engine::Chili => "the peer chili",
            Engine::Forte => "the peer forte; has been seen to hang",
            Engine::Shards => {
                "a memo of hash tables behind 32 parking_lot mutexes: rustc's shape, a floor of it"
            }
            Engine::Dashmap => "dashmap as a memo: a floor, it can neither wait nor record",
            Engine::Papaya => "papaya as a memo: a floor, it can neither wait nor record",
            Engine::Salsa => "the peer salsa, keys being ids that are ready-made",
            Engine::SalsaTuple => "the peer salsa, keys being pairs of numbers",
            Engine::ParkingLot => "parking_lot's mutex, between OS threads",
            Engine::StdChannel => "std's bounded channel, between OS threads, no library",
            Engine::Calls => "plain nested function calls, no library",
            Engine::Plain => "a plain single-threaded memo or loop, no library",
            Engine::Tarjan => {
                "Tarjan's algorithm, and sets united component by component, no library"
            }
            Engine::Corosensei => {
                "corosensei, called directly: the bare switch of stacks, no scheduler"
            }
            Engine::Context => {
                "a fiber without a scheduler, switched by the crate context (feature `context`, with which `fibers` is, too; or `compare mechanisms`)"
            }
            Engine::ContextMxcsr => {
                "the same, where one side has divided by zero: the other's MXCSR lacks that flag (x86)"
            }
            Engine::CacheLine => "two OS threads that spin on one cache line, no library",
            Engine::Park => {
                "two OS threads that sleep until they are woken (park, unpark), no library"
            }
            Engine::Capacity => {
                "what the machine can give: N sequential processes at once (only when named)"
            }
        }
    }

    /// Where the engine comes from.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Engine::Fibers | Engine::MovingFibers => Kind::Ours(Backend::Fibers),
            Engine::Threads => Kind::Ours(Backend::Threads),
            Engine::Sequential => Kind::Ours(Backend::Sequential),
            Engine::SequentialBuild
            | Engine::FibersOnContext
            | Engine::RayonPatched
            | Engine::RayonStock => Kind::OtherBuild,
            Engine::Rayon
            | Engine::DagwoodRayonCore
            | Engine::RayonBlocking
            | Engine::Chili
            | Engine::Forte
            | Engine::Shards
            | Engine::Dashmap
            | Engine::Papaya
            | Engine::Salsa
            | Engine::SalsaTuple
            | Engine::ParkingLot => Kind::Peer,
            Engine::Calls
            | Engine::Plain
            | Engine::Tarjan
            | Engine::Corosensei
            | Engine::Context
            | Engine::ContextMxcsr
            | Engine::CacheLine
            | Engine::Park
            | Engine::StdChannel => Kind::Bare,
            Engine::Capacity => Kind::Machine,
        }
    }

    /// Whether more than one worker means anything to it; the others have one row, with 1 worker.
    pub(crate) fn is_parallel(self) -> bool {
        !matches!(self, Engine::Sequential | Engine::SequentialBuild) && self.kind() != Kind::Bare
    }

    /// Whether it is known to hang.
    pub(crate) fn may_hang(self) -> bool {
        matches!(self, Engine::RayonBlocking | Engine::Forte)
    }

    /// Whether this build has it: our backends depend on the features, a switch on the target.
    pub(crate) fn is_compiled_in(self) -> bool {
        match self.kind() {
            Kind::Ours(backend) => Executor::backends().contains(&backend),
            Kind::Bare if self == Engine::Corosensei => bare_switch::ROUND_TRIPS.is_some(),
            // Built when it is needed.
            Kind::OtherBuild => true,
            Kind::Bare if matches!(self, Engine::Context | Engine::ContextMxcsr) => {
                bare_switch::has_context()
            }
            Kind::Peer | Kind::Bare | Kind::Machine => true,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ValueEnum for Engine {
    fn value_variants<'a>() -> &'a [Self] {
        Engine::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}

/// The names of `engines`, for messages.
pub(crate) fn names(engines: &[Engine]) -> String {
    let names: Vec<_> = engines.iter().map(|engine| engine.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_used_once_and_parses_back() {
        for &engine in Engine::ALL {
            assert_eq!(Engine::from_str(engine.name(), false), Ok(engine));
        }
    }

    #[test]
    fn our_engines_bear_the_names_of_the_backends() {
        for &engine in Engine::ALL {
            if let Kind::Ours(backend) = engine.kind() {
                let name = engine.name();
                let backends = name.strip_suffix("-migrating").unwrap_or(name);
                assert_eq!(format!("{backend:?}").to_lowercase(), backends);
            }
        }
    }

    /// What hangs in this process hangs the comparison: only a peer's failure may be forgiven.
    #[test]
    fn only_peers_may_hang() {
        for engine in Engine::ALL.iter().filter(|engine| engine.may_hang()) {
            assert_eq!(engine.kind(), Kind::Peer, "{engine}");
        }
    }

    #[test]
    fn the_sequential_engine_is_in_every_build() {
        assert!(Engine::Sequential.is_compiled_in());
    }
}
