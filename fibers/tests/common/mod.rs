//! What all tests of the contract share. Each behaviour is tested on every mechanism of the build; that the
//! list is the right one, and not empty, is tested in `table.rs`.

#![allow(dead_code, reason = "each test program uses a part")]

use std::any::Any;

use dagwood_fibers::{Fiber, Mechanism, Resumed, StackDepot, StackPool, StackSettings};

/// Large enough for a panic with a backtrace in a debug build.
pub(crate) const STACK_BYTES: usize = 256 * 1024;

/// Runs `test` with a fresh pool of each mechanism.
pub(crate) fn each_mechanism(test: impl Fn(Mechanism, &mut StackPool)) {
    for &mechanism in Mechanism::available() {
        println!("mechanism {mechanism:?}");
        let mut pool = StackPool::new(mechanism, STACK_BYTES).expect("an available mechanism");
        test(mechanism, &mut pool);
    }
}

/// Resumes a fiber that is expected to suspend.
#[track_caller]
pub(crate) fn expect_suspended(fiber: &mut Fiber) {
    match fiber.resume() {
        Resumed::Suspended(_) => assert!(!fiber.is_done()),
        Resumed::Finished(result) => panic!("finished with {result:?}, expected to suspend"),
    }
}

/// Resumes a fiber that is expected to return.
#[track_caller]
pub(crate) fn expect_returned(fiber: &mut Fiber) {
    match fiber.resume() {
        Resumed::Finished(Ok(())) => assert!(fiber.is_done()),
        other => panic!("{other:?}, expected to return"),
    }
}

/// Resumes a fiber that is expected to panic, and gives the payload.
#[track_caller]
pub(crate) fn expect_panicked(fiber: &mut Fiber) -> Box<dyn Any + Send> {
    match fiber.resume() {
        Resumed::Finished(Err(payload)) => {
            assert!(fiber.is_done());
            payload
        }
        other => panic!("{other:?}, expected to panic"),
    }
}

/// Small, so that many fit.
pub(crate) const SMALL_BYTES: usize = 64 << 10;

/// A depot like this, where stacks are of our own making.
pub(crate) fn depots(settings: StackSettings) -> impl Iterator<Item = StackDepot> {
    let all = if cfg!(target_os = "linux") {
        Mechanism::available()
    } else {
        &[]
    };
    all.iter()
        .filter(|&&mechanism| mechanism == Mechanism::Switch)
        .map(move |&mechanism| StackDepot::new(mechanism, settings).unwrap())
}

/// `count` fibers that wait.
pub(crate) fn waiting(pool: &mut StackPool, count: usize) -> Vec<Fiber> {
    let fiber = |_| {
        let mut fiber = Fiber::new(pool, |suspender| suspender.suspend()).unwrap();
        expect_suspended(&mut fiber);
        fiber
    };
    (0..count).map(fiber).collect()
}

/// Lets fibers that wait end.
pub(crate) fn end(fibers: Vec<Fiber>, pool: &mut StackPool) {
    for mut fiber in fibers {
        expect_returned(&mut fiber);
        fiber.recycle(pool);
    }
}
