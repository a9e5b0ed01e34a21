//! Tests of the analysis in depth: small packages in memory.

use dagwood::{Backend, Executor};

use super::{Deep, Level, Levels, Lint, Progress, Wanted, analyse};
use crate::rust_source::{
    Input,
    tests::{MANIFEST, input},
};

mod unseen;

/// Something of everything: modules in files and inline, globs in circles, re-exports, enums, a member of the same name in
/// two crates, an unreadable file, a macro, findings.
pub(super) const SAMPLE: &[(&str, &str)] = &[
    ("Cargo.toml", MANIFEST),
    (
        "src/lib.rs",
        "pub mod shapes;\nmod left;\nmod right;\npub use shapes::Shape as Form;\npub fn total() -> u32 { left::go(1) + Form::ZERO.area() }\n\
         macro_rules! twice { ($x:expr) => { $x + $x } }\nfn dead() { dead() }\nuse std::collections::HashMap;\n",
    ),
    (
        "src/shapes/mod.rs",
        "mod deep;\npub use deep::*;\npub enum Shape { Point, Square(u32) }\nuse Shape::*;\n\
         impl Shape { pub const ZERO: Shape = Point; pub fn area(&self) -> u32 { match self { Point => 0, Square(x) => deep::square(*x) } }\n\
         pub fn unit() -> Shape { Self::of(1) } fn of(x: u32) -> Self { Square(x) } }\n",
    ),
    (
        "src/shapes/deep.rs",
        "use super::*;\npub fn square(x: u32) -> u32 { if x > 1 && x < 9 { x * x } else { Shape::unit().area() } }\n",
    ),
    (
        "src/left.rs",
        "pub use crate::right::*;\npub fn go(x: u32) -> u32 { back(x) }\n",
    ),
    (
        "src/right.rs",
        "pub use crate::left::*;\npub fn back(x: u32) -> u32 { if x > 9 { x } else { go(x + 1) } }\n",
    ),
    (
        "src/main.rs",
        "mod right;\nfn main() { right::back(1); missing(2); crate::right::gone(); }\nuse crate::nowhere::X;\n",
    ),
    ("src/bad.rs", "fn broken( {"),
];

fn run_on(backend: Backend, workers: usize, input: &Input, wanted: &Wanted) -> Deep {
    let executor = Executor::builder()
        .backend(backend)
        .workers(workers)
        .build()
        .expect("an executor");
    analyse(&executor, input, wanted, &Progress::default()).expect("no query fails")
}

fn run(input: &Input, wanted: &Wanted) -> Deep {
    run_on(Backend::Sequential, 1, input, wanted)
}

/// Findings of all lints in a library of one file, without the file's name.
pub(super) fn library(text: &str) -> Vec<String> {
    package(&[("src/lib.rs", text)])
        .iter()
        .map(|line| line.trim_start_matches("src/lib.rs:").to_owned())
        .collect()
}

pub(super) fn package(files: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![("Cargo.toml", MANIFEST)];
    all.extend(files);
    package_with(&all)
}

/// Findings of all lints in these files, manifests among them.
pub(super) fn package_with(files: &[(&str, &str)]) -> Vec<String> {
    let mut levels = Levels::default();
    Lint::ALL
        .iter()
        .for_each(|&lint| levels.set(lint, Level::Warn));
    let wanted = Wanted {
        levels,
        ..Wanted::default()
    };
    let text = run(&input(files), &wanted).text;
    let is_finding = |line: &&str| !line.starts_with(' ');
    text.lines().filter(is_finding).map(str::to_owned).collect()
}

fn json(files: &[(&str, &str)]) -> serde_json::Value {
    let wanted = Wanted {
        is_json: true,
        ..Wanted::default()
    };
    serde_json::from_str(&run(&input(files), &wanted).text).expect("JSON")
}

/// The function of that path in the JSON.
fn function<'a>(json: &'a serde_json::Value, path: &str) -> &'a serde_json::Value {
    let crates = json["crates"].as_array().into_iter().flatten();
    let modules = crates.flat_map(|krate| krate["modules"].as_array().into_iter().flatten());
    modules
        .flat_map(|module| module["functions"].as_array().into_iter().flatten())
        .find(|function| function["path"] == path)
        .unwrap_or_else(|| panic!("no {path} in {json:#}"))
}

