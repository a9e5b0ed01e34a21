//! `oversubscribed`: six processes under one jobserver, which has a token for each core, as recipes of one `make -j`.
//!
//! Each runs `coarse` with as many workers as the row says. With a jobserver that is kept to, it takes no longer with four workers
//! each than with one.

use std::process::{Command, Stdio};
use std::thread;

use jobserver::Client;

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::cli;
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::trouble::Trouble;

const PROCESSES: usize = 6;

struct Oversubscribed {
    phases: u64,
}

/// Nothing to read: the input is the number of phases of each process.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Oversubscribed {
        phases: request.size,
    }))
}

impl Loaded for Oversubscribed {
    fn size(&self) -> u64 {
        self.phases
    }

    fn ops(&self) -> u64 {
        self.phases * PROCESSES as u64
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        if !matches!(setup.engine.kind(), Kind::Ours(_)) {
            return Err(cannot_run(setup.engine));
        }
        let jobserver = Client::new(cli::cores()).map_err(|error| error.to_string())?;
        let phases = self.phases;
        Ok(Job::fallible(move || {
            let all = all(&jobserver, setup, phases).map_err(Trouble::Failed)?;
            let left = jobserver.available();
            match left {
                Ok(left) if left == cli::cores() => Ok(Number {
                    label: "what six processes have found".to_owned(),
                    value: all,
                }),
                left => Err(Trouble::Failed(format!("tokens left: {left:?}"))),
            }
        }))
    }
}

/// Starts each process with a token of its own, as make does.
fn all(jobserver: &Client, setup: Setup, phases: u64) -> Result<u64, String> {
    let one = || {
        let token = jobserver.acquire().map_err(|error| error.to_string())?;
        let found = one(jobserver, setup, phases);
        drop(token);
        found
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(one)).collect();
        let found = started
            .into_iter()
            .map(|process| process.join().expect("it does not panic"));
        found.sum::<Result<u64, String>>()
    })
}

/// One process; what it prints has its answer for its last word.
fn one(jobserver: &Client, setup: Setup, phases: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .args(["run", "coarse", "--engine", setup.engine.name()])
        .args(["--size", &phases.to_string()])
        .args(["--workers", &workers(setup).to_string()])
        .stdin(Stdio::null());
    jobserver.configure(&mut command);
    let ran = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let answer = said.split_whitespace().last().map(str::parse::<u64>);
    match answer {
        // The sum of six must be a number, too.
        Some(Ok(answer)) if ran.status.success() => Ok(answer >> 8),
        _ => Err(format!(
            "a process ended with {}: {}",
            ran.status,
            String::from_utf8_lossy(&ran.stderr)
        )),
    }
}

fn workers(setup: Setup) -> usize {
    match setup.engine {
        Engine::Sequential => 1,
        _ => setup.workers,
    }
}
