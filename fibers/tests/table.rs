//! The backend table: what each set of features gives on the target that runs this, and that the manifest and the
//! source name the same targets. What else says so is compared in `ci/tests/targets.rs`.

use dagwood_fibers::Mechanism;

#[test]
fn features_and_target_decide_the_mechanisms() {
    // The targets these tests are run on; another one must be entered here first.
    let has_switch = match std::env::consts::ARCH {
        "x86_64" | "x86" | "aarch64" | "arm" | "riscv64" | "loongarch64" | "powerpc64" => true,
        "s390x" | "sparc64" => false,
        other => panic!("{other} is not in the table of this test"),
    };
    let switch = has_switch && cfg!(feature = "fibers");
    let threads = cfg!(feature = "threads") || (cfg!(feature = "fibers") && !has_switch);
    let mut expected = Vec::new();
    if switch {
        expected.push(Mechanism::Switch);
    }
    if threads {
        expected.push(Mechanism::Thread);
    }
    assert_eq!(Mechanism::available(), expected);
    let has_context = cfg!(feature = "context") && std::env::consts::ARCH != "riscv64"
        || cfg!(all(target_arch = "powerpc64", target_endian = "big"));
    let name = if has_context { "context" } else { "corosensei" };
    assert_eq!(Mechanism::switch_crate(), switch.then_some(name));
}

/// The condition of the arm of `mechanism.rs` that comes after this comment.
fn condition_after(comment: &str) -> String {
    let source = include_str!("../src/mechanism.rs");
    let (_, arm) = source
        .split_once(comment)
        .expect("the comment stands there");
    let line = arm.lines().nth(1).expect("a line after it");
    let condition = line.trim().strip_suffix(" => {").expect("an arm");
    condition.to_owned()
}

/// Each condition stands twice or more, since Cargo and rustc cannot share it.
#[test]
fn manifest_and_source_name_the_same_targets() {
    let manifest = include_str!("../Cargo.toml");
    let chosen = condition_after("// Chosen by a feature, where both crates have a switch");
    let both = chosen
        .strip_prefix("all(feature = \"context\", ")
        .and_then(|rest| rest.strip_suffix(')'))
        .expect("a feature and a target");
    let ours = condition_after("// The targets of `switch.rs`");
    let others = condition_after("// Where only `context` has a switch");
    for (condition, dependency) in [
        (both.to_owned(), "dagwood-context-by-choice"),
        (ours.clone(), "corosensei"),
        (others.clone(), "context"),
        (
            format!("not(any({ours}, {others}))"),
            "dagwood-arch-fallback",
        ),
    ] {
        let table = format!("[target.'cfg({condition})'.dependencies]\n{dependency} = ");
        assert!(manifest.contains(&table), "{table}");
    }
}
