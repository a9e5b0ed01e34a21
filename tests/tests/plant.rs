//! A bug that a sanitizer must find: what shows that it can (`ci`, step `tsan`).
#![cfg(feature = "threads")]

use std::cell::UnsafeCell;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Backend, Database, Executor};

struct Racy(UnsafeCell<u64>);

// SAFETY: none: this is the bug.
unsafe impl Sync for Racy {}

impl Racy {
    #[inline(never)]
    fn add(&self) {
        // SAFETY: none: two threads come here, and nothing orders them.
        unsafe { *self.0.get() += 1 };
    }
}

/// Does nothing unless it is asked to.
#[test]
fn two_halves_of_a_join_race_if_told_to() {
    let Ok(plant) = env::var("DAGWOOD_PLANT") else {
        return;
    };
    assert_eq!(plant, "race");
    let builder = Executor::builder().backend(Backend::Threads).workers(2);
    let executor = builder.build().expect("an executor can be made");
    let racy = Racy(UnsafeCell::new(0));
    let step = AtomicUsize::new(0);
    // Relaxed: one after the other, once both are there, and nothing that orders the two. (At the very same moment, each
    // might look for the other before either has left its mark: ThreadSanitizer then finds nothing.)
    let add = || {
        let turn = 2 + step.fetch_add(1, Ordering::Relaxed);
        while step.load(Ordering::Relaxed) < turn {
            std::thread::yield_now();
        }
        racy.add();
        step.fetch_add(1, Ordering::Relaxed);
    };
    let ran = executor.run(&Database::new(()), |cx| cx.join(|_| add(), |_| add()));
    ran.expect("neither half fails");
}
