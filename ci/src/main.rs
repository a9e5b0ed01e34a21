//! The gate: what must pass before a change is taken. The same program on a developer's machine and
//! in CI.

mod commands;
mod debian;
mod foreign;
mod line;
mod make;
mod plants;
mod published;
mod rayon_crates;
mod rayon_suite;
mod steps;
mod suite_plants;
mod wine;

use std::process::ExitCode;

use clap::Parser;

use crate::steps::{STEPS, Step};

/// Runs the checks of the gate, in order, and stops at the first that fails.
///
/// Needs Cargo with rustfmt and clippy, and a C compiler to link with. Crates are fetched; valgrind (on x86-64), and what
/// other machines and ThreadSanitizer take, are packages of Debian, which are installed, or named if that takes rights that
/// are missing.
#[derive(Debug, Parser)]
#[command(name = "dagwood-ci")]
struct Cli {
    /// Only these steps (see --list); if none is named, all but the extra ones.
    #[arg(value_parser = step_names())]
    steps: Vec<String>,
    /// Goes on after a failure, and fails at the end.
    #[arg(long)]
    keep_going: bool,
    /// Lists the steps and their commands.
    #[arg(long)]
    list: bool,
}

fn step_names() -> clap::builder::PossibleValuesParser {
    STEPS
        .iter()
        .map(|step| step.name)
        .collect::<Vec<_>>()
        .into()
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let chosen = STEPS.iter().filter(|step| {
        let is_meant = cli.steps.is_empty() && (cli.list || !step.is_extra);
        is_meant || cli.steps.iter().any(|s| s == step.name)
    });
    if cli.list {
        chosen.for_each(Step::describe);
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    for step in chosen {
        if let Err(command) = step.run() {
            eprintln!("\nstep `{}` failed: {command}", step.name);
            eprintln!("again: cargo run -p dagwood-ci -- {}", step.name);
            failed.push(step.name);
            if !cli.keep_going {
                break;
            }
        }
    }
    if failed.is_empty() {
        eprintln!("\nthe gate is passed");
        return ExitCode::SUCCESS;
    }
    eprintln!("\nthe gate is closed: {}", failed.join(", "));
    ExitCode::FAILURE
}
