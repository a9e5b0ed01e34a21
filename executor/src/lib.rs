//! Demand-driven, memoised queries and tasks on stackful fibers: plain function bodies, a freed
//! thread while waiting, parallelism inside a query, and output that never depends on the schedule.
//!
//! | to | use |
//! | --- | --- |
//! | say what is computed | [`Query`]: a key type and its provider, an ordinary function |
//! | hold the input and all results | [`Database`] |
//! | run | [`Executor::run`], on fibers, on OS threads or sequentially ([`Backend`]) |
//! | ask for a result | [`Cx::get`], [`Cx::try_get`] |
//! | fork | [`Cx::join`], [`Cx::par_map`], [`Cx::par_for_each`], [`Cx::scope`] |
//! | make a graph of tasks | [`Cx::spawn`] and [`Task`] |
//! | wait for something else | [`Event`] |
//! | share what changes | [`locks`] |
//! | stop | [`Executor::run_cancellable`], [`Executor::run_with_deadline`], [`Cx::cancellable`], [`Executor::shutdown`] |
//! | bind a value to the running work, or keep one for each worker | [`FiberLocal`], [`WorkerLocal`] |
//! | say that there is no wait | [`Cx::no_suspend`] |
//! | see who waits for what | [`Executor::waiters`], [`Builder::watchdog`] |
//! | see why there is no result | [`Error`] |
//! | see a race again | [`Schedule`]: one worker at a time, in an order that a seed says |
//!
//! # Examples
//!
//! ```
//! use dagwood::{Cx, Database, Executor, Query};
//!
//! /// The length of the longest Collatz walk from a number: asks for the rest of the walk.
//! #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
//! struct Steps(u64);
//!
//! impl Query<()> for Steps {
//!     type Value = u64;
//!
//!     fn provide(self, cx: &Cx<'_, ()>) -> u64 {
//!         match self.0 {
//!             1 => 0,
//!             n if n % 2 == 0 => 1 + cx.get(Steps(n / 2)),
//!             n => 1 + cx.get(Steps(3 * n + 1)),
//!         }
//!     }
//! }
//!
//! let executor = Executor::builder().workers(4).build()?;
//! let db = Database::new(());
//! let longest = executor.run(&db, |cx| {
//!     cx.par_map(1..1000, |cx, n| (*cx.get(Steps(n as u64)), n)).into_iter().max()
//! })?;
//! assert_eq!(longest, Some((178, 871)));
//! # Ok::<(), dagwood::Error>(())
//! ```
//!
//! # Features
//!
//! `fibers` (default) and `threads` bring those backends; they add up, and [`Builder::backend`]
//! chooses. With neither, this is the *sequential build*: no threads, locks or atomics in what runs
//! your code (an error or a task handle is still an `Arc`), the same API and the same bounds on
//! your types.
//!
//! # Locks and thread-locals
//!
//! While a fiber waits (in `get`, `join`, `scope`, a task or an event) its thread runs other
//! fibers. A `std` or `parking_lot` lock that is held over a wait blocks the thread for whoever
//! takes it next, and a thread-local that is set around a wait is seen by others: use [`locks`] and
//! [`FiberLocal`], or swap it by [hooks](Builder::suspend_hooks).
//!
//! A job that blocks its thread, by a channel of `std` or a spin, until *another job* has done something may wait for
//! ever, however many workers there are: what it has forked itself, say, is shown to others at scheduling points
//! only, and a blocked job comes to none. Wait for an [`Event`] or a [task](Cx::spawn), or use [`locks`]. To block
//! for what comes from outside is safe, but holds up the worker and its fibers.

#![cfg_attr(
    not(any(feature = "fibers", feature = "threads")),
    allow(
        dead_code,
        reason = "the sequential build shares what workers need, and has no workers"
    )
)]
#![cfg_attr(
    no_schedule,
    allow(
        dead_code,
        reason = "for comparison only: what schedules need has no user"
    )
)]

mod backend;
mod broadcast;
mod builder;
mod cancel;
mod children;
mod chunk;
mod cx;
mod error;
mod event;
mod executor;
mod half;
mod hooks;
mod indexed;
mod join;
mod line;
mod local;
pub mod locks;
mod make;
mod other_database;
mod pace;
mod par;
mod part;
mod plant;
mod priority;
mod query;
#[doc(hidden)]
pub mod raw;
mod rest;
mod run;
mod sched;
mod schedule;
mod scope;
mod spawned;
mod stacks;
mod sync;
mod task;
#[cfg(any(feature = "fibers", feature = "threads"))]
mod timer;
mod waiters;
mod worker_local;

pub use builder::Builder;
pub use cancel::CancelToken;
pub use cx::Cx;
pub use error::Error;
pub use event::Event;
pub use executor::{Backend, Executor};
pub use indexed::{Enumerate, Indexed};
pub use local::FiberLocal;
pub use make::{Jobserver, TokenTraffic};
pub use priority::Priority;
pub use query::database::{Database, QueryMemory};
pub use query::interner::{Id, Interner, Shown};
pub use query::record::{Asked, Step, Steps};
pub use query::{Fixpoint, Query, Storage};
pub use raw::with_current;
pub use sched::stats::Statistics;
pub use schedule::{Exhaustive, Schedule, ScheduleLog};
pub use scope::Scope;
#[doc(hidden)]
pub use stacks::StackFaults;
pub use stacks::{Guards, Stacks};
pub use task::Task;
pub use waiters::{Holder, SilentWorker, WaitReport, Waiter};
pub use worker_local::WorkerLocal;

#[cfg(any(feature = "fibers", feature = "threads"))]
use dagwood_fibers::processor;

/// The README's example, kept running.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
