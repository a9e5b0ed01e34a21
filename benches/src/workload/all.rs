//! The table of the workloads.
//!
//! Used by `mod.rs`, which explains the fields. It must not know how a workload does its job.

use super::twins as workload_twins;
use super::{
    Measure, Workload, closure, coarse, cycle_beside, depth, fork_join, grid, hits, idle,
    integrate, lock, loops, matmul, misses, nqueens, oversubscribed, pipeline, provider,
    rust_source, shared, skynet, spawn, starve, suspended, switch, tree_sum, trickle, uts, wake,
    wavefront,
};
use crate::engine::Engine::{
    CacheLine, Calls, Capacity, Chili, Context, ContextMxcsr, Corosensei, DagwoodRayonCore,
    Dashmap, Fibers, Forte, MovingFibers, Papaya, Park, ParkingLot, Plain, Rayon, RayonBlocking,
    RayonStock, Salsa, SalsaTuple, Sequential, Shards, StdChannel, Tarjan, Threads,
};
use crate::{mechanisms, twins, vintage};

/// What the workloads that are nothing but joins share; each names itself.
const FORKS: Workload = Workload {
    name: "",
    about: "",
    unit: "join",
    size_means: "",
    default_size: 0,
    sizes: 0..=0,
    baseline: Calls,
    measure: Measure::Wall,
    engines: &[
        Fibers,
        Threads,
        Sequential,
        Rayon,
        DagwoodRayonCore,
        Chili,
        Forte,
        Calls,
        Capacity,
    ],
    takes_input: false,
    load: fork_join::load,
};

/// What the workloads share that read source.
const FRONT_ENDS: Workload = Workload {
    unit: "line",
    size_means: "lines of source to take, about",
    default_size: 400_000,
    sizes: 1..=1_000_000_000,
    baseline: Sequential,
    engines: &[Fibers, Threads, Sequential, Capacity],
    takes_input: true,
    load: rust_source::load,
    ..FORKS
};

/// What the workloads that fill slots, one for each item, share.
const LOOPS: Workload = Workload {
    unit: "item",
    baseline: Plain,
    engines: &[Fibers, Threads, Sequential, Rayon, Plain, Capacity],
    ..FORKS
};

/// What the workloads share that hand over jobs by the clock: how long they take is given.
const TRICKLES: Workload = Workload {
    unit: "job",
    size_means: "jobs",
    sizes: 1..=1_000_000,
    baseline: Plain,
    measure: Measure::Cpu,
    engines: &[Fibers, Threads, Sequential, Rayon, DagwoodRayonCore, Plain],
    ..FORKS
};

/// What the workloads share that ask for what is known.
const HITS: Workload = Workload {
    unit: "hit",
    size_means: "keys",
    default_size: 1024,
    sizes: 1..=1 << 24,
    baseline: Plain,
    engines: &[
        Fibers, Threads, Sequential, Shards, Dashmap, Papaya, Salsa, SalsaTuple, Plain,
    ],
    ..FORKS
};

/// What the workloads share that ask for the first time.
const MISSES: Workload = Workload {
    unit: "first ask",
    default_size: 1_000_000,
    engines: &[
        Fibers, Threads, Sequential, Shards, Dashmap, Papaya, Salsa, SalsaTuple, Plain,
    ],
    ..HITS
};

/// What the loops of rayon share that run on two other programs.
const TWINS: Workload = Workload {
    unit: "item",
    size_means: "items",
    sizes: 1..=1 << 32,
    baseline: RayonStock,
    engines: twins::ENGINES,
    load: workload_twins::load,
    ..FORKS
};

