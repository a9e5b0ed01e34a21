//! From `mod` to file, rule by rule. What is found is seen from outside: a module that is reached declares what the
//! root imports.

use super::{count, input, loose, package, run};

const NONE: [&str; 0] = [];

#[test]
fn module_is_in_a_file_beside_the_root_or_in_mod_rs() {
    let files = [
        ("src/lib.rs", "mod a; mod b; use a::A; use b::B;"),
        ("src/a.rs", "pub struct A;"),
        ("src/b/mod.rs", "pub struct B;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn module_of_a_named_file_is_in_the_folder_of_that_name() {
    let files = [
        ("src/lib.rs", "mod a; use a::b::B; use a::c::C;"),
        ("src/a.rs", "pub mod b; pub mod c;"),
        ("src/a/b.rs", "pub struct B;"),
        ("src/a/c/mod.rs", "pub struct C;"),
        ("src/b.rs", "this is not reached and so may hold anything"),
    ];
    let found = package(&files);
    assert!(
        found.iter().all(|text| text.starts_with("src/b.rs")),
        "{found:?}"
    );
}

#[test]
fn module_of_mod_rs_is_beside_it() {
    let files = [
        ("src/lib.rs", "mod a; use a::b::B;"),
        ("src/a/mod.rs", "pub mod b;"),
        ("src/a/b.rs", "pub struct B;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn inline_modules_are_folders() {
    let files = [
        (
            "src/lib.rs",
            "mod a { pub mod b { pub mod c; } } mod d; use a::b::c::C; use d::e::f::F;",
        ),
        ("src/a/b/c.rs", "pub struct C;"),
        ("src/d.rs", "pub mod e { pub mod f; }"),
        ("src/d/e/f.rs", "pub struct F;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn path_attribute_is_relative_to_the_file() {
    let files = [
        (
            "src/lib.rs",
            "mod a; #[path = \"deep/x.rs\"] mod y; use a::b::B; use y::z::Z;",
        ),
        ("src/a.rs", "#[path = \"other.rs\"] pub mod b;"),
        ("src/other.rs", "pub struct B;"),
        // A file that was given by its path looks beside itself, as `mod.rs` does.
        ("src/deep/x.rs", "pub mod z;"),
        ("src/deep/z.rs", "pub struct Z;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn path_attribute_inside_inline_modules_is_relative_to_their_folder() {
    let files = [
        (
            "src/lib.rs",
            "mod inline { #[path = \"other.rs\"] pub mod inner; }
             #[path = \"thread_files\"] mod thread { #[path = \"tls.rs\"] pub mod local; pub mod usual; }
             mod a; use inline::inner::A; use thread::local::B; use thread::usual::C; use a::inline::inner::D;",
        ),
        ("src/inline/other.rs", "pub struct A;"),
        ("src/thread_files/tls.rs", "pub struct B;"),
        ("src/thread_files/usual.rs", "pub struct C;"),
        ("src/a.rs", "pub mod inline { #[path = \"other.rs\"] pub mod inner; }"),
        ("src/a/inline/other.rs", "pub struct D;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn path_may_go_up() {
    let files = [
        (
            "src/lib.rs",
            "#[path = \"../shared/x.rs\"] mod x; use x::X;",
        ),
        ("shared/x.rs", "pub struct X;"),
    ];
    assert_eq!(package(&files), NONE);
    let out = [("src/lib.rs", "#[path = \"../../x.rs\"] mod x;")];
    assert_eq!(
        package(&out),
        ["src/lib.rs:1:28: missing-module: no file for module `x`: `../../x.rs` is not there"]
    );
}

#[test]
fn raw_names_are_files_without_the_mark() {
    let files = [
        ("src/lib.rs", "mod r#type; use r#type::X;"),
        ("src/type.rs", "pub struct X;"),
    ];
    assert_eq!(package(&files), NONE);
}

#[test]
fn missing_file_is_reported_unless_under_a_condition() {
    let files = [(
        "src/lib.rs",
        "mod gone;\n#[cfg(windows)] mod conditional;\nuse gone::x; use conditional::y;",
    )];
    assert_eq!(
        package(&files),
        ["src/lib.rs:1:5: missing-module: no file for module `gone`: `src/gone.rs` is not there"]
    );
}

#[test]
fn condition_may_choose_the_file() {
    let files = [
        (
            "src/lib.rs",
            "#[cfg_attr(unix, path = \"unix.rs\")] #[cfg_attr(windows, path = \"windows.rs\")] mod system;
             #[cfg(unix)] #[path = \"unix.rs\"] mod twin; #[cfg(windows)] #[path = \"windows.rs\"] mod twin;
             use system::U; use system::W; use twin::{U as V, W as X}; use system::Neither;",
        ),
        ("src/unix.rs", "pub struct U;"),
        ("src/windows.rs", "pub struct W;"),
    ];
    assert_eq!(
        package(&files),
        ["src/lib.rs:3:76: unresolved-import: `Neither` is not in `crate::system`"]
    );
}

#[test]
fn modules_inside_macro_calls_are_reached() {
    let files = [
        (
            "src/lib.rs",
            "cfg_if! { if #[cfg(unix)] { mod a; #[path = \"c.rs\"] mod b; use a::A; } else { mod gone; } }
             macro_rules! m { ($x:ident) => { mod $x; } }",
        ),
        ("src/a.rs", "pub struct A; use crate::b::B; use crate::b::Gone;"),
        ("src/c.rs", "pub struct B;"),
    ];
    assert_eq!(
        package(&files),
        ["src/a.rs:1:36: unresolved-import: `Gone` is not in `crate::b`"]
    );
}

#[test]
fn file_that_contains_itself_is_reported_and_the_tree_ends() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "#[path = \"b.rs\"] mod b;"),
        (
            "src/b.rs",
            "#[path = \"a.rs\"] mod again; #[path = \"b.rs\"] mod me;",
        ),
    ];
    assert_eq!(
        package(&files),
        [
            "src/b.rs:1:22: module-loop: module `again` would contain itself",
            "src/b.rs:1:50: module-loop: module `me` would contain itself",
        ]
    );
}

#[test]
fn loop_that_nothing_leads_into_has_a_root_all_the_same() {
    let files = [
        ("a.rs", "#[path = \"b.rs\"] mod b;"),
        ("b.rs", "#[path = \"a.rs\"] mod a;"),
    ];
    assert_eq!(
        loose(&files),
        ["b.rs:1:22: module-loop: module `a` would contain itself"]
    );
}

#[test]
fn files_on_very_many_ways_are_cut_off() {
    let names: Vec<String> = (0..20).map(|i| format!("m{i}.rs")).collect();
    let texts: Vec<String> = (1..=20)
        .map(|i| format!("#[path = \"m{i}.rs\"] mod x; #[path = \"m{i}.rs\"] mod y;"))
        .collect();
    let mut files: Vec<(&str, &str)> = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    files.push(("m20.rs", ""));
    let found = loose(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("module-loop: too many modules: the rest of the crate is left out"),
        "{found:?}"
    );
}

#[test]
fn without_a_manifest_each_file_that_no_mod_reaches_is_a_root() {
    let analysis = run(&input(&[
        ("x/one.rs", "mod part; use part::P; use crate::gone;"),
        ("x/part.rs", "pub struct P; use crate::part::P as Q;"),
        ("y/two.rs", "fn main() {}"),
    ]));
    assert_eq!(count(&analysis, "crates"), 2);
    assert_eq!(
        super::complaints(&analysis),
        ["x/one.rs:1:28: unresolved-import: `gone` is not in `crate`"]
    );
}
