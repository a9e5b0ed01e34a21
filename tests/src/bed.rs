//! What a scenario runs on, and the watchdog that tells which one hangs.

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use dagwood::{Backend, Builder, Executor};

/// How long a scenario may take on one backend with one worker count before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sequential backend runs on its caller's stack.
const STACK_BYTES: usize = 64 << 20;

/// One backend and worker count, on which a scenario runs.
#[derive(Clone, Debug)]
pub struct Bed {
    backend: Backend,
    workers: usize,
}

impl Bed {
    /// The builder of an executor of this kind.
    pub fn builder(&self) -> Builder {
        Executor::builder()
            .backend(self.backend)
            .workers(self.workers)
    }

    /// An executor of this kind.
    pub fn executor(&self) -> Executor {
        self.builder().build().expect("an executor can be made")
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Whether nothing else runs while a job waits.
    pub fn is_sequential(&self) -> bool {
        self.backend == Backend::Sequential
    }

    /// `full`, but `few` where each waiting job holds an OS thread.
    pub fn at_most_on_threads(&self, few: usize, full: usize) -> usize {
        if self.backend == Backend::Threads {
            few.min(full)
        } else {
            full
        }
    }
}

/// Runs `body` with each of the worker counts. A hang ends the process with a message, since nothing else can.
///
/// On a target without a switch the feature `fibers` brings the threads backend, so that is what runs then.
pub fn run_scenario(name: &str, backend: Backend, workers: &[usize], body: fn(&Bed)) {
    let backend = *Executor::backends()
        .iter()
        .find(|here| **here == backend)
        .unwrap_or(&Executor::backends()[0]);
    for &workers in workers {
        watch(
            &format!("{name} on {backend}, workers: {workers}"),
            Bed { backend, workers },
            body,
        );
    }
}

fn watch(label: &str, bed: Bed, body: fn(&Bed)) {
    let (ended, end) = mpsc::channel::<()>();
    let thread = thread::Builder::new()
        .name(label.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Dropped at the end, however it comes.
            let _ended = ended;
            body(&bed);
        })
        .expect("a thread can be started");
    if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        // Not by a macro: the output of those is kept back until the test ends.
        let _ = writeln!(
            std::io::stderr(),
            "\nHANGS: {label} (after {PATIENCE:?}); the process ends here"
        );
        std::process::abort();
    }
    if let Err(payload) = thread.join() {
        eprintln!("FAILED: {label}");
        resume_unwind(payload);
    }
}
