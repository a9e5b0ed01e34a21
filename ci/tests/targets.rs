//! The table of targets in the documentation of `arch-fallback` and in README, against what Cargo makes of the
//! manifests and what the gate runs. That the source agrees with the manifests is compared in `fibers/tests/table.rs`.

#[allow(dead_code, reason = "the gate uses all of it")]
#[path = "../src/debian.rs"]
mod debian;
#[allow(dead_code, reason = "the gate uses all of it")]
#[path = "../src/foreign.rs"]
mod foreign;
#[allow(dead_code, reason = "the gate uses all of it")]
#[path = "../src/wine.rs"]
mod wine;

use std::collections::BTreeSet;
use std::process::Command;

use foreign::{CHECKED, WITH_SWITCH, WITHOUT_SWITCH};

const HEAD: &str = "| target | a fiber is switched by | tested |";

/// A line of the table, for one of its targets.
struct Row {
    triple: String,
    switch: String,
    tested: String,
}

/// The lines of the table, in a text whose lines begin with `margin`.
fn table(text: &str, margin: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix(margin).unwrap_or(line));
    let from_head = lines.skip_while(|line| *line != HEAD);
    from_head
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect()
}

fn rows() -> Vec<Row> {
    let table = table(include_str!("../../arch-fallback/src/lib.rs"), "//! ");
    let named = table.iter().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = named.flat_map(|line| rows_of(line)).collect();
    assert!(rows.len() > 15, "the table is not found");
    rows
}

fn rows_of(line: &str) -> Vec<Row> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, targets, switch, tested, _] = cells[..] else {
        panic!("not three cells: {line}");
    };
    let row = |target: &str| Row {
        triple: target.trim_matches('`').to_owned(),
        switch: switch.to_owned(),
        tested: tested.to_owned(),
    };
    targets.split(", ").map(row).collect()
}

/// The packages that a build of this one for a target takes in.
fn packages(package: &str, triple: &str, features: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--prefix",
            "none",
            "--edges",
            "normal,build",
        ])
        .args(["--package", package, "--target", triple])
        .args(["--no-default-features", "--features", features])
        .output()
        .expect("Cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{triple}: {said}");
    let text = String::from_utf8(output.stdout).expect("names are text");
    let names: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(names.contains(package), "{triple}: {text}");
    names
}

/// What switches fibers, by the crates of a build.
fn switch_of(packages: &BTreeSet<String>) -> Vec<&'static str> {
    [
        ("corosensei", "corosensei"),
        ("context", "`context`"),
        ("dagwood-arch-fallback", "threads"),
    ]
    .into_iter()
    .filter(|(package, _)| packages.contains(*package))
    .map(|(_, word)| word)
    .collect()
}

#[test]
fn the_manifests_are_as_the_table_says() {
    for row in rows() {
        let with_fibers = packages("dagwood-fibers", &row.triple, "fibers");
        let [switch] = switch_of(&with_fibers)[..] else {
            panic!("{}: {with_fibers:?}", row.triple);
        };
        assert!(row.switch.starts_with(switch), "{}: {switch}", row.triple);
        let with_context = packages("dagwood-fibers", &row.triple, "context");
        let has_choice = with_context.len() > with_fibers.len();
        assert_eq!(
            has_choice,
            with_context.contains("dagwood-context-by-choice")
        );
        assert_eq!(
            row.switch.contains("or `context` by feature"),
            has_choice,
            "{}",
            row.triple
        );
    }
}

#[test]
fn without_features_no_switch_comes_in() {
    for row in rows() {
        let packages = packages("dagwood", &row.triple, "");
        // (Where there is no switch our threads are in every build; they take nothing else in.)
        let has_switch = !matches!(switch_of(&packages)[..], [] | ["threads"]);
        assert!(!has_switch, "{}: {packages:?}", row.triple);
    }
}

#[test]
fn threads_alone_bring_no_switch() {
    for row in rows() {
        let packages = packages("dagwood", &row.triple, "threads");
        assert_eq!(switch_of(&packages), ["threads"], "{}", row.triple);
    }
}

/// Said here once more, so that nobody changes table and manifests together without meaning it.
#[test]
fn what_was_promised_of_some_targets() {
    let has = |packages: &BTreeSet<String>, name: &str| packages.contains(name);
    for triple in ["s390x-unknown-linux-gnu", "sparc64-unknown-linux-gnu"] {
        let all = packages("dagwood-fibers", triple, "fibers,threads,context");
        assert!(!has(&all, "corosensei") && !has(&all, "context"), "{all:?}");
    }
    let powerpc64 = packages("dagwood", "powerpc64-unknown-linux-gnu", "fibers,threads");
    assert!(has(&powerpc64, "context") && !has(&powerpc64, "corosensei"));
    let none = packages("dagwood", "x86_64-unknown-linux-gnu", "");
    assert_eq!(switch_of(&none), [""; 0], "{none:?}");
}

#[test]
fn the_gate_tests_what_the_table_says() {
    let rows = rows();
    let is_in = |list: &[foreign::Foreign], triple: &str| {
        list.iter().any(|foreign| foreign.triple == triple)
    };
    for row in &rows {
        let triple = row.triple.as_str();
        let expected = if triple == "i686-unknown-linux-gnu" {
            "natively, by name"
        } else if is_in(&WITHOUT_SWITCH, triple) {
            "emulated, each time"
        } else if is_in(&WITH_SWITCH, triple) {
            "emulated, by name"
        } else if triple == wine::TRIPLE {
            "compiled, each time; in wine, by name"
        } else if CHECKED.contains(&triple) {
            "compiled, each time"
        } else if triple == "x86_64-unknown-linux-gnu" {
            "natively, each time"
        } else {
            "not"
        };
        let said = row.tested.strip_prefix(expected);
        let is_all = said.is_some_and(|rest| rest.is_empty() || rest.starts_with(';'));
        assert!(is_all, "{triple}: {}, not {expected}", row.tested);
        let is_in_wine = row.tested.contains("wine");
        assert_eq!(is_in_wine, triple == wine::TRIPLE, "{triple}");
    }
    let named = |triple: &str| rows.iter().any(|row| row.triple == triple);
    let all = WITHOUT_SWITCH.iter().chain(&WITH_SWITCH);
    for triple in all.map(|foreign| foreign.triple).chain(CHECKED) {
        assert!(named(triple), "{triple} is not in the table");
    }
}

#[test]
fn readme_has_the_same_table() {
    let readme = table(include_str!("../../README.md"), "");
    assert_eq!(
        readme,
        table(include_str!("../../arch-fallback/src/lib.rs"), "//! ")
    );
}
