//! The command line as a user meets it: what is refused, how, and with which exit code.

mod common;

use common::dagwood;

#[test]
fn what_cannot_be_is_refused_with_the_valid_names() {
    for (line, said) in [
        ("compare --workers 0", "whole number from 1"),
        ("compare --workers 1,", "whole number from 1"),
        ("compare rust-sorce", "rust-source"),
        ("run fork-jion", "fork-join"),
        ("compare --engines fibres", "fibers"),
        (
            "compare fork-join --engines plain",
            "engines for fork-join: ",
        ),
        ("compare shared --engines rayon", "engines for shared: "),
        ("compare fork-join --size 1", "2 to 60"),
        ("compare shared --engines capacity", "sequential"),
        (
            "compare shared --engines sequential-build",
            "compare vintage",
        ),
        (
            "compare switch --engines fibers-on-context",
            "compare mechanisms",
        ),
        (
            "compare fork-join --engines rayon-patched",
            "compare par-sum",
        ),
        (
            "compare fork-join --input .",
            "--input means nothing to fork-join",
        ),
        ("run shared --engine capacity", "compare"),
        ("explore shared --seeds 0", "not in 1.."),
        ("explore shared --engine sequential", "fibers or threads"),
        ("explore fork-join --engine rayon", "fibers or threads"),
        (
            "run rust-source --input no/such/directory",
            "no/such/directory",
        ),
        (
            "compare fork-join --size 5 --json no/such/directory/rows",
            "cannot write",
        ),
    ] {
        let finished = dagwood(line);
        assert_eq!(finished.code, 2, "{line}: {}", finished.stderr);
        assert!(
            finished.stderr.contains(said),
            "{line}: {}",
            finished.stderr
        );
        assert_eq!(finished.stdout, "", "{line}");
    }
}

#[test]
fn help_and_list_name_everything() {
    let list = dagwood("list");
    let help = dagwood("compare --help");
    assert_eq!((list.code, help.code), (0, 0));
    for name in [
        "rust-source",
        "fork-join",
        "grid-hashed",
        "shared",
        "coarse",
        "fibers",
        "threads",
        "sequential",
        "rayon",
        "rayon-blocking",
        "chili",
        "forte",
        "calls",
        "plain",
        "switch",
        "corosensei",
        "context",
        "context-mxcsr",
        "fibers-on-context",
        "wake",
        "wake-late",
        "cache-line",
        "park",
        "trickle-100",
        "trickle-1000",
        "idle",
        "capacity",
    ] {
        assert!(list.stdout.contains(name), "{name}:\n{}", list.stdout);
        assert!(help.stdout.contains(name), "{name}:\n{}", help.stdout);
    }
}

#[test]
fn run_prints_the_answer_on_stdout_and_the_rest_on_stderr() {
    for engine in ["calls", "rayon", "chili", "sequential"] {
        let finished = dagwood(&format!("run fork-join --size 15 --engine {engine}"));
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert_eq!(finished.stdout, "fib(15) = 610\n");
        assert!(finished.stderr.contains("986 joins"), "{}", finished.stderr);
    }
}

#[test]
fn run_without_an_engine_takes_one_of_ours() {
    let finished = dagwood("run shared --size 3 --workers 2");
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.starts_with("sum over 3 diamonds = "));
}

/// Without the other build there is nothing to compare with: what was tried is said.
#[track_caller]
fn says_what_was_tried(comparison: &str, parts: &[&str]) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dagwood"))
        .args(["compare", comparison])
        .env("CARGO", "no-such-cargo")
        .output()
        .expect("dagwood starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn a_sequential_build_that_cannot_be_made_is_said() {
    let parts = ["sequential-build", "no-such-cargo", "--no-default-features"];
    says_what_was_tried("vintage", &parts);
}

#[test]
fn a_patched_rayon_that_cannot_be_made_is_said() {
    let parts = ["the rayon-patched cannot be made", "no-such-cargo"];
    says_what_was_tried("par-sum", &parts);
}

#[test]
#[cfg(not(feature = "context"))]
fn a_build_with_context_that_cannot_be_made_is_said() {
    let features = r#""--features" "context""#;
    let parts = ["context-build", "no-such-cargo", features];
    says_what_was_tried("mechanisms", &parts);
}

/// Its own fibers are not those that `mechanisms` means.
#[test]
#[cfg(feature = "context")]
fn a_build_with_context_does_not_compare_itself() {
    let finished = dagwood("compare mechanisms");
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("without that feature"),
        "{}",
        finished.stderr
    );
}

#[test]
#[cfg(any(feature = "fibers", feature = "threads"))]
fn explore_gives_one_answer_under_all_seeds() {
    for line in [
        "explore shared --size 6 --seeds 3",
        "explore shared --size 6 --seeds 3 --preemptions 3 --workers 2",
        "explore fork-join --size 10 --seeds 2 --first 7",
    ] {
        let finished = dagwood(line);
        assert_eq!(finished.code, 0, "{line}: {}", finished.stderr);
        assert!(
            finished.stdout.contains(" under all "),
            "{line}: {}",
            finished.stdout
        );
    }
}
