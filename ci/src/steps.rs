//! The steps of the gate: each a name, why it is there, and the commands.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::foreign::{CHECKED, Foreign, Machine, WITH_SWITCH, WITHOUT_SWITCH};
use crate::plants::{PLANTS, Plant};
use crate::rayon_suite;
use crate::suite_plants::{BROKEN, Broken};

/// The feature sets that are built and tested, besides the defaults.
const FEATURE_SETS: [&str; 4] = ["", "fibers", "threads", "fibers,threads"];

/// The packages that have the features, without the harness.
const LIBRARIES: [&str; 4] = [
    "dagwood",
    "dagwood-fibers",
    "dagwood-tests",
    // Two packages are called so.
    "rayon-core@1.13.900",
];

/// One step of the gate.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Whether it runs only when it is named.
    pub(crate) is_extra: bool,
    about: &'static str,
    commands: fn() -> Vec<Line>,
}

/// One call of Cargo.
pub(crate) struct Line {
    machine: Machine,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    /// If set, the call must fail as this says.
    plant: Option<&'static Plant>,
    /// If set, the call must fail, and say this.
    last_words: Option<&'static str>,
    /// If set, the call must print the same there.
    as_on: Option<Machine>,
    /// What comes before it.
    prepare: Option<fn() -> Result<(), String>>,
    /// How often it is made, one after another.
    times: u32,
}

/// All steps, the quick ones first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        is_extra: false,
        about: "rustfmt has nothing to change",
        commands: || vec![cargo("fmt --all --check")],
    },
    Step {
        name: "clippy",
        is_extra: false,
        about: "clippy has nothing to say, for each feature set",
        commands: clippy,
    },
    Step {
        name: "docs",
        is_extra: false,
        about: "rustdoc has nothing to say, private items and links included",
        commands: docs,
    },
    Step {
        name: "test",
        is_extra: false,
        about: "README's test command",
        commands: || vec![cargo("test --workspace")],
    },
    Step {
        name: "models",
        is_extra: false,
        about: "the loom models pass, and each planted bug breaks its models",
        commands: models,
    },
    Step {
        name: "abort",
        is_extra: false,
        about: "cancellation in a program in which nothing unwinds",
        commands: abort,
    },
    Step {
        name: "features",
        is_extra: false,
        about: "the suite, for each feature set",
        commands: features,
    },
    Step {
        name: "release",
        is_extra: false,
        about: "the conformance suite, optimised",
        commands: release,
    },
    Step {
        name: "seeds",
        is_extra: false,
        about: "the conformance suite under 20 seeds, and planted bugs that seeds must find",
        commands: seeds,
    },
    Step {
        name: "scale",
        is_extra: false,
        about: "the large sizes: D1 in full, ten thousand blocked threads, cycles and results by the million",
        commands: scale,
    },
    Step {
        name: "examples",
        is_extra: false,
        about: "each example runs, on each backend",
        commands: examples,
    },
    Step {
        name: "harness",
        is_extra: false,
        about: "each workload runs on each engine, with one checksum",
        commands: harness,
    },
    Step {
        name: "instructions",
        is_extra: true,
        about: "what hits, misses and the parallel build cost, counted by valgrind (x86-64)",
        commands: instructions,
    },
    Step {
        name: "many-seeds",
        is_extra: true,
        about: "the conformance suite under 1,000 seeds",
        commands: || vec![under_seeds("1000")],
    },
    Step {
        name: "plants",
        is_extra: true,
        about: "each scenario fails on a build with a bug planted in it",
        commands: || BROKEN.iter().map(planted).collect(),
    },
    Step {
        name: "fifty",
        is_extra: true,
        about: "the conformance suite, optimised, fifty times in a row",
        commands: fifty,
    },
    Step {
        name: "asan",
        is_extra: false,
        about: "the suite of the stacks under AddressSanitizer (x86-64 Linux), and a bug that it must find",
        commands: asan,
    },
    Step {
        name: "tsan",
        is_extra: true,
        about: "the suite on threads under ThreadSanitizer (x86-64 Linux), and a race that it must find",
        commands: tsan,
    },
    Step {
        name: "targets",
        is_extra: false,
        about: "the libraries compile for Windows and macOS, the sequential build for WebAssembly",
        commands: targets,
    },
    Step {
        name: "rayon",
        is_extra: true,
        about: "rayon's and rayon-core's own tests on the crate rayon-core, on fibers and on threads",
        commands: rayon,
    },
    Step {
        name: "context",
        is_extra: true,
        about: "the suite on the switch of the crate `context`",
        commands: context,
    },
    Step {
        name: "foreign",
        is_extra: false,
        about: "the suite on threads on s390x, emulated",
        commands: || suite_on(&WITHOUT_SWITCH[0], &["threads"]).into(),
    },
    Step {
        name: "sparc64",
        is_extra: true,
        about: "the same on sparc64, which takes four times as long",
        commands: || suite_on(&WITHOUT_SWITCH[1], &["threads"]).into(),
    },
    Step {
        name: "checksum",
        is_extra: true,
        about: "rust-source prints on s390x, emulated, what it prints here",
        commands: checksum,
    },
    Step {
        name: "emulated",
        is_extra: true,
        about: "the suite on powerpc64, aarch64, riscv64 and powerpc64le, emulated, and on i686",
        commands: emulated,
    },
    Step {
        name: "windows",
        is_extra: true,
        about: "the suite on Windows, of which Debian's wine plays the part",
        commands: windows,
    },
    Step {
        name: "large",
        is_extra: true,
        about: "the largest sizes: 100,000 and a million that wait (some 6 GiB)",
        commands: large,
    },
];

