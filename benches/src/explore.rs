//! The command `explore`: one workload under many schedules. One answer, or the first seed that differs.

use std::io::{self, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{self, ExploreArgs};
use crate::engine::{Engine, Kind};
use crate::failure::Failure;
use crate::run::chosen_engine;
use crate::workload::{Interleaving, Loaded, Setup, Workload};

/// Lines of `rust-source`, unless it is told: each line is asked about under each seed.
const RUST_SOURCE_LINES: u64 = 20_000;

/// An answer, and who gave it.
type Known = (String, String);

/// What came of the seeds.
enum Outcome {
    /// All gave this.
    Same(String),
    /// This run gave something else, or failed.
    Differs {
        setup: Setup,
        found: Result<String, String>,
        expected: Option<Known>,
    },
}

/// Runs the workload under each seed.
pub(crate) fn explore(args: &ExploreArgs) -> Result<ExitCode, Failure> {
    let workload = args.workload;
    let engine = seeded_engine(workload, args.engine)?;
    cli::check_input(&args.scale, &[workload])?;
    let size = args.scale.size.or_else(|| default_size(workload, args));
    let loaded = workload.load(size, args.scale.input.clone())?;
    if let Some(input) = loaded.input_text() {
        eprintln!("input: {input}");
    }
    let expected = expected_answer(workload, &*loaded)?;
    let progress = progress_bar(args.seeds);
    let setup = |seed| {
        progress.set_position(seed - args.first);
        Setup {
            engine,
            workers: args.workers,
            statistics: false,
            interleaving: match args.preemptions {
                None => Interleaving::Random(seed),
                Some(preemptions) => Interleaving::Pct { seed, preemptions },
            },
        }
    };
    let seeds = args.first..args.first.saturating_add(args.seeds);
    let outcome = search(&*loaded, seeds.map(setup), expected);
    progress.finish_and_clear();
    let (text, code) = match outcome {
        Outcome::Same(hash) => {
            let (name, workers, seeds) = (workload.name, args.workers, args.seeds);
            let text =
                format!("{name} on {engine}, {workers} workers: {hash} under all {seeds} seeds");
            (text, ExitCode::SUCCESS)
        }
        Outcome::Differs {
            setup,
            found,
            expected,
        } => {
            let input = match &args.scale.input {
                Some(path) => format!("--input {}", path.display()),
                None => format!("--size {}", loaded.size()),
            };
            let text = difference(workload.name, &input, setup, &found, expected.as_ref());
            (text, ExitCode::FAILURE)
        }
    };
    writeln!(io::stdout(), "{text}")?;
    Ok(code)
}

/// Runs it in each way, of which there is one at least, until an answer differs: from what is expected, or else from the
/// first.
fn search(
    loaded: &dyn Loaded,
    setups: impl Iterator<Item = Setup>,
    mut expected: Option<Known>,
) -> Outcome {
    for setup in setups {
        let found = answer(loaded, setup);
        match (&found, &expected) {
            (Ok(found), Some((_, known))) if found == known => (),
            (Ok(found), None) => {
                let schedule = setup.interleaving.schedule().expect("a seed has one");
                expected = Some((schedule.to_string(), found.clone()));
            }
            _ => {
                return Outcome::Differs {
                    setup,
                    found,
                    expected,
                };
            }
        }
    }
    let (_, hash) = expected.expect("there is a seed");
    Outcome::Same(hash)
}

fn seeded_engine(workload: &Workload, named: Option<Engine>) -> Result<Engine, Failure> {
    let engine = chosen_engine(workload, named)?;
    match engine {
        Engine::Fibers | Engine::Threads => Ok(engine),
        other => Err(Failure::Usage(format!(
            "{other} has one order only, or one that is not ours; explore takes fibers or threads"
        ))),
    }
}

fn default_size(workload: &Workload, args: &ExploreArgs) -> Option<u64> {
    let is_rust_source = workload.takes_input;
    (is_rust_source && args.scale.input.is_none()).then_some(RUST_SOURCE_LINES)
}

/// What program order gives, and who says so: our own sequential engine, or the workload.
fn expected_answer(workload: &Workload, loaded: &dyn Loaded) -> Result<Option<Known>, Failure> {
    if let Some(known) = loaded.known_checksum() {
        return Ok(Some(("the workload".to_owned(), known)));
    }
    let sequential = workload
        .compiled_in()
        .find(|engine| *engine == Engine::Sequential && matches!(engine.kind(), Kind::Ours(_)));
    let Some(engine) = sequential else {
        return Ok(None);
    };
    let setup = Setup {
        engine,
        workers: 1,
        statistics: false,
        interleaving: Interleaving::Free,
    };
    let hash = answer(loaded, setup).map_err(Failure::Work)?;
    Ok(Some(("program order".to_owned(), hash)))
}

/// The checksum of one run, on an executor of its own.
fn answer(loaded: &dyn Loaded, setup: Setup) -> Result<String, String> {
    let mut job = loaded.job(setup)?;
    let answer = job.run().map_err(|trouble| trouble.to_string())?;
    Ok(answer.checksum())
}

/// What differs, and how to see it again.
fn difference(
    workload: &str,
    input: &str,
    setup: Setup,
    found: &Result<String, String>,
    expected: Option<&Known>,
) -> String {
    let found = match found {
        Ok(hash) => hash.clone(),
        Err(error) => format!("an error ({error})"),
    };
    let expected = expected.map_or(String::new(), |(who, hash)| {
        format!(" where {who} gives {hash}")
    });
    let schedule = setup.interleaving.schedule().expect("a seed has one");
    let Setup {
        engine, workers, ..
    } = setup;
    format!(
        "{schedule} gives {found}{expected}\nsee it again: DAGWOOD_SCHEDULE={schedule} dagwood run {workload} --engine \
         {engine} --workers {workers} {input}"
    )
}

fn progress_bar(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} seed {pos} of {len}, {eta} left")
        .expect("the template is sound");
    ProgressBar::new(seeds).with_style(style)
}

