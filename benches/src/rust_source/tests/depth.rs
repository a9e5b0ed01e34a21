//! Source that nests deeper than a stack is: a diagnostic, never an overflow. The tests' threads have 2 MiB.

use super::{
    super::{
        nesting::{PARSER_LIMIT, TREE_LIMIT},
        parse::parse,
    },
    count, input, run,
};
use ra_ap_parser::Edition;

/// Sources that nest `n` times, one for each way the parser recurses.
fn nested(n: usize) -> Vec<(&'static str, String)> {
    let around = |before: &str, middle: &str, after: &str| {
        format!(
            "fn f() {{ let x = {}{middle}{}; }}",
            before.repeat(n),
            after.repeat(n)
        )
    };
    vec![
        ("parentheses", around("(", "1", ")")),
        ("brackets", around("[", "1", "]")),
        ("blocks", around("{", "1", "}")),
        ("calls", around("f(", "1", ")")),
        ("macros", around("m!(", "1", ")")),
        ("minus", around("-", "1", "")),
        ("not", around("!", "1", "")),
        ("and", around("&", "1", "")),
        ("stars", around("* ", "x", "")),
        ("ranges", around(".. ", "x", "")),
        ("returns", around("return ", "1", "")),
        ("breaks", around("break ", "1", "")),
        ("closures", around("|| ", "1", "")),
        ("moves", around("move |a| ", "1", "")),
        ("assignments", around("x = ", "1", "")),
        ("else", around("if a {} else ", "{}", "")),
        ("if", around("if ", "a", " {}")),
        ("match", around("match ", "a", " {}")),
        ("unsafe", around("unsafe { ", "a", " }")),
        ("arms", around("match a { _ => ", "a", " }")),
        (
            "types",
            format!("type T = {}u8{};", "Vec<".repeat(n), ">".repeat(n)),
        ),
        ("references", format!("type T = {}u8;", "&".repeat(n))),
        ("functions", format!("type T = {}u8;", "fn() -> ".repeat(n))),
        (
            "traits",
            format!("type T = {}u8;", "impl Fn() -> ".repeat(n)),
        ),
        (
            "tuples",
            format!("type T = {}u8{};", "(".repeat(n), ",)".repeat(n)),
        ),
        (
            "patterns",
            format!("fn f() {{ let {}x = 1; }}", "&".repeat(n)),
        ),
        (
            "bindings",
            format!("fn f() {{ let {}x = 1; }}", "a @ ".repeat(n)),
        ),
        (
            "modules",
            format!("{}{}", "mod m { ".repeat(n), "}".repeat(n)),
        ),
        (
            "functions inside",
            format!("{}{}", "fn f() { ".repeat(n), "}".repeat(n)),
        ),
        ("uses", format!("use {}a{};", "{".repeat(n), "}".repeat(n))),
        (
            "attributes",
            format!(
                "#[{}a{}] fn f() {{}}",
                "cfg_attr(a, ".repeat(n),
                ")".repeat(n)
            ),
        ),
        (
            "predicates",
            format!("#[cfg({}a{})] fn f() {{}}", "not(".repeat(n), ")".repeat(n)),
        ),
        (
            "bounds",
            format!("fn f<T: {}A{}>() {{}}", "B<".repeat(n), ">".repeat(n)),
        ),
        ("binders", format!("type T = {}A;", "for<'a> ".repeat(n))),
        ("unclosed", "(".repeat(n)),
        ("unmatched", "{ || > * ) self ".repeat(n)),
        (
            "brackets in parentheses",
            format!("const X: u8 = {}", "(] ".repeat(n)),
        ),
        ("comments", format!("{}{}", "/*".repeat(n), "*/".repeat(n))),
        ("operators", around("1 + ", "1", "")),
        ("equality", around("1 == ", "1", "")),
        ("methods", around("", "a", ".b()")),
        ("fields", around("", "a", ".b")),
        ("questions", around("", "a", "?")),
        ("casts", around("", "a", " as u8")),
        ("indices", around("", "a", "[0]")),
        ("paths", around("a::", "a", "")),
        (
            "or patterns",
            format!("fn f() {{ match a {{ {}1 => 1 }} }}", "1 | ".repeat(n)),
        ),
        (
            "let chains",
            format!("fn f() {{ if a {} {{}} }}", "&& let A = b ".repeat(n)),
        ),
        ("struct updates", around("S { ..", "a", " }")),
        ("labels", around("'a: loop { ", "a", " }")),
        ("awaits", around("async { ", "a", " }")),
        ("lets", around("let a = ", "a", "")),
    ]
}

