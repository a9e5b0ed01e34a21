//! Memory for tables: small pieces from the allocator, large ones from the system, in huge pages where it has them (a hashed
//! table is looked at in no order, so with small pages it is the page that takes the time to find). What large pieces a
//! dropped table had stays for the next one: to get new ones costs more than all that is done in them, above all where the
//! system under us is a virtual machine that gives free memory back to its host.
//!
//! Used by `arena.rs` and `pointers.rs`. Knows nothing of what lies there.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dagwood_fibers::large;

/// A piece is large from here on. Of less no huge page can be made.
const LARGE: usize = 2 << 20;

/// So many bytes are kept at most.
const KEPT_BYTES_MAX: usize = if usize::BITS >= 64 {
    128 << 20
} else {
    16 << 20
};

/// A large piece in which nothing lies.
struct Piece {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: memory that nobody looks at.
unsafe impl Send for Piece {}

/// The pieces that are kept, the oldest first.
static KEPT: Mutex<VecDeque<Piece>> = Mutex::new(VecDeque::new());

fn kept() -> MutexGuard<'static, VecDeque<Piece>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a piece comes from the system.
fn is_mapped(layout: Layout) -> bool {
    large::AVAILABLE && layout.size() >= LARGE && layout.align() <= large::ALIGN
}

/// A piece of this layout, which has a size; anything may lie there. Ends the process as the allocator does if there is no
/// memory.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    let piece = if is_mapped(layout) {
        take(layout.size()).or_else(|| map(layout.size()))
    } else {
        // SAFETY: it has a size.
        NonNull::new(unsafe { alloc(layout) })
    };
    piece.unwrap_or_else(|| handle_alloc_error(layout))
}

/// The same, zeroed.
pub(super) fn allocate_zeroed(layout: Layout) -> NonNull<u8> {
    let piece = if !is_mapped(layout) {
        // SAFETY: it has a size.
        NonNull::new(unsafe { alloc_zeroed(layout) })
    } else if let Some(piece) = take(layout.size()) {
        // SAFETY: it has so many bytes, and is ours alone.
        unsafe { piece.write_bytes(0, layout.size()) };
        Some(piece)
    } else {
        map(layout.size())
    };
    piece.unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
///
/// One of the two above gave the piece, for this layout; nobody uses it any more, and it is freed once.
pub(super) unsafe fn free(piece: NonNull<u8>, layout: Layout) {
    if is_mapped(layout) {
        let bytes = layout.size();
        if bytes > KEPT_BYTES_MAX {
            // SAFETY: by contract.
            return unsafe { large::unmap(piece, bytes) };
        }
        // SAFETY: by contract.
        unsafe { large::offer(piece, bytes) };
        let mut kept = kept();
        kept.push_back(Piece {
            start: piece,
            bytes,
        });
        keep_at_most(KEPT_BYTES_MAX, kept);
    } else {
        // SAFETY: by contract.
        unsafe { dealloc(piece.as_ptr(), layout) };
    }
}

/// The youngest piece of this size that is kept.
fn take(bytes: usize) -> Option<NonNull<u8>> {
    let mut kept = kept();
    let place = kept.iter().rposition(|piece| piece.bytes == bytes)?;
    Some(kept.remove(place)?.start)
}

/// A new piece, zeroed.
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let again = |_| {
        keep_at_most(0, kept());
        large::map(bytes)
    };
    large::map(bytes).or_else(again).ok()
}

/// Gives the oldest pieces back to the system until no more than so many bytes are kept.
fn keep_at_most(bytes: usize, mut kept: MutexGuard<'_, VecDeque<Piece>>) {
    let mut surplus = Vec::new();
    while kept.iter().map(|piece| piece.bytes).sum::<usize>() > bytes {
        surplus.extend(kept.pop_front());
    }
    drop(kept);
    for Piece { start, bytes } in surplus {
        // SAFETY: `map` gave it, and nobody else has it any more.
        unsafe { large::unmap(start, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept comes back, zeroed where that was asked for, and there is never more of it than there may be. (Tests
    /// beside this one may take and bring pieces of other sizes.)
    #[test]
    fn pieces_are_kept_up_to_a_bound() {
        if !large::AVAILABLE {
            return;
        }
        let layout = |bytes| Layout::from_size_align(bytes, 8).unwrap();
        let own = layout(5 * LARGE + 4096);
        for round in 0..3 {
            let piece = allocate_zeroed(own);
            // SAFETY: so many bytes, ours alone.
            let bytes = unsafe { std::slice::from_raw_parts_mut(piece.as_ptr(), own.size()) };
            assert!(bytes.iter().all(|byte| *byte == 0), "round {round}");
            bytes.fill(1);
            // SAFETY: allocated above, and not used any more.
            unsafe { free(piece, own) };
        }
        let pieces: Vec<_> = (0..4)
            .map(|_| allocate(layout(KEPT_BYTES_MAX / 2)))
            .collect();
        for piece in pieces {
            // SAFETY: as above.
            unsafe { free(piece, layout(KEPT_BYTES_MAX / 2)) };
            assert!(kept().iter().map(|piece| piece.bytes).sum::<usize>() <= KEPT_BYTES_MAX);
        }
        assert!(take(own.size()).is_none(), "the oldest go first");
    }
}
