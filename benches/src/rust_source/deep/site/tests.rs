//! The pages: the same bytes for whoever renders them, and no dead link.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use dagwood::{Backend, Database, Executor};

use super::super::{findings::Levels, progress::Progress, report, tests::SAMPLE};
use crate::rust_source::{
    Input,
    tests::{MANIFEST, input},
    walk::Found,
};

type Pages = BTreeMap<String, String>;

fn pages(backend: Backend, workers: usize, input: &Input) -> Pages {
    let executor = Executor::builder()
        .backend(backend)
        .workers(workers)
        .build()
        .expect("an executor");
    let database = Database::new(input.sources().clone());
    let pages = Mutex::new(Pages::new());
    let sink = |path: &str, text: &str| {
        let mut pages = pages.lock().expect("no page panicked");
        match pages.insert(path.to_owned(), text.to_owned()) {
            None => Ok(()),
            Some(_) => Err(format!("{path} twice")),
        }
    };
    let progress = Progress::default();
    let done = executor.run(&database, |cx| {
        let whole = report::whole(cx, &progress);
        super::render(cx, &whole, &Levels::default(), &progress, &sink)
    });
    done.expect("no query fails").expect("each page once");
    pages.into_inner().expect("no page panicked")
}

#[test]
fn pages_are_the_same_on_every_backend_with_any_number_of_workers() {
    let input = input(SAMPLE);
    let expected = pages(Backend::Sequential, 1, &input);
    assert!(expected.len() > 10, "{:?}", expected.keys());
    for &backend in Executor::backends() {
        for workers in [1, 2, 3] {
            let got = pages(backend, workers, &input);
            assert!(got == expected, "{backend:?} with {workers} workers");
        }
    }
}

/// Everything between `before` and the next quotation mark.
fn values<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(value, _)| value))
}

fn decoded(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = url.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(&after[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("a number"));
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("labels are text")
}

/// Where a link on a page leads: page and anchor.
fn target(page: &str, url: &str) -> (String, Option<String>) {
    let (path, anchor) = match url.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (url, None),
    };
    if path.is_empty() {
        return (page.to_owned(), anchor);
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop().expect("a link out of the site")),
            part => parts.push(part),
        }
    }
    (decoded(&parts.join("/")), anchor)
}

/// All links that lead nowhere, as `page -> link`.
fn dead_links(pages: &Pages) -> Vec<String> {
    let anchors: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .map(|(path, text)| (path.as_str(), values(text, " id=\"").collect()))
        .collect();
    let mut dead = Vec::new();
    for (path, text) in pages {
        let links: Vec<&str> = if path.ends_with(".js") {
            // `["fn","name","link"]`, one a line
            text.lines()
                .filter_map(|line| line.rsplit('"').nth(1))
                .collect()
        } else {
            values(text, "href=\"")
                .chain(values(text, "src=\""))
                .collect()
        };
        for link in links {
            let (to, anchor) = target(path, link);
            let is_there = anchors.get(to.as_str()).is_some_and(|anchors| {
                anchor
                    .as_deref()
                    .is_none_or(|anchor| anchors.contains(anchor))
            });
            if !is_there {
                dead.push(format!("{path} -> {link}"));
            }
        }
    }
    dead
}

#[test]
fn no_link_is_dead() {
    let pages = pages(Backend::Sequential, 1, &input(SAMPLE));
    assert_eq!(dead_links(&pages), Vec::<String>::new());
    let links: usize = pages
        .values()
        .map(|text| values(text, "href=\"").count())
        .sum();
    assert!(links > 200, "{links}");
}

#[test]
fn the_checker_finds_a_dead_link() {
    let page = |text: &str| ("a/b.html".to_owned(), text.to_owned());
    let dead = |text: &str| dead_links(&Pages::from([page(text)]));
    assert_eq!(dead("<a href=\"b.html#x\" id=\"x\">"), Vec::<String>::new());
    assert_eq!(dead("<a href=\"#y\">"), ["a/b.html -> #y"]);
    assert_eq!(dead("<a href=\"../c.html\">"), ["a/b.html -> ../c.html"]);
}

#[test]
fn a_page_says_what_is_in_its_file_and_nothing_more() {
    let files = [(
        "a.rs",
        "// </code><script>alert(1)</script>\nfn f<'a>(x: &'a str) { g(\"<b>\") } fn g(_: &str) {}\n",
    )];
    let pages = pages(Backend::Sequential, 1, &input(&files));
    let page = &pages["sources/a.rs.html"];
    assert!(
        !page.contains("<script>") && !page.contains("<b>"),
        "{page}"
    );
    assert!(
        page.contains("<a class=\"d\" href=\"../sources/a.rs.html#L2\">g</a>"),
        "{page}"
    );
}

