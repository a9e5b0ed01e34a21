//! Demand-driven, memoised queries and tasks on stackful fibers: plain function bodies, a freed thread while waiting,
//! parallelism inside a query, and output that never depends on the schedule.

#![cfg_attr(
    not(any(feature = "fibers", feature = "threads")),
    allow(
        dead_code,
        reason = "the sequential build shares what workers need, and has no workers"
    )
)]

mod backend;
mod cx;
mod error;
mod event;
mod executor;
mod join;
mod local;
mod par;
mod query;
mod run;
mod sched;
mod scope;
mod spawned;
mod sync;
mod task;

pub use cx::Cx;
pub use error::Error;
pub use event::Event;
pub use executor::{Backend, Builder, Executor};
pub use local::FiberLocal;
pub use par::Indexed;
pub use query::Query;
pub use query::database::Database;
pub use sched::stats::Statistics;
pub use scope::Scope;
pub use task::Task;
