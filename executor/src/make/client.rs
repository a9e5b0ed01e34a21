//! make's jobserver as a source of tokens: the home of the crate `jobserver`.
//!
//! Used by `make.rs`. Knows nothing of workers. What the crate opens are descriptors of its own (on Linux new descriptions, by
//! `/dev/fd`): so a read that does not block changes no flag of those that were inherited.

use std::ffi::OsString;
use std::io;
use std::path::Path;
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
        Ok(client) => return connected(client, found.var.as_ref()),
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

/// The crate opens what is named as a fifo, whatever it is.
fn connected(client: Client, var: Option<&(&str, OsString)>) -> Result<MakeTokens, Trouble> {
    let named = var.and_then(|(_, value)| fifo_in(value.to_str()?));
    match named {
        Some(path) if path.is_file() => Err(Trouble {
            cause: format!("{} is a file, and no fifo", path.display()),
            is_announced: true,
        }),
        _ => Ok(MakeTokens::new(client)),
    }
}

/// The fifo that make's flags name, found as the crate finds it.
fn fifo_in(flags: &str) -> Option<&Path> {
    let names = ["--jobserver-fds=", "--jobserver-auth="];
    let mut after = names.iter().filter_map(|name| flags.rsplit_once(name));
    let auth = after.next()?.1.split(' ').next()?;
    auth.strip_prefix("fifo:").map(Path::new)
}

impl MakeTokens {
    pub(super) fn new(client: Client) -> MakeTokens {
        MakeTokens {
            client,
            held: Vec::new(),
            process: process::id(),
        }
    }

    fn is_here(&self) -> bool {
        self.process == process::id()
    }
}

fn why_not(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Unsupported => {
            "this system, or this client, cannot ask a pipe for a token without blocking".to_owned()
        }
        _ => format!("it gives no tokens: {error}"),
    }
}

impl TokenSource for MakeTokens {
    fn take(&mut self) -> Result<bool, String> {
        if !self.is_here() {
            return Ok(false);
        }
        let token = self.client.try_acquire().map_err(|error| why_not(&error))?;
        let is_there = token.is_some();
        self.held.extend(token);
        Ok(is_there)
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
