//! Memory for spawned closures: chunks, a few kept by each worker, more by the pool.
//!
//! Knows nothing of what lies in a chunk.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

use crate::sync::Mutex;

/// The size of a chunk, in bytes.
pub(crate) const CHUNK_BYTES: usize = 8192;

/// What chunks are aligned to, in bytes.
const ALIGN: usize = 64;

/// A worker passes so many chunks to the pool, or takes them from there, at once.
const BATCH: usize = 32;

/// A chunk that nobody uses: of `CHUNK_BYTES`, or made to measure.
pub(crate) struct Chunk {
    memory: NonNull<u8>,
    layout: Layout,
}

// SAFETY: memory, and nobody else has it.
unsafe impl Send for Chunk {}

impl Chunk {
    /// A chunk of so many bytes, not zero.
    pub(crate) fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes, ALIGN).expect("a chunk is small");
        assert!(bytes > 0, "a chunk has a size");
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        Chunk { memory, layout }
    }

    /// The memory and its size.
    pub(crate) fn into_memory(self) -> (NonNull<u8>, usize) {
        let memory = (self.memory, self.layout.size());
        std::mem::forget(self);
        memory
    }

    /// # Safety
    ///
    /// Memory and size come from [`into_memory`](Self::into_memory), and nobody uses it any more.
    pub(crate) unsafe fn from_memory(memory: NonNull<u8>, bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes, ALIGN).expect("made with it");
        Chunk { memory, layout }
    }

    fn is_of_the_slab(&self) -> bool {
        self.layout.size() == CHUNK_BYTES
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this layout, and ours.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// The chunks that the workers of a pool do not hold.
pub(crate) struct Depot(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    chunks: Vec<Chunk>,
    /// The fewest there were since the last [`trim`](Depot::trim): so many were not needed.
    fewest: usize,
}

impl Depot {
    pub(crate) fn new() -> Self {
        Depot(Mutex::new(Kept::default()))
    }

    fn take(&self) -> Vec<Chunk> {
        let mut kept = self.0.lock();
        let left = kept.chunks.len().saturating_sub(BATCH);
        kept.fewest = kept.fewest.min(left);
        kept.chunks.split_off(left)
    }

    fn give(&self, chunks: impl Iterator<Item = Chunk>) {
        self.0.lock().chunks.extend(chunks);
    }

    /// Frees what was not needed since the last call. Called when all workers go to sleep.
    pub(crate) fn trim(&self) {
        let mut kept = self.0.lock();
        let left = kept.chunks.len() - kept.fewest;
        let unneeded = kept.chunks.split_off(left);
        kept.fewest = left;
        drop(kept);
        drop(unneeded);
    }
}

/// The chunks that a worker keeps at hand.
pub(crate) struct Slab(RefCell<Vec<Chunk>>);

impl Slab {
    pub(crate) fn new() -> Self {
        Slab(RefCell::new(Vec::new()))
    }

    /// A chunk to write to.
    pub(crate) fn take(&self, depot: &Depot) -> Chunk {
        let mut own = self.0.borrow_mut();
        if own.is_empty() {
            *own = depot.take();
        }
        own.pop().unwrap_or_else(|| Chunk::new(CHUNK_BYTES))
    }

    /// Takes a chunk back.
    pub(crate) fn give(&self, chunk: Chunk, depot: &Depot) {
        if !chunk.is_of_the_slab() {
            return;
        }
        let mut own = self.0.borrow_mut();
        own.push(chunk);
        if own.len() > 2 * BATCH {
            depot.give(own.drain(BATCH..));
        }
    }
}
