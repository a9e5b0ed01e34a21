//! The jump from one stack to another, where it keeps all registers that a call keeps.
//!
//! Used by `context.rs` alone. Its twin for powerpc64 is `jump_powerpc64.rs`.

use crate::mechanism::context_crate::{Context, Transfer};

/// Goes on at `context`, which is told `data`. Comes back when somebody jumps here.
///
/// # Safety
///
/// Nobody has jumped to this context before, and its stack is there.
#[inline]
pub(crate) unsafe fn jump(context: Context, data: usize) -> Transfer {
    // SAFETY: the caller's.
    unsafe { context.resume(data) }
}
