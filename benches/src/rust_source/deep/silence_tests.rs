//! What the lints must not say: each of these is right, as the compiler reads it.

use super::tests::{NONE, library, package, package_with};

#[test]
fn names_of_modules_inside_functions_are_not_followed() {
    let text = "fn helper() {}\nmod outer { pub fn q() {} }
pub fn f() { mod inner { use super::helper; pub fn g() { super::helper(); h(); helper() } fn h() {} } inner::g(); use inner::g as k; k() }
pub fn shadow() { mod outer { pub fn other() {} } outer::other(); }\npub fn l() { outer::q() }";
    assert_eq!(library(text), NONE);
}

#[test]
fn functions_of_extern_blocks_inside_functions_are_there() {
    let text = "pub fn f() { unsafe extern \"C\" { fn g(); safe fn h(); } unsafe { g() } h() }";
    assert_eq!(library(text), NONE);
}

#[test]
fn what_is_bound_is_no_missing_function_whatever_its_name() {
    let text =
        "pub fn f(F: fn(), x: Option<fn()>) { F(); let G = F; G(); if let Some(H) = x { H() } }";
    assert_eq!(library(text), NONE);
}

#[test]
fn a_constant_in_a_pattern_is_still_used_after_it() {
    let text = "mod a { pub const C: u8 = 1; pub fn T() {} }\nuse a::{C, T};\npub fn f(x: u8) { match x { C => { C; println!(\"{}\", T()) } _ => {} } }";
    assert_eq!(library(text), NONE);
}

#[test]
fn what_a_macro_in_a_function_may_declare_is_no_missing_function() {
    let text = "macro_rules! bind { ($x:ident) => { let $x = || (); } }\npub fn f() { bind!(local); local(); }
pub fn g() { other::main!(); main(); }\npub fn h() { println!(\"x\"); gone() }";
    assert_eq!(
        library(text),
        ["4:29: unresolved-call: no function `gone` is in scope"]
    );
}

#[test]
fn a_function_does_not_see_the_variables_of_the_one_around_it() {
    let text = "fn g() {}\npub fn f() { let g = 1; g; fn inner() { g() } inner(); }";
    assert_eq!(library(text), NONE);
}

#[test]
fn a_variable_is_no_use_of_the_function_that_has_its_name() {
    let text = "fn g() {}\npub fn f() { let g = 1; g; }";
    assert_eq!(
        library(text),
        ["1:4: unused-function: nothing refers to `g`"]
    );
}

#[test]
fn attributes_in_front_of_a_module_hold_inside_it() {
    let found = package(&[
        (
            "src/lib.rs",
            "#[allow(dead_code)] mod a;\n#[expect(\n    unused\n)] mod b;\nmod c;",
        ),
        ("src/a.rs", "mod inner;\nfn lost() {}"),
        ("src/a/inner.rs", "fn deep() {}"),
        ("src/b.rs", "use std::collections::HashMap;\nfn gone() {}"),
        ("src/c.rs", "fn dead() {}"),
    ]);
    assert_eq!(
        found,
        ["src/c.rs:1:4: unused-function: nothing refers to `dead`"]
    );
}

#[test]
fn lints_that_the_manifest_lets_pass_are_not_told() {
    let text = "use std::collections::HashMap;\nfn dead() {}";
    let own =
        "[package]\nname = \"a\"\n[lints.rust]\ndead_code = { level = \"allow\", priority = 1 }\n";
    assert_eq!(
        package_with(&[("Cargo.toml", own), ("src/lib.rs", text)]),
        ["src/lib.rs:1:5: unused-import: nothing uses `std::collections::HashMap`"]
    );
    let workspace = "[workspace]\n[workspace.lints.rust]\nunused = \"allow\"\n";
    let member = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";
    let files = [
        ("Cargo.toml", workspace),
        ("a/Cargo.toml", member),
        ("a/src/lib.rs", text),
    ];
    assert_eq!(package_with(&files), NONE);
}

#[test]
fn imports_for_documentation_or_for_a_macro_among_the_items_are_used() {
    let text =
        "pub mod a { pub struct Thing; }\n#[cfg(doc)] use a::Thing;\nuse core::arch::global_asm;
global_asm!(\"nop\");\nmod b { use std::collections::HashMap; other::make! { x } }
macro_rules! tests { () => { use super::*; } }\nuse std::collections::VecDeque;\nmod c { tests!(); pub fn f() { VecDeque::new(); } }";
    assert_eq!(library(text), NONE);
}

#[test]
fn a_file_that_is_two_modules_holds_what_either_uses() {
    let found = package(&[
        (
            "src/lib.rs",
            "#[cfg(a)] #[path = \"x.rs\"] mod one;\n#[cfg(b)] #[path = \"x.rs\"] mod two;\npub fn f() { one::g() }\npub fn h() { two::k() }",
        ),
        (
            "src/x.rs",
            "pub(crate) fn g() {}\npub(crate) fn k() {}\nfn l() {}",
        ),
    ]);
    assert_eq!(
        found,
        ["src/x.rs:3:4: unused-function: nothing refers to `l`"]
    );
}

#[test]
fn what_has_no_name_is_not_unused() {
    let found = library("fn () {}");
    assert!(!found.is_empty() && found.iter().all(|line| line.contains(": syntax: ")));
}

#[test]
fn a_manifest_whose_package_is_no_table_is_named() {
    let found = package_with(&[
        ("Cargo.toml", "package = 3"),
        ("src/lib.rs", "pub fn f() {}"),
    ]);
    assert_eq!(found, ["Cargo.toml: manifest: `package` is no table"]);
}
