//! The table of scenarios in tests/README.md is what the tests say.
//!
//! `DAGWOOD_WRITE=1 cargo test -p dagwood-ci --test scenarios` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

const BEGIN: &str =
    "| id | file | test | backends | workers | seeds |\n| --- | --- | --- | --- | --- | --- |\n";

/// One row.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// Where its letter stands among those of scenarios.md, and its number.
    place: (usize, u32),
    file: String,
    /// In its file.
    line: usize,
    id: String,
    test: String,
    backends: String,
    workers: String,
    seeds: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

/// The id that a test's name begins with; the last place: none.
fn id_of(test: &str) -> (String, (usize, u32)) {
    let id = Regex::new(r"^([wcfxdjes])(\d+)_").expect("a regex");
    match id.captures(test) {
        Some(found) => {
            let place = "wcfxdjes".find(&found[1]).expect("one of these");
            let number = found[2].parse().expect("digits");
            (
                format!("{}{number}", found[1].to_uppercase()),
                (place, number),
            )
        }
        None => ("-".to_owned(), (usize::MAX, 0)),
    }
}

fn rows() -> Vec<Row> {
    let scenario =
        Regex::new(r#"^    (pools|all|shared) \[([\d, ]+)\](?: unseeded "([^"]+)")?: (\w+);$"#)
            .expect("a regex");
    let own = Regex::new(r"(?m)^#\[test\]\n(?:#\[cfg[^\n]+\n)?fn (\w+)\(\)").expect("a regex");
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder().join("tests")).expect("the tests are there") {
        let path = entry.expect("can be listed").path();
        let file = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("source is text");
        let mut add = |test: &str, backends: &str, workers: &str, seeds: &str| {
            let (id, place) = id_of(test);
            let line = rows.len();
            rows.push(Row {
                place,
                file: file.clone(),
                line,
                id,
                test: test.to_owned(),
                backends: backends.to_owned(),
                workers: workers.to_owned(),
                seeds: seeds.to_owned(),
            });
        };
        for found in text.lines().filter_map(|line| scenario.captures(line)) {
            let seeds = found
                .get(3)
                .map_or("yes".to_owned(), |why| format!("no: {}", why.as_str()));
            add(&found[4], &found[1], &found[2], &seeds);
        }
        for found in own
            .captures_iter(&text)
            .filter(|found| id_of(&found[1]).0 != "-")
        {
            add(&found[1], "-", "-", "-");
        }
    }
    rows.sort();
    rows
}

fn table() -> String {
    let mut table = BEGIN.to_owned();
    for row in rows() {
        let Row {
            id,
            file,
            test,
            backends,
            workers,
            seeds,
            ..
        } = row;
        table += &format!("| {id} | `{file}` | `{test}` | {backends} | {workers} | {seeds} |\n");
    }
    table
}

#[test]
fn the_table_is_what_the_tests_say() {
    let path = folder().join("README.md");
    let readme = fs::read_to_string(&path).expect("tests/README.md is there");
    let begin = readme.find("| id | file |").expect("the table is there");
    let after = readme[begin..]
        .find("\n\n")
        .expect("something follows the table");
    let end = begin + after + 1;
    let table = table();
    assert!(
        table.lines().count() > 150,
        "the pattern finds {} rows",
        table.lines().count()
    );
    if std::env::var_os("DAGWOOD_WRITE").is_some() {
        let written = format!("{}{table}{}", &readme[..begin], &readme[end..]);
        fs::write(&path, written).expect("it can be written");
        return;
    }
    assert!(
        readme[begin..end] == table,
        "the table is out of date: DAGWOOD_WRITE=1 cargo test -p dagwood-ci --test scenarios"
    );
}

#[test]
fn every_scenario_has_a_row() {
    let name = Regex::new(r"(?m)^    (?:pools|all|shared) .*: (\w+);").expect("a regex");
    let known: Vec<String> = rows().into_iter().map(|row| row.test).collect();
    for entry in fs::read_dir(folder().join("tests")).expect("the tests are there") {
        let path = entry.expect("can be listed").path();
        let text = fs::read_to_string(&path).expect("source is text");
        for found in name.captures_iter(&text) {
            assert!(
                known.iter().any(|known| *known == found[1]),
                "{}: {}",
                path.display(),
                &found[1]
            );
        }
    }
}
