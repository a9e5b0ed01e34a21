//! The index: sums, search, crates with their modules, findings, and what was not analysed.

use std::fmt::Write;

use dagwood::Cx;

use super::{
    Site, definition,
    html::{self, escape, url},
    module_path,
};
use crate::rust_source::{
    deep::{
        findings::{Level, Lint},
        json,
        report::CrateFacts,
    },
    module_tree::{CrateId, ModuleTree, ModulesOf},
    sources::Sources,
};

/// The index lists so many findings; the pages of files have all.
const FINDINGS_MAX: usize = 400;

/// A number and what it counts.
pub(super) fn card(number: u64, what: &str) -> String {
    format!(
        "<div class=\"card\"><b>{}</b><span>{what}</span></div>\n",
        crate::format::count(number)
    )
}

/// The class of a tag for a level.
pub(super) fn class(level: Level) -> &'static str {
    match level {
        Level::Deny => "deny",
        Level::Warn => "warn",
        Level::Allow => "",
    }
}

pub(super) fn render(cx: &Cx<'_, Sources>, site: &Site<'_, '_>) -> String {
    let whole = site.whole;
    let counts = &whole.counts;
    let modules: usize = whole.crates.iter().map(|krate| krate.modules.len()).sum();
    let mut body = "<h1>What the source says</h1>\n<div class=\"cards\">\n".to_owned();
    for (number, what) in [
        (whole.lines, "lines"),
        (whole.files, "files"),
        (whole.crates.len() as u64, "crates"),
        (modules as u64, "modules"),
        (counts.item_count, "items"),
        (counts.reached_items, "reached from a public API"),
        (counts.function_count, "functions"),
        (counts.local_calls, "calls resolved"),
        (counts.local_imports, "imports resolved"),
        (counts.unresolved_imports, "imports that lead nowhere"),
    ] {
        body.push_str(&card(number, what));
    }
    body.push_str(
        "</div>\n<input id=\"search\" type=\"search\" placeholder=\"Search items, functions, modules\" autocomplete=\"off\" \
         aria-label=\"Search\">\n<ul id=\"results\"></ul>\n<h2>Crates</h2>\n",
    );
    let is_small = |krate: &&CrateFacts<'_>| krate.modules.len() == 1;
    for krate in whole.crates.iter().filter(|krate| !is_small(krate)) {
        let tree = cx.get(ModulesOf(krate.krate.id));
        let _ = writeln!(
            body,
            "<details{}><summary><span class=\"mono\">{}</span> <span class=\"soft\">{} modules</span></summary>",
            if whole.crates.len() <= 3 { " open" } else { "" },
            escape(krate.root),
            tree.modules.len()
        );
        module_list(cx, krate.krate.id, tree, &mut body);
        body.push_str("</details>\n");
    }
    // Tests, examples and the like: most are one file.
    body.push_str("<div class=\"small\">\n");
    for krate in whole.crates.iter().filter(is_small) {
        let _ = writeln!(
            body,
            "<a class=\"mono\" href=\"{}\">{}</a>",
            url(&module_path(cx, krate.krate.id, 0)),
            escape(krate.root)
        );
    }
    body.push_str("</div>\n");
    findings(cx, site, &mut body);
    not_analysed(site, &mut body);
    let _ = write!(
        body,
        "<script src=\"search.js\"></script>\n<script>\n{}</script>\n",
        html::SEARCH
    );
    html::page("", "index", &body)
}

/// The modules of a crate, those inside others further in.
fn module_list(cx: &Cx<'_, Sources>, krate: CrateId, tree: &ModuleTree, body: &mut String) {
    // `None`: the modules inside another one have come.
    let mut open = vec![Some(0u32)];
    body.push_str("<ul class=\"tree first\">\n");
    while let Some(next) = open.pop() {
        let Some(module) = next else {
            body.push_str("</ul></li>\n");
            continue;
        };
        let own = &tree.modules[module as usize];
        let _ = write!(
            body,
            "<li><a class=\"mono\" href=\"{}\">{}</a>",
            url(&module_path(cx, krate, module)),
            escape(&own.name)
        );
        if own.children.is_empty() {
            body.push_str("</li>\n");
        } else {
            body.push_str("\n<ul class=\"tree\">\n");
            open.push(None);
            open.extend(own.children.iter().rev().copied().map(Some));
        }
    }
    body.push_str("</ul>\n");
}

