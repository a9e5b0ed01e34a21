//! The backend table: which mechanism exists on which target, with which features.
//!
//! Used by `fiber.rs`, `pool.rs` and `segment.rs`, which know both mechanisms by the names `switch` and `threads` in every
//! build: one that is not there is its twin in `absent.rs`, of which no value can exist. This is the only
//! source file of the crate that names a target. A second switch, for targets that the first lacks, is one
//! more arm here, with an adapter file of the same shape as `switch.rs`. `segment.rs` finds here how to call on
//! another stack, whatever features are on.
//!
//! Stacks of our own making, and words for their overflow, exist on Linux; elsewhere stand their twins.

cfg_select! {
    // The targets of `switch.rs`; the same words as in Cargo.toml (tests/table.rs compares them).
    all(any(unix, windows), any(target_arch = "x86_64", target_arch = "x86", all(not(windows), any(target_arch = "aarch64", all(target_arch = "arm", not(target_vendor = "apple")), target_arch = "riscv64", target_arch = "riscv32", target_arch = "loongarch64", all(target_arch = "powerpc64", target_endian = "little"))))) => {
        #[cfg(feature = "fibers")]
        #[path = "switch.rs"]
        pub(crate) mod switch;
        #[cfg(not(feature = "fibers"))]
        pub(crate) use crate::absent as switch;

        // Calls on another stack, in every build. On powerpc64 a stable compiler refuses corosensei.
        #[cfg(not(target_arch = "powerpc64"))]
        #[path = "on_stack.rs"]
        pub(crate) mod segments;
        #[cfg(target_arch = "powerpc64")]
        #[path = "portable.rs"]
        pub(crate) mod segments;

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
        #[cfg(any(feature = "fibers", feature = "threads"))]
        #[path = "system/mod.rs"]
        #[allow(dead_code, reason = "fibers that are threads need a part only")]
        pub(crate) mod system;
        #[cfg(any(feature = "fibers", feature = "threads"))]
        #[path = "region.rs"]
        #[allow(dead_code, reason = "fibers that are threads need a part only")]
        pub(crate) mod region;
        #[cfg(any(feature = "fibers", feature = "threads"))]
        #[path = "overflow.rs"]
        pub(crate) mod overflow;
        #[cfg(not(any(feature = "fibers", feature = "threads")))]
        #[path = "overflow_none.rs"]
        pub(crate) mod overflow;
    }
    _ => {
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
}