/// What `compare` alone takes, since it builds other programs for it: what stands for workloads with other engines, and is
/// never run itself, and the loops of rayon.
pub(crate) static TOGETHER: [Workload; 9] = [
    Workload {
        name: vintage::NAME,
        about: vintage::ABOUT,
        ..FORKS
    },
    Workload {
        name: mechanisms::NAME,
        about: mechanisms::ABOUT,
        ..FORKS
    },
    Workload {
        name: "par-sum",
        about: "on our rayon-core and on rayon's own, both built for it: (0..size).into_par_iter().map(..).reduce(..)",
        default_size: 50_000_000,
        ..TWINS
    },
    Workload {
        name: "par-sort",
        about: "on our rayon-core and on rayon's own, both built for it: par_sort_unstable of a Vec of numbers",
        default_size: 1_000_000,
        ..TWINS
    },
    Workload {
        name: "par-collect",
        about: "on our rayon-core and on rayon's own, both built for it: a parallel map of a range, collected into a Vec",
        default_size: 10_000_000,
        ..TWINS
    },
    Workload {
        name: "par-flat-map",
        about: "on our rayon-core and on rayon's own, both built for it: a flat_map: for each item a parallel loop of up to seven",
        default_size: 2_000_000,
        ..TWINS
    },
    Workload {
        name: "par-bridge",
        about: "on our rayon-core and on rayon's own, both built for it: par_bridge of a range: one iterator behind a lock",
        default_size: 5_000_000,
        ..TWINS
    },
    Workload {
        name: "par-join",
        about: "on our rayon-core and on rayon's own, both built for it: fib(size) by rayon::join at each node",
        unit: "join",
        size_means: "n of fib(n)",
        sizes: 2..=40,
        default_size: 32,
        load: workload_twins::load_joins,
        ..TWINS
    },
    Workload {
        name: "par-scope",
        about: "on our rayon-core and on rayon's own, both built for it: a scope with so many spawned closures",
        default_size: 500_000,
        ..TWINS
    },
];

