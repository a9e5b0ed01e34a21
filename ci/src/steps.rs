//! The steps of the gate: each a name, why it is there, and the commands.

use std::process::Command;
use std::time::Instant;

use crate::plants::{PLANTS, Plant};

/// The feature sets that are built and tested, besides the defaults.
const FEATURE_SETS: [&str; 4] = ["", "fibers", "threads", "fibers,threads"];

/// The packages that have the features, without the harness.
const LIBRARIES: [&str; 3] = ["dagwood", "dagwood-fibers", "dagwood-tests"];

/// One step of the gate.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    about: &'static str,
    commands: fn() -> Vec<Line>,
}

/// One call of Cargo.
pub(crate) struct Line {
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    /// If set, the call must fail as this says.
    plant: Option<&'static Plant>,
}

/// All steps, the quick ones first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        about: "rustfmt has nothing to change",
        commands: || vec![cargo("fmt --all --check")],
    },
    Step {
        name: "clippy",
        about: "clippy has nothing to say, for each feature set",
        commands: clippy,
    },
    Step {
        name: "docs",
        about: "rustdoc has nothing to say, private items and links included",
        commands: docs,
    },
    Step {
        name: "test",
        about: "README's test command",
        commands: || vec![cargo("test --workspace")],
    },
    Step {
        name: "models",
        about: "the loom models pass, and each planted bug breaks its models",
        commands: models,
    },
    Step {
        name: "features",
        about: "the suite, for each feature set",
        commands: features,
    },
    Step {
        name: "release",
        about: "the conformance suite, optimised",
        commands: release,
    },
    Step {
        name: "examples",
        about: "each example runs, on each backend",
        commands: examples,
    },
    Step {
        name: "harness",
        about: "each workload runs on each engine, with one checksum",
        commands: harness,
    },
    Step {
        name: "instructions",
        about: "what hits and misses cost, counted by valgrind (only when named; x86-64)",
        commands: instructions,
    },
];

/// The steps that run only when they are named: they need more than Cargo and a C linker.
pub(crate) const ON_REQUEST: [&str; 1] = ["instructions"];

fn cargo(arguments: &str) -> Line {
    Line {
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        environment: Vec::new(),
        plant: None,
    }
}

fn with_features(command: &str, packages: &[&str], features: &str, rest: &str) -> Line {
    let packages: String = packages
        .iter()
        .map(|package| format!(" -p {package}"))
        .collect();
    let features = if features.is_empty() {
        String::new()
    } else {
        format!(" --features {features}")
    };
    cargo(&format!(
        "{command}{packages} --no-default-features{features} {rest}"
    ))
}

fn clippy() -> Vec<Line> {
    let harness: Vec<&str> = LIBRARIES.into_iter().chain(["dagwood-bench"]).collect();
    let mut lines = vec![cargo("clippy --workspace --all-targets -- -D warnings")];
    lines.extend(
        FEATURE_SETS
            .map(|set| with_features("clippy", &harness, set, "--all-targets -- -D warnings")),
    );
    lines
}

fn docs() -> Vec<Line> {
    let mut lines = vec![cargo("doc --workspace --no-deps --document-private-items")];
    lines.extend(FEATURE_SETS.map(|set| with_features("doc", &["dagwood"], set, "--no-deps")));
    for line in &mut lines {
        line.environment = vec![("RUSTDOCFLAGS", "-D warnings")];
    }
    lines
}

/// The models, optimised, with more preemptions than the plain test has; then each plant.
fn models() -> Vec<Line> {
    let mut whole = cargo("test --release -p dagwood --test model");
    whole.environment = vec![("LOOM_MAX_PREEMPTIONS", "3")];
    let planted = |plant: &'static Plant| Line {
        environment: vec![("DAGWOOD_PLANT", plant.name), ("RUST_BACKTRACE", "0")],
        plant: Some(plant),
        ..cargo(&format!(
            "test -p dagwood --test model -- --exact {}",
            plant.tests.join(" ")
        ))
    };
    [whole]
        .into_iter()
        .chain(PLANTS.iter().map(planted))
        .collect()
}

fn features() -> Vec<Line> {
    FEATURE_SETS
        .map(|set| with_features("test", &LIBRARIES, set, ""))
        .into()
}

fn release() -> Vec<Line> {
    vec![cargo("test --release -p dagwood-tests")]
}

fn examples() -> Vec<Line> {
    let each = |set| {
        ["hello", "dag"]
            .map(|example| with_features("run", &["dagwood"], set, &format!("--example {example}")))
    };
    FEATURE_SETS.into_iter().flat_map(each).collect()
}

fn harness() -> Vec<Line> {
    let compare = |workload: &str, size: u32| {
        cargo(&format!(
            "run --release -- compare {workload} --size {size} --workers 1,2,4 --repeats 2 --json target/ci-{workload}.json"
        ))
    };
    vec![
        compare("rust-source", 20_000),
        compare("fork-join", 24),
        compare("grid-hashed", 100),
        compare("shared", 50),
        compare("grid-dense", 100),
        compare("hit-hashed", 100),
        compare("hit-recorded", 100),
        compare("miss-dense", 10_000),
        compare("stampede", 10_000),
    ]
}

fn instructions() -> Vec<Line> {
    vec![
        cargo("build --release -p dagwood-bench"),
        cargo("test -p dagwood-ci --test instructions -- --ignored --nocapture --test-threads 1"),
    ]
}

impl Step {
    /// Prints what the step does.
    pub(crate) fn describe(&self) {
        println!("{}: {}", self.name, self.about);
        for line in (self.commands)() {
            println!("    {line}");
        }
    }

    /// Runs the step's commands; gives the first that failed.
    pub(crate) fn run(&self) -> Result<(), String> {
        let start = Instant::now();
        for line in (self.commands)() {
            eprintln!("\n[{}] {line}", self.name);
            line.run().map_err(|why| format!("{line} ({why})"))?;
        }
        eprintln!("[{}] passed in {} s", self.name, start.elapsed().as_secs());
        Ok(())
    }
}

impl Line {
    fn run(&self) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().copied());
        if let Some(plant) = self.plant {
            let run = command.output().map_err(|error| error.to_string())?;
            return plant.judge(&run);
        }
        let status = command.status().map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err(status.to_string())
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}='{value}' ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}