pub(super) const NONE: [&str; 0] = [];

#[test]
fn text_and_json_are_the_same_on_every_backend_with_any_number_of_workers() {
    let input = input(SAMPLE);
    for is_json in [false, true] {
        let wanted = Wanted {
            is_json,
            has_query_graph: true,
            ..Wanted::default()
        };
        let expected = run(&input, &wanted).text;
        for &backend in Executor::backends() {
            for workers in [1, 2, 3, 8] {
                let got = run_on(backend, workers, &input, &wanted).text;
                assert_eq!(got, expected, "{backend:?} with {workers} workers");
            }
        }
    }
}

/// Each package has the same queries, and asks nothing of the others.
#[test]
fn the_graph_of_queries_grows_by_that_of_a_package() {
    let graph = |folders: &[&str]| {
        let mut files = Vec::new();
        for folder in folders {
            let of_folder = SAMPLE.iter();
            files.extend(of_folder.map(|(label, text)| (format!("{folder}/{label}"), *text)));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(l, t)| (l.as_str(), *t)).collect();
        let wanted = Wanted {
            is_json: true,
            has_query_graph: true,
            ..Wanted::default()
        };
        let json = run(&input(&files), &wanted).text;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        ["queries", "asks", "shared", "depth", "askers_max"]
            .map(|name| json["query_graph"][name].as_u64().expect("a number"))
    };
    let (none, one, two) = (graph(&[]), graph(&["a"]), graph(&["a", "b"]));
    for i in 0..3 {
        assert_eq!(
            two[i] - one[i],
            one[i] - none[i],
            "{none:?}, {one:?}, {two:?}"
        );
    }
    let [queries, asks, shared, depth, askers_max] = one;
    assert!(asks > queries && queries > shared && shared > 0, "{one:?}");
    // From the facts of a module down to the text of a file.
    assert!(depth >= 8 && askers_max > 8, "{one:?}");
    assert_eq!([depth, askers_max], two[3..]);
}

#[test]
fn calls_are_followed_through_globs_reexports_and_renames() {
    let json = json(SAMPLE);
    let calls = |path| function(&json, path)["calls"].to_string();
    assert_eq!(calls("crate::total"), "[\"crate::left::go\"]");
    assert_eq!(calls("crate::left::go"), "[\"crate::right::back\"]");
    assert_eq!(calls("crate::right::back"), "[\"crate::left::go\"]");
    assert_eq!(
        calls("crate::shapes::Shape::unit"),
        "[\"crate::shapes::Shape::of\"]"
    );
    assert_eq!(
        calls("crate::shapes::deep::square"),
        "[\"crate::shapes::Shape::unit\"]"
    );
}

#[test]
fn public_api_reaches_what_its_code_refers_to() {
    let text =
        "mod a { pub struct Shown; pub struct Hidden; impl Shown { pub fn f(self) { helper() } }
        fn helper() {} fn other() -> Hidden { Hidden } }\npub use a::Shown;\npub fn g(x: Shown) {}";
    let json = json(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    for (path, is_reached) in [
        ("crate::a::Shown::f", true),
        ("crate::a::helper", true),
        ("crate::a::other", false),
        ("crate::g", true),
    ] {
        assert_eq!(function(&json, path)["is_reached"], is_reached, "{path}");
    }
    assert_eq!(
        function(&json, "crate::g")["signature"].to_string(),
        "[\"crate::a::Shown\"]"
    );
}