#[test]
fn names_that_mean_something_in_a_link_still_lead_there() {
    let files = [
        (
            "a b#?%.rs",
            "#[path = \"\u{fc} d.rs\"]\nmod m;\nuse self::m::f;\nfn g() { f() }",
        ),
        ("\u{fc} d.rs", "pub fn f() { super::g() }"),
    ];
    let pages = pages(Backend::Sequential, 1, &input(&files));
    assert_eq!(dead_links(&pages), Vec::<String>::new());
    assert!(pages.contains_key("sources/a b#?%.rs.html"));
}

#[test]
fn long_names_have_pages_that_can_be_written() {
    let (module, file) = ("m".repeat(300), format!("src/{}.rs", "f".repeat(250)));
    let root = format!("mod {module} {{ pub fn f() {{}} }}\npub fn g() {{ {module}::f() }}");
    let files = [
        ("Cargo.toml", MANIFEST),
        ("src/lib.rs", &root),
        (&file, "fn f() {}"),
    ];
    let pages = pages(Backend::Sequential, 1, &input(&files));
    assert_eq!(dead_links(&pages), Vec::<String>::new());
    let names = pages.keys().flat_map(|path| path.split('/'));
    assert_eq!(names.filter(|name| name.len() > 255).count(), 0);
}

#[test]
fn a_file_that_is_not_text_has_a_page_with_lines() {
    let found = Found {
        files: vec![
            ("a.rs".to_owned(), b"mod b;\nuse b::x;\n".to_vec()),
            ("b.rs".to_owned(), b"fn x() {}\n\n// \xff\xfe\n".to_vec()),
        ],
        ..Found::default()
    };
    let pages = pages(Backend::Sequential, 1, &Input::of(found));
    assert_eq!(dead_links(&pages), Vec::<String>::new());
    assert!(pages["sources/a.rs.html"].contains("href=\"../sources/b.rs.html#L1\""));
    assert!(pages["sources/b.rs.html"].contains("// \u{fffd}\u{fffd}"));
}

#[test]
fn files_whose_names_read_the_same_have_one_page_and_the_other_is_named() {
    let file = |text: &str| ("a\u{fffd}.rs".to_owned(), text.as_bytes().to_vec());
    let found = Found {
        files: vec![file("fn b() {}"), file("fn a() {}")],
        ..Found::default()
    };
    let pages = pages(Backend::Sequential, 1, &Input::of(found));
    assert!(
        pages["sources/a\u{fffd}.rs.html"].contains(">a</a>")
            || pages["sources/a\u{fffd}.rs.html"].contains(" a()")
    );
    assert!(pages["index.html"].contains("another reads the same"));
}

#[test]
fn raw_identifiers_are_links_too() {
    let files = [(
        "a.rs",
        "pub mod r#type { pub fn f() {} }\nuse r#type::f;\nfn g() { f(); r#type::f() }\n",
    )];
    let pages = pages(Backend::Sequential, 1, &input(&files));
    assert_eq!(pages["sources/a.rs.html"].matches(">r#type</a>").count(), 2);
}

/// What stands inside what, as `outer>inner`, for each element of a page; and the ids that stand twice.
fn nesting(page: &str) -> (BTreeSet<String>, Vec<&str>) {
    let mut open: Vec<&str> = Vec::new();
    let mut found = BTreeSet::new();
    for tag in page.split('<').skip(1) {
        let name = tag.split([' ', '>', '\n']).next().unwrap_or_default();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{page}");
        } else if !tag.starts_with('!') {
            found.insert(format!("{}>{name}", open.last().unwrap_or(&"")));
            let is_alone = tag.split('>').next().is_some_and(|tag| tag.ends_with('/'));
            if !is_alone && !matches!(name, "meta" | "link" | "input") {
                open.push(name);
            }
        }
    }
    assert_eq!(open, [""; 0], "{page}");
    let mut ids: Vec<&str> = values(page, " id=\"").collect();
    ids.sort_unstable();
    let twice = ids.windows(2).filter(|two| two[0] == two[1]);
    (found, twice.map(|two| two[0]).collect())
}

#[test]
fn elements_are_nested_as_they_may_be_and_no_id_stands_twice() {
    let pages = pages(Backend::Sequential, 1, &input(SAMPLE));
    let mut pictures = 0;
    for (path, text) in pages.iter().filter(|(path, _)| path.ends_with(".html")) {
        // A script has a text of its own.
        let text = text.split("<script").next().unwrap_or_default();
        let page = if path == "index.html" {
            format!("{text}</main></body></html>")
        } else {
            text.to_owned()
        };
        let (found, twice) = nesting(&page);
        pictures = pictures.max(page.matches("<svg").count());
        assert_eq!(twice, [""; 0], "{path}");
        let wrong = [
            "ul>ul", "ul>a", "li>li", "a>a", "p>p", "p>ul", "p>table", "table>td",
        ];
        assert!(
            wrong.iter().all(|pair| !found.contains(*pair)),
            "{path}: {found:?}"
        );
    }
    assert_eq!(pictures, 2, "calls and modules on one page");
}
