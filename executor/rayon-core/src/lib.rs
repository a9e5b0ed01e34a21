//! The interface of `rayon-core` 1.13 on dagwood's workers.
#![doc = include_str!("../README.md")]

mod broadcast;
mod builder;
mod configuration;
mod error;
mod fifo;
mod join;
mod latch;
mod registry;
mod scope;
mod spawn;
mod thread_pool;
mod unwind;

pub use broadcast::{BroadcastContext, broadcast, spawn_broadcast};
pub use builder::ThreadPoolBuilder;
#[allow(deprecated, reason = "rayon has it")]
pub use configuration::{Configuration, initialize};
pub use error::ThreadPoolBuildError;
pub use join::{FnContext, join, join_context};
pub use registry::ThreadBuilder;
pub use scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo};
pub use spawn::{spawn, spawn_fifo};
pub use thread_pool::{
    ThreadPool, Yield, current_num_threads, current_thread_has_pending_tasks, current_thread_index,
    max_num_threads, yield_local, yield_now,
};
