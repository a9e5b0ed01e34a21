//! The backend table: what each set of features gives on the target that runs this.

use dagwood_fibers::Mechanism;

#[test]
fn features_and_target_decide_the_mechanisms() {
    // The targets these tests are run on; another one must be entered here first.
    let has_switch = match std::env::consts::ARCH {
        "x86_64" | "x86" | "aarch64" | "arm" | "riscv64" | "loongarch64" => true,
        "powerpc64" => 1_u16.to_le() == 1,
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
}

/// The condition stands three times, since Cargo and rustc cannot share it.
#[test]
fn manifest_and_source_name_the_same_targets() {
    let manifest = include_str!("../Cargo.toml");
    let source = include_str!("../src/mechanism.rs");
    let condition = source
        .lines()
        .find_map(|line| line.trim().strip_suffix(" => {")?.strip_prefix("all("))
        .map(|rest| format!("all({rest}"))
        .expect("the arm of the switch");
    let with_switch = format!("[target.'cfg({condition})'.dependencies]\ncorosensei = ");
    let without =
        format!("[target.'cfg(not({condition}))'.dependencies]\ndagwood-arch-fallback = ");
    assert!(manifest.contains(&with_switch), "{with_switch}");
    assert!(manifest.contains(&without), "{without}");
}
