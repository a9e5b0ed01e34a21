//! The programs of the suite as one, for builds in which each program takes long to link. The names of its tests begin with the
//! program.
//!
//! Not those that count what the whole process takes from the allocator, and those that are there to fail.

#[path = "tests/api.rs"]
mod api;
#[path = "tests/backends.rs"]
mod backends;
#[path = "tests/blocked_threads.rs"]
mod blocked_threads;
#[path = "tests/broadcasts.rs"]
mod broadcasts;
#[path = "tests/cancel.rs"]
mod cancel;
#[path = "tests/cancelled_chains.rs"]
mod cancelled_chains;
#[path = "tests/cancelled_fixpoints.rs"]
mod cancelled_fixpoints;
#[path = "tests/cancelled_parts.rs"]
mod cancelled_parts;
#[path = "tests/cap.rs"]
mod cap;
#[path = "tests/context.rs"]
mod context;
#[path = "tests/crowds.rs"]
mod crowds;
#[path = "tests/cycles.rs"]
mod cycles;
#[path = "tests/databases.rs"]
mod databases;
#[path = "tests/depth.rs"]
mod depth;
#[path = "tests/duty.rs"]
mod duty;
#[path = "tests/executors.rs"]
mod executors;
#[path = "tests/failed_queries.rs"]
mod failed_queries;
#[path = "tests/failures.rs"]
mod failures;
#[path = "tests/fixpoints.rs"]
mod fixpoints;
#[path = "tests/forked_cycles.rs"]
mod forked_cycles;
#[path = "tests/graphs.rs"]
mod graphs;
#[path = "tests/handing_over.rs"]
mod handing_over;
#[path = "tests/hooks.rs"]
mod hooks;
#[path = "tests/hostile_asks.rs"]
mod hostile_asks;
#[path = "tests/hostile_databases.rs"]
mod hostile_databases;
#[path = "tests/hostile_duty.rs"]
mod hostile_duty;
#[path = "tests/hostile_fixpoints.rs"]
mod hostile_fixpoints;
#[path = "tests/hostile_forks.rs"]
mod hostile_forks;
#[path = "tests/hostile_hooks.rs"]
mod hostile_hooks;
#[path = "tests/hostile_keys.rs"]
mod hostile_keys;
#[path = "tests/hostile_limits.rs"]
mod hostile_limits;
#[path = "tests/hostile_locks.rs"]
mod hostile_locks;
#[path = "tests/hostile_mix.rs"]
mod hostile_mix;
#[path = "tests/hostile_moving.rs"]
mod hostile_moving;
#[path = "tests/hostile_rwlocks.rs"]
mod hostile_rwlocks;
#[path = "tests/hostile_tables.rs"]
mod hostile_tables;
#[path = "tests/hostile_values.rs"]
mod hostile_values;
#[path = "tests/interner.rs"]
mod interner;
#[path = "tests/jobserver.rs"]
mod jobserver;
#[path = "tests/leftovers.rs"]
mod leftovers;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/locks.rs"]
mod locks;
#[path = "tests/loop_failures.rs"]
mod loop_failures;
#[path = "tests/loop_waits.rs"]
mod loop_waits;
#[path = "tests/loops.rs"]
mod loops;
#[path = "tests/many.rs"]
mod many;
#[path = "tests/moving.rs"]
mod moving;
#[path = "tests/once_cells.rs"]
mod once_cells;
#[path = "tests/order.rs"]
mod order;
#[path = "tests/out_of_stack.rs"]
mod out_of_stack;
#[path = "tests/outside.rs"]
mod outside;
#[path = "tests/overdue.rs"]
mod overdue;
#[path = "tests/overflow.rs"]
mod overflow;
#[path = "tests/plain_in_fixpoints.rs"]
mod plain_in_fixpoints;
#[path = "tests/priorities.rs"]
mod priorities;
#[path = "tests/programs.rs"]
mod programs;
#[path = "tests/properties.rs"]
mod properties;
#[path = "tests/races.rs"]
mod races;
#[path = "tests/random_locks.rs"]
mod random_locks;
#[path = "tests/records.rs"]
mod records;
#[path = "tests/recovery.rs"]
mod recovery;
#[path = "tests/rwlocks.rs"]
mod rwlocks;
#[path = "tests/schedules.rs"]
mod schedules;
#[path = "tests/scope_failures.rs"]
mod scope_failures;
#[path = "tests/scope_order.rs"]
mod scope_order;
#[path = "tests/scopes.rs"]
mod scopes;
#[path = "tests/shutdown.rs"]
mod shutdown;
#[path = "tests/storage.rs"]
mod storage;
#[path = "tests/storms.rs"]
mod storms;
#[path = "tests/under_make.rs"]
mod under_make;
#[path = "tests/waiters.rs"]
mod waiters;
#[path = "tests/waiting.rs"]
mod waiting;
#[path = "tests/worker_locals.rs"]
mod worker_locals;
#[path = "tests/yields.rs"]
mod yields;
