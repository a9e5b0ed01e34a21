//! The backend table: which mechanism exists on which target, with which features.
//!
//! Used by `fiber.rs`, `pool.rs` and `segment.rs`, which know both mechanisms by the names `switch` and `threads` in every
//! build: one that is not there is its twin in `absent.rs`, of which no value can exist. This is the only
//! source file of the crate that names a target. There are two adapters of a switch of the same shape, `switch.rs` over
//! corosensei and `context.rs`; a build has one of them. `segment.rs` finds here how to call on another stack,
//! whatever features are on: by corosensei where the build has it, else by psm.
//!
//! Stacks of our own making, words for an overflow, large pieces of memory, and where threads run are for Linux; elsewhere stand their twins.

cfg_select! {
    // Chosen by a feature, where both crates have a switch; the same words as in Cargo.toml (tests/table.rs compares them).
    all(feature = "context", all(target_os = "linux", any(all(target_arch = "x86_64", target_pointer_width = "64"), target_arch = "x86", target_arch = "aarch64", target_arch = "arm"))) => {
        pub(crate) use dagwood_context_by_choice as context_crate;
        #[path = "context.rs"]
        pub(crate) mod switch;
        #[path = "context/jump.rs"]
        pub(crate) mod jump;

        #[path = "on_stack.rs"]
        pub(crate) mod segments;

        #[cfg(feature = "threads")]
        #[path = "threads.rs"]
        pub(crate) mod threads;
        #[cfg(not(feature = "threads"))]
        pub(crate) use crate::absent as threads;

        #[path = "depot.rs"]
        pub(crate) mod depot;
        #[path = "stacks.rs"]
        pub(crate) mod stacks;
    }
    // The targets of `switch.rs`; the same words as in Cargo.toml.
    all(any(unix, windows), any(target_arch = "x86_64", target_arch = "x86", all(not(windows), any(target_arch = "aarch64", all(target_arch = "arm", not(target_vendor = "apple")), target_arch = "riscv64", target_arch = "riscv32", target_arch = "loongarch64", all(target_arch = "powerpc64", target_endian = "little"))))) => {
        #[cfg(feature = "fibers")]
        #[path = "switch.rs"]
        pub(crate) mod switch;
        #[cfg(not(feature = "fibers"))]
        pub(crate) use crate::absent as switch;

        #[cfg(feature = "fibers")]
        #[path = "on_stack.rs"]
        pub(crate) mod segments;
        #[cfg(all(unix, not(feature = "fibers")))]
        #[path = "portable.rs"]
        pub(crate) mod segments;
        #[cfg(not(any(unix, feature = "fibers")))]
        pub(crate) use crate::absent as segments;

        #[cfg(feature = "threads")]
        #[path = "threads.rs"]
        pub(crate) mod threads;
        #[cfg(not(feature = "threads"))]
        pub(crate) use crate::absent as threads;

        #[cfg(all(feature = "fibers", target_os = "linux"))]
        #[path = "depot.rs"]
        pub(crate) mod depot;
        #[cfg(all(feature = "fibers", target_os = "linux"))]
        #[path = "stacks.rs"]
        pub(crate) mod stacks;
        #[cfg(all(feature = "fibers", target_os = "linux"))]
        #[path = "switch/own_stack.rs"]
        mod own_stack;
        #[cfg(all(feature = "fibers", not(target_os = "linux")))]
        #[path = "switch/plain_stacks.rs"]
        pub(crate) mod stacks;
    }
    // Where only `context` has a switch; the same words as in Cargo.toml.
    all(target_os = "linux", any(all(target_arch = "powerpc64", target_endian = "big"), all(target_arch = "powerpc", not(target_abi = "spe")), target_arch = "mips")) => {
        #[cfg(feature = "fibers")]
        pub(crate) use ::context as context_crate;
        #[cfg(feature = "fibers")]
        #[path = "context.rs"]
        pub(crate) mod switch;
        #[cfg(not(feature = "fibers"))]
        pub(crate) use crate::absent as switch;

        // On powerpc64 its switch does not keep all registers.
        #[cfg(all(feature = "fibers", target_arch = "powerpc64"))]
        #[path = "context/jump_powerpc64.rs"]
        pub(crate) mod jump;
        #[cfg(all(feature = "fibers", not(target_arch = "powerpc64")))]
        #[path = "context/jump.rs"]
        pub(crate) mod jump;

        #[path = "portable.rs"]
        pub(crate) mod segments;

        #[cfg(feature = "threads")]
        #[path = "threads.rs"]
        pub(crate) mod threads;
        #[cfg(not(feature = "threads"))]
        pub(crate) use crate::absent as threads;

        #[cfg(feature = "fibers")]
        #[path = "depot.rs"]
        pub(crate) mod depot;
        #[cfg(feature = "fibers")]
        #[path = "stacks.rs"]
        pub(crate) mod stacks;
    }
    // No switch: either feature means threads.
    _ => {
        pub(crate) use crate::absent as switch;

        #[cfg(unix)]
        #[path = "portable.rs"]
        pub(crate) mod segments;
        #[cfg(not(unix))]
        pub(crate) use crate::absent as segments;

        #[cfg(any(feature = "fibers", feature = "threads"))]
        #[path = "threads.rs"]
        pub(crate) mod threads;
        #[cfg(not(any(feature = "fibers", feature = "threads")))]
        pub(crate) use crate::absent as threads;
    }
}

cfg_select! {
    target_os = "linux" => {
        #[path = "system/mod.rs"]
        #[allow(dead_code, reason = "fibers that are threads need a part only, the sequential build less")]
        pub(crate) mod system;
        pub(crate) use system::{large, processor};
        #[path = "region.rs"]
        #[allow(dead_code, reason = "as above")]
        pub(crate) mod region;
        #[path = "overflow.rs"]
        #[allow(dead_code, reason = "as above")]
        pub(crate) mod overflow;
    }
    _ => {
        #[path = "large_none.rs"]
        pub(crate) mod large;
        #[path = "processor_none.rs"]
        pub(crate) mod processor;
        #[path = "overflow_none.rs"]
        pub(crate) mod overflow;
    }
}

/// How a fiber is switched.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The stack pointer moves to another stack; the OS thread stays.
    Switch,
    /// Another OS thread runs, and the resumer's blocks.
    Thread,
}

impl Mechanism {
    /// What this build has on this target, the preferred one first. Empty only if neither feature is on.
    pub const fn available() -> &'static [Mechanism] {
        match (switch::AVAILABLE, threads::AVAILABLE) {
            (true, true) => &[Mechanism::Switch, Mechanism::Thread],
            (true, false) => &[Mechanism::Switch],
            (false, true) => &[Mechanism::Thread],
            (false, false) => &[],
        }
    }

    /// The crate that switches stacks in this build on this target, if one does: `"corosensei"` or `"context"`.
    ///
    /// ```
    /// use dagwood_fibers::Mechanism;
    ///
    /// let has_switch = Mechanism::available().contains(&Mechanism::Switch);
    /// assert_eq!(Mechanism::switch_crate().is_some(), has_switch);
    /// ```
    pub const fn switch_crate() -> Option<&'static str> {
        if switch::AVAILABLE {
            Some(switch::NAME)
        } else {
            None
        }
    }
}
