//! `compare mechanisms`: what a switch costs by each way that a fiber can be switched.
//!
//! The workload `switch` on fibers by corosensei, on fibers by the crate `context` (chosen when the library is compiled: so
//! by another build of this program), on threads, and on what lies below them: each crate's switch without a scheduler. Used by
//! `compare`.

use crate::bare_switch;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::other_build::OtherBuild;
use crate::workload::{self, Workload};

/// The name on the command line.
pub(crate) const NAME: &str = "mechanisms";

/// One line for `--help`.
pub(crate) const ABOUT: &str =
    "switch with corosensei, with context and on threads, and on the bare switches";

/// What it compares.
const ENGINES: &[Engine] = &[
    Engine::Fibers,
    Engine::FibersOnContext,
    Engine::Threads,
    Engine::Corosensei,
    Engine::Context,
    Engine::ContextMxcsr,
];

/// A turn on threads takes microseconds, and an engine runs four times a round.
const TURNS: u64 = 50_000;

/// The workload, with the bare corosensei as its baseline. Builds the other binary first.
///
/// # Errors
///
/// It cannot be built, or this build's own fibers are switched by `context`.
pub(crate) fn workload() -> Result<&'static Workload, Failure> {
    if bare_switch::has_context() {
        return Err(Failure::Usage(format!(
            "the fibers of this build are switched by `context` already, and {NAME} compares them with others: build it without that feature"
        )));
    }
    OtherBuild::Context.build()?;
    let workload = workload::find("switch").expect("named in the table");
    let mut workload = workload.against(Engine::Corosensei, ENGINES);
    workload.default_size = TURNS;
    // Made once a process, and needed to its end.
    Ok(Box::leak(Box::new(workload)))
}
