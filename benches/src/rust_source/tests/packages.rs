//! Crates from manifests, files that nothing reaches, editions, the default input.

use super::{
    super::{Input, registry},
    MANIFEST, complaints, count, input, loose, package, run,
};

#[test]
fn roots_come_by_convention() {
    let analysis = run(&input(&[
        ("Cargo.toml", MANIFEST),
        ("build.rs", "fn main() {}"),
        ("src/lib.rs", ""),
        ("src/main.rs", ""),
        ("src/bin/a.rs", ""),
        ("src/bin/b/main.rs", "mod part;"),
        ("src/bin/b/part.rs", ""),
        ("tests/t.rs", "mod common; use common::X;"),
        ("tests/common/mod.rs", "pub struct X;"),
        ("examples/e.rs", ""),
        ("benches/b.rs", ""),
        ("data/stray.rs", "mod gone; use crate::nothing;"),
    ]));
    assert_eq!(count(&analysis, "packages"), 1);
    assert_eq!(count(&analysis, "crates"), 8);
    assert_eq!(count(&analysis, "files that nothing reaches"), 1);
    assert_eq!(complaints(&analysis), [""; 0]);
}

#[test]
fn roots_are_where_the_manifest_says() {
    let manifest = "[package]\nname = \"p\"\nedition = \"2021\"\nbuild = \"make.rs\"\nautotests = false\n\
                    [lib]\npath = \"lib/here.rs\"\n[[bin]]\nname = \"b\"\npath = \"b.rs\"\n[[example]]\nname = \"e\"\n";
    let analysis = run(&input(&[
        ("Cargo.toml", manifest),
        ("make.rs", ""),
        ("lib/here.rs", ""),
        ("b.rs", ""),
        ("examples/e/main.rs", ""),
        ("tests/no.rs", ""),
    ]));
    assert_eq!(count(&analysis, "crates"), 4);
    assert_eq!(count(&analysis, "files that nothing reaches"), 1);
}

#[test]
fn packages_may_lie_inside_each_other() {
    let analysis = run(&input(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"a\"]\n[workspace.package]\nedition = \"2021\"\n",
        ),
        (
            "a/Cargo.toml",
            "[package]\nname = \"a\"\nedition.workspace = true\n",
        ),
        // In 2015 this would be looked for at the root.
        (
            "a/src/lib.rs",
            "mod m { mod n { pub struct X; } use n::X; use n::Gone; }",
        ),
    ]));
    assert_eq!(count(&analysis, "crates"), 1);
    assert_eq!(
        complaints(&analysis),
        ["a/src/lib.rs:1:47: unresolved-import: `Gone` is not in `crate::m::n`"]
    );
}

#[test]
fn paths_of_the_first_edition_begin_at_the_root() {
    let files = [
        ("Cargo.toml", "[package]\nname = \"p\"\n"),
        (
            "src/lib.rs",
            "mod a { use b::X; use b::Gone; } mod b { pub struct X; }",
        ),
    ];
    assert_eq!(
        loose(&files),
        ["src/lib.rs:1:23: unresolved-import: `Gone` is not in `crate::b`"]
    );
}

#[test]
fn manifest_that_cannot_be_understood_is_a_diagnostic() {
    let found = loose(&[
        ("p/Cargo.toml", "[package\n"),
        ("p/src/lib.rs", "use crate::gone;"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("p/Cargo.toml: manifest: "),
        "{found:?}"
    );
    assert_eq!(
        found[1],
        "p/src/lib.rs:1:5: unresolved-import: `gone` is not in `crate`"
    );
}

#[test]
fn file_of_two_crates_is_complained_about_once() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/main.rs", "mod a;"),
        ("src/a.rs", "use self::gone;"),
    ];
    assert_eq!(
        package(&files),
        ["src/a.rs:1:5: unresolved-import: `gone` is not in `crate::a`"]
    );
}

#[test]
fn default_input_is_whole_packages_and_repeats_itself() {
    let read = || Input::discover(None, 20_000).unwrap_or_else(|error| panic!("{error}"));
    let (one, two) = (read(), read());
    assert_eq!(one.digest(), two.digest());
    assert!(
        one.lines() <= 20_000 && one.lines() > 10_000,
        "{} lines",
        one.lines()
    );
    let found = registry::default_input(20_000).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        found.files.iter().all(|(label, _)| !label.starts_with('/')),
        "labels are no paths of this system"
    );
    assert!(!found.manifests.is_empty());
}

#[test]
fn default_input_is_never_empty() {
    let input = Input::discover(None, 1).unwrap_or_else(|error| panic!("{error}"));
    assert!(input.lines() > 1 && input.files() > 0);
}
