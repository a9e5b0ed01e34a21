//! `compare vintage`: can the parallel build be always on, or does it slow the single thread down?
//!
//! Three workloads on the *sequential build* (the engine `sequential-build`: this program, compiled without a backend:
//! `other_build.rs`), on the parallel build with one worker, and on `plain` where it can. Each engine runs in processes of
//! its own, so that all are served alike. Used by `compare`.

use crate::engine::Engine;
use crate::failure::Failure;
use crate::other_build::OtherBuild;
use crate::workload::{self, Workload};

/// The name on the command line.
pub(crate) const NAME: &str = "vintage";

/// One line for `--help`.
pub(crate) const ABOUT: &str = "rust-source, grid-hashed and provider-1us on the sequential build, the parallel one with 1 worker, and plain";

/// What it compares, and at which size unless another is given: each engine starts in each round anew, so that many
/// rounds tell more than long ones.
const WORKLOADS: [(&str, u64); 3] = [
    ("rust-source", 50_000),
    ("grid-hashed", 400),
    ("provider-1us", 30_000),
];

/// The workloads, with the sequential build as their baseline. Builds it first.
///
/// # Errors
///
/// It cannot be built.
pub(crate) fn workloads() -> Result<Vec<&'static Workload>, Failure> {
    OtherBuild::Sequential.build()?;
    let against = |(name, default_size): (&str, u64)| {
        let workload = workload::find(name).expect("named in the table");
        let able = |engine: &Engine| workload.engines.contains(engine);
        let engines: Vec<Engine> = [
            Engine::SequentialBuild,
            Engine::Fibers,
            Engine::Threads,
            Engine::Plain,
        ]
        .into_iter()
        .filter(|engine| *engine == Engine::SequentialBuild || able(engine))
        .filter(|engine| *engine != Engine::Threads || !Engine::Fibers.is_compiled_in())
        .collect();
        // Made once a process, and needed to its end.
        let mut workload = workload.against(Engine::SequentialBuild, engines.leak());
        workload.default_size = default_size;
        &*Box::leak(Box::new(workload))
    };
    Ok(WORKLOADS.into_iter().map(against).collect())
}
