//! The watchdog: a thread that reports when nothing goes on in a pool for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Pool;
use crate::error::{Error, discard};
use crate::sync::{Condvar, Mutex};
use crate::waiters::{SilentWorker, WaitReport, Watching};

/// The thread. Dropping it ends it.
pub(super) struct Watchdog {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    is_set: Mutex<bool>,
    set: Condvar,
}

impl Watchdog {
    pub(super) fn start(
        pool: &Arc<Pool>,
        period: Duration,
        watching: Watching,
    ) -> Result<Watchdog, Error> {
        let stop = Arc::new(Stop::default());
        let (pool, stop_of_thread) = (Arc::clone(pool), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("dagwood watchdog".to_owned())
            .spawn(move || watch(&pool, &stop_of_thread, period, &watching))
            .map_err(|error| Error::no_thread(&error))?;
        Ok(Watchdog {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.stop.is_set.lock() = true;
        self.stop.set.notify_all();
        let thread = self.thread.take().expect("dropped once");
        // Its hook may drop the last handle itself.
        if thread.thread().id() != std::thread::current().id() {
            thread.join().expect("the hook's panics are caught");
        }
    }
}

/// Looks twice; if all workers answered, some fibers wait, and they are the same that waited before and nobody has run a
/// job since, nothing goes on. Nor does it where a worker did not come to its loop in a whole period, and others have
/// made a fiber of it ready; but who waits for a permit goes on when others let it (tokens.md). Reports once, until something
/// has happened.
fn watch(pool: &Pool, stop: &Stop, period: Duration, watching: &Watching) {
    let mut last = None;
    let mut is_reported = false;
    loop {
        let mut is_set = stop.is_set.lock();
        if !*is_set {
            stop.set.wait_for(&mut is_set, period);
        }
        if *is_set {
            return;
        }
        drop(is_set);
        if pool.runs().running() == 0 {
            (last, is_reported) = (None, false);
            continue;
        }
        let seen = pool.look(period);
        let report = &seen.report;
        let keeps_waiting =
            |silent: &SilentWorker| !silent.ready.is_empty() && !silent.lacks_permit;
        let is_blocked = report.silent.iter().any(keeps_waiting);
        let is_same = last.as_ref() == Some(&seen.signature);
        let is_still = report.silent.is_empty() && !report.is_empty() && is_same;
        if (is_blocked || is_still) && !is_reported {
            is_reported = true;
            tell(period, watching, report);
        } else if !is_same && !is_blocked {
            is_reported = false;
        }
        last = Some(seen.signature);
    }
}

fn tell(period: Duration, watching: &Watching, report: &WaitReport) {
    match &watching.hook {
        Some(hook) => {
            let told = catch_unwind(AssertUnwindSafe(|| hook(report)));
            if let Err(payload) = told {
                eprintln!("dagwood: the hook of the watchdog panicked");
                discard(payload);
            }
        }
        None => eprint!("dagwood: nothing has gone on for {period:?}: {report}"),
    }
}
