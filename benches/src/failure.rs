//! How a command ends badly: what was asked for cannot be, or the work itself went wrong.
//!
//! Used by every command; `main` turns it into a message and an exit code.

use std::fmt;
use std::io;

/// Why a command stops.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that cannot be: exit code 2.
    Usage(String),
    /// The work went wrong: exit code 1.
    Work(String),
    /// Whoever reads our output has gone; nobody is left to tell.
    ReaderGone,
}

impl Failure {
    /// The process's exit code for it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Work(_) => 1,
            Failure::ReaderGone => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Work(text) => f.write_str(text),
            Failure::ReaderGone => f.write_str("nobody reads the output any more"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Work(format!("cannot write the output: {error}")),
        }
    }
}
