//! Regions: address space in which stacks lie one above another, each with its guard below it.
//!
//! Used by `depot.rs`, which decides when a region is made and who has which of its stacks. Knows nothing of
//! fibers.
//!
//! ```text
//! region: | guard | stack | guard | stack | ..
//!         <---- slot ----> <---- slot ---->
//! ```
//!
//! A slot is known by its *top*, the address where its stack begins, growing down.

use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::mechanism::overflow::Watch;
use crate::mechanism::system::memory::{self, Part};
use crate::settings::Guards;

/// The least size of a guard: a frame of foreign code, which does not probe each page, may jump over a smaller one.
const GUARD_BYTES: usize = 64 << 10;

/// The least size of a stack; corosensei asks for a page of 4 KiB.
const STACK_BYTES_MIN: usize = 4096;

/// How stacks of one depot lie.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Layout {
    /// Guard and stack.
    pub(crate) slot_bytes: usize,
    pub(crate) guard_bytes: usize,
}

/// How guards are made here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum GuardCall {
    Install,
    Forbid,
}

/// A mapping of whole slots.
pub(crate) struct Region {
    start: NonNull<u8>,
    bytes: usize,
    /// For the message of an overflow.
    watch: Watch,
}

// SAFETY: an address and a size; who uses the memory is the depot's business.
unsafe impl Send for Region {}

impl Layout {
    /// Room for stacks of at least so many bytes.
    ///
    /// # Errors
    ///
    /// It is more than the address space can hold.
    pub(crate) fn new(stack_bytes: usize) -> io::Result<Layout> {
        let page = memory::page_bytes();
        let guard_bytes = GUARD_BYTES.next_multiple_of(page);
        let stack_bytes = stack_bytes
            .max(STACK_BYTES_MIN)
            .checked_next_multiple_of(page);
        let slot_bytes = stack_bytes
            .and_then(|stack| stack.checked_add(guard_bytes))
            .ok_or_else(memory::out_of_memory)?;
        Ok(Layout {
            slot_bytes,
            guard_bytes,
        })
    }

    pub(crate) fn stack_bytes(&self) -> usize {
        self.slot_bytes - self.guard_bytes
    }
}

impl GuardCall {
    /// What `guards` asks for comes down to on this system.
    ///
    /// # Errors
    ///
    /// It asks for light guards, and the kernel has none.
    pub(crate) fn choose(guards: Guards) -> io::Result<GuardCall> {
        match guards {
            Guards::Splitting => Ok(GuardCall::Forbid),
            Guards::Best if probe().is_err() => Ok(GuardCall::Forbid),
            Guards::Best => Ok(GuardCall::Install),
            Guards::Light => probe().map(|()| GuardCall::Install),
        }
    }

    /// Makes the guards of slots one above another, the first of which has this top; gives how many it has made.
    ///
    /// # Errors
    ///
    /// Not even the first could be made.
    ///
    /// # Safety
    ///
    /// The slots lie in a region of the caller's, and nothing lies in them.
    pub(crate) unsafe fn guard_run(
        self,
        first: NonZeroUsize,
        slots: usize,
        layout: Layout,
    ) -> io::Result<usize> {
        let top = |index: usize| first.saturating_add(index * layout.slot_bytes);
        if self == GuardCall::Install && slots > 1 {
            let part = |index| guard_part(top(index), layout);
            let parts: Vec<Part> = (0..slots).map(part).collect();
            // SAFETY: by contract, as in `guard`.
            if unsafe { memory::install_guards(&parts) }.is_ok() {
                commit_tops(first, slots, layout);
                return Ok(slots);
            }
        }
        for index in 0..slots {
            // SAFETY: by contract. A guard that was made already may be made again.
            match unsafe { self.guard(top(index), layout) } {
                Err(error) if index == 0 => return Err(error),
                Err(_) => return Ok(index),
                Ok(()) => (),
            }
        }
        Ok(slots)
    }