/// Every workload; the first is the main one.
pub(crate) static ALL: &[Workload] = &[
    Workload {
        name: "rust-source",
        about: "a front end over real Rust source: parse, modules, imports, lints, all as queries",
        ..FRONT_ENDS
    },
    Workload {
        name: "rust-deep",
        about: "rust-source in depth: names to a fixpoint, calls, what is public, unused names, all as queries",
        load: rust_source::load_deep,
        ..FRONT_ENDS
    },
    Workload {
        name: "fork-join",
        about: "fib(N), recursive, with a join at every node: what one join costs",
        size_means: "N of fib(N)",
        default_size: 34,
        sizes: 2..=60,
        load: fork_join::load,
        ..FORKS
    },
    Workload {
        name: "grid-hashed",
        about: "N x N cells, each a query that asks two neighbours: what one miss and one hit cost",
        unit: "cell",
        size_means: "side of the grid, in cells",
        default_size: 1000,
        sizes: 1..=4096,
        baseline: Plain,
        engines: &[
            Fibers,
            Threads,
            Sequential,
            RayonBlocking,
            Shards,
            Salsa,
            SalsaTuple,
            Plain,
            Capacity,
        ],
        load: grid::load_hashed,
        ..FORKS
    },
    Workload {
        name: "grid-dense",
        about: "the same cells by number, in a table by index",
        unit: "cell",
        size_means: "side of the grid, in cells",
        default_size: 1000,
        sizes: 1..=4096,
        engines: &[
            Fibers, Threads, Sequential, Shards, Salsa, SalsaTuple, Plain,
        ],
        load: grid::load_dense,
        ..MISSES
    },
    Workload {
        name: "provider-1us",
        about: "queries of a microsecond each, one after the other: what a query costs beside a short provider",
        unit: "provider",
        size_means: "queries",
        default_size: 100_000,
        sizes: 1..=100_000_000,
        engines: &[Fibers, Threads, Sequential, Plain, Capacity],
        load: provider::load,
        ..HITS
    },
    Workload {
        name: "hit-hashed",
        about: "asks for known results under hashed keys, shuffled: what a hit costs where hits may overlap",
        load: hits::load_hashed,
        ..HITS
    },
    Workload {
        name: "hit-hashed-chain",
        about: "the same, each key being the result before: what a hit costs where all wait for it",
        load: hits::load_hashed_chain,
        ..HITS
    },
    Workload {
        name: "hit-dense",
        about: "asks for known results by index, shuffled",
        load: hits::load_dense,
        ..HITS
    },
    Workload {
        name: "hit-dense-chain",
        about: "the same, each index being the result before",
        load: hits::load_dense_chain,
        ..HITS
    },
    Workload {
        name: "hit-recorded",
        about: "hit-hashed by a query that records all it asks (salsa's always do): what a dependency costs",
        load: hits::load_recorded,
        ..HITS
    },
    Workload {
        name: "hot-key",
        about: "all workers ask for one known result, again and again: whether they disturb each other",
        load: hits::load_hot,
        ..HITS
    },
    Workload {
        name: "miss-hashed",
        about: "first asks for trivial results under hashed keys, and the database's end: what a miss costs",
        load: misses::load_hashed,
        ..MISSES
    },
    Workload {
        name: "miss-dense",
        about: "the same by index",
        load: misses::load_dense,
        ..MISSES
    },
    Workload {
        name: "stampede",
        about: "all workers ask for the same results, in the same order, for the first time",
        load: misses::load_stampede,
        ..MISSES
    },
    Workload {
        name: "shared",
        about: "diamonds whose shared node is asked while it is in progress: what a wait costs",
        unit: "node",
        size_means: "diamonds, of 4 nodes each",
        default_size: 1000,
        sizes: 1..=1_000_000,
        baseline: Sequential,
        engines: &[
            Fibers,
            MovingFibers,
            Threads,
            Sequential,
            RayonBlocking,
            Capacity,
        ],
        load: shared::load,
        ..FORKS
    },
    Workload {
        name: "closure",
        about: "how many nodes each node of a graph with large cycles reaches, as queries that are iterated",
        unit: "node",
        size_means: "nodes of the graph",
        default_size: 60_000,
        sizes: 8..=1_000_000,
        baseline: Tarjan,
        engines: &[Fibers, Threads, Sequential, Salsa, Tarjan],
        load: closure::load,
        ..FORKS
    },
    Workload {
        name: "cycle-beside",
        about: "two queries ask each other beside six workers whose jobs never look up: how soon the cycle is reported",
        unit: "cycle",
        size_means: "milliseconds that the jobs take unless it is reported before",
        default_size: 2000,
        sizes: 1..=60_000,
        baseline: Sequential,
        engines: &[Fibers, Threads, Sequential],
        load: cycle_beside::load,
        ..FORKS
    },
    Workload {
        name: "tree-sum",
        about: "a small balanced tree summed by a join at every node, again and again: how soon a join pays",
        unit: "node",
        size_means: "nodes of the tree",
        default_size: 1023,
        sizes: 1..=100_000_000,
        load: tree_sum::load,
        ..FORKS
    },
    Workload {
        name: "tree-sum-large",
        about: "a balanced tree of 16 M nodes on the heap, summed by a join at every node",
        unit: "node",
        size_means: "nodes of the tree",
        default_size: (1 << 24) - 1,
        sizes: 1..=100_000_000,
        load: tree_sum::load,
        ..FORKS
    },
    Workload {
        name: "nqueens",
        about: "the ways to place N queens, with joins over the columns of each row down to the last",
        size_means: "queens",
        default_size: 13,
        sizes: 1..=15,
        load: nqueens::load,
        ..FORKS
    },
    Workload {
        name: "integrate",
        about: "adaptive quadrature of (x^2 + 1) x from 0 to N, with a join at every halving",
        size_means: "upper end of the integral",
        default_size: 2000,
        sizes: 1..=10_000,
        load: integrate::load,
        ..FORKS
    },
    Workload {
        name: "skynet",
        about: "a tree of 10^N leaves, each node with ten children, summed with joins over the children",
        unit: "leaf",
        size_means: "depth N of the tree",
        default_size: 6,
        sizes: 0..=9,
        load: skynet::load,
        ..FORKS
    },
    Workload {
        name: "uts-t1",
        about: "the unbalanced tree T1, whose shape SHA-1 decides, counted with joins over the children",
        unit: "node",
        size_means: "depth of the tree; T1 has 10",
        default_size: 10,
        sizes: 1..=11,
        load: uts::load,
        ..FORKS
    },
    Workload {
        name: "uts-t3",
        about: "the unbalanced tree T3, 1,572 levels deep, the same way with stacks of 2 MiB: how deep joins go",
        unit: "node",
        size_means: "children of the root; T3 has 2000",
        default_size: 2000,
        sizes: 1..=10_000,
        load: uts::load_t3,
        ..FORKS
    },
    Workload {
        name: "matmul",
        about: "the product of two N x N matrices, divided by joins down to blocks of 32 x 32",
        unit: "multiply-add",
        size_means: "side of the matrices",
        default_size: 512,
        sizes: 1..=2048,
        load: matmul::load,
        ..FORKS
    },
    Workload {
        name: "loop-cheap",
        about: "a parallel loop over items of a few instructions each: what one item costs",
        size_means: "items",
        default_size: 10_000_000,
        sizes: 1..=1_000_000_000,
        load: loops::load_cheap,
        ..LOOPS
    },
    Workload {
        name: "loop-uneven",
        about: "a parallel loop over items with a heavy tail: one item in 2^k takes 2^k steps",
        size_means: "items",
        default_size: 10_000_000,
        sizes: 1..=1_000_000_000,
        load: loops::load_uneven,
        ..LOOPS
    },
    Workload {
        name: "loop-rested",
        about: "a short loop over cheap items after a pause of 2 ms: how soon other workers come",
        size_means: "items",
        default_size: 300_000,
        sizes: 1..=1_000_000_000,
        load: loops::load_rested,
        ..LOOPS
    },
    Workload {
        name: "spawn",
        about: "tasks that do next to nothing, all in one scope: what one task costs",
        unit: "task",
        size_means: "tasks",
        default_size: 1_000_000,
        sizes: 1..=100_000_000,
        load: spawn::load,
        engines: &[Fibers, Threads, Sequential, Rayon, Forte, Plain, Capacity],
        ..LOOPS
    },
    Workload {
        name: "wavefront",
        about: "N x N blocks of 32 x 32 cells, each after its upper and its left neighbour",
        unit: "block",
        size_means: "side of the grid, in blocks",
        default_size: 512,
        sizes: 1..=1024,
        load: wavefront::load,
        ..LOOPS
    },
    Workload {
        name: "wavefront-asked",
        about: "the same blocks as queries, which ask for their neighbours and wait for each other",
        unit: "block",
        size_means: "side of the grid, in blocks",
        default_size: 128,
        sizes: 1..=1024,
        load: wavefront::load_asked,
        engines: &[Fibers, Threads, Sequential, RayonBlocking, Plain, Capacity],
        ..LOOPS
    },
    Workload {
        name: "coarse",
        about: "few big jobs at a time, and their forker busy with the longest: how soon others get the rest",
        unit: "phase",
        size_means: "phases, one after the other",
        default_size: 100,
        sizes: 1..=100_000,
        engines: &[
            Fibers,
            Threads,
            Sequential,
            Rayon,
            RayonBlocking,
            Chili,
            Plain,
            Capacity,
        ],
        load: coarse::load,
        ..LOOPS
    },
    Workload {
        name: "depth",
        about: "a chain of N queries, each asking the next: what one level costs where the stack must grow",
        unit: "level",
        size_means: "levels",
        default_size: 1_000_000,
        sizes: 1..=100_000_000,
        load: depth::load,
        engines: &[Fibers, Threads, Sequential, Plain, Capacity],
        ..LOOPS
    },
    Workload {
        name: "switch",
        about: "two fibers of one worker take turns: what it costs to suspend to the next ready fiber",
        unit: "turn",
        size_means: "turns",
        default_size: 200_000,
        sizes: 1..=1_000_000_000,
        baseline: Corosensei,
        engines: &[Fibers, Threads, Corosensei, Context, ContextMxcsr],
        load: switch::load,
        ..FORKS
    },
    Workload {
        name: "wake",
        about: "two fibers of two workers take turns: what it costs to let one go on while its worker spins",
        unit: "round trip",
        size_means: "round trips",
        default_size: 20_000,
        sizes: 1..=1_000_000,
        baseline: CacheLine,
        engines: &[Fibers, MovingFibers, Threads, CacheLine, Park],
        load: wake::load,
        ..FORKS
    },
    Workload {
        name: "wake-late",
        about: "the same with turns of 5 us, so that who waits is suspended: what it costs to resume it, beside the baseline",
        unit: "round trip",
        size_means: "round trips",
        default_size: 4_000,
        sizes: 1..=1_000_000,
        baseline: CacheLine,
        engines: &[Fibers, MovingFibers, Threads, CacheLine, Park],
        load: wake::load_late,
        ..FORKS
    },
    Workload {
        name: "lock",
        about: "a counter behind one lock: with 1 worker nobody else wants it, with more all do all the time",
        unit: "round",
        size_means: "rounds",
        default_size: 1_000_000,
        sizes: 1..=1_000_000_000,
        baseline: ParkingLot,
        engines: &[Fibers, Threads, Sequential, ParkingLot],
        load: lock::load,
        ..FORKS
    },
    Workload {
        name: "pipeline",
        about: "numbers through three stages, by channels with room for 64: what a wait for the next stage costs",
        unit: "item",
        size_means: "items",
        default_size: 200_000,
        sizes: 1..=1_000_000_000,
        baseline: StdChannel,
        engines: &[Fibers, MovingFibers, Threads, StdChannel, Plain],
        load: pipeline::load,
        ..FORKS
    },
    Workload {
        name: "starve",
        about: "a fiber is made ready while its worker is in a long leaf and all others are idle: when it is resumed",
        unit: "millisecond",
        size_means: "milliseconds that the leaf takes",
        default_size: 200,
        sizes: 1..=60_000,
        baseline: Fibers,
        engines: &[Fibers, MovingFibers, Threads],
        load: starve::load,
        ..FORKS
    },
    Workload {
        name: "starve-joining",
        about: "the same beside a job that joins all the time: how soon it lets the fiber go first",
        unit: "millisecond",
        size_means: "milliseconds that the job takes",
        default_size: 200,
        sizes: 1..=60_000,
        baseline: Fibers,
        engines: &[Fibers, MovingFibers, Threads],
        load: starve::load_joining,
        ..FORKS
    },
    Workload {
        name: "oversubscribed",
        about: "six processes that run `coarse` under one jobserver, with a token for each core",
        unit: "phase",
        size_means: "phases of each process",
        default_size: 200,
        sizes: 1..=100_000,
        baseline: Fibers,
        engines: &[Fibers, Threads, Sequential],
        load: oversubscribed::load,
        ..FORKS
    },
    Workload {
        name: "suspended",
        about: "N fibers or threads wait at once, on stacks of 64 KiB: what one that waits takes (Linux)",
        unit: "waiter",
        size_means: "fibers that wait at once, or as many as can",
        default_size: 10_000,
        sizes: 1..=10_000_000,
        baseline: Fibers,
        engines: &[Fibers, Threads],
        load: suspended::load,
        ..FORKS
    },
    Workload {
        name: "trickle-100",
        about: "100 tiny jobs a second from an outside thread: the CPU time of an executor with little to do",
        default_size: 100,
        load: trickle::load_100,
        ..TRICKLES
    },
    Workload {
        name: "trickle-1000",
        about: "1,000 tiny jobs a second from an outside thread: the same with a little more to do",
        default_size: 1000,
        load: trickle::load_1000,
        ..TRICKLES
    },
    Workload {
        name: "idle",
        about: "a check: threads with nothing to do give up no cores, since they have none (Linux)",
        unit: "millisecond",
        size_means: "milliseconds without work",
        default_size: 5000,
        sizes: 1..=3_600_000,
        baseline: Sequential,
        measure: Measure::Cpu,
        engines: &[Fibers, Threads, Sequential, Rayon, DagwoodRayonCore],
        load: idle::load,
        ..FORKS
    },
];
