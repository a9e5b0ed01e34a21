//! Fibers as parked OS threads, for targets that have no stack switch.
//!
//! This crate is a leaf: it depends on `std` alone and holds no `unsafe`. `dagwood-fibers` uses it, as one of
//! its two mechanisms; it knows no queue, no scheduler and no query.
//!
//! A [`Fiber`] is an OS thread that blocks. [`Fiber::resume`] hands control to that thread and blocks the
//! caller until the fiber suspends or ends, so of the two exactly one runs. A "stack" is here a whole thread:
//! a finished fiber's thread waits in the [`StackPool`] for the next body, so a recycled stack costs no new
//! thread, and a pool that is dropped tells its threads to end and joins them.
//!
//! How control is passed is written down in `baton.rs`, the only file with a lock.
//!
//! # Which target uses what
//!
//! | target | mechanism | how tested |
//! | --- | --- | --- |
//! | x86_64 | stack switch (corosensei); threads by feature | natively, each set of features; AddressSanitizer |
//! | x86 | stack switch (corosensei); threads by feature | natively, as i686 |
//! | aarch64, riscv64 | stack switch (corosensei); threads by feature | under emulation, both mechanisms |
//! | arm, riscv32, loongarch64 | stack switch (corosensei); threads by feature | not yet |
//! | powerpc64 little endian | stack switch (corosensei 0.3.4 opens `asm_experimental_arch` there, which a stable compiler refuses); threads by feature | under emulation, both mechanisms |
//! | powerpc64 big endian | threads, until a second switch is added | under emulation |
//! | powerpc, mips, mipsel | threads, until a second switch is added | not yet |
//! | s390x | threads | under emulation, each set of features |
//! | sparc64 | threads | under emulation |
//! | everything else with `std::thread` | threads | not tested |
//!
//! "Under emulation" means: `std` built from source for the target, the test programs run by `qemu-user`.
//! That shows byte order, page size, alignment and the least thread stack; it does not show weak memory
//! order, since the emulator gives at least the order of the machine below it. Nothing here rests on memory
//! order: all that passes between two threads passes under one mutex.
//!
//! # What differs from a stack switch
//!
//! - A fiber has its own thread, so its own thread-locals. They live as long as the *thread*: a body that
//!   runs on a recycled thread sees what an earlier body left in them.
//! - A switch costs two wake-ups of a sleeping thread, microseconds instead of nanoseconds.
//! - A stack overflow is found by `std`'s own guard page: a message on stderr, then `SIGABRT`.
//!
//! # Examples
//!
//! ```
//! use dagwood_arch_fallback::{Fiber, Resumed, StackPool};
//!
//! let mut pool = StackPool::new(64 * 1024);
//! let mut fiber = Fiber::new(&mut pool, |suspender| suspender.suspend())?;
//! assert!(matches!(fiber.resume(), Resumed::Suspended));
//! assert!(matches!(fiber.resume(), Resumed::Finished(Ok(()))));
//! fiber.recycle(&mut pool);
//! assert_eq!(pool.cached(), 1);
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod baton;
mod fiber;
mod pool;

pub use fiber::{Fiber, Resumed, Suspender, leaked};
pub use pool::StackPool;
