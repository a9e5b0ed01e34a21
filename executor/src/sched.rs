//! The scheduler: workers own fibers, move jobs, and wait. Never names a query.

pub(crate) mod attention;
pub(crate) mod cancel;
pub(crate) mod crowd;
mod cycle;
#[cfg(not(no_detection))]
mod detection;
#[cfg(no_detection)]
#[path = "sched/detection_none.rs"]
mod detection;
pub(crate) mod fiber;
pub(crate) mod fork;
pub(crate) mod graph;
pub(crate) mod holder;
pub(crate) mod job;
mod latch;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod levels;
pub(crate) mod line;
pub(crate) mod lock;
pub(crate) mod permits;
pub(crate) mod places;
mod rest;
pub(crate) mod room;
pub(crate) mod shared;
pub(crate) mod slab;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod stance;
#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "sched/stance_none.rs"]
mod stance;
pub(crate) mod stats;
pub(crate) mod token_source;
#[cfg(any(feature = "fibers", feature = "threads"))]
pub(crate) mod tokens;
#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "sched/tokens_none.rs"]
pub(crate) mod tokens;
pub(crate) mod wait;
pub(crate) mod wanted;
pub(crate) mod witness;

#[cfg(any(feature = "fibers", feature = "threads"))]
mod bed;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod idle;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod keeper;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod limits;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod point;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod posted;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod queue;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod ready;
#[cfg(all(any(feature = "fibers", feature = "threads"), not(no_schedule)))]
pub(crate) mod seeded;
#[cfg(all(any(feature = "fibers", feature = "threads"), no_schedule))]
#[path = "sched/seeded_none.rs"]
pub(crate) mod seeded;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod standing;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod worker;

#[cfg(any(feature = "fibers", feature = "threads"))]
pub(crate) mod pool;
#[cfg(not(any(feature = "fibers", feature = "threads")))]
#[path = "sched/pool_none.rs"]
pub(crate) mod pool;
