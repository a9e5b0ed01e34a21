//! The analysis for machines.
//!
//! One object: sums, packages with crates and modules, findings with their levels, and what was not analysed.

use dagwood::Cx;
use serde::Serialize;

use super::{
    facts::{Counts, ModuleFacts},
    findings::{Finding, Level, Levels, Lint},
    query_graph::QueryGraph,
    report::Whole,
};
use crate::rust_source::{manifest::ManifestOf, sources::Sources};

#[derive(Serialize)]
struct Json<'a> {
    lines: u64,
    files: u64,
    counts: &'a Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_graph: Option<QueryGraph>,
    crates: Vec<JsonCrate<'a>>,
    not_analysed: Vec<NotAnalysed<'a>>,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Serialize)]
struct JsonCrate<'a> {
    package: &'a str,
    root: &'a str,
    edition: String,
    modules: &'a [&'a ModuleFacts],
}

#[derive(Serialize)]
struct NotAnalysed<'a> {
    file: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    lint: Lint,
    level: Level,
    message: &'a str,
}

/// The whole as JSON. Findings of lints that are allowed are left out.
pub(crate) fn render(
    cx: &Cx<'_, Sources>,
    whole: &Whole<'_>,
    query_graph: Option<QueryGraph>,
    levels: &Levels,
) -> String {
    let json = Json {
        lines: whole.lines,
        files: whole.files,
        counts: &whole.counts,
        query_graph,
        crates: whole
            .crates
            .iter()
            .map(|krate| JsonCrate {
                package: &cx.data().package(krate.package).directory,
                root: krate.root,
                edition: cx.get(ManifestOf(krate.package)).edition.to_string(),
                modules: &krate.modules,
            })
            .collect(),
        not_analysed: not_analysed(whole)
            .map(|finding| NotAnalysed {
                file: &finding.file,
                reason: &finding.message,
            })
            .collect(),
        findings: whole
            .findings
            .iter()
            .filter(|finding| levels.of(finding.lint) > Level::Allow)
            .map(|finding| JsonFinding {
                file: &finding.file,
                line: finding.position.map(|(line, _)| line),
                column: finding.position.map(|(_, column)| column),
                lint: finding.lint,
                level: levels.of(finding.lint),
                message: &finding.message,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&json).expect("plain data");
    text.push('\n');
    text
}

/// The files that were not analysed, with the reason.
pub(crate) fn not_analysed<'a>(whole: &'a Whole<'_>) -> impl Iterator<Item = &'a Finding> {
    whole.findings.iter().filter(|finding| {
        matches!(finding.lint, Lint::Skipped | Lint::NotUtf8)
            || (finding.lint == Lint::Syntax && finding.message.contains("not analysed"))
    })
}
