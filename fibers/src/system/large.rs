//! Large pieces of zeroed memory, in huge pages where the system has them.
//!
//! Used by `dagwood` for its tables, which are looked at in no order: with pages of 4 KiB half of what such a look costs is
//! to find the page. Knows nothing of what lies there.

use std::io;
use std::ptr::{self, NonNull};

use super::memory::page_bytes;

/// Whether this target has them. If not, [`map`] gives none.
pub const AVAILABLE: bool = true;

/// What the address of a piece is a multiple of: the size of a huge page on most machines.
pub const ALIGN: usize = 2 << 20;

/// A new piece of so many bytes, more than none, zeroed. Memory is taken when it is touched, a huge page at a time if the
/// system's settings allow it (`/sys/kernel/mm/transparent_hugepage/enabled` is not `never`).
///
/// # Errors
///
/// There is no memory, or no mapping left.
pub fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    let bytes = bytes.next_multiple_of(page_bytes());
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at a place of the system's choice, concerns nobody.
    let mapping = unsafe { libc::mmap(ptr::null_mut(), bytes + ALIGN, access, kind, -1, 0) };
    if mapping == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // What lies before the aligned part, and behind it, goes back.
    let before = mapping.addr().next_multiple_of(ALIGN) - mapping.addr();
    let start = mapping.wrapping_byte_add(before);
    for (part, bytes) in [
        (mapping, before),
        (start.wrapping_byte_add(bytes), ALIGN - before),
    ] {
        if bytes > 0 {
            // SAFETY: whole pages of the mapping just made, in which nothing lies.
            let code = unsafe { libc::munmap(part, bytes) };
            debug_assert_eq!(code, 0, "{}", io::Error::last_os_error());
        }
    }
    // SAFETY: the mapping just made. A kernel without huge pages refuses, and takes others.
    let _ = unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap gave the null page"))
}

/// Tells the system that nothing lies in a piece: until it is written again, the system may take its memory for others who
/// need it. What is read there is then zero or what was there.
///
/// # Safety
///
/// [`map`] gave it, for so many bytes, and nobody else uses it.
pub unsafe fn offer(start: NonNull<u8>, bytes: usize) {
    // SAFETY: by contract. A kernel that refuses leaves it as it is.
    let _ = unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_FREE) };
}

/// Gives a piece back.
///
/// # Safety
///
/// [`map`] gave it, for so many bytes; nothing lies there any more, and it is given back once.
pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    let bytes = bytes.next_multiple_of(page_bytes());
    // SAFETY: by contract.
    let code = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    debug_assert_eq!(code, 0, "{}", io::Error::last_os_error());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece is zeroed from its first byte to its last, aligned, and can be written; several are apart.
    #[test]
    fn pieces_are_zeroed_and_aligned() {
        for bytes in [1, ALIGN, ALIGN + 1, 5 * ALIGN + 4097] {
            let pieces: Vec<_> = (0..3).map(|_| map(bytes).expect("memory")).collect();
            for piece in &pieces {
                assert_eq!(piece.addr().get() % ALIGN, 0);
                // SAFETY: so many bytes, ours alone.
                let piece = unsafe { std::slice::from_raw_parts_mut(piece.as_ptr(), bytes) };
                assert!(piece.iter().all(|byte| *byte == 0));
                piece.fill(1);
            }
            for piece in pieces {
                // SAFETY: mapped above, and not used any more.
                unsafe { unmap(piece, bytes) };
            }
        }
    }
}
