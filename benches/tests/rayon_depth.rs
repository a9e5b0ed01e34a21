//! What piles up on the stacks of rayon's threads until they overflow, by the numbers of rayon's issues: in a child. The same
//! programs, on our `rayon-core`, end.
#![cfg(any(feature = "fibers", feature = "threads"))]

#[path = "common/ignored.rs"]
mod ignored;

use ignored::run_ignored;

/// The programs, on one crate or the other.
macro_rules! programs {
    ($core:ident, $name:ident) => {
        mod $name {
            use std::hint::black_box;
            use std::sync::atomic::{AtomicUsize, Ordering};

            use $core::{ThreadPool, ThreadPoolBuilder, join, yield_local};

            /// So many jobs wait, each with a frame of a sixteenth of a stack.
            const JOBS: usize = 200;
            const STACK: usize = 1 << 20;

            fn pool() -> ThreadPool {
                let builder = ThreadPoolBuilder::new().num_threads(1).stack_size(STACK);
                builder.build().expect("a pool can be made")
            }

            #[inline(never)]
            fn with_frame(body: impl FnOnce()) {
                let frame = black_box([0_u8; STACK / 16]);
                body();
                black_box(&frame);
            }

            /// rayon#1064: who yields runs another that yields, on top.
            pub(crate) fn yields() -> usize {
                let ended = AtomicUsize::new(0);
                pool().scope(|scope| {
                    for _ in 0..JOBS {
                        scope.spawn(|_| {
                            with_frame(|| {
                                yield_local();
                                ended.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
                ended.into_inner()
            }

            /// rayon#854, #751: who waits for another pool runs another that does, on top.
            pub(crate) fn waits() -> usize {
                let (here, there) = (pool(), pool());
                let ended = AtomicUsize::new(0);
                here.scope(|scope| {
                    for _ in 0..JOBS {
                        scope.spawn(|_| {
                            with_frame(|| {
                                ended.fetch_add(there.install(|| 1), Ordering::Relaxed);
                            });
                        });
                    }
                });
                ended.into_inner()
            }

            /// rayon#854: joins as deep as the data.
            pub(crate) fn nests() -> usize {
                fn deep(levels: usize) -> usize {
                    let mut below = 0;
                    if levels > 0 {
                        with_frame(|| below = join(|| deep(levels - 1), || 1).0 + 1);
                    }
                    below
                }
                pool().install(|| deep(JOBS))
            }
        }
    };
}

programs!(dagwood_rayon_core, ours);
programs!(rayon_core, stock);

/// Runs the ignored test `name` of this program in a child, which must overflow its stack.
#[track_caller]
fn overflows_on_rayon(name: &str) {
    let child = run_ignored(name);
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("has overflowed its stack"), "{said}");
    assert_eq!(child.status.code(), None, "it dies by a signal: {said}");
}

#[test]
fn d1_rayon_1064_jobs_that_yield() {
    assert_eq!(ours::yields(), 200);
    overflows_on_rayon("rayon_1064");
}

#[test]
#[ignore = "overflows"]
fn rayon_1064() {
    stock::yields();
}

#[test]
fn d1_rayon_854_and_751_jobs_that_wait_for_a_pool() {
    assert_eq!(ours::waits(), 200);
    overflows_on_rayon("rayon_854_waits");
}

#[test]
#[ignore = "overflows"]
fn rayon_854_waits() {
    stock::waits();
}

#[test]
fn d1_rayon_854_joins_as_deep_as_the_data() {
    assert_eq!(ours::nests(), 200);
    overflows_on_rayon("rayon_854_nests");
}

#[test]
#[ignore = "overflows"]
fn rayon_854_nests() {
    stock::nests();
}