fn findings(cx: &Cx<'_, Sources>, site: &Site<'_, '_>, body: &mut String) {
    let told: Vec<_> = (site.whole.findings.iter())
        .filter(|finding| site.levels.of(finding.lint) > Level::Allow)
        .collect();
    let _ = writeln!(body, "<h2>Findings ({})</h2>", told.len());
    body.push_str("<p>");
    for &lint in Lint::ALL {
        let count = told.iter().filter(|finding| finding.lint == lint).count();
        if count > 0 {
            let class = class(site.levels.of(lint));
            let _ = write!(body, "<span class=\"tag {class}\">{lint} {count}</span> ");
        }
    }
    body.push_str("</p>\n");
    if told.is_empty() {
        return;
    }
    body.push_str("<table><tr><th>Place</th><th>Finding</th></tr>\n");
    for finding in told.iter().take(FINDINGS_MAX) {
        let text = match finding.position {
            Some((line, column)) => format!("{}:{line}:{column}", finding.file),
            None => finding.file.clone(),
        };
        let has_page = cx.data().file_at(&finding.file).is_some();
        let place = if has_page {
            let line = finding
                .position
                .map(|(line, _)| format!("#L{line}"))
                .unwrap_or_default();
            let page = url(&super::page_of_label(&finding.file));
            format!(
                "<a class=\"mono\" href=\"{page}{line}\">{}</a>",
                escape(&text)
            )
        } else {
            format!("<span class=\"mono\">{}</span>", escape(&text))
        };
        let _ = writeln!(
            body,
            "<tr><td>{place}</td><td>{} <span class=\"tag {}\">{}</span></td></tr>",
            escape(&finding.message),
            class(site.levels.of(finding.lint)),
            finding.lint
        );
    }
    body.push_str("</table>\n");
    if told.len() > FINDINGS_MAX {
        let more = told.len() - FINDINGS_MAX;
        let _ = writeln!(
            body,
            "<p class=\"soft\">and {more} more, on the pages of their files</p>"
        );
    }
}

fn not_analysed(site: &Site<'_, '_>, body: &mut String) {
    let mut list = json::not_analysed(site.whole).peekable();
    if list.peek().is_none() {
        return;
    }
    body.push_str("<h2>Not analysed</h2>\n<ul>\n");
    for finding in list {
        let _ = writeln!(
            body,
            "<li><span class=\"mono\">{}</span>: {}</li>",
            escape(&finding.file),
            escape(&finding.message)
        );
    }
    body.push_str("</ul>\n");
}

/// The names to search, as a script: no page loads anything by itself.
pub(super) fn search(cx: &Cx<'_, Sources>, site: &Site<'_, '_>) -> String {
    let mut names: Vec<(&str, String, String)> = Vec::new();
    for krate in &site.whole.crates {
        let id = krate.krate.id;
        for (module, facts) in (0..).zip(&krate.modules) {
            names.push(("mod", facts.path.clone(), url(&module_path(cx, id, module))));
            for item in &facts.items {
                if let Some(place) = definition(cx, id, item.def.0) {
                    let name = format!("{}::{}", facts.path, item.name);
                    names.push((item.kind, name, place));
                }
            }
            // Methods; free functions are among the items.
            for function in &facts.functions {
                if let (super::Def::Member(..), Some(place)) =
                    (function.def.0, definition(cx, id, function.def.0))
                {
                    names.push(("fn", function.path.clone(), place));
                }
            }
        }
    }
    let json = serde_json::to_string(&names).expect("plain data");
    // One name a line, so that the file can be read and compared.
    format!("const NAMES = {};\n", json.replace("],[", "],\n["))
}
