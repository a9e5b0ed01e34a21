//! The commands of each step.
//!
//! Used by `steps.rs`, which lists them.

use crate::foreign::{CHECKED, Machine, WITH_SWITCH, WITHOUT_SWITCH};
use crate::line::{Line, cargo, cargo_for};
use crate::make;
use crate::plants::{PLANTS, Plant};
use crate::rayon_suite;
use crate::suite_plants::{BROKEN, Broken};

/// The feature sets that are built and tested, besides the defaults.
const FEATURE_SETS: [&str; 4] = ["", "fibers", "threads", "fibers,threads"];

/// The suite with its programs as one, which takes less than half as long to build (tests/all.rs); the step `test` has them
/// one by one.
const SUITE: &str = "--lib --test all --test memory --test thread_ends";

/// The feature that it takes.
const ALL: &str = "dagwood-tests/all";

/// The packages that have the features, without the suite and the harness. (Two are called rayon-core.)
const LIBRARIES: [&str; 3] = ["dagwood", "dagwood-fibers", "rayon-core@1.13.900"];

/// Builds of the library that lack something, to measure what it costs: nobody else would see that their twins fit no more.
const COMPARED_BUILDS: [&str; 2] = ["--cfg no_schedule", "--cfg no_detection"];

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

pub(crate) fn format() -> Vec<Line> {
    vec![cargo("fmt --all --check")]
}

pub(crate) fn clippy() -> Vec<Line> {
    let all = LIBRARIES
        .into_iter()
        .chain(["dagwood-tests", "dagwood-bench"]);
    let all: Vec<&str> = all.collect();
    let mut lines = vec![cargo("clippy --workspace --all-targets -- -D warnings")];
    lines.extend(
        FEATURE_SETS.map(|set| with_features("clippy", &all, set, "--all-targets -- -D warnings")),
    );
    lines.extend(COMPARED_BUILDS.map(|flags| {
        let mut line = cargo("check -p dagwood");
        line.environment = vec![
            ("RUSTFLAGS", flags),
            ("CARGO_TARGET_DIR", "target/compared"),
        ];
        line
    }));
    lines
}

pub(crate) fn docs() -> Vec<Line> {
    let mut lines = vec![cargo("doc --workspace --no-deps --document-private-items")];
    lines.extend(FEATURE_SETS.map(|set| with_features("doc", &["dagwood"], set, "--no-deps")));
    for line in &mut lines {
        line.environment = vec![("RUSTDOCFLAGS", "-D warnings")];
    }
    lines
}

pub(crate) fn test() -> Vec<Line> {
    vec![cargo("test --workspace")]
}

