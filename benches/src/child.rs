//! The hidden command `__child`: one job in a process of its own, from the child's side.
//!
//! Started by `probe` only. It speaks JSON on stdout, one message a line, and says nothing else
//! there.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, process, thread};

use crate::cli::ChildArgs;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::measure::{Outcome, timed};
use crate::peak;
use crate::probe::{Message, Report};
use crate::trouble::Trouble;
use crate::workload::{Interleaving, Job, Setup};

/// Runs the job once, or once for each line on stdin, and reports.
pub(crate) fn child(args: &ChildArgs) -> Result<ExitCode, Failure> {
    let told = env::var("DAGWOOD_TEST_CHILD").unwrap_or_default();
    let how = misbehave_if_told(&told, args.engine, args.serve);
    let lie = how == Some("wrong");
    let scale = args.scale.clone();
    let loaded = match args.workload.load(scale.size, scale.input) {
        Ok(loaded) => loaded,
        Err(failure) => return say(&Message::Failed(failure.to_string())),
    };
    let setup = Setup {
        engine: args.engine,
        workers: args.workers,
        statistics: !args.serve,
        interleaving: Interleaving::Free,
    };
    match loaded.job(setup) {
        Err(error) => say(&Message::Failed(error)),
        Ok(mut job) if args.serve => serve(&mut job, lie),
        Ok(mut job) => {
            say(&Message::Ready)?;
            if how == Some("slow") {
                hang();
            }
            let outcome = timed(&mut job);
            say(&message(&job, outcome, lie))
        }
    }
}

/// One run for each line that comes; the end of stdin is the end of the work.
fn serve(job: &mut Job<'_>, lie: bool) -> Result<ExitCode, Failure> {
    say(&Message::Ready)?;
    for line in io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let outcome = timed(job);
        if outcome.is_ok() {
            // At once: the parent's clock runs, and what comes of the run takes time of its own.
            say(&Message::Over)?;
        }
        say(&message(job, outcome, lie))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn message(job: &Job<'_>, outcome: Outcome, lie: bool) -> Message {
    match outcome {
        Err(Trouble::Failed(text)) => Message::Failed(text),
        Err(Trouble::Hung(text)) => Message::Hung(text),
        Err(Trouble::Stopped(_)) => unreachable!("only a parent stops anybody"),
        Ok((sample, answer)) => {
            // Before the checksum is made, which takes memory of its own.
            let peak_rss_bytes = peak::resident_bytes();
            Message::Done(Report {
                checksum: if lie {
                    "wrong".to_owned()
                } else {
                    answer.checksum()
                },
                wall_ns: sample.wall_ns,
                cpu_ns: sample.cpu_ns,
                peak_rss_bytes,
                counters: job.counters(),
            })
        }
    }
}

fn say(message: &Message) -> Result<ExitCode, Failure> {
    let text = serde_json::to_string(message)
        .map_err(|error| Failure::Work(format!("cannot write a message: {error}")))?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// For tests of the harness: `DAGWOOD_TEST_CHILD=rayon:hang` makes the children of one engine hang
/// (`hang-in-rounds`: those of the timed rounds only), abort, panic, fall silent, talk nonsense, take very long (`slow`) or
/// give a wrong answer; the parent must survive each. Returns how to misbehave, which the last two do later.
fn misbehave_if_told(told: &str, engine: Engine, serves: bool) -> Option<&str> {
    let how = told
        .split_once(':')
        .and_then(|(name, how)| (name == engine.name()).then_some(how));
    match how {
        Some("hang") => hang(),
        Some("hang-in-rounds") if serves => hang(),
        Some("abort") => process::abort(),
        Some("panic") => panic!("told to panic"),
        Some("silent") => process::exit(0),
        Some("nonsense") => println!("nonsense"),
        _ => {}
    }
    how
}

/// For much longer than any test's time limit, but not for ever: a parent without a watchdog is
/// found out too.
fn hang() -> ! {
    thread::sleep(Duration::from_secs(30));
    process::exit(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Number;

    #[test]
    fn a_hang_that_the_engine_finds_is_reported_as_one() {
        let mut job = Job::fallible(|| -> Result<Number, Trouble> {
            Err(Trouble::Hung("nobody can go on".to_owned()))
        });
        let outcome = timed(&mut job);
        let Message::Hung(text) = message(&job, outcome, false) else {
            panic!("not a hang")
        };
        assert_eq!(text, "nobody can go on");
    }
}
