//! The command line: its shape, its defaults and its help.
//!
//! Used by `main`; the commands get these structs. It knows the names of workloads and engines from their tables.

use std::path::PathBuf;
use std::thread;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::front_end;
use crate::workload::{self, Workload};

/// Runs jobs on dagwood's backends and on other libraries, and compares them.
#[derive(Debug, Parser)]
#[command(name = "dagwood", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Run as many workers as are named, whatever make's jobserver says (MAKEFLAGS); without it, at most so many
    #[arg(long, global = true)]
    pub(crate) exactly: bool,
}

const EXAMPLES: &str = "\
Examples:
  dagwood list                                   which workloads and engines there are
  dagwood run rust-source --engine fibers        analyse Rust source once, show what was found
  dagwood compare                                the main job on every engine, side by side
  dagwood compare fork-join --engines fibers,rayon,calls --workers 1,2
  dagwood compare --engines sequential,fibers,capacity --workers 2 --json rows.jsonl
  dagwood explore rust-source --seeds 100        one answer under a hundred schedules?";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the workloads, the engines, and which engine can run what
    List,
    /// Run one workload once and print its own output; time and memory go to stderr
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Run workloads on several engines, interleaved round by round, and print a table
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Run one workload under many schedules of its workers, and say whether the answer is the same
    #[command(after_help = EXPLORE_HELP)]
    Explore(ExploreArgs),
    /// One run in a process of its own, for `compare`
    #[command(name = "__child", hide = true)]
    Child(ChildArgs),
}

const RUN_HELP: &str = "\
rust-source in depth:
  Any of --deep, --lint, --format, --out and --progress makes `run rust-source` a front end to work with: names are
  resolved through globs and re-exports, calls and the types of signatures by them, and lints look at every item.

  dagwood run rust-source --input . --deep                       counts, and what the lints say
  dagwood run rust-source --input . --lint unused-import=deny    exit code 1 if there is one
  dagwood run rust-source --input . --format json > report.json  for machines
  dagwood run rust-source --input . --out site --progress        pages to read: open site/index.html

  Lints, with their levels: skipped, not-utf-8, manifest, syntax, missing-module, module-loop, unresolved-import,
  unresolved-call, unused-import, unused-function (warn); excused-import, module-cycle, long-function (allow).
  `all` stands for all of them. A finding is one line: file:line:column: lint: message.

  Nothing is expanded or configured: what a macro, a build script or a condition may explain is no finding but an
  excused-import, with the reason. A trait of another crate may be used by any method call, so its import is never
  called unused. What `allow` or [lints] in Cargo.toml lets pass is not told; names of modules inside functions are not
  followed, nor are method calls. What cannot be read or parsed is named, and the rest goes on.

  Pages replace those of the same name in the directory; what else lies there stays.

Exit code: 0; 1 if a lint of level deny has found something, or the work failed; 2 if the command line asks for what
cannot be.";

const COMPARE_HELP: &str = "\
How it measures:
  Every engine first runs once, untimed, in a process of its own: its peak memory, its counters, and the proof
  that it neither crashes nor hangs. Then come the rounds, each engine again in a process of its own, which lasts for all
  of them (for peers that may hang, and where other builds take part, for one turn) and is killed at the time limit:
  every engine has one turn a round, in an order that changes from round to round and is the same in every comparison. A turn is an untimed run and then a timed one, so
  that each engine finds caches and memory as it leaves them itself.

How to read it:
  `time / BASELINE` is the median over the rounds of (time of this engine) / (time of the baseline, 1 worker) in
  the same round. Below 1 is faster than the baseline, 2.00 takes twice as long. An engine whose run takes longer than
  --time-limit is stopped: its row has a bound (`>= 250`), and a line below says how many times as long as each other one
  it takes at least.
  With `capacity` among the engines there is a line for each parallel engine: its speed-up over `sequential`, what
  as many independent sequential processes reach together, and the part of that which the engine gets.

compare vintage:
  Can the parallel build be always on? Cargo first builds this program once more without backends (no atomics, no
  locks, no threads): the engine `sequential-build`, the baseline. Against it run the parallel build with one worker, and
  `plain`, on three workloads, each engine in processes of its own. Below each table stand the median ratios with
  their 95 % intervals.

