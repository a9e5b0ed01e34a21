//! Imports that nothing of their crate declares: what other crates bring, what macro calls make, what is never built.

use super::{NONE, library, run};
use crate::rust_source::{
    deep::{Level, Levels, Lint, Wanted},
    tests::input,
};

/// What is said of imports, and the counts of them, for an input of several packages.
fn imports(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let mut levels = Levels::default();
    levels.set(Lint::ExcusedImport, Level::Warn);
    let wanted = Wanted {
        levels,
        ..Wanted::default()
    };
    let text = run(&input(files), &wanted).text;
    let is_about = |line: &&str| line.contains("-import: ");
    let (findings, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| !line.starts_with(' '));
    let found = findings.into_iter().filter(is_about).map(str::to_owned);
    let is_count = |line: &&str| line.contains("imports") || line.contains("what macro calls make");
    let counts = rest.into_iter().filter(is_count);
    let counts = counts.map(|line| line.trim_start().to_owned());
    (
        found.collect(),
        counts.filter(|line| !line.starts_with('0')).collect(),
    )
}

/// A library that re-exports what another has, which has it from a third: by `extern crate` under a new name, by a path,
/// and by the name alone.
const CHAIN: &[(&str, &str)] = &[
    (
        "top/Cargo.toml",
        "[package]\nname = \"top\"\nedition = \"2024\"\n[dependencies]\nmiddle-one = { path = \"../middle\" }",
    ),
    (
        "top/src/lib.rs",
        "extern crate middle_one as renamed;\npub mod a { pub use renamed::inner::*; }
pub use a::{Deep, Mid, Private, Absent, Made};",
    ),
    (
        "middle/Cargo.toml",
        "[package]\nname = \"middle-one\"\nedition = \"2024\"",
    ),
    (
        "middle/src/lib.rs",
        "pub mod inner { pub use bottom::*; pub struct Mid; struct Private; make! { Made } }",
    ),
    (
        "third/Cargo.toml",
        "[package]\nname = \"third\"\nedition = \"2024\"\n[lib]\nname = \"bottom\"",
    ),
    ("third/src/lib.rs", "pub struct Deep; pub struct Below;"),
];

#[test]
fn globs_of_other_crates_bring_what_those_crates_show() {
    let mut files = CHAIN.to_vec();
    files[4].1 = "[package]\nname = \"bottom\"\nedition = \"2024\"";
    let (found, counts) = imports(&files);
    // A macro call in `inner` may make whatever it does not name.
    assert_eq!(
        found,
        [
            "top/src/lib.rs:3:24: unresolved-import: `Private` is not in `crate::a`",
            "top/src/lib.rs:3:33: excused-import: `Absent` is not seen in `crate::a`: a glob of another crate may bring it",
        ]
    );
    assert_eq!(
        counts,
        [
            "5 imports from elsewhere",
            "1 imports not seen: a glob of another crate may bring it",
            "1 imports that lead nowhere"
        ]
    );
}

#[test]
fn what_no_crate_behind_a_glob_has_leads_nowhere() {
    let files = [
        (
            "top/Cargo.toml",
            "[package]\nname = \"top\"\n[dependencies]\nb = { path = \"../b\" }",
        ),
        (
            "top/src/lib.rs",
            "mod a { pub use b::*; }\npub use a::{Gone, There};",
        ),
        ("b/Cargo.toml", "[package]\nname = \"b\""),
        ("b/src/lib.rs", "pub struct There; struct Gone;"),
    ];
    let (found, counts) = imports(&files);
    assert_eq!(
        found,
        ["top/src/lib.rs:2:13: unresolved-import: `Gone` is not in `crate::a`"]
    );
    assert_eq!(
        counts,
        ["2 imports from elsewhere", "1 imports that lead nowhere"]
    );
}

#[test]
fn crates_that_glob_each_other_end_the_search() {
    let files = [
        (
            "a/Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\nb = { path = \"../b\" }",
        ),
        (
            "a/src/lib.rs",
            "pub use b::*;\nmod m { pub use crate::Nothing; }",
        ),
        (
            "b/Cargo.toml",
            "[package]\nname = \"b\"\n[dependencies]\na = { path = \"../a\" }",
        ),
        ("b/src/lib.rs", "pub use a::*;"),
    ];
    let (found, _) = imports(&files);
    assert_eq!(
        found,
        [
            "a/src/lib.rs:2:24: excused-import: `Nothing` is not seen in `crate`: a glob of another crate may bring it"
        ]
    );
}

#[test]
fn names_of_several_packages_and_private_globs_say_nothing() {
    let files = [
        (
            "top/Cargo.toml",
            "[package]\nname = \"top\"\n[dependencies]\nb = \"1\"",
        ),
        (
            "top/src/lib.rs",
            "mod a { pub use b::*; }\npub use a::X;\nmod c { use d::*; }\npub use c::Y;",
        ),
        ("b-1/Cargo.toml", "[package]\nname = \"b\""),
        ("b-1/src/lib.rs", "pub struct X;"),
        ("b-2/Cargo.toml", "[package]\nname = \"b\""),
        ("b-2/src/lib.rs", ""),
        ("d/Cargo.toml", "[package]\nname = \"d\""),
        ("d/src/lib.rs", "pub struct Y;"),
    ];
    let (found, _) = imports(&files);
    assert_eq!(
        found,
        [
            "top/src/lib.rs:2:12: excused-import: `X` is not seen in `crate::a`: a glob of another crate may bring it",
            "top/src/lib.rs:4:12: excused-import: `Y` is not seen in `crate::c`: a glob of another crate may bring it",
        ]
    );
}