/// The models, optimised, with more preemptions than the plain test has; then each plant.
pub(crate) fn models() -> Vec<Line> {
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

pub(crate) fn abort() -> Vec<Line> {
    let program = "run -p dagwood-tests --example abort --target-dir target/abort --config";
    let mut line = cargo(program);
    line.arguments
        .push("profile.dev.panic=\"abort\"".to_owned());
    vec![line]
}

/// Save that with both, which the step `test` has; nor the scenarios on threads alone, which `tsan` has (and `foreign`, with the
/// overflows that are not for the sanitizer; under seeds they run where fibers are built, too).
pub(crate) fn features() -> Vec<Line> {
    let sets = FEATURE_SETS.iter().filter(|set| !set.contains(','));
    let tested = |set: &&str| {
        let mut libraries = with_one_seed(with_features("test", &LIBRARIES, set, ""));
        // The models are the same in each.
        libraries.environment.push(("LOOM_MAX_PREEMPTIONS", "1"));
        let with_all = format!("{ALL} --features {set}");
        let with_all = with_all.trim_end_matches(" --features ");
        let suite = || with_one_seed(with_features("test", &["dagwood-tests"], with_all, SUITE));
        let has_suite = *set != "threads";
        [libraries].into_iter().chain(has_suite.then(suite))
    };
    sets.flat_map(tested).collect()
}

/// The suite, optimised, and what is to follow.
fn optimised(rest: &str) -> Line {
    cargo(&format!(
        "test --release -p dagwood-tests --features {ALL} {SUITE}{rest}"
    ))
}

pub(crate) fn release() -> Vec<Line> {
    vec![with_one_seed(optimised(""))]
}

fn under_seeds(count: &'static str) -> Line {
    let mut line = optimised(" -- under_seeds");
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
pub(crate) fn seeds() -> Vec<Line> {
    let find = "test -p dagwood-tests --test planted -- --nocapture";
    vec![
        under_seeds("20"),
        with_plant("lost_wake", find),
        with_plant("late_publication", find),
        with_plant("resumed_on_its_stack", find),
    ]
}

/// The test that a planted bug must break (tests/PLANTS.md).
fn planted(broken: &Broken) -> Line {
    let test = format!("test -p dagwood-tests --features {ALL} --test all -- --exact");
    let (file, name) = (broken.file, broken.test);
    let mut line = with_plant(broken.plant, &format!("{test} {file}::{name} --nocapture"));
    line.environment.extend([
        ("DAGWOOD_TEST_WATCHDOG_S", "10"),
        ("DAGWOOD_SEEDS", "50"),
        ("RUST_BACKTRACE", "0"),
    ]);
    line.last_words = Some(broken.words);
    line.times = 8;
    line
}

pub(crate) fn many_seeds() -> Vec<Line> {
    vec![under_seeds("1000")]
}

/// The suite with fibers that may move, on the fibers backend; then a part of it as a program whose crates are optimised as one:
/// there a thread-local's address may be kept over any call.
pub(crate) fn moving() -> Vec<Line> {
    let moving = ("DAGWOOD_TEST_MIGRATE", "yes");
    // What is left out is about fibers that stay.
    let mut suite = optimised(" -- on_fibers --skip x3_ --skip broadcasts_on_each_workers_thread");
    suite.environment = vec![moving];
    let tests = ["moving", "programs", "races", "waiting", "locks", "cancel"];
    let tests: String = tests.iter().map(|test| format!(" --test {test}")).collect();
    let mut whole = cargo(&format!(
        "test --profile whole-program -p dagwood-tests{tests} -- on_fibers"
    ));
    whole.environment = vec![moving, ("DAGWOOD_SEEDS", "20")];
    vec![suite, whole]
}

pub(crate) fn plants() -> Vec<Line> {
    BROKEN.iter().map(planted).collect()
}

pub(crate) fn fifty() -> Vec<Line> {
    let mut suite = with_one_seed(optimised(""));
    suite.times = 50;
    vec![suite]
}

/// The suite of the stacks under AddressSanitizer, which the compiler at hand has; std is not instrumented. Then with
/// an overflow of a buffer on a fiber's stack, which must be found. (The test of resident memory would measure the
/// sanitizer's.)
pub(crate) fn asan() -> Vec<Line> {
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
/// (An overflow's signal is not for the sanitizer, and a limited address space is too small for it. Under a schedule one thread
/// goes at a time: there is no race to be found.)
pub(crate) fn tsan() -> Vec<Line> {
    let suite = format!("{SUITE} -- --skip f6_ --skip f7_no_memory --skip under_seeds");
    let packages = "test -p dagwood-tests --no-default-features --features all,threads";
    let with_tsan = |rest: &str| cargo_for(Machine::ThreadSanitizer, &format!("{packages} {rest}"));
    let mut planted = with_tsan("--test plant");
    planted.environment = vec![("DAGWOOD_PLANT", "race")];
    planted.last_words = Some("ThreadSanitizer: data race");
    vec![
        cargo_for(
            Machine::ThreadSanitizer,
            "test -p dagwood-arch-fallback --tests",
        ),
        with_tsan(&suite),
        planted,
    ]
}

pub(crate) fn targets() -> Vec<Line> {
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
pub(crate) fn rayon() -> Vec<Line> {
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

pub(crate) fn context() -> Vec<Line> {
    let features = "--features dagwood-fibers/context,dagwood-fibers/threads";
    vec![
        cargo(&format!("test -p dagwood-fibers {features}")),
        cargo(&format!(
            "test -p dagwood-fibers -p dagwood-tests {features},{ALL} {SUITE}"
        )),
    ]
}

/// Without the documentation's examples, which would want another compiler driver, the models, which are about orders
/// of events that no emulator shows, and the scenarios under seeds, whose orders are the same everywhere.
fn suite_on(machine: Machine, features: &[&str], suite: &[String]) -> Vec<Line> {
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
            machine,
            ..with_one_seed(line)
        }
    };
    let part = |tests: &String| {
        let rest = format!("--features {ALL} {tests}");
        on(&["dagwood-tests"], &rest)
    };
    let libraries = [
        on(&["dagwood"], "--lib"),
        on(
            &["dagwood-arch-fallback", "dagwood-fibers"],
            "--lib --tests",
        ),
    ];
    libraries
        .into_iter()
        .chain(suite.iter().map(part))
        .collect()
}

/// The suite in one go.
fn whole_suite() -> [String; 1] {
    [format!("{SUITE} -- --skip under_seeds")]
}

/// The same in parts: the emulator keeps some of the memory of each thread that has ended, more than 15 GiB in the end.
fn suite_in_parts() -> Vec<String> {
    const PARTS: usize = 10;
    let programs = include_str!("../../tests/all.rs").lines();
    let programs = programs.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let mut filters: Vec<String> = programs.map(|name| format!("{name}::")).collect();
    // Those that are chosen by each other's names stand together: few run twice.
    filters.sort_by_key(|filter| filter.bytes().rev().collect::<Vec<_>>());
    let parts = filters.chunks(filters.len().div_ceil(PARTS));
    let parts = parts.map(|part| format!("--test all -- --skip under_seeds {}", part.join(" ")));
    let apart = SUITE.replace("--test all ", "");
    parts
        .chain([format!("{apart} -- --skip under_seeds")])
        .collect()
}

pub(crate) fn foreign() -> Vec<Line> {
    let suites = WITHOUT_SWITCH.iter();
    suites
        .flat_map(|target| suite_on(Machine::Foreign(target), &["threads"], &whole_suite()))
        .collect()
}

pub(crate) fn checksum() -> Vec<Line> {
    let mut same = cargo_for(
        Machine::Foreign(&WITHOUT_SWITCH[0]),
        "run -p dagwood-bench -- run rust-source --size 20000 --engine threads --workers 2",
    );
    same.as_on = Some(Machine::Here);
    vec![same]
}

pub(crate) fn emulated() -> Vec<Line> {
    let suites = WITH_SWITCH.iter();
    let both = ["fibers", "threads"];
    suites
        .flat_map(|target| suite_on(Machine::Foreign(target), &both, &suite_in_parts()))
        .collect()
}

pub(crate) fn windows() -> Vec<Line> {
    suite_on(Machine::Wine, &["fibers", "threads"], &whole_suite())
}

/// What `scale` does, in full, and the sizes that the suite leaves out: a million that wait take some 6 GiB.
pub(crate) fn large() -> Vec<Line> {
    vec![
        at_large("many --test overflow", "--include-ignored w3_ d2_ f7_"),
        at_large("cycles --test programs --test storms", ALONE),
    ]
}

pub(crate) fn scale() -> Vec<Line> {
    let some = |files: &str| {
        let test = format!("test --release -p dagwood-tests --features {ALL} --test all --");
        cargo(&format!("{test} {files} {ALONE}"))
    };
    let mut lines = vec![some("depth:: blocked_threads:: storage::")];
    let mut random = some("programs:: storms::");
    random.environment = vec![
        ("DAGWOOD_PROGRAMS", "0..10000"),
        ("DAGWOOD_STORMS", "0..10000"),
    ];
    lines.push(random);
    lines
}

const ALONE: &str = "--ignored --test-threads 1";

fn at_large(tests: &str, which: &str) -> Line {
    cargo(&format!(
        "test --release -p dagwood-tests --test {tests} -- {which}"
    ))
}

pub(crate) fn examples() -> Vec<Line> {
    let each = |set| {
        ["hello", "dag", "race"]
            .map(|example| with_features("run", &["dagwood"], set, &format!("--example {example}")))
    };
    FEATURE_SETS.into_iter().flat_map(each).collect()
}

pub(crate) fn harness() -> Vec<Line> {
    let compare = |workload: &str, size: u32| {
        cargo(&format!(
            "run --release -- compare {workload} --size {size} --workers 1,2,4 --repeats 2 --json target/ci-{workload}.json"
        ))
    };
    vec![
        compare("rust-source", 20_000),
        compare("rust-deep", 20_000),
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

/// The recipes of `tests/make`, on two versions of GNU make.
pub(crate) fn make() -> Vec<Line> {
    let mut test = cargo("test --release -p dagwood-tests --test under_make -- --ignored");
    test.prepare = Some(make::install);
    test.arguments.extend(
        ["--test-threads=1", "j2_", "j5_"]
            .iter()
            .map(|word| (*word).to_owned()),
    );
    test.environment = vec![
        ("DAGWOOD_MAKE_PIPE", make::PIPE),
        ("DAGWOOD_MAKE_FIFO", make::FIFO),
    ];
    vec![
        cargo("build --release -p dagwood-bench"),
        cargo("build --release -p dagwood-tests --example recipe"),
        test,
    ]
}

pub(crate) fn pages() -> Vec<Line> {
    vec![cargo_for(
        Machine::Browser,
        "test -p dagwood-bench --test pages_in_browser -- --ignored --test-threads 1",
    )]
}

pub(crate) fn instructions() -> Vec<Line> {
    let mut without = cargo("build --release -p dagwood-bench");
    without.environment = vec![
        ("RUSTFLAGS", "--cfg no_schedule"),
        ("CARGO_TARGET_DIR", "target/no-schedule"),
    ];
    let mut lines = vec![
        cargo("build --release -p dagwood-bench"),
        without,
        cargo(
            "build --release -p dagwood-bench --no-default-features --target-dir target/sequential-build",
        ),
        cargo_for(
            Machine::Valgrind,
            "test -p dagwood-ci --test instructions -- --ignored --nocapture --test-threads 1",
        ),
    ];
    // As Cargo.toml has them, whatever the gate says for quick builds.
    for line in &mut lines {
        line.environment.extend([
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
            ("CARGO_PROFILE_RELEASE_LTO", "false"),
        ]);
    }
    lines
}
