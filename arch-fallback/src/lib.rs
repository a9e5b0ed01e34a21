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
//! | target | a fiber is switched by | tested |
//! | --- | --- | --- |
//! | `x86_64-unknown-linux-gnu` | corosensei, or `context` by feature | natively, each time; each set of features, AddressSanitizer, ThreadSanitizer |
//! | `i686-unknown-linux-gnu` | corosensei, or `context` by feature | natively, by name |
//! | `aarch64-unknown-linux-gnu` | corosensei, or `context` by feature | emulated, by name |
//! | `riscv64gc-unknown-linux-gnu` | corosensei | emulated, by name |
//! | `powerpc64le-unknown-linux-gnu` | corosensei, which a stable compiler refuses there | emulated, by name |
//! | `powerpc64-unknown-linux-gnu` | `context` | emulated, by name |
//! | `s390x-unknown-linux-gnu` | threads | emulated, each time |
//! | `sparc64-unknown-linux-gnu` | threads | emulated, each time |
//! | `x86_64-pc-windows-gnu` | corosensei | compiled, each time; in wine, by name; run program by program so far, two of 47 without an end in 90 s |
//! | `aarch64-apple-darwin` | corosensei | compiled, each time |
//! | `wasm32-unknown-unknown` | threads, of which it has none: for the sequential build | compiled, each time; that build |
//! | `armv7-unknown-linux-gnueabihf` | corosensei, or `context` by feature | not |
//! | `riscv32gc-unknown-linux-gnu`, `loongarch64-unknown-linux-gnu` | corosensei | not |
//! | `powerpc-unknown-linux-gnu`, `mips-unknown-linux-gnu`, `mipsel-unknown-linux-gnu` | `context` | not |
//! | all others | threads | not |
//!
//! The threads can be had on each of them, by feature. "Each time" and "by name" say when the gate does it (`ci/`,
//! steps `foreign`, `targets`, `emulated` and `windows`). "Emulated": `std` built from source for the target, the test programs
//! run by `qemu-user`, with sizes cut where the suite would take minutes.
//! That shows byte order, alignment, the least thread stack, and pages of 8 KiB on sparc64; pages of 16 and 64 KiB
//! (aarch64, powerpc64) are not tested, since the emulator has 4 KiB there. It does not show weak memory
//! order either: the emulator gives at least the order of the machine below it. Nothing here rests on memory
//! order: all that passes between two threads passes under one mutex.
//!
//! "In wine": linked by Debian's MinGW and run by Debian's wine 8.0, with the sizes of the emulated. What wine lacks of
//! what `std` wants, one function for random numbers, the gate makes. Scenarios that need Linux (signals, limits of the address
//! space) say so and end. It is not Windows: its kernel, its guard pages and its limits are Linux's below.
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
