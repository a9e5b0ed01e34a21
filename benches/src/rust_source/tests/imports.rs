//! What imports resolve to, what is reported and what is let pass.

use super::{super::attributes::BUILT_IN, package};

const NONE: [&str; 0] = [];

/// The diagnostics of a library of one file, without the file's name.
fn library(text: &str) -> Vec<String> {
    let found = package(&[("src/lib.rs", text)]);
    found
        .into_iter()
        .map(|text| text.trim_start_matches("src/lib.rs:").to_owned())
        .collect()
}

#[test]
fn local_names_that_are_not_there_are_reported() {
    let text = "mod a { pub struct S; pub mod b {} }
use crate::gone;
use self::a::Gone;
use a::b::{self, Gone as G};
use a::{S, b::deep::X};
mod c { use super::a::Nothing; use super::super::up; }
";
    assert_eq!(
        library(text),
        [
            "2:5: unresolved-import: `gone` is not in `crate`",
            "3:5: unresolved-import: `Gone` is not in `crate::a`",
            "4:18: unresolved-import: `Gone` is not in `crate::a::b`",
            "5:12: unresolved-import: `deep` is not in `crate::a::b`",
            "6:13: unresolved-import: `Nothing` is not in `crate::a`",
            "6:36: unresolved-import: `super` is not in `crate`",
        ]
    );
}

#[test]
fn every_kind_of_item_can_be_imported() {
    let text = "mod a { pub fn f() {} pub struct S; pub enum E { V } pub union U { x: u8 } pub trait T {}
        pub type A = u8; pub const C: u8 = 1; pub static X: u8 = 1; pub mod m {} pub extern crate core as k;
        extern \"C\" { pub fn ef(); pub static es: u8; } }
        use a::{f, S, E, U, T, A, C, X, m, k, ef, es}; use a::E::V; use k::mem;";
    assert_eq!(library(text), NONE);
}

#[test]
fn enum_has_its_variants_and_no_others() {
    let text = "enum E { A, B { x: u8 }, C(u8) }\nuse E::{A, B, C};\nuse self::E::D;\nuse E::*;";
    assert_eq!(
        library(text),
        ["3:5: unresolved-import: `D` is not in `crate::E`"]
    );
}

#[test]
fn reexports_and_renames_are_followed_in_any_order() {
    let text = "use e::Last; use e::Other;
mod a { pub use super::b::X as Y; } mod b { pub use super::c::*; } mod c { pub use super::d::inner::X; }
mod d { pub mod inner { pub struct X; } } mod e { pub use super::a::Y as Last; }";
    assert_eq!(
        library(text),
        ["1:18: unresolved-import: `Other` is not in `crate::e`"]
    );
}

#[test]
fn globs_may_go_in_circles() {
    let text =
        "mod a { pub use super::b::*; pub struct A; } mod b { pub use super::a::*; pub struct B; }
use a::{A, B};\nuse b::{A as C, B as D};\nuse a::Neither;";
    assert_eq!(
        library(text),
        ["4:5: unresolved-import: `Neither` is not in `crate::a`"]
    );
}

#[test]
fn variants_come_with_globs() {
    let text = "mod a { pub enum E { V } pub use self::E::*; }\nuse a::V;\nuse a::W;";
    assert_eq!(
        library(text),
        ["3:5: unresolved-import: `W` is not in `crate::a`"]
    );
}

#[test]
fn imports_that_only_lead_to_each_other_are_reported() {
    let text = "mod a { pub use super::b::X; }\nmod b { pub use super::a::X; }";
    assert_eq!(
        library(text),
        [
            "1:17: unresolved-import: `X` is not in `crate::b`",
            "2:17: unresolved-import: `X` is not in `crate::a`"
        ]
    );
}