fn cargo(arguments: &str) -> Line {
    Line {
        machine: Machine::Here,
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        environment: Vec::new(),
        plant: None,
        last_words: None,
        as_on: None,
        prepare: None,
        times: 1,
    }
}

fn cargo_for(machine: Machine, arguments: &str) -> Line {
    Line {
        machine,
        ..cargo(arguments)
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

/// One seed for each scenario: the step `seeds` has more.
fn with_one_seed(mut line: Line) -> Line {
    line.environment = vec![("DAGWOOD_SEEDS", "1")];
    line
}

fn abort() -> Vec<Line> {
    let program = "run -p dagwood-tests --example abort --target-dir target/abort --config";
    let mut line = cargo(program);
    line.arguments
        .push("profile.dev.panic=\"abort\"".to_owned());
    vec![line]
}

/// Save that with both, which the step `test` has.
fn features() -> Vec<Line> {
    let sets = FEATURE_SETS.iter().filter(|set| !set.contains(','));
    sets.map(|set| with_one_seed(with_features("test", &LIBRARIES, set, "")))
        .collect()
}

fn release() -> Vec<Line> {
    vec![with_one_seed(cargo("test --release -p dagwood-tests"))]
}

fn under_seeds(count: &'static str) -> Line {
    let mut line = cargo("test --release -p dagwood-tests -- under_seeds");
    // Thousands of panics are meant; who fails says its seed.
    line.environment = vec![("DAGWOOD_SEEDS", count), ("RUST_BACKTRACE", "0")];
    line
}

/// The suite in a build that has all planted bugs, and shows this one.
fn with_plant(plant: &'static str, arguments: &str) -> Line {
    let mut line = cargo(arguments);
    line.environment = vec![
        ("RUSTFLAGS", "--cfg plant=\"any\""),
        ("CARGO_TARGET_DIR", "target/planted"),
        ("CARGO_PROFILE_DEV_DEBUG", "0"),
        ("DAGWOOD_PLANT", plant),
    ];
    line
}

/// The suite under seeds; then, with a planted bug each, the test that must find it (tests/PLANTS.md).
fn seeds() -> Vec<Line> {
    let find = "test -p dagwood-tests --test planted -- --nocapture";
    vec![
        under_seeds("20"),
        with_plant("lost_wake", find),
        with_plant("late_publication", find),
    ]
}

/// The test that a planted bug must break (tests/PLANTS.md).
fn planted(broken: &Broken) -> Line {
    let test = "test -p dagwood-tests --test";
    let (file, name) = (broken.file, broken.test);
    let mut line = with_plant(
        broken.plant,
        &format!("{test} {file} -- --exact {name} --nocapture"),
    );
    line.environment.extend([
        ("DAGWOOD_TEST_WATCHDOG_S", "10"),
        ("DAGWOOD_SEEDS", "50"),
        ("RUST_BACKTRACE", "0"),
    ]);
    line.last_words = Some(broken.words);
    line
}

fn fifty() -> Vec<Line> {
    let mut suite = with_one_seed(cargo("test --release -p dagwood-tests --tests"));
    suite.times = 50;
    vec![suite]
}

/// The suite of the stacks under AddressSanitizer, which the compiler at hand has; std is not instrumented. Then with
/// an overflow of a buffer on a fiber's stack, which must be found. (The test of resident memory would measure the
/// sanitizer's.)
fn asan() -> Vec<Line> {
    let environment = vec![
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address"),
        ("CARGO_TARGET_DIR", "target/asan"),
        (
            "ASAN_OPTIONS",
            "detect_stack_use_after_return=0:detect_leaks=0:handle_segv=0:use_sigaltstack=0",
        ),
    ];
    let test = "test --target x86_64-unknown-linux-gnu -p dagwood-fibers --features fibers,corosensei/sanitizer";
    let mut suite = cargo(&format!("{test} --tests -- --skip memory_above_the_mark"));
    suite.environment.clone_from(&environment);
    let mut planted = cargo(&format!("{test} --test plant"));
    planted.environment = environment;
    planted.environment.push(("DAGWOOD_PLANT", "stack_buffer"));
    planted.last_words = Some("AddressSanitizer: stack-buffer-overflow");
    vec![suite, planted]
}

/// The suite on threads under ThreadSanitizer, of which fibers know nothing; then a race between two halves of a join.
/// (An overflow's signal is not for the sanitizer, a limited address space is too small for it, and it keeps a call
/// stack of its own, for which the tests of depth go too deep: they hang.)
fn tsan() -> Vec<Line> {
    let suite = "--lib --tests -- --skip d1_ --skip long_chain --skip f6_ --skip f7_no_memory";
    let packages = "test -p dagwood-tests --no-default-features --features threads";
    let with_tsan = |rest: &str| cargo_for(Machine::ThreadSanitizer, &format!("{packages} {rest}"));
    let mut planted = with_tsan("--test plant");
    planted.environment = vec![("DAGWOOD_PLANT", "race")];
    planted.last_words = Some("ThreadSanitizer: data race");
    vec![
        cargo_for(
            Machine::ThreadSanitizer,
            "test -p dagwood-arch-fallback --tests",
        ),
        with_tsan(suite),
        planted,
    ]
}

fn targets() -> Vec<Line> {
    let check = |triple: &'static str, features: &str| {
        let libraries = "check -p dagwood -p dagwood-fibers --no-default-features";
        cargo_for(Machine::Checked(triple), &format!("{libraries} {features}"))
    };
    let both = "--features dagwood/fibers,dagwood/threads";
    let [windows, macos, wasm] = CHECKED;
    vec![check(windows, both), check(macos, both), check(wasm, "")]
}

/// What rayon publishes. On threads without two tests and an example of thread-locals that a thread of the pool has bound
/// around its work: there jobs run on other threads.
fn rayon() -> Vec<Line> {
    let test = |package: &str, backend: &'static str, rest: &str| {
        let place = rayon_suite::PLACE;
        let manifest = format!("--manifest-path {place}/{package}/Cargo.toml");
        let mut line = cargo(&format!("test {manifest} {rest}"));
        line.environment = vec![
            ("DAGWOOD_RAYON_BACKEND", backend),
            ("CARGO_TARGET_DIR", "target/rayon-suite/target"),
        ];
        line
    };
    let not_bound = "-- --skip scoped_tls_threadpool --skip ScopedTls";
    let mut lines = vec![
        test("core", "fibers", ""),
        test("rayon", "fibers", ""),
        test("core", "threads", not_bound),
        test("rayon", "threads", ""),
    ];
    lines[0].prepare = Some(rayon_suite::prepare);
    lines
}