#[test]
fn what_a_macro_call_or_the_called_macro_names_is_made_there() {
    let text = "macro_rules! prelude { () => { mod prelude { pub struct Shown; } pub struct Other; } }
cfg_if! { if #[cfg(a)] { prelude!(); } }\npub use crate::{prelude::*, Other};
mod numbers { alias! { \"c_char.md\", c_int = i32; c_long = i64 } outer! { Named } }
pub use numbers::{c_int, c_long as long, Named};\npub use crate::numbers::c_char;\npub use crate::prelude::Shown;
mod via { pub use super::numbers::c_int; }\nuse via::c_int as again;\npub fn f() -> again { 1 }";
    // In a string it is no name; and what is inside of what is made is not seen.
    assert_eq!(
        library(text),
        [
            "6:25: excused-import: `c_char` is not seen in `crate::numbers`: a macro there may make it",
            "7:16: excused-import: `prelude` is not seen in `crate`: a macro there may make it",
        ]
    );
}

#[test]
fn imports_that_macro_calls_make_are_counted() {
    let files = [
        ("Cargo.toml", "[package]\nname = \"a\"\nedition = \"2024\""),
        (
            "src/lib.rs",
            "mod m { make! { => A => B } pub struct C; }\npub use m::{A, B, C};",
        ),
    ];
    let (found, counts) = imports(&files);
    assert_eq!(found, NONE);
    assert_eq!(
        counts,
        [
            "3 imports from the same crate",
            "2 of them what macro calls make"
        ]
    );
}

#[test]
fn tests_of_a_library_that_is_never_built_for_tests_are_not_judged() {
    let text = "#[cfg(test)] mod tests { use crate::testing::A; mod inner { use crate::gone::B; } }
#[cfg(unix)] mod c { use crate::gone::D; }";
    let said = |manifest: &str| {
        imports(&[("Cargo.toml", manifest), ("src/lib.rs", text)])
            .0
            .iter()
            .map(|line| line.split(": ").nth(1).expect("a lint").to_owned())
            .collect::<Vec<_>>()
    };
    let manifest = "[package]\nname = \"a\"\nedition = \"2024\"\n[lib]\n";
    let unresolved = "unresolved-import";
    assert_eq!(said(manifest), [unresolved; 3]);
    assert_eq!(
        said(&format!("{manifest}test = false")),
        ["excused-import", "excused-import", unresolved]
    );
}

#[test]
fn functions_of_extern_blocks_in_functions_are_theirs() {
    let text = "pub fn f() { unsafe extern \"C\" { fn inner(x: u8) -> u8; } inner(1); }\npub fn g() { inner(1) }";
    assert_eq!(
        library(text),
        ["2:14: unresolved-call: no function `inner` is in scope"]
    );
}

#[test]
fn the_name_of_a_called_macro_is_not_what_the_call_makes() {
    let text = "mod m { other::make! { A } }\npub use m::{A, make, other};";
    let why = "excused-import";
    assert_eq!(
        library(text),
        [
            format!("2:16: {why}: `make` is not seen in `crate::m`: a macro there may make it"),
            format!("2:22: {why}: `other` is not seen in `crate::m`: a macro there may make it"),
        ]
    );
}

#[test]
fn calls_into_a_module_under_a_condition_may_mean_another() {
    let text = "#[cfg(doc)] mod libc { pub fn here() {} pub fn g() { self::gone() } }
pub fn f() { libc::here(); libc::elsewhere() }";
    assert_eq!(
        library(text),
        ["1:54: unresolved-call: `gone` is not in `crate::libc`"]
    );
}

#[test]
fn a_module_with_the_name_of_a_type_hides_none_of_its_functions() {
    let text = "mod f64 { pub fn own() {} }\npub fn f() { f64::own(); f64::from_bits(1); }";
    assert_eq!(library(text), NONE);
}

#[test]
fn a_call_of_what_a_glob_brings_needs_no_excuse_beside_a_macro() {
    let said = |there: &str| {
        let files = [
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nb = { path = \"../b\" }",
            ),
            (
                "a/src/lib.rs",
                "use b::*;\npub fn f() { bind!(x); there() }",
            ),
            ("b/Cargo.toml", "[package]\nname = \"b\""),
            ("b/src/lib.rs", there),
        ];
        run(&input(&files), &Wanted::default()).text
    };
    assert!(said("pub fn there() {}").contains(" 0 calls that may be"));
    let absent = said("");
    assert!(absent.contains(" 1 calls that may be") && !absent.contains("`there`"));
}