#[test]
fn other_crates_are_not_judged() {
    let text = "use std::anything::at::all; use ::other::x; use serde::*; pub use serde as s; use s::y;
        extern crate alloc; use alloc::nothing; use self::alloc::other; extern crate self as me; use me::s as t;";
    assert_eq!(library(text), NONE);
    assert_eq!(
        library("extern crate self as me;\nuse me::gone;"),
        ["2:5: unresolved-import: `gone` is not in `crate`"]
    );
}

#[test]
fn function_named_as_a_crate_hides_nothing() {
    assert_eq!(
        library("fn log() {} use log::info; macro_rules! serde { () => {} } use serde::X;"),
        NONE
    );
}

#[test]
fn names_that_a_macro_may_make_are_not_judged() {
    let text = "mod a { some_macro! { struct X; } } use a::X;
        mod b { #[attribute] struct Y; } use b::YProxy;
        mod c { #[derive(Builder)] struct Z; } use c::ZBuilder;
        mod d { pub use super::a::*; } use d::X as W;
        mod e { pub use other::*; } use e::V; use e::deep::U;
        mod f { include!(\"f.in\"); } use f::F;";
    assert_eq!(library(text), NONE);
    let plain = "mod a { #[derive(Debug, Clone)] #[allow(dead_code)] #[inline] pub struct X; }\nuse a::XBuilder;";
    assert_eq!(
        library(plain),
        ["2:5: unresolved-import: `XBuilder` is not in `crate::a`"]
    );
}

#[test]
fn attributes_of_the_language_make_no_names() {
    assert!(BUILT_IN.is_sorted(), "it is searched by halves");
    for name in BUILT_IN {
        let text = format!("mod a {{ #[{name}] pub struct X; }} use a::Y;");
        assert_eq!(library(&text).len(), 1, "{name}");
    }
}

#[test]
fn macros_can_be_imported() {
    let text =
        "mod m { #[macro_export] macro_rules! exported { () => {} } macro_rules! inner { () => {} }
        pub(crate) use inner; } use m::inner; use crate::exported; use crate::m::inner as other;";
    assert_eq!(library(text), NONE);
}

#[test]
fn names_under_conditions_count_as_there() {
    let text = "#[cfg(a)] struct X; #[cfg(b)] mod libc { pub struct Y; } use self::X as Z; use libc::c_int;\nuse self::libc::No;";
    assert_eq!(
        library(text),
        ["2:5: unresolved-import: `No` is not in `crate::libc`"]
    );
}

#[test]
fn raw_and_plain_names_are_the_same() {
    assert_eq!(
        library("mod r#async { pub struct r#X; } use r#async::X; use crate::r#async::r#X as Y;"),
        NONE
    );
}

#[test]
fn imports_in_blocks_are_judged_by_the_module_around() {
    let text = "mod a { pub struct S; pub fn f() { use super::a::S; use self::S as T;\nuse crate::a::Gone; use nothing::known; } }
const X: u8 = { use crate::a::Lost; 1 };\ntrait T { fn m() { use self::Away; } }";
    assert_eq!(
        library(text),
        [
            "2:5: unresolved-import: `Gone` is not in `crate::a`",
            "3:21: unresolved-import: `Lost` is not in `crate::a`",
            "4:24: unresolved-import: `Away` is not in `crate`",
        ]
    );
}

#[test]
fn odd_forms_of_use_are_understood() {
    let text = "mod a { pub struct S; pub trait T {} } use {a::S, a::{S as R}}; use a::T as _; use a::{}; use self::{a as b};
        use b::{self as c, *}; use c::S as Q; use crate as root; use root::a as d; use super_like::x; use ::{std::mem};";
    assert_eq!(library(text), NONE);
}

#[test]
fn broken_uses_are_syntax_errors_only() {
    for text in [
        "use ;",
        "use a::;",
        "use {;",
        "use a::{b, ::};",
        "use as x;",
        "use crate::*::x;",
        "use <T>::x;",
        "use self;",
    ] {
        let found = library(text);
        assert!(
            found.iter().all(|text| text.contains(": syntax: ")),
            "{text}: {found:?}"
        );
    }
}
