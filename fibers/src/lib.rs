//! Stacks and switches: one contract over a stack switch and over OS threads.
//!
//! `dagwood`'s scheduler uses this crate. The crate knows no queue, no worker and no query: it makes a
//! [`Fiber`] on a stack of a [`StackPool`], runs it until it suspends or ends, and carries a panic of its
//! body out as a value.
//!
//! | [`Mechanism`] | a fiber is | a resume and a suspend together cost |
//! | --- | --- | --- |
//! | [`Mechanism::Switch`] | a stack on the resumer's own thread; the stack pointer moves | nanoseconds; no allocation, no atomic |
//! | [`Mechanism::Thread`] | an OS thread that blocks while it is not resumed (`dagwood-arch-fallback`) | microseconds |
//!
//! # Features and targets
//!
//! `fibers` brings the stack switch, `threads` the OS threads; with both, the pool's creator chooses. The switch is
//! that of the crate corosensei, or where that has none, on big-endian PowerPC and 32-bit MIPS, of the crate `context`.
//! The feature `context` chooses the latter also where both can be had, to compare them
//! ([`Mechanism::switch_crate`]); it needs a C compiler. On a target that has no stack switch either feature means
//! threads. With neither there are no fibers:
//! [`Mechanism::available`] lists nothing, and so no pool of stacks can be made. Segments are there in every build. `src/mechanism.rs` holds the table of
//! targets; how each is tested stands in `dagwood-arch-fallback`.
//!
//! # Rules of the contract
//!
//! 1. A fiber never changes OS thread: it is `!Send`, and its body runs where it is resumed (`Switch`), or on
//!    one thread of its own (`Thread`).
//! 2. While a fiber runs, its resumer waits. The two never run at once.
//! 3. No unwinding crosses a switch. A body's panic is [`Resumed::Finished`]`(Err(payload))`.
//! 4. A started, unfinished fiber is never unwound from outside and never freed. Dropping its handle leaks
//!    its stack, and [`leaked`] counts it.
//! 5. A body must not suspend while it unwinds, that is, in a destructor that a panic runs: std counts panics
//!    for each thread, so the resumer would take itself to be panicking. Nothing becomes unsound, but its
//!    mutexes are poisoned. The scheduler refuses such waits before they come here.
//!
//! # Stacks
//!
//! On Linux the stacks of a [`StackDepot`] lie one above another in *regions*, private anonymous mappings made
//! without reserving memory, each as large as all before it, so that a million stacks are a few mappings. Below
//! each stack lies a guard of 64 KiB ([`Guards`]); an overflow hits it and the process dies by `SIGSEGV`, with the
//! words of [`report_overflows`] if it was called. Rust code probes each page of a large frame; a foreign
//! function's frame of more than 64 KiB may jump over the guard. Huge pages are turned off. Pages are committed
//! when first touched, and stay committed while a stack waits for reuse, save what is above a mark: of more than
//! 1,024 unused stacks that no worker holds, the memory goes back. Under strict overcommit
//! (`vm.overcommit_memory` 2) each region counts in full. Rules: `src/depot.md`.
//!
//! What a stack on which a body waits costs, measured on x86-64: a page of 4 KiB, and page tables: 256 bytes for
//! stacks of 64 KiB, 2 KiB for 1 MiB, and 4 KiB from 2 MiB on, however large.
//!
//! Elsewhere a stack is a mapping of its own, with one page without access below it.
//!
//! A body must leave room for a panic: with a backtrace in a debug build, some tens of KiB.
//!
//! # Segments
//!
//! A [`Segment`] is further stack for who has little left: [`Segment::call`] runs a closure on it by a plain call,
//! on the same thread and the same fiber. A fiber may be suspended from inside. The call is corosensei's, and
//! in builds without corosensei psm's (Unix; s390x and sparc64 among them), of which AddressSanitizer knows nothing. On
//! Windows there are none without the feature `fibers`. A panic comes back as a value.
//!
//! # Large memory
//!
//! [`large`] has zeroed memory in huge pages, for whoever looks at much memory in no order: it is here since this is the
//! crate that talks to the system. On Linux; elsewhere [`large::AVAILABLE`] is `false`.
//!
//! # Processors
//!
//! [`processor`] says where a thread runs, and keeps one that is to be woken off the waker's processor: for whoever wakes a
//! worker and goes on itself. On Linux; elsewhere it does nothing.
//!
//! # Floating point
//!
//! Values live over a switch. The control state (rounding, masks) is Rust's default whenever Rust code runs, so a body
//! that changes it puts it back before it suspends or ends. If one does not: corosensei leaves the state to the thread,
//! so the resumer goes on with it; `context` keeps one for each stack on x86, x86-64 and 32-bit PowerPC, where the body
//! finds it again. There a switch costs more: a round trip took 12 to 22 ns on an AMD Zen 4, where corosensei's took
//! 2.2, and on an Intel core 7 ns, but 110 if the two sides' MXCSR differed, be it by the flag that an operation was
//! inexact (`dagwood compare mechanisms` measures both). `tests/floats.rs` shows both ways.
//!
//! The switch of `context` 3.0.0 on powerpc64 loses the registers f14 to f31 and v20 to v31; we save them around it.
//!
//! # Under AddressSanitizer
//!
//! The feature `corosensei/sanitizer` tells it of every switch. The tests look at addresses of locals, leak
//! fibers and overflow stacks on purpose, and so want
//! `ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=0:handle_segv=0:use_sigaltstack=0`.
//!
//! # Examples
//!
//! ```
//! use dagwood_fibers::{Fiber, Mechanism, Resumed, StackPool};
//!
//! for &mechanism in Mechanism::available() {
//!     let mut pool = StackPool::new(mechanism, 256 * 1024)?;
//!     let mut fiber = Fiber::new(&mut pool, |suspender| {
//!         suspender.suspend();
//!         panic!("carried out as a value");
//!     })?;
//!     assert!(matches!(fiber.resume(), Resumed::Suspended(_)));
//!     let Resumed::Finished(Err(payload)) = fiber.resume() else { unreachable!() };
//!     assert_eq!(payload.downcast_ref(), Some(&"carried out as a value"));
//!     fiber.recycle(&mut pool);
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod absent;
mod fiber;
mod mechanism;
mod pool;
mod segment;
mod settings;

/// Large pieces of zeroed memory straight from the system.
pub mod large {
    pub use crate::mechanism::large::{ALIGN, AVAILABLE, map, offer, unmap};
}

/// Where threads run.
pub mod processor {
    pub use crate::mechanism::processor::{Processor, Processors, Thread, is_free};
}

pub use fiber::{Fiber, RawSuspender, Resumed, Suspender, leaked};
pub use mechanism::Mechanism;
pub use mechanism::overflow::{FaultStack, Witness, report_overflows, watch_own_stack};
pub use pool::{StackDepot, StackPool};
pub use segment::{Segment, SegmentPool};
#[doc(hidden)]
pub use settings::Faults;
pub use settings::{Guards, StackSettings};