compare mechanisms:
  What does a switch cost, by each way that there is? Which crate switches fibers is chosen when dagwood is compiled. So
  Cargo first builds this program once more with the feature `context` (which needs a C compiler): the engine
  `fibers-on-context`, beside `fibers` (by corosensei), `threads`, and each crate's switch without a scheduler. `context`
  keeps a floating-point state for each stack; `context-mxcsr` is the case in which the two sides' differ.

compare par-sum, par-sort, par-collect, par-flat-map, par-bridge, par-join, par-scope:
  What do loops of rayon cost on our `rayon-core`? Cargo first builds benches/rayon-patched, whose rayon runs on ours by
  a [patch], and benches/rayon-stock, the same program on rayon's own, and it is looked up which each is built with. The
  two run in turns, each in processes of its own. Below each table stand the median ratios, with as many workers, with their
  95 % intervals.

Exit code: 0; 1 if answers differ or an engine of ours fails (a failing peer only gets an error row); 2 if the
command line asks for what cannot be.";

const EXPLORE_HELP: &str = "\
One worker at a time runs, and the seed says which, at each scheduling point: so a seed's run is the same each time. The
answer of program order, where the workload has a sequential engine, is what the others are compared with.

Exit code: 0 if all answers are the same; 1 if one differs or fails: then its seed is named, and how to see it again.";

/// Arguments of `explore`.
#[derive(Debug, Args)]
pub(crate) struct ExploreArgs {
    /// The workload to run
    #[arg(value_name = "WORKLOAD", value_parser = workload_parser())]
    pub(crate) workload: &'static Workload,
    /// The number of seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) first: u64,
    /// So many preemptions at random places, and priorities, instead of a random worker at each point
    #[arg(long, value_name = "N")]
    pub(crate) preemptions: Option<u32>,
    /// The engine to run it on [default: the first backend of this build that can]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<Engine>,
    /// The number of workers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = worker_count)]
    pub(crate) workers: usize,
    /// What to run it on (rust-source: 20,000 lines).
    #[command(flatten)]
    pub(crate) scale: Scale,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workload to run
    #[arg(value_name = "WORKLOAD", value_parser = workload_parser())]
    pub(crate) workload: &'static Workload,
    /// The engine to run it on [default: the first of this build that can]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<Engine>,
    /// The number of workers [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = worker_count)]
    pub(crate) workers: Option<usize>,
    /// What to run it on.
    #[command(flatten)]
    pub(crate) scale: Scale,
    /// rust-source in depth.
    #[command(flatten)]
    pub(crate) depth: DepthArgs,
}

/// What `run rust-source` is to do beyond the measured job.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "rust-source in depth")]
pub(crate) struct DepthArgs {
    /// Resolve names and calls, and run all lints
    #[arg(long)]
    pub(crate) deep: bool,
    /// Set the level of a lint, or of `all`: allow, warn or deny; later ones win
    #[arg(long, value_name = "NAME=LEVEL", value_delimiter = ',', value_parser = front_end::lint_level)]
    pub(crate) lint: Vec<front_end::LintLevel>,
    /// What goes to stdout
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<front_end::Format>,
    /// Also write pages of HTML into this directory: one for each module and file, and an index
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Show on stderr how far it is, and what is waited for
    #[arg(long)]
    pub(crate) progress: bool,
}

impl DepthArgs {
    /// Whether anything in depth is asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.deep
            || !self.lint.is_empty()
            || self.format.is_some()
            || self.out.is_some()
            || self.progress
    }
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The workloads to compare [default: rust-source]
    #[arg(value_name = "WORKLOAD", value_parser = comparison_parser())]
    pub(crate) workloads: Vec<&'static Workload>,
    /// The engines, separated by commas [default: all that can run the workload, except `capacity`]
    #[arg(long, value_name = "ENGINE,..", value_delimiter = ',')]
    pub(crate) engines: Option<Vec<Engine>>,
    /// The numbers of workers, separated by commas [default: 1 and the number of cores]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = worker_count)]
    pub(crate) workers: Option<Vec<usize>>,
    /// What to run them on.
    #[command(flatten)]
    pub(crate) scale: Scale,
    /// The number of timed rounds
    #[arg(long, value_name = "R", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) repeats: u32,
    /// Also write the rows as JSON, one object a line; `-` is stdout, and the table then goes to stderr
    #[arg(long, value_name = "FILE|-")]
    pub(crate) json: Option<PathBuf>,
    /// How long one run in a process of its own may take [default: 600, or 60 for peers that may hang]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time_limit: Option<u64>,
}