#[test]
fn public_api_reaches_twins_and_implementations_for_types_of_others() {
    let text = "mod a { pub struct Shown; struct Hidden;
        impl From<Shown> for u8 { fn from(_: Shown) -> u8 { helper() } } impl From<Hidden> for u16 { fn from(_: Hidden) -> u16 { 1 } }
        #[cfg(a)] fn helper() -> u8 { one() } #[cfg(b)] fn helper() -> u8 { two() } fn one() -> u8 { 1 } fn two() -> u8 { 2 } }
        pub use a::Shown;";
    let json = json(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    let reached: Vec<_> = json["crates"][0]["modules"][1]["functions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|function| function["is_reached"] == true)
        .collect();
    // Shown's, Hidden's, both twins, what each calls.
    assert_eq!(reached, [true, false, true, true, true, true]);
}

#[test]
fn functions_are_measured() {
    let text = "// a comment\nfn f(x: u8) -> u8 {\n    if x > 1 && x < 3 {\n        while x > 0 {}\n    }\n    match x { 0 => 1, 1 => 2, _ => 3 }\n}\n";
    let json = json(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    let function = function(&json, "crate::f");
    let measures = ["line", "lines", "branches", "depth"].map(|name| function[name].clone());
    assert_eq!(measures, [2, 6, 5, 2]);
}

#[test]
fn unused_private_functions_are_found_and_others_are_not() {
    let text = "fn dead() { dead() }\nfn used() {}\npub fn shown() { used() }\nfn in_macro() {}\nfn m() { println!(\"{}\", in_macro()); }
#[test] fn t() { m() }\n#[allow(dead_code)] fn kept() {}\nfn main() {}\nmod a { fn lost() {} pub(crate) fn inner() {} }\nfn passed() {}
pub const F: fn() = passed;
#[derive(Debug)] pub struct S { #[serde(default = \"named\")] pub x: u8 }
fn named() -> u8 { 1 }
#[cfg(a)] fn twice() {}
#[cfg(b)] fn twice() {}
pub fn k() { twice() }";
    assert_eq!(
        library(text),
        [
            "1:4: unused-function: nothing refers to `dead`",
            "9:12: unused-function: nothing refers to `lost`",
            "9:36: unused-function: nothing refers to `inner`",
        ]
    );
}

#[test]
fn unused_imports_are_found_and_what_may_be_a_trait_is_not() {
    let text = "use std::collections::HashMap;\nuse std::{mem, io::Read, fmt};\nuse other::Thing;\nmod a { pub struct S; pub trait T {} pub fn f() {} }
use a::{S, T, f};\nuse std::sync::Arc;\npub fn g() -> Arc<u8> { vec![f()]; fmt::x() }\n#[allow(unused_imports)] use std::rc::Rc;
mod inner { use super::*; fn h() { let _ = super::g; } #[test] fn t() { h(); mem::swap() } }";
    assert_eq!(
        library(text),
        [
            "1:5: unused-import: nothing uses `std::collections::HashMap`",
            "5:9: unused-import: nothing uses `a::S`",
        ]
    );
}

#[test]
fn unresolved_imports_and_calls_are_found_with_their_places() {
    let text = "mod a { pub fn f() {} }\nuse crate::gone;\npub fn g() { a::f(); a::g(); nowhere(); drop(1); let local = || 1; local(); other::x(); }";
    assert_eq!(
        library(text),
        [
            "2:12: unresolved-import: `gone` is not in `crate`",
            "3:22: unresolved-call: `g` is not in `crate::a`",
            "3:30: unresolved-call: no function `nowhere` is in scope",
        ]
    );
}

#[test]
fn limits_are_named_where_they_explain_what_is_not_seen() {
    let text = "mod a { some_macro!{ x } }\nuse a::Made;\nmod b { include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); }\npub use b::Built;
#[cfg(unix)] mod c;\npub use c::Sys;\nmod d { pub use other::*; }\npub use d::Foreign;\npub use e::Via;\nmod e { pub use crate::a::Via; }";
    let found = library(text);
    assert_eq!(
        found,
        [
            "2:8: excused-import: `Made` is not seen in `crate::a`: a macro there may make it",
            "4:12: excused-import: `Built` is not seen in `crate::b`: a build script writes a part of it",
            "6:9: excused-import: `c` is not seen in `crate`: it depends on a condition (`cfg`)",
            "8:12: excused-import: `Foreign` is not seen in `crate::d`: a glob of another crate may bring it",
            "9:12: excused-import: `Via` is not seen in `crate::e`: a macro there may make it",
            "10:27: excused-import: `Via` is not seen in `crate::a`: a macro there may make it",
        ]
    );
}

#[test]
fn items_in_macros_that_read_as_items_are_seen() {
    let text = "cfg_if::cfg_if! { if #[cfg(unix)] { pub fn f() {} pub use self::f as g; } else { pub fn f() {} } }\npub fn h() { f(); g(); }
use crate::g as k;\npub fn l() { k() }";
    assert_eq!(library(text), NONE);
}

#[test]
fn what_the_tokens_of_a_macro_call_declare_is_seen_and_not_judged() {
    let text = "make! { #[x] struct S[y] { a } fn made => 1; static ref T: u8 = 1; }\nDEFINE!{GUID, 1, 2}\nRIDL!{#[uuid(1)] interface I(V): J(W) { fn f() }}\nENUM!{enum E { A = 1, B }}
use self::{S, T, GUID, I, A, B};\npub fn f(_: S) { made(); T; GUID; weak! { fn inner(x: u8) -> u8 } inner(1) }";
    assert_eq!(library(text), NONE);
}

#[test]
fn modules_under_conditions_explain_what_one_of_them_lacks() {
    let text = "#[cfg(unix)] mod a { pub mod sys {} }\n#[cfg(windows)] mod b { pub mod sys { pub struct S; } }
#[cfg(unix)] pub use a::*;\n#[cfg(windows)] pub use b::*;\nmod c { pub use crate::sys::Gone; pub use crate::sys::S; }";
    assert_eq!(
        library(text),
        [
            "5:29: excused-import: `Gone` is not seen in `crate::a::sys`: it depends on a condition (`cfg`)"
        ]
    );
}

#[test]
fn globs_do_not_hide_what_is_declared_or_imported() {
    let text = "mod a { pub fn f() {} pub fn g() {} }\nmod b { pub fn f() {} }\nuse a::*;\nuse b::f;\nfn g() {}\npub fn h() { f(); g(); a::g(); a::f() }";
    let json = json(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    assert_eq!(
        function(&json, "crate::h")["calls"].to_string(),
        "[\"crate::g\",\"crate::a::f\",\"crate::a::g\",\"crate::b::f\"]"
    );
}

#[test]
fn names_of_blocks_and_patterns_are_their_own() {
    let text = "fn f() {}\nfn g() {}\npub fn h(x: fn()) { let f = || f(); if let Some(g) = Some(f) { g() } x(); for f in f() {} fn inner() {} inner(); use self::g as k; k() }";
    let json = json(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    // `f` in its own initialiser, and `g` by the import of the block.
    assert_eq!(
        function(&json, "crate::h")["calls"].to_string(),
        "[\"crate::f\",\"crate::g\"]"
    );
}

#[test]
fn modules_that_use_each_other_are_a_cycle() {
    let found = package(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "pub fn f() { crate::b::g() }"),
        ("src/b.rs", "pub fn g() { crate::a::f() }"),
        ("src/c.rs", "pub fn h() { crate::a::f() }"),
    ]);
    assert_eq!(
        found,
        ["src/a.rs:1:24: module-cycle: `crate::a`, `crate::b` use each other"]
    );
}

#[test]
fn what_is_not_analysed_is_named_and_the_rest_goes_on() {
    let deep = "(".repeat(10_000);
    let text = format!("fn f() {{ {deep} }}");
    let json = json(&[
        ("Cargo.toml", MANIFEST),
        ("src/lib.rs", "mod deep; pub fn g() {}"),
        ("src/deep.rs", &text),
    ]);
    let named = json["not_analysed"].as_array().expect("a list");
    assert_eq!(named.len(), 1);
    assert_eq!(named[0]["file"], "src/deep.rs");
    function(&json, "crate::g");
}

#[test]
fn a_file_of_two_crates_holds_what_either_uses() {
    let found = package(&[
        ("src/lib.rs", "mod common; pub fn f() { common::one() }"),
        ("src/main.rs", "mod common; fn main() { common::two() }"),
        (
            "src/common.rs",
            "pub(crate) fn one() {}\npub(crate) fn two() {}\nfn three() {}",
        ),
    ]);
    assert_eq!(
        found,
        ["src/common.rs:3:4: unused-function: nothing refers to `three`"]
    );
}

#[test]
fn a_denied_lint_is_said_and_tells_the_caller() {
    let mut wanted = Wanted::default();
    let input = input(SAMPLE);
    assert!(!run(&input, &wanted).is_denied);
    wanted.levels.set(Lint::UnusedFunction, Level::Deny);
    let deep = run(&input, &wanted);
    assert!(
        deep.is_denied && deep.text.contains("(denied)"),
        "{}",
        deep.text
    );
}
