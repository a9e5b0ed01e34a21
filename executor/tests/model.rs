//! loom tries the orders of events of the library's protocols: the very source files, on loom's
//! atomics.
//!
//! A model that deadlocks, reads unpublished data, touches a frame too late or breaks an assertion
//! fails with the order that did it. `model/plant.rs` says how to see one fail.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(
    dead_code,
    reason = "the files under test have more than the models use"
)]

#[path = "model/plant.rs"]
mod plant;
#[allow(unreachable_pub, reason = "it is public in the library")]
#[path = "../src/priority.rs"]
mod priority;
#[path = "model/sched.rs"]
mod sched;
#[path = "model/sync.rs"]
mod sync;

#[path = "model/attention.rs"]
mod attention;
#[path = "model/claim.rs"]
mod claim;
#[path = "model/idle.rs"]
mod idle;
#[path = "model/join.rs"]
mod join;
#[path = "model/latch.rs"]
mod latch;
#[path = "model/lock.rs"]
mod lock;
#[path = "model/places.rs"]
mod places;
#[path = "model/pool.rs"]
mod pool;
#[path = "model/ready.rs"]
mod ready;
#[path = "model/rest.rs"]
mod rest;
#[path = "model/stance.rs"]
mod stance;
#[path = "model/stand.rs"]
mod stand;
#[path = "model/sweep.rs"]
mod sweep;
#[path = "model/tokens.rs"]
mod tokens;
#[path = "model/wait.rs"]
mod wait;

/// Preemptions that a model tries, unless LOOM_MAX_PREEMPTIONS says another number.
const PREEMPTIONS: usize = 2;

/// Explores a model.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    if let Some(plant) = plant::PLANT {
        eprintln!("this build has a planted bug: {plant}");
    }
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        // Made here, before there are threads, so that making it orders nothing among them.
        sync::frames_may_end();
        model();
    });
}