/// What a workload works on.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Scale {
    /// The workload's own scale (`dagwood list` says what it counts)
    #[arg(long, value_name = "N")]
    pub(crate) size: Option<u64>,
    /// The directory of Rust source for rust-source; all of it is taken, whatever --size says
    #[arg(long, value_name = "PATH")]
    pub(crate) input: Option<PathBuf>,
}

/// Arguments of the hidden child.
#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    #[arg(value_parser = workload_parser())]
    pub(crate) workload: &'static Workload,
    #[arg(long)]
    pub(crate) engine: Engine,
    #[arg(long, value_parser = worker_count)]
    pub(crate) workers: usize,
    #[command(flatten)]
    pub(crate) scale: Scale,
    /// Run once for each line on stdin.
    #[arg(long)]
    pub(crate) serve: bool,
}

/// The time limit of most engines, in seconds.
pub(crate) const TIME_LIMIT_S: u64 = 600;

/// The time limit of engines that may hang, in seconds: nobody waits ten minutes for a finding that
/// is expected.
pub(crate) const TIME_LIMIT_MAY_HANG_S: u64 = 60;

/// The number of cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Refuses an `--input` that no workload would look at.
pub(crate) fn check_input(scale: &Scale, workloads: &[&Workload]) -> Result<(), Failure> {
    if scale.input.is_some() && !workloads.iter().any(|workload| workload.takes_input) {
        let names: Vec<_> = workloads.iter().map(|workload| workload.name).collect();
        return Err(Failure::Usage(format!(
            "--input means nothing to {}",
            names.join(" and ")
        )));
    }
    Ok(())
}

/// More workers than this are a slip of the finger.
const WORKERS_MAX: usize = 1024;

fn worker_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=WORKERS_MAX) => Ok(n),
        _ => Err(format!(
            "a number of workers is a whole number from 1 to {WORKERS_MAX}"
        )),
    }
}

/// The workloads, and what stands for several of them.
fn comparison_parser() -> impl TypedValueParser<Value = &'static Workload> {
    let names = workload::ALL
        .iter()
        .chain(&workload::TOGETHER)
        .map(|workload| PossibleValue::new(workload.name).help(workload.about));
    let find = |name: &str| {
        let mut together = workload::TOGETHER.iter();
        workload::find(name).or_else(|| together.find(|workload| workload.name == name))
    };
    PossibleValuesParser::new(names)
        .try_map(move |name| find(&name).ok_or_else(|| format!("there is no workload {name}")))
}

fn workload_parser() -> impl TypedValueParser<Value = &'static Workload> {
    let names = workload::ALL
        .iter()
        .map(|workload| PossibleValue::new(workload.name).help(workload.about));
    PossibleValuesParser::new(names)
        .try_map(|name| workload::find(&name).ok_or_else(|| format!("there is no workload {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_workers_unknown_names_and_broken_lists_are_refused() {
        for line in [
            "dagwood compare --workers 0",
            "dagwood compare --workers 1,,2",
            "dagwood compare --workers two",
            "dagwood compare --workers -1",
            "dagwood compare --engines fibers,",
            "dagwood compare --engines fibres",
            "dagwood compare --repeats 0",
            "dagwood compare rust-sauce",
            "dagwood run fork-join --workers 0",
            "dagwood run fork-join --size many",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_slip_in_a_name_gets_a_suggestion() {
        let error = parse("dagwood compare rust-sorce").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
        assert!(error.to_string().contains("'rust-source'"), "{error}");
        let error = parse("dagwood compare --engines fiber").unwrap_err();
        assert!(error.to_string().contains("'fibers'"), "{error}");
    }

    #[test]
    fn lists_are_split_at_commas() {
        let cli = parse("dagwood compare --workers 1,4 --engines threads,calls").unwrap();
        let Command::Compare(args) = cli.command else {
            panic!("not compare")
        };
        assert_eq!(args.workers, Some(vec![1, 4]));
        assert_eq!(args.engines, Some(vec![Engine::Threads, Engine::Calls]));
        assert_eq!(args.repeats, 11);
    }
}
