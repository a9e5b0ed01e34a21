//! The twin of `jump.rs` for powerpc64, where the switch of the crate `context` (3.0.0) loses the floating-point
//! registers f14 to f31 and the vector registers v20 to v31, which belong to the caller of any function.
//! `fibers/tests/floats.rs` shows it.
//!
//! Used by `context.rs` alone.

use std::arch::asm;

use crate::mechanism::context_crate::{Context, Transfer};

/// Goes on at `context`, which is told `data`. Comes back when somebody jumps here, with all registers that a call
/// keeps.
///
/// # Safety
///
/// Nobody has jumped to this context before, and its stack is there.
#[inline(never)]
pub(crate) unsafe fn jump(context: Context, data: usize) -> Transfer {
    // This function says that it changes the registers, before and after the jump: so the compiler saves them at its
    // beginning and restores them at its end, on this stack.
    spoil_registers();
    // SAFETY: the caller's.
    let transfer = unsafe { context.resume(data) };
    spoil_registers();
    transfer
}

#[inline(always)]
fn spoil_registers() {
    // SAFETY: no instruction; it only names registers as changed.
    unsafe {
        asm!(
            "",
            out("f14") _, out("f15") _, out("f16") _, out("f17") _, out("f18") _, out("f19") _,
            out("f20") _, out("f21") _, out("f22") _, out("f23") _, out("f24") _, out("f25") _,
            out("f26") _, out("f27") _, out("f28") _, out("f29") _, out("f30") _, out("f31") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _,
            out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}
