//! Address space, guards, and the return of memory.

use std::io;
use std::ptr::{self, NonNull};

/// `MADV_GUARD_INSTALL` of Linux 6.13: accesses fault from now on, and no mapping is split.
const GUARD_INSTALL: libc::c_int = 102;

/// `PIDFD_SELF` of Linux 6.14: this process, without a descriptor.
const PIDFD_SELF: libc::c_int = -10000;

/// The size of a page.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("a page has a size")
}

/// Reserves address space for stacks: read and written as it is touched, counted as it is touched (save under
/// strict overcommit), never in huge pages.
pub(crate) fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: a new mapping, at a place of the system's choice, concerns nobody.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping just made. A kernel without huge pages refuses, and has none to avoid.
    let _ = unsafe { libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE) };
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap gave the null page"))
}

/// Gives address space back.
///
/// # Safety
///
/// Exactly what [`map`] gave, in which nothing lies any more.
pub(crate) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: by contract.
    let code = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    debug_assert_eq!(code, 0, "{}", io::Error::last_os_error());
}

/// Makes each access to this part of a mapping a fault, without splitting the mapping.
///
/// # Safety
///
/// Whole pages of a mapping of ours, in which nothing lies.
pub(crate) unsafe fn install_guard(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: by contract.
    let code = unsafe { libc::madvise(start.as_ptr().cast(), bytes, GUARD_INSTALL) };
    result(code)
}

/// Whether an access to this page of ours is a fault. The kernel tries it for us: it would read the name of a file there.
pub(crate) fn is_guarded(page: NonNull<u8>) -> bool {
    // SAFETY: asks only. What is there, if it can be read, is a page of zeros: an empty name.
    let code = unsafe { libc::access(page.as_ptr().cast_const().cast(), libc::F_OK) };
    code == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// The same for several parts in one call. An error where the kernel cannot (before Linux 6.14): nothing may have
/// been done then, or a part.
///
/// # Safety
///
/// Each as for [`install_guard`].
pub(crate) unsafe fn install_guards(parts: &[Part]) -> io::Result<()> {
    // SAFETY: by contract.
    unsafe { advise(parts, GUARD_INSTALL) }
}

/// Commits several parts in one call, which costs less than a fault for each. An error, as for [`install_guards`], is
/// of no consequence: what is missing is committed when it is touched.
pub(crate) fn commit(parts: &[Part]) -> io::Result<()> {
    // SAFETY: what is read and written is not changed.
    unsafe { advise(parts, libc::MADV_POPULATE_WRITE) }
}

/// # Safety
///
/// As for [`install_guard`], if the advice changes what is there.
unsafe fn advise(parts: &[Part], advice: libc::c_int) -> io::Result<()> {
    // SAFETY: by contract; a part is laid out as an `iovec`, and concerns this process.
    let bytes = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            PIDFD_SELF,
            parts.as_ptr(),
            parts.len(),
            advice,
            0,
        )
    };
    let wanted: usize = parts.iter().map(|part| part.bytes).sum();
    match usize::try_from(bytes) {
        Ok(bytes) if bytes == wanted => Ok(()),
        Ok(_) => Err(out_of_memory()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Part of a mapping: as the C type `iovec`.
#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub(crate) struct Part {
    pub(crate) start: NonNull<u8>,
    pub(crate) bytes: usize,
}

/// The same by taking all access away, which makes a mapping of its own of this part.
///
/// # Safety
///
/// As for [`install_guard`].
pub(crate) unsafe fn forbid(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: by contract.
    let code = unsafe { libc::mprotect(start.as_ptr().cast(), bytes, libc::PROT_NONE) };
    result(code)
}

/// Gives the memory of a part of a mapping back, but not the address space: it reads as zeros.
///
/// # Safety
///
/// Whole pages of a mapping of ours, in which nothing lies that anybody will look at.
pub(crate) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
    // SAFETY: by contract.
    let code = unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
    debug_assert_eq!(code, 0, "{}", io::Error::last_os_error());
}

/// The same for several parts in one call, so that other cores are told once. An error, as for [`install_guards`]: nothing
/// may have been done then, or a part.
///
/// # Safety
///
/// Each as for [`discard`].
pub(crate) unsafe fn discard_all(parts: &[Part]) -> io::Result<()> {
    // SAFETY: by contract.
    unsafe { advise(parts, libc::MADV_DONTNEED) }
}

fn result(code: libc::c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What a kernel says to advice that it does not know.
pub(crate) fn unsupported() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

/// What a call says when there is no more memory, address space, or mapping.
pub(crate) fn out_of_memory() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOMEM)
}
