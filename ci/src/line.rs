//! One call of Cargo, on this machine or for another, and what must come of it.
//!
//! Used by `commands.rs`, which makes them, and `steps.rs`, which runs them.

use std::process::{Command, Stdio};

use crate::foreign::Machine;
use crate::plants::Plant;

/// One call of Cargo.
pub(crate) struct Line {
    pub(crate) machine: Machine,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// If set, the call must fail as this says.
    pub(crate) plant: Option<&'static Plant>,
    /// If set, the call must fail, and say this, once in so many `times`: it may take luck.
    pub(crate) last_words: Option<&'static str>,
    /// So many tests must pass in it.
    pub(crate) passed_at_least: usize,
    /// If set, the call must print the same there.
    pub(crate) as_on: Option<Machine>,
    /// What comes before it.
    pub(crate) prepare: Option<fn() -> Result<(), String>>,
    /// How often it is made, one after another.
    pub(crate) times: u32,
}

pub(crate) fn cargo(arguments: &str) -> Line {
    Line {
        machine: Machine::Here,
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        environment: Vec::new(),
        plant: None,
        last_words: None,
        passed_at_least: 0,
        as_on: None,
        prepare: None,
        times: 1,
    }
}

pub(crate) fn cargo_for(machine: Machine, arguments: &str) -> Line {
    Line {
        machine,
        ..cargo(arguments)
    }
}

impl Line {
    /// Whether it waits for the one before: those for one machine are made one after another; but each planted bug of the
    /// models stands alone, and is looked for on one core.
    pub(crate) fn follows(&self, before: &Line) -> bool {
        self.machine.is(before.machine) && self.plant.is_none()
    }

    /// The call for a machine.
    fn command(&self, machine: Machine) -> Result<Command, String> {
        let mut command = machine.cargo()?;
        command
            .args(&self.arguments)
            .envs(self.environment.iter().copied());
        Ok(command)
    }

    pub(crate) fn run(&self) -> Result<(), String> {
        self.prepare.map_or(Ok(()), |prepare| prepare())?;
        let mut command = self.command(self.machine)?;
        if let Some(there) = self.as_on {
            return prints_the_same(&mut command, &mut self.command(there)?);
        }
        if let Some(words) = self.last_words {
            let mut said = String::new();
            for _ in 0..self.times {
                let run = command.output().map_err(|error| error.to_string())?;
                said = String::from_utf8_lossy(&run.stderr).into_owned();
                if !run.status.success() && said.contains(words) {
                    return Ok(());
                }
            }
            return Err(format!("it did not fail with `{words}`:\n{said}"));
        }
        if let Some(plant) = self.plant {
            let run = command.output().map_err(|error| error.to_string())?;
            return plant.judge(&run);
        }
        if self.passed_at_least > 0 {
            return has_passed(&mut command, self.passed_at_least);
        }
        for time in 1..=self.times {
            let status = command.status().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("{status}, time {time} of {}", self.times));
            }
        }
        Ok(())
    }
}

/// Runs tests; so many of them pass, and none fails.
fn has_passed(command: &mut Command, at_least: usize) -> Result<(), String> {
    let run = command.stderr(Stdio::inherit()).output();
    let run = run.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&run.stdout);
    eprint!("{said}");
    if !run.status.success() {
        return Err(run.status.to_string());
    }
    match passed(&said) {
        count if count >= at_least => Ok(()),
        count => Err(format!("{count} tests passed, and not {at_least}")),
    }
}

/// How many tests have passed, as test programs say it.
fn passed(said: &str) -> usize {
    let results = said.lines().filter_map(|line| {
        let (count, _) = line
            .strip_prefix("test result: ok. ")?
            .split_once(" passed")?;
        count.parse::<usize>().ok()
    });
    results.sum()
}

/// Runs both; what they print on stdout is something, and the same.
fn prints_the_same(one: &mut Command, other: &mut Command) -> Result<(), String> {
    let outputs = [one, other].map(|command| command.stderr(Stdio::inherit()).output());
    let [one, other] = outputs.map(|output| output.map_err(|error| error.to_string()));
    let (one, other) = (one?, other?);
    if !one.status.success() || !other.status.success() {
        return Err(format!("{} and {}", one.status, other.status));
    }
    if one.stdout.is_empty() || one.stdout != other.stdout {
        let [one, other] =
            [one, other].map(|run| String::from_utf8_lossy(&run.stdout).into_owned());
        return Err(format!("the outputs differ:\n{one}\n---\n{other}"));
    }
    eprintln!("both print {} equal bytes", one.stdout.len());
    Ok(())
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.machine)?;
        for (name, value) in &self.environment {
            write!(f, "{name}='{value}' ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}
