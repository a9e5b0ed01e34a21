//! The guard: a fiber that overflows its stack kills the process by a signal.
//!
//! Tried in a child process, which is this very program. That the child failed proves nothing (it may not have
//! started), so the signal and its last words are asserted.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "a library has it, and uses both of its two"
)]
#[path = "../../tests/src/child.rs"]
mod child;
mod common;

use std::env;
use std::hint::black_box;

use dagwood_fibers::{Fiber, Mechanism, StackPool};

/// Names the mechanism that the child is to use.
const CHILD: &str = "DAGWOOD_FIBERS_OVERFLOW";

fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let block = black_box([depth; 64]);
    recurse(depth + 1) + black_box(block)[0]
}

/// Does nothing unless it is run as the child.
#[test]
#[ignore = "ends its process; another test starts it"]
fn child_process() {
    let Ok(name) = env::var(CHILD) else { return };
    let mechanism = *Mechanism::available()
        .iter()
        .find(|mechanism| format!("{mechanism:?}") == name)
        .expect("the parent names an available mechanism");
    let mut pool = StackPool::new(mechanism, common::STACK_BYTES).unwrap();
    let mut fiber = Fiber::new(&mut pool, |_| {
        eprintln!("about to overflow");
        let sum = recurse(0);
        eprintln!("survived with {sum}");
    })
    .unwrap();
    drop(fiber.resume());
    eprintln!("survived");
}

#[test]
fn an_overflow_dies_by_a_signal() {
    if env::consts::OS != "linux" {
        return;
    }
    for &mechanism in Mechanism::available() {
        let output = child::child_process(module_path!(), "child_process")
            .env(CHILD, format!("{mechanism:?}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status.to_string();
        assert!(
            said.contains("about to overflow"),
            "{mechanism:?}: {status}: {said}"
        );
        assert!(
            !said.contains("survived"),
            "{mechanism:?}: {status}: {said}"
        );
        // A thread's guard is std's own, which says so and aborts.
        let signal = match mechanism {
            Mechanism::Switch => "signal: 11 ",
            Mechanism::Thread => "signal: 6 ",
        };
        assert!(
            status.starts_with(signal),
            "{mechanism:?}: {status}: {said}"
        );
        if mechanism == Mechanism::Thread {
            assert!(said.contains("has overflowed its stack"), "{said}");
        }
    }
}