#[test]
fn hundred_thousand_levels_overflow_nothing() {
    for (name, source) in nested(100_000) {
        let analysis = run(&input(&[("lib.rs", &source)]));
        assert_eq!(count(&analysis, "files"), 1, "{name}");
    }
}

#[test]
fn parentheses_beyond_the_limit_are_refused_with_their_place() {
    let source = format!(
        "fn f() {{\n{}1{} }}",
        "(".repeat(PARSER_LIMIT + 1),
        ")".repeat(PARSER_LIMIT + 1)
    );
    let parsed = parse(&source, Edition::Edition2021);
    assert!(parsed.source_file().is_none());
    let message: Vec<_> = parsed
        .errors
        .iter()
        .map(|error| (error.offset, error.message.as_str()))
        .collect();
    // Two levels are the function's own: the keyword and the brace.
    let place = "fn f() {\n".len() + PARSER_LIMIT - 2;
    assert_eq!(
        message,
        [(place as u32, "nested too deeply: the file is not analysed")]
    );
}

#[test]
fn deep_trees_are_refused() {
    let chain = |n: usize| format!("const X: u8 = 1{};", " + 1".repeat(n));
    assert!(
        parse(&chain(TREE_LIMIT + 1), Edition::Edition2021)
            .source_file()
            .is_none()
    );
    assert!(
        parse(&chain(TREE_LIMIT / 2), Edition::Edition2021)
            .source_file()
            .is_some()
    );
}

#[test]
fn just_below_the_limit_is_parsed_within_a_tests_stack() {
    // No more than the limit allows for the construct that counts most for a level (`if a {} else`: three).
    for (name, source) in nested(PARSER_LIMIT / 4) {
        assert!(
            parse(&source, Edition::Edition2021).source_file().is_some(),
            "{name}"
        );
    }
}

#[test]
fn everything_at_every_depth_fits_the_stack() {
    for n in (50..=PARSER_LIMIT)
        .step_by(77)
        .chain([PARSER_LIMIT - 2, PARSER_LIMIT])
    {
        for (_, source) in nested(n) {
            run(&input(&[("lib.rs", &source)]));
        }
    }
}

#[test]
fn flat_source_is_never_refused() {
    let n = 20_000;
    for (name, source) in [
        (
            "items",
            "fn f(a: &u8) -> u8 { -1 }\nimpl A for B {}\n".repeat(n),
        ),
        (
            "statements",
            format!(
                "fn f() {{ {} }}",
                "if a { b = -1; } else { return; } match a { _ => {} }\n".repeat(n)
            ),
        ),
        (
            "elements",
            format!("static A: &[u8] = &[{}];", "-1, ".repeat(n)),
        ),
        (
            "arms",
            format!(
                "fn f() {{ match a {{ {} }} }}",
                "A | B if !a => { -1 }\n".repeat(n)
            ),
        ),
        (
            "alternatives",
            format!(
                "fn f() {{ match a {{ {} 1 => 1 }} }}",
                "'a'..='z' | ".repeat(n)
            ),
        ),
    ] {
        assert!(
            parse(&source, Edition::Edition2021).source_file().is_some(),
            "{name}"
        );
    }
}