fn context() -> Vec<Line> {
    let features = "dagwood-fibers/context,dagwood-fibers/threads";
    vec![cargo(&format!(
        "test -p dagwood-fibers -p dagwood-tests --features {features}"
    ))]
}

/// Without the documentation's examples, which would want another compiler driver, the models, which are about orders
/// of events that no emulator shows, and the scenarios under seeds, whose orders are the same everywhere.
fn suite_on(foreign: &'static Foreign, features: &[&str]) -> [Line; 2] {
    let on = |packages: &[&str], rest: &str| {
        let each = |feature: &str| {
            let with_features = packages
                .iter()
                .filter(|name| **name != "dagwood-arch-fallback");
            let named: Vec<String> = with_features
                .map(|name| format!("{name}/{feature}"))
                .collect();
            named.join(",")
        };
        let features: Vec<String> = features.iter().copied().map(each).collect();
        let line = with_features("test", packages, &features.join(","), rest);
        Line {
            machine: Machine::Foreign(foreign),
            ..with_one_seed(line)
        }
    };
    let suite = ["dagwood-arch-fallback", "dagwood-fibers", "dagwood-tests"];
    [
        on(&["dagwood"], "--lib"),
        on(&suite, "--lib --tests -- --skip under_seeds"),
    ]
}

