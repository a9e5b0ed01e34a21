//! `dagwood`: runs workloads on dagwood's backends and on other libraries, and compares them.
//!
//! The commands are `list`, `run`, `compare` and `explore`; a hidden one serves `compare` in a process of its own.

mod bare_switch;
mod blocking;
mod capacity;
mod child;
mod cli;
mod compare;
mod context_switches;
mod engine;
mod explore;
mod failure;
mod footprint;
mod format;
mod front_end;
mod jobserver;
mod json;
mod list;
mod measure;
mod mechanisms;
mod order;
mod other_build;
mod peak;
mod plan;
mod probe;
mod ratio;
mod rounds;
mod run;
mod rust_source;
mod served;
#[cfg(unix)]
mod signals;
#[cfg(not(unix))]
#[path = "signals_none.rs"]
mod signals;
mod table;
mod trouble;
mod twins;
mod vintage;
mod watch;
mod workload;

use std::process::ExitCode;
use std::thread;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// The sequential engines recurse on the calling thread (`grid-hashed` to a depth of thousands). Address space only:
/// the system commits what is touched.
const STACK_BYTES: usize = 256 << 20;

/// Everything runs on one thread with a big stack. That also puts the sequential engines' memory where the workers'
/// memory is, in an allocator arena that is not the main thread's, so that neither side has an advantage.
fn main() -> ExitCode {
    let cli = Cli::parse();
    jobserver::connect(cli.exactly);
    let work = thread::Builder::new()
        .name("harness".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || dispatch(cli.command));
    let outcome = match work {
        Ok(thread) => thread.join(),
        Err(error) => Ok(Err(Failure::Work(format!(
            "cannot start a thread: {error}"
        )))),
    };
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            if !matches!(failure, Failure::ReaderGone) {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.exit_code())
        }
        // The panic hook has already said why.
        Err(_) => ExitCode::from(101),
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List => list::list(),
        Command::Run(args) => run::run(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Child(args) => child::child(&args),
    }
}
