//! make's jobserver as a source of tokens: the home of the crate `jobserver`.
//!
//! Used by `make.rs`. Knows nothing of workers. What the crate opens are descriptors of its own (on Linux new descriptions, by
//! `/dev/fd`): so a read that does not block changes no flag of those that were inherited.

use std::io;
use std::process;

use jobserver::{Acquired, Client, FromEnvErrorKind};

use super::Trouble;
use crate::plant;
use crate::sched::token_source::TokenSource;

/// A client, and the tokens it has.
pub(super) struct MakeTokens {
    client: Client,
    held: Vec<Acquired>,
    /// A child that was forked has a copy of all this, and must not give our tokens back.
    process: u32,
    is_broken: bool,
}

/// The jobserver that the environment names.
///
/// # Errors
///
/// There is none, or it cannot be used.
pub(super) fn from_environment() -> Result<MakeTokens, Trouble> {
    // SAFETY: the crate takes numbers from the environment for descriptors; of these it makes copies of its own, and only if they
    // are open, and pipes. It neither closes nor owns any that somebody else has.
    let found = unsafe { Client::from_env_ext(true) };
    let error = match found.client {
        Ok(client) => return Ok(MakeTokens::new(client)),
        Err(error) => error,
    };
    let is_announced = !matches!(
        error.kind(),
        FromEnvErrorKind::NoEnvVar | FromEnvErrorKind::NoJobserver
    );
    let hint = match error.kind() {
        FromEnvErrorKind::CannotOpenFd
        | FromEnvErrorKind::NegativeFd
        | FromEnvErrorKind::NotAPipe => {
            " (make shares its jobserver with recipes that begin with `+` or name $(MAKE))"
        }
        _ => "",
    };
    let cause = match found.var {
        Some((name, value)) => format!("{name}={value:?}: {error}{hint}"),
        None => error.to_string(),
    };
    Err(Trouble {
        cause,
        is_announced,
    })
}

impl MakeTokens {
    pub(super) fn new(client: Client) -> MakeTokens {
        MakeTokens {
            client,
            held: Vec::new(),
            process: process::id(),
            is_broken: false,
        }
    }

    /// It is not asked any more.
    fn give_up(&mut self, error: &io::Error) {
        self.is_broken = true;
        let cause = match error.kind() {
            io::ErrorKind::Unsupported => {
                "this system, or this client, cannot ask a pipe for a token without blocking"
                    .to_owned()
            }
            _ => format!("it gives no tokens: {error}"),
        };
        super::warn(&cause, "this process goes on with the tokens that it has");
    }

    fn is_here(&self) -> bool {
        self.process == process::id()
    }
}

impl TokenSource for MakeTokens {
    fn take(&mut self) -> bool {
        if self.is_broken || !self.is_here() {
            return false;
        }
        match self.client.try_acquire() {
            Ok(token) => {
                let is_there = token.is_some();
                self.held.extend(token);
                is_there
            }
            Err(error) => {
                self.give_up(&error);
                false
            }
        }
    }

    fn give_back(&mut self) {
        let token = self.held.pop().expect("no more than were taken");
        if self.is_here() {
            // Writes the byte that was read; without a reader (make is gone) nobody misses it.
            drop(token);
        } else {
            token.drop_without_releasing();
        }
    }
}

impl Drop for MakeTokens {
    fn drop(&mut self) {
        if plant::is("kept_token") {
            let held = self.held.drain(..);
            held.for_each(Acquired::drop_without_releasing);
        }
        while !self.held.is_empty() {
            self.give_back();
        }
    }
}
