//! An allocator that counts.
//!
//! Used by the test files that say how much memory something takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, how many bytes it has given and not taken back, and how often it has given some.
#[derive(Debug)]
pub struct Counting {
    live: AtomicUsize,
    given: AtomicUsize,
}

impl Counting {
    /// To be a program's `global_allocator`.
    #[allow(clippy::new_without_default, reason = "it is a static")]
    pub const fn new() -> Self {
        Counting {
            live: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
        }
    }

    /// How many bytes are in use.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// How often memory was given.
    pub fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }

    fn give(&self, layout: Layout) {
        self.live.fetch_add(layout.size(), Ordering::Relaxed);
        self.given.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.give(layout);
        // SAFETY: by contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.give(layout);
        // SAFETY: by contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: by contract.
        unsafe { System.dealloc(place, layout) }
    }
}
