//! Segments by psm's call on another stack, on memory of our own: for targets that corosensei lacks. The only source
//! file that uses psm.
//!
//! Used through `mechanism.rs`. AddressSanitizer is not told of these calls.

psm::psm_stack_manipulation! {
    yes {
        use std::io;
        use std::ptr::{self, NonNull};

        pub(crate) const HAS_SEGMENTS: bool = true;

        /// A private anonymous mapping: a guard without access, and above it the stack.
        pub(crate) struct Segment {
            mapping: NonNull<libc::c_void>,
            guard_bytes: usize,
            stack_bytes: usize,
        }

        // SAFETY: the mapping is this value's alone, and no thread's in particular.
        unsafe impl Send for Segment {}

        impl Segment {
            pub(crate) fn new(bytes: usize) -> io::Result<Segment> {
                let page = page_bytes();
                let stack_bytes = bytes.max(page).checked_next_multiple_of(page);
                let mapped_bytes = stack_bytes.and_then(|stack| stack.checked_add(page));
                let (Some(stack_bytes), Some(mapped_bytes)) = (stack_bytes, mapped_bytes) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                let segment = Segment {
                    mapping: map(mapped_bytes)?,
                    guard_bytes: page,
                    stack_bytes,
                };
                // Dropped, and so unmapped, if this fails.
                segment.allow_access()?;
                Ok(segment)
            }

            pub(crate) fn bottom(&self) -> usize {
                self.stack().addr()
            }

            /// Calls `body`, which must not unwind, on this stack.
            pub(crate) fn call<R>(&mut self, body: impl FnOnce() -> R) -> R {
                let stack = self.stack();
                // SAFETY: the memory is ours (`&mut`), mapped with access, aligned to pages, with a guard at its
                // low end; `body` does not unwind (the one caller, `segment.rs`, catches panics inside it).
                unsafe { psm::on_stack(stack, self.stack_bytes, body) }
            }

            fn stack(&self) -> *mut u8 {
                self.mapping.as_ptr().cast::<u8>().wrapping_add(self.guard_bytes)
            }

            fn allow_access(&self) -> io::Result<()> {
                let access = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: the range lies in our own mapping, which nothing else uses yet.
                let result = unsafe { libc::mprotect(self.stack().cast(), self.stack_bytes, access) };
                if result == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            }
        }

        impl Drop for Segment {
            fn drop(&mut self) {
                let bytes = self.guard_bytes + self.stack_bytes;
                // SAFETY: mapped by `new`, of this size, and nothing runs on it: `call` borrows it.
                unsafe { libc::munmap(self.mapping.as_ptr(), bytes) };
            }
        }

        fn map(bytes: usize) -> io::Result<NonNull<libc::c_void>> {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a new mapping at an address that the system chooses.
            let mapping = unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
            NonNull::new(mapping)
                .filter(|mapping| mapping.as_ptr() != libc::MAP_FAILED)
                .ok_or_else(io::Error::last_os_error)
        }

        fn page_bytes() -> usize {
            // SAFETY: asks for a number.
            let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            usize::try_from(bytes).expect("a page has a size")
        }
    }
    no {
        pub(crate) use crate::absent::{HAS_SEGMENTS, Segment};
    }
}
