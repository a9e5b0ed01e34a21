//! Calls on another stack: alone, one on top of the other, in fibers that suspend there, and when they panic.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{STACK_BYTES, each_mechanism, expect_panicked, expect_returned, expect_suspended};
use dagwood_fibers::{Fiber, Segment, SegmentPool, Suspender};

/// psm's calls, which the library uses on some targets only.
#[cfg(unix)]
#[allow(dead_code, reason = "the library uses all of it")]
#[path = "../src/portable.rs"]
mod portable;

/// A segment, of the library or of psm.
trait Stack: Sized {
    fn make() -> Self;
    fn bottom(&self) -> usize;
    fn call<R>(&mut self, body: impl FnOnce() -> R) -> R;
}

impl Stack for Segment {
    fn make() -> Self {
        Segment::new(STACK_BYTES).expect("a segment can be made")
    }

    fn bottom(&self) -> usize {
        Segment::bottom(self)
    }

    fn call<R>(&mut self, body: impl FnOnce() -> R) -> R {
        match Segment::call(self, body) {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}

#[cfg(unix)]
impl Stack for portable::Segment {
    fn make() -> Self {
        portable::Segment::new(STACK_BYTES).expect("a segment can be made")
    }

    fn bottom(&self) -> usize {
        portable::Segment::bottom(self)
    }

    fn call<R>(&mut self, body: impl FnOnce() -> R) -> R {
        match portable::Segment::call(self, || catch_unwind(AssertUnwindSafe(body))) {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}

/// Makes a test of each function, for the library's segments and for psm's.
macro_rules! on_each_stack {
    ($($name:ident)+) => {$(
        mod $name {
            #[test]
            fn of_the_library() {
                super::$name::<super::Segment>();
            }

            #[cfg(unix)]
            #[test]
            fn of_psm() {
                super::$name::<super::portable::Segment>();
            }
        }
    )+};
}

on_each_stack! {
    a_call_runs_on_the_segment_and_gives_its_result
    calls_on_top_of_each_other
    a_panic_is_carried_over_the_border
    fibers_suspend_and_panic_on_segments
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::hint::black_box(&raw const local).addr()
}

fn a_call_runs_on_the_segment_and_gives_its_result<S: Stack>() {
    let mut segment = S::make();
    let stack = segment.bottom()..segment.bottom() + STACK_BYTES;
    let here = address_of_a_local();
    assert!(!stack.contains(&here));
    let captured = String::from("moved in");
    let (inside, given) = segment.call(move || (address_of_a_local(), captured + ", and out"));
    assert!(stack.contains(&inside), "{inside:#x} is not in {stack:x?}");
    assert_eq!(given, "moved in, and out");
    assert_eq!(segment.call(|| 5), 5, "it can be called on again");
}

/// The sum of the numbers up to `levels`, each level on a stack of its own.
fn sum_on_segments<S: Stack>(levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let mut segment = S::make();
    levels + segment.call(|| sum_on_segments::<S>(levels - 1))
}

fn calls_on_top_of_each_other<S: Stack>() {
    assert_eq!(sum_on_segments::<S>(1000), 500_500);
}

/// Panics with the number 7 on top of so many segments.
fn panic_on_segments<S: Stack>(levels: usize, drops: &AtomicUsize) -> usize {
    struct CountDrop<'a>(&'a AtomicUsize);
    impl Drop for CountDrop<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let _count = CountDrop(drops);
    if levels == 0 {
        std::panic::resume_unwind(Box::new(7_usize));
    }
    let mut segment = S::make();
    segment.call(|| panic_on_segments::<S>(levels - 1, drops))
}

fn a_panic_is_carried_over_the_border<S: Stack>() {
    let drops = AtomicUsize::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| panic_on_segments::<S>(20, &drops)));
    let payload = caught.expect_err("it panics");
    assert_eq!(payload.downcast_ref(), Some(&7_usize));
    assert_eq!(
        drops.load(Ordering::Relaxed),
        21,
        "what lay on the stacks was dropped"
    );
}

/// Goes down over `levels` segments, suspends at each on the way down and on the way up.
fn wander<S: Stack>(suspender: &Suspender, id: usize, levels: usize) -> usize {
    let local = std::hint::black_box(id * 100 + levels);
    suspender.suspend();
    let below = if levels > 0 {
        let mut segment = S::make();
        segment.call(|| wander::<S>(suspender, id, levels - 1))
    } else if id.is_multiple_of(2) {
        0
    } else {
        std::panic::resume_unwind(Box::new(id))
    };
    suspender.suspend();
    assert_eq!(local, id * 100 + levels, "the frame is as it was");
    below + 1
}

fn fibers_suspend_and_panic_on_segments<S: Stack>() {
    const LEVELS: usize = 3;
    each_mechanism(|_, pool| {
        let done = Arc::new(AtomicUsize::new(0));
        let mut fibers: Vec<Fiber> = (0..5)
            .map(|id| {
                let done = Arc::clone(&done);
                let body = move |suspender: &Suspender| {
                    let levels = wander::<S>(suspender, id, LEVELS);
                    done.fetch_add(levels, Ordering::Relaxed);
                };
                Fiber::new(pool, body).expect("a fiber can be made")
            })
            .collect();
        for _ in 0..=LEVELS {
            fibers.iter_mut().for_each(expect_suspended);
        }
        for id in [1, 3] {
            let payload = expect_panicked(&mut fibers[id]);
            assert_eq!(payload.downcast_ref(), Some(&id));
        }
        for _ in 0..=LEVELS {
            [0, 2, 4]
                .into_iter()
                .for_each(|id| expect_suspended(&mut fibers[id]));
        }
        [0, 2, 4]
            .into_iter()
            .for_each(|id| expect_returned(&mut fibers[id]));
        assert_eq!(done.load(Ordering::Relaxed), 3 * (LEVELS + 1));
    });
}

#[test]
fn a_panic_on_a_segment_is_a_value() {
    let mut segment = Segment::make();
    let result = Segment::call(&mut segment, || std::panic::resume_unwind(Box::new("out")));
    let payload = result.map(|()| "returned").expect_err("it panics");
    assert_eq!(payload.downcast_ref(), Some(&"out"));
    assert_eq!(Segment::call(&mut segment, || 1).expect("it returns"), 1);
}

#[test]
fn a_pool_keeps_one_segment_and_frees_the_rest() {
    let mut pool = SegmentPool::new(STACK_BYTES);
    assert_eq!((pool.segment_bytes(), pool.cached()), (STACK_BYTES, 0));
    let segments: Vec<Segment> = (0..5).map(|_| pool.take().expect("a segment")).collect();
    segments.into_iter().for_each(|segment| pool.give(segment));
    assert_eq!((pool.created(), pool.cached()), (5, 1));
    let segment = pool.take().expect("the one that is kept");
    assert_eq!((pool.created(), pool.cached()), (5, 0));
    pool.give(segment);
}

#[test]
fn more_than_the_address_space_is_an_error() {
    let error = Segment::new(usize::MAX - 100).expect_err("too large");
    println!("{error}");
    #[cfg(target_pointer_width = "64")]
    Segment::new(1 << 50).expect_err("more than any system maps");
}
