//! Segments: further stack for who has little left, used by a plain call.
//!
//! Used by the scheduler for deep recursion. What runs on a segment is on the same OS thread and the same
//! fiber as its caller, may suspend that fiber, and returns before its caller goes on. Knows the two ways to
//! call on another stack only by the one shape of their adapters.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mechanism::segments;

/// Memory for a stack, with a guard below it, that a closure can be [`call`](Segment::call)ed on.
///
/// Pages are committed when first touched. Dropping it frees them.
///
/// # Examples
///
/// ```
/// use dagwood_fibers::Segment;
///
/// fn depth_of(levels: u64, bytes: usize) -> std::io::Result<u64> {
///     let mut segment = Segment::new(bytes)?;
///     Ok(segment.call(|| plain_depth_of(levels)).unwrap_or(0))
/// }
///
/// fn plain_depth_of(levels: u64) -> u64 {
///     std::hint::black_box(if levels == 0 { 0 } else { 1 + plain_depth_of(levels - 1) })
/// }
///
/// if Segment::is_available() {
///     assert_eq!(depth_of(100_000, 256 << 20)?, 100_000);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Segment {
    inner: segments::Segment,
}

impl Segment {
    /// Whether this build can call on another stack on this target.
    pub const fn is_available() -> bool {
        segments::HAS_SEGMENTS
    }

    /// A segment of at least `bytes` bytes, rounded up to pages.
    ///
    /// # Errors
    ///
    /// When the system gives no memory, or [`io::ErrorKind::Unsupported`] where
    /// [`is_available`](Self::is_available) says no.
    pub fn new(bytes: usize) -> io::Result<Segment> {
        let inner = segments::Segment::new(bytes)?;
        Ok(Segment { inner })
    }

    /// The lowest address that may be used.
    #[inline]
    pub fn bottom(&self) -> usize {
        self.inner.bottom()
    }

    /// Calls `body` on this stack.
    ///
    /// # Errors
    ///
    /// The payload with which `body` panicked: no unwinding crosses the border of a segment.
    pub fn call<R>(&mut self, body: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
        self.inner.call(|| catch_unwind(AssertUnwindSafe(body)))
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("bottom", &format_args!("{:#x}", self.bottom()))
            .finish_non_exhaustive()
    }
}

/// How many unused segments a pool keeps: recursion that goes to and fro over a border uses one.
const KEPT_MAX: usize = 1;

/// Segments of one size. The last that came back is kept for the next call, the others are freed: so the memory
/// goes when the depth does.
#[derive(Debug)]
pub struct SegmentPool {
    segment_bytes: usize,
    created: usize,
    unused: Vec<Segment>,
}

impl SegmentPool {
    /// An empty pool for segments of at least `segment_bytes` bytes.
    pub const fn new(segment_bytes: usize) -> SegmentPool {
        SegmentPool {
            segment_bytes,
            created: 0,
            unused: Vec::new(),
        }
    }

    /// The size asked for, in bytes.
    pub fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    /// How many segments this pool has made so far.
    pub fn created(&self) -> usize {
        self.created
    }

    /// How many unused segments lie in the pool.
    pub fn cached(&self) -> usize {
        self.unused.len()
    }

    /// An unused segment, or a new one.
    ///
    /// # Errors
    ///
    /// As [`Segment::new`].
    pub fn take(&mut self) -> io::Result<Segment> {
        if let Some(segment) = self.unused.pop() {
            return Ok(segment);
        }
        let segment = Segment::new(self.segment_bytes)?;
        self.created += 1;
        Ok(segment)
    }

    /// Takes back a segment of this pool.
    pub fn give(&mut self, segment: Segment) {
        if self.unused.len() < KEPT_MAX {
            self.unused.push(segment);
        }
    }
}
