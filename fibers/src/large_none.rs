//! The twin of `system/large.rs` for systems other than Linux: no large pieces of memory but the allocator's.

use std::io;
use std::ptr::NonNull;

/// Whether this target has them. If not, [`map`] gives none.
pub const AVAILABLE: bool = false;

/// What the address of a piece is a multiple of.
pub const ALIGN: usize = 1;

/// Gives none here.
///
/// # Errors
///
/// Always.
pub fn map(_bytes: usize) -> io::Result<NonNull<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never called here, since [`map`] gives nothing.
///
/// # Safety
///
/// None.
pub unsafe fn offer(_start: NonNull<u8>, _bytes: usize) {}

/// Never called here, since [`map`] gives nothing.
///
/// # Safety
///
/// None.
pub unsafe fn unmap(_start: NonNull<u8>, _bytes: usize) {}
