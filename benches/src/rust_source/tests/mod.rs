//! Tests of the front end: small trees in memory, and on disk where reading itself is the matter.

use dagwood::Executor;

use super::{Analysis, Input, analyse, sources::Skipped, walk::Found};

mod bad_input;
mod depth;
mod imports;
mod modules;
mod packages;
mod same;

/// The manifest of a package of today.
pub(super) const MANIFEST: &str = "[package]\nname = \"sample\"\nedition = \"2024\"\n";

/// An input from (label, text); a label that ends in `Cargo.toml` is a manifest.
pub(super) fn input(files: &[(&str, &str)]) -> Input {
    let mut found = Found::default();
    for (label, text) in files {
        match label.strip_suffix("Cargo.toml") {
            Some(folder) => found.manifests.push((
                folder.trim_end_matches('/').to_owned(),
                text.as_bytes().to_vec(),
            )),
            None => found
                .files
                .push(((*label).to_owned(), text.as_bytes().to_vec())),
        }
    }
    Input::of(found)
}

/// The same with files that are there but were not read.
fn input_with_skipped(files: &[(&str, &str)], skipped: &[&str]) -> Input {
    let files = files
        .iter()
        .map(|(label, text)| ((*label).to_owned(), text.as_bytes().to_vec()))
        .collect();
    let skipped = (skipped.iter())
        .map(|label| Skipped {
            label: (*label).to_owned(),
            reason: "a test".to_owned(),
        })
        .collect();
    Input::of(Found {
        files,
        skipped,
        ..Found::default()
    })
}

fn run(input: &Input) -> Analysis {
    let executor = Executor::builder().workers(2).build().expect("an executor");
    analyse(&executor, input).expect("no query fails")
}

/// The diagnostics of a package with these files, as text.
fn package(files: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![("Cargo.toml", MANIFEST)];
    all.extend(files);
    loose(&all)
}

/// The diagnostics of these files, without a manifest.
fn loose(files: &[(&str, &str)]) -> Vec<String> {
    complaints(&run(&input(files)))
}

fn complaints(analysis: &Analysis) -> Vec<String> {
    analysis
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A count from the summary.
fn count(analysis: &Analysis, what: &str) -> u64 {
    let line = analysis.summary.lines().find(|line| {
        line.trim_start()
            .split_once(' ')
            .is_some_and(|(_, w)| w == what)
    });
    let line = line.unwrap_or_else(|| panic!("no count of {what} in\n{}", analysis.summary));
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}