fn checksum() -> Vec<Line> {
    let mut same = cargo_for(
        Machine::Foreign(&WITHOUT_SWITCH[0]),
        "run -p dagwood-bench -- run rust-source --size 20000 --engine threads --workers 2",
    );
    same.as_on = Some(Machine::Here);
    vec![same]
}

fn emulated() -> Vec<Line> {
    let suites = WITH_SWITCH.iter();
    let both = ["fibers", "threads"];
    suites.flat_map(|target| suite_on(target, &both)).collect()
}

fn windows() -> Vec<Line> {
    let elsewhere = suite_on(&WITH_SWITCH[0], &["fibers", "threads"]);
    let machine = Machine::Wine;
    elsewhere.map(|line| Line { machine, ..line }).into()
}

/// The sizes that the suite leaves out: a million that wait take some 6 GiB.
fn large() -> Vec<Line> {
    let tests = "--test many --test overflow -- --include-ignored w3_ d2_ f7_";
    vec![cargo(&format!("test --release -p dagwood-tests {tests}"))]
}

fn scale() -> Vec<Line> {
    ["depth", "blocked_threads", "storage", "cycles", "programs"]
        .map(|file| {
            cargo(&format!(
                "test --release -p dagwood-tests --test {file} -- --ignored --test-threads 1"
            ))
        })
        .into()
}

fn examples() -> Vec<Line> {
    let each = |set| {
        ["hello", "dag", "race"]
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
    let mut without = cargo("build --release -p dagwood-bench");
    without.environment = vec![
        ("RUSTFLAGS", "--cfg no_schedule"),
        ("CARGO_TARGET_DIR", "target/no-schedule"),
    ];
    vec![
        cargo("build --release -p dagwood-bench"),
        without,
        cargo(
            "build --release -p dagwood-bench --no-default-features --target-dir target/sequential-build",
        ),
        cargo_for(
            Machine::Valgrind,
            "test -p dagwood-ci --test instructions -- --ignored --nocapture --test-threads 1",
        ),
    ]
}

impl Step {
    /// Prints what the step does.
    pub(crate) fn describe(&self) {
        let extra = if self.is_extra { " (extra)" } else { "" };
        println!("{}{extra}: {}", self.name, self.about);
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
    /// The call for a machine.
    fn command(&self, machine: Machine) -> Result<Command, String> {
        let mut command = machine.cargo()?;
        command
            .args(&self.arguments)
            .envs(self.environment.iter().copied());
        Ok(command)
    }

    fn run(&self) -> Result<(), String> {
        self.prepare.map_or(Ok(()), |prepare| prepare())?;
        let mut command = self.command(self.machine)?;
        if let Some(there) = self.as_on {
            return prints_the_same(&mut command, &mut self.command(there)?);
        }
        if let Some(words) = self.last_words {
            let run = command.output().map_err(|error| error.to_string())?;
            let said = String::from_utf8_lossy(&run.stderr);
            let is_told = !run.status.success() && said.contains(words);
            return if is_told {
                Ok(())
            } else {
                Err(format!("it did not fail with `{words}`:\n{said}"))
            };
        }
        if let Some(plant) = self.plant {
            let run = command.output().map_err(|error| error.to_string())?;
            return plant.judge(&run);
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
