//! The twin of `overflow.rs` for systems other than Linux: an overflow ends the process without our words.

use std::fmt::{self, Write};
use std::io;

/// Says what runs on the calling thread, when its stack has overflowed.
#[derive(Copy, Clone, Debug)]
pub struct Witness {
    /// Names it. Called first, in a signal handler: it must not allocate, lock, panic, nor call foreign code.
    pub name: fn(&mut dyn Write) -> fmt::Result,
    /// The lowest address of the stack that it runs on, as far as is known, else zero. For what is no stack of a pool:
    /// a [`Segment`](crate::Segment). Called as `name` is.
    pub bottom: fn() -> usize,
    /// Says more. Called after the name is out, and may do what it likes: it is cut off after two seconds.
    pub detail: fn(&mut dyn Write) -> fmt::Result,
}

/// Does nothing here.
///
/// # Errors
///
/// None.
pub fn report_overflows(_witness: Witness) -> io::Result<()> {
    Ok(())
}

/// Does nothing here.
#[derive(Debug)]
pub struct FaultStack(());

impl FaultStack {
    /// Does nothing here.
    ///
    /// # Errors
    ///
    /// None.
    pub fn install() -> io::Result<FaultStack> {
        Ok(FaultStack(()))
    }
}

/// Does nothing here.
pub fn watch_own_stack() {}
