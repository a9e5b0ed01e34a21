//! How much of its stack a fiber has left, and how it goes on when that is little: on another
//! segment, by a plain call.
//!
//! Used by asks, joins and whoever else may go deep. Knows nothing of what goes deep.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use dagwood_fibers::{Segment, SegmentPool};

use super::fiber::FiberRecord;
use crate::error::{Error, Payload};
use crate::plant;

/// The least size of a segment: with smaller ones a deep recursion would need more mappings than
/// a process has.
const SEGMENT_BYTES_MIN: usize = 1 << 20;

/// The most: fibers' records keep the size in KiB, in 32 bits.
const SEGMENT_BYTES_MAX: usize = (u32::MAX as usize).saturating_mul(KIB) / KIB * KIB;

const KIB: usize = 1 << 10;

/// The size of the segments of fibers with stacks of `stack_bytes`: whole KiB.
pub(crate) fn segment_bytes(stack_bytes: usize) -> usize {
    let bytes = stack_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    bytes.next_multiple_of(KIB)
}

/// What lies in a frame so that its address tells where on the stack that is. It is not written: in a loop over short items
/// the store took as long as all else at a scheduling point.
pub(crate) type Here = MaybeUninit<u8>;

/// What must be left of a stack for whoever begins something on it: an eighth, but at least 64 KiB
/// where that is not more than half.
///
/// It also covers what is not known of a thread's stack: its guard, and its thread-locals.
pub(crate) fn reserve_bytes(stack_bytes: usize) -> usize {
    const LEAST: usize = 64 << 10;
    (stack_bytes / 8).max(LEAST.min(stack_bytes / 2))
}

/// The limit (attention.md) of the stack whose first frame calls this, if it has `stack_bytes`.
#[inline(never)]
pub(crate) fn limit_from_top(stack_bytes: usize) -> usize {
    if !Segment::is_available() {
        return 0;
    }
    let top = Here::uninit();
    let top = std::hint::black_box(&raw const top).addr();
    top.saturating_sub(stack_bytes - reserve_bytes(stack_bytes))
}

/// Calls `body` on a new segment of `fiber`, the current one. Gives what it panicked with.
///
/// # Errors
///
/// There is no memory for it; `body` was dropped.
pub(crate) fn deeper<R>(
    fiber: &FiberRecord,
    body: impl FnOnce() -> R,
) -> Result<Result<R, Payload>, Error> {
    let bytes = fiber.segment_bytes();
    let mut segment = match fiber.worker() {
        Some(worker) => worker.take_segment(),
        None => of_this_thread(bytes, SegmentPool::take),
    }
    .map_err(|error| Error::no_segment(&error))?;
    let limit = fiber.change_stack(segment.bottom() + reserve_bytes(bytes));
    let result = if plant::is("no_segment") {
        Ok(body())
    } else {
        segment.call(body)
    };
    fiber.change_stack(limit);
    match fiber.worker() {
        Some(worker) => worker.give_segment(segment),
        None => of_this_thread(bytes, |segments| segments.give(segment)),
    }
    Ok(result)
}

/// Begins a sequential run on a stack of its own, if there are such; `body` does not unwind.
///
/// # Errors
///
/// As [`deeper`].
pub(crate) fn on_own_stack(fiber: &FiberRecord, body: impl FnOnce()) -> Result<(), Error> {
    if Segment::is_available() {
        deeper(fiber, body)?.expect("it carries panics as values");
    } else {
        body();
    }
    Ok(())
}

thread_local! {
    /// The segments of a thread that is no worker.
    static SEGMENTS: RefCell<SegmentPool> = const { RefCell::new(SegmentPool::new(0)) };
}

/// Never inlined: the thread-local's address must not be kept over a switch.
#[inline(never)]
fn of_this_thread<R>(bytes: usize, body: impl FnOnce(&mut SegmentPool) -> R) -> R {
    // Of an executor with stacks of another size, or of a thread that is ending and keeps none.
    let mut other = SegmentPool::new(bytes);
    let mut body = Some(body);
    let mut on = |segments: &mut SegmentPool| body.take().map(|body| body(segments));
    let done = SEGMENTS.try_with(|segments| {
        let mut segments = segments.borrow_mut();
        if segments.segment_bytes() != bytes {
            std::mem::swap(&mut *segments, &mut other);
        }
        on(&mut segments)
    });
    done.unwrap_or_else(|_| on(&mut other))
        .expect("called once")
}