#[cfg(all(test, any(feature = "fibers", feature = "threads")))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::workload::{Job, Number};

    /// Says which half of a join came last: a race.
    struct Racy;

    impl Loaded for Racy {
        fn size(&self) -> u64 {
            1
        }

        fn ops(&self) -> u64 {
            1
        }

        fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
            Job::on_executor(setup, None, |executor| {
                let last = AtomicU64::new(0);
                let come = |half| last.store(half, Ordering::Relaxed);
                let db = dagwood::Database::new(());
                executor.run(&db, |cx| cx.join(|_| come(1), |_| come(2)))?;
                Ok(Number {
                    label: "last".to_owned(),
                    value: last.into_inner(),
                })
            })
        }
    }

    fn setup(seed: u64) -> Setup {
        let engine = if cfg!(feature = "fibers") {
            Engine::Fibers
        } else {
            Engine::Threads
        };
        Setup {
            engine,
            workers: 2,
            statistics: false,
            interleaving: Interleaving::Random(seed),
        }
    }

    #[test]
    fn the_first_seed_that_differs_is_told_and_differs_again() {
        let expected = Some(("program order".to_owned(), "2".to_owned()));
        let outcome = search(&Racy, (0..1000).map(setup), expected);
        let Outcome::Differs {
            setup: differing,
            found,
            expected,
        } = outcome
        else {
            panic!("no seed of a thousand finds a race of two")
        };
        assert_eq!(found, Ok("1".to_owned()));
        let Interleaving::Random(seed) = differing.interleaving else {
            panic!("they were random")
        };
        let told = difference("racy", "--size 1", differing, &found, expected.as_ref());
        let schedule = format!("random:{seed}");
        let beginning = format!("{schedule} gives 1 where program order gives 2\n");
        assert!(told.starts_with(&beginning), "{told}");
        let again = format!("DAGWOOD_SCHEDULE={schedule} dagwood run racy --engine ");
        assert!(told.contains(&again), "{told}");
        for _ in 0..2 {
            assert_eq!(answer(&Racy, differing), found);
        }
        for other in (0..seed).map(setup) {
            assert_eq!(answer(&Racy, other), Ok("2".to_owned()));
        }
    }

    #[test]
    fn without_an_oracle_the_first_seed_is_one() {
        let outcome = search(&Racy, (0..1000).map(setup), None);
        let Outcome::Differs { expected, .. } = outcome else {
            panic!("no seed of a thousand finds a race of two")
        };
        assert_eq!(expected.expect("the first").0, "random:0");
    }
}