    /// Makes the guard of the slot with this top.
    ///
    /// # Safety
    ///
    /// The slot lies in a region of the caller's, and nothing lies in it.
    unsafe fn guard(self, top: NonZeroUsize, layout: Layout) -> io::Result<()> {
        let Part { start, bytes } = guard_part(top, layout);
        match self {
            // SAFETY: by contract: whole pages (`Layout::new`) of an unused slot.
            GuardCall::Install => unsafe { memory::install_guard(start, bytes) },
            // SAFETY: as above.
            GuardCall::Forbid => unsafe { memory::forbid(start, bytes) },
        }
    }
}

/// Commits the page that each of these stacks begins with: they are about to be used.
fn commit_tops(first: NonZeroUsize, slots: usize, layout: Layout) {
    let bytes = memory::page_bytes();
    let part = |index| part_at(first.get() + index * layout.slot_bytes - bytes, bytes);
    let parts: Vec<Part> = (0..slots).map(part).collect();
    let _ = memory::commit(&parts);
}

/// Whether the kernel has light guards, found out once.
fn probe() -> io::Result<()> {
    static CODE: OnceLock<Option<i32>> = OnceLock::new();
    let code = CODE.get_or_init(|| {
        let bytes = memory::page_bytes();
        let installed = memory::map(bytes).and_then(|start| {
            // SAFETY: a page just mapped.
            let installed = unsafe { memory::install_guard(start, bytes) };
            // An emulator may take advice that it does not know, and do nothing.
            let installed = installed.and_then(|()| match memory::is_guarded(start) {
                true => Ok(()),
                false => Err(memory::unsupported()),
            });
            // SAFETY: the same page, still unused.
            unsafe { memory::unmap(start, bytes) };
            installed
        });
        installed
            .err()
            .map(|error| error.raw_os_error().unwrap_or(0))
    });
    code.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

/// The guard of the slot with this top.
fn guard_part(top: NonZeroUsize, layout: Layout) -> Part {
    part_at(top.get() - layout.slot_bytes, layout.guard_bytes)
}

/// The stack of the slot with this top.
fn stack_part(top: NonZeroUsize, layout: Layout) -> Part {
    part_at(top.get() - layout.stack_bytes(), layout.stack_bytes())
}

/// Part of a region: from this address on.
fn part_at(start: usize, bytes: usize) -> Part {
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut(start));
    Part {
        start: start.expect("a slot is not at zero"),
        bytes,
    }
}

/// Gives the memory of unused slots back; their guards stay.
///
/// # Safety
///
/// The slots are the caller's, and nothing lies in them.
pub(crate) unsafe fn discard(tops: &[NonZeroUsize], layout: Layout) {
    let parts = tops.iter().map(|&top| stack_part(top, layout));
    let parts: Vec<Part> = parts.collect();
    // SAFETY: by contract: whole pages of unused slots.
    if unsafe { memory::discard_all(&parts) }.is_err() {
        for part in parts {
            // SAFETY: as above.
            unsafe { memory::discard(part.start, part.bytes) };
        }
    }
}

impl Region {
    /// A region of so many slots, none of which has its guard yet.
    pub(crate) fn new(slots: usize, layout: Layout) -> io::Result<Region> {
        let bytes = slots.checked_mul(layout.slot_bytes);
        let bytes = bytes.ok_or_else(memory::out_of_memory)?;
        let start = memory::map(bytes)?;
        let address = start.as_ptr().expose_provenance();
        Ok(Region {
            start,
            bytes,
            watch: Watch::new(address, bytes, layout),
        })
    }

    /// The top of the lowest slot; the next is a slot above it.
    pub(crate) fn first_top(&self, layout: Layout) -> NonZeroUsize {
        self.start.addr().saturating_add(layout.slot_bytes)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.watch.end();
        // SAFETY: made by `new`; its depot drops it when no stack is out (depot.md D2).
        unsafe { memory::unmap(self.start, self.bytes) };
    }
}
