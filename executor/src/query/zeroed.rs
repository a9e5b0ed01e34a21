//! Zeroed memory for hashed tables: small pieces from the allocator, large ones from the system, in huge pages where it
//! has them. A table is looked at in no order, so with small pages it is the page that takes the time to find.
//!
//! Used by `arena.rs` and `pointers.rs`. Knows nothing of what lies there.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use dagwood_fibers::large;

/// A piece is large from here on. Of less no huge page can be made.
const LARGE: usize = 2 << 20;

/// Whether a piece comes from the system.
fn is_mapped(layout: Layout) -> bool {
    large::AVAILABLE && layout.size() >= LARGE && layout.align() <= large::ALIGN
}

/// A piece of this layout, which has a size; ends the process as the allocator does if there is no memory.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert_ne!(layout.size(), 0);
    let piece = if is_mapped(layout) {
        large::map(layout.size()).ok()
    } else {
        // SAFETY: it has a size.
        NonNull::new(unsafe { alloc_zeroed(layout) })
    };
    piece.unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
///
/// [`allocate`] gave the piece, for this layout; nobody uses it any more, and it is freed once.
pub(super) unsafe fn free(piece: NonNull<u8>, layout: Layout) {
    if is_mapped(layout) {
        // SAFETY: by contract.
        unsafe { large::unmap(piece, layout.size()) };
    } else {
        // SAFETY: by contract.
        unsafe { dealloc(piece.as_ptr(), layout) };
    }
}
