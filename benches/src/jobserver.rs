//! make's jobserver, if make has started this program: shared by all executors of the process, and given its tokens back when a signal
//! ends it.
//!
//! Used by the commands that run workloads. The library installs no signal handler; this program does, and only under make.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use dagwood::{Builder, Jobserver};

use crate::cli;
use crate::engine::{Engine, Kind};
use crate::signals;

static SHARED: OnceLock<Option<Jobserver>> = OnceLock::new();

static IS_EXACT: AtomicBool = AtomicBool::new(false);

/// Connects to the jobserver that the environment names, unless exactly so many workers are to run as are named. Called once,
/// before anything is opened.
pub(crate) fn connect(is_exact: bool) {
    IS_EXACT.store(is_exact, Ordering::Relaxed);
    let connected = (!is_exact).then(|| Jobserver::if_announced_or(cli::cores()));
    let jobserver = connected.filter(|jobserver| jobserver.is_connected());
    if let Some(jobserver) = &jobserver {
        signals::give_back_at_the_end(jobserver.clone());
    }
    SHARED.get_or_init(|| jobserver);
}

/// Whether the jobserver is taken no notice of.
pub(crate) fn is_exact() -> bool {
    IS_EXACT.load(Ordering::Relaxed)
}

/// The jobserver, if there is one.
fn shared() -> Option<&'static Jobserver> {
    SHARED.get().and_then(Option::as_ref)
}

/// For an executor that keeps to the jobserver, if there is one.
pub(crate) fn with_shared(builder: Builder) -> Builder {
    match shared() {
        Some(jobserver) => builder.jobserver(jobserver),
        None => builder,
    }
}

/// With how many workers an engine runs: one, if it would take no notice of the tokens that are left.
pub(crate) fn allowed(engine: Engine, workers: usize) -> usize {
    let is_ours = matches!(engine.kind(), Kind::Ours(_) | Kind::OtherBuild);
    if workers > 1 && !is_ours && shared().is_some() {
        eprintln!(
            "note: {engine} knows no jobserver; under make it runs with one worker (or --exactly)"
        );
        return 1;
    }
    workers
}
