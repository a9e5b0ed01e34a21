//! What hangs on rayon, shown in a child: that something hangs can be shown by time alone, so the child, which comes to no
//! end, says so itself.

mod ignored;

use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ignored::run_ignored;

/// What a child that hangs exits with.
const HANGS: i32 = 86;

/// So long without an end is a hang: what is waited for takes a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `body`. The process ends with [`HANGS`] if that comes to no end though it has got as far as to set `reached`.
pub(crate) fn comes_to_no_end(reached: &AtomicBool, body: impl FnOnce() + Send + 'static) {
    let running = Running::start(body);
    if !running.ends() {
        assert!(reached.load(Ordering::SeqCst), "it has not come so far");
        tell();
    }
}

/// Runs `body`, which counts its rounds. The process ends with [`HANGS`] if the count stands still.
#[allow(dead_code, reason = "few hang by chance")]
pub(crate) fn stands_still(rounds: &AtomicUsize, body: impl FnOnce() + Send + 'static) {
    let running = Running::start(body);
    let mut before = 0;
    while !running.ends() {
        let now = rounds.load(Ordering::SeqCst);
        if now == before {
            tell();
        }
        before = now;
    }
}

/// What runs on a thread of its own.
struct Running(mpsc::Receiver<()>);

impl Running {
    fn start(body: impl FnOnce() + Send + 'static) -> Self {
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            body();
            ended.send(()).expect("it is awaited");
        });
        Running(end)
    }

    /// Whether it ends while one has patience.
    fn ends(&self) -> bool {
        match self.0.recv_timeout(PATIENCE) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => panic!("it has failed"),
        }
    }
}

fn tell() -> ! {
    println!("it comes to no end");
    exit(HANGS);
}

/// Runs the ignored test `name` of this program in a child, which must hang.
pub(crate) fn hangs_on_rayon(name: &str) {
    let child = run_ignored(name);
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("it comes to no end"), "{said}");
    assert_eq!(child.status.code(), Some(HANGS), "{said}");
}

/// Spins until the flag is set.
pub(crate) fn spin(flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        thread::yield_now();
    }
}
