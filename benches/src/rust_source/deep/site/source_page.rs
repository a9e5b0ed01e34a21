//! The page of a file: its text with line numbers and colours, and links from uses to definitions.

use std::fmt::Write;

use dagwood::Cx;
use ra_ap_parser::{LexedStr, SyntaxKind};

use super::{
    Site,
    html::{self, push_escaped},
    links_of_file::{self, Target},
    source_path,
};
use crate::rust_source::{
    manifest::ManifestOf,
    parse::SourceText,
    sources::{FileId, Sources},
};

pub(super) fn render(cx: &Cx<'_, Sources>, site: &Site<'_, '_>, file: FileId) -> String {
    let path = source_path(cx, file);
    let top = html::to_top(&path);
    let label = &cx.data().file(file).label;
    let mut body = format!("<h1 class=\"mono\">{}</h1>\n", html::escape(label));
    if let Some((krate, modules)) = site.homes.get(&file) {
        body.push_str("<p class=\"soft\">module");
        for &module in modules.iter().take(8) {
            let page = super::module_path(cx, *krate, module);
            let tree = cx.get(crate::rust_source::module_tree::ModulesOf(*krate));
            let name = crate::rust_source::deep::describe::module_path(tree, module);
            let _ = write!(
                body,
                " <a class=\"mono\" href=\"{top}{}\">{}</a>",
                html::url(&page),
                html::escape(&name)
            );
        }
        body.push_str("</p>\n");
    } else {
        body.push_str("<p class=\"soft\">no crate of the input reaches this file</p>\n");
    }
    findings(site, label, &mut body);
    let edition = cx.get(ManifestOf(cx.data().file(file).package)).edition;
    let mut lines = Lines {
        page: &mut body,
        line: 0,
        top: &top,
    };
    match cx.get(SourceText(file)) {
        Ok(text) => {
            lines.begin();
            let targets = links_of_file::links(cx, site, file);
            lines.all(&LexedStr::new(edition, text), targets);
        }
        Err(_) => {
            lines
                .page
                .push_str("<p>The text is not UTF-8: shown as far as it can be.</p>\n");
            lines.begin();
            lines.token(None, &String::from_utf8_lossy(&cx.data().file(file).bytes));
        }
    }
    body.push_str("</code></pre>\n");
    html::page(&top, label, &body)
}

/// What the lints say of a file, each with a link to its line.
pub(super) fn findings(site: &Site<'_, '_>, label: &str, body: &mut String) {
    let Some(findings) = site.findings.get(label) else {
        return;
    };
    body.push_str("<table><tr><th>Line</th><th>Finding</th></tr>\n");
    for finding in findings {
        let line = match finding.position {
            Some((line, column)) => format!("<a href=\"#L{line}\">{line}:{column}</a>"),
            None => String::new(),
        };
        let class = super::index_page::class(site.levels.of(finding.lint));
        let _ = writeln!(
            body,
            "<tr><td class=\"mono\">{line}</td><td>{} <span class=\"tag {class}\">{}</span></td></tr>",
            html::escape(&finding.message),
            finding.lint
        );
    }
    body.push_str("</table>\n");
}

/// The text of a file in the making.
struct Lines<'a> {
    page: &'a mut String,
    line: u32,
    top: &'a str,
}

impl Lines<'_> {
    fn begin(&mut self) {
        self.page.push_str("<pre class=\"source\"><code>");
        self.begin_line();
    }

    fn all(&mut self, lexed: &LexedStr<'_>, targets: Vec<Target>) {
        let mut targets = targets.into_iter().peekable();
        for i in 0..lexed.len() {
            let (start, text) = (lexed.text_start(i) as u32, lexed.text(i));
            while targets.next_if(|target| target.offset < start).is_some() {}
            // The name of a raw identifier is shorter than its text.
            let name = text.strip_prefix("r#").unwrap_or(text);
            let is_whole = |target: &Target| {
                let len = target.len as usize;
                target.offset == start && (len == text.len() || len == name.len())
            };
            let target = targets.next_if(is_whole);
            let class = class(lexed.kind(i));
            if let Some(target) = &target {
                let _ = write!(
                    self.page,
                    "<a class=\"d\" href=\"{}{}\">",
                    self.top, target.url
                );
            }
            self.token(class, text);
            if target.is_some() {
                self.page.push_str("</a>");
            }
        }
    }

    /// A token may go over several lines; no mark-up does.
    fn token(&mut self, class: Option<&str>, text: &str) {
        for (i, part) in text.split('\n').enumerate() {
            if i > 0 {
                self.page.push('\n');
                self.begin_line();
            }
            match class {
                Some(class) if !part.is_empty() => {
                    let _ = write!(self.page, "<span class=\"{class}\">");
                    push_escaped(self.page, part);
                    self.page.push_str("</span>");
                }
                _ => push_escaped(self.page, part),
            }
        }
    }

    fn begin_line(&mut self) {
        self.line += 1;
        let line = self.line;
        let _ = write!(
            self.page,
            "<a class=\"l\" id=\"L{line}\" href=\"#L{line}\" data-n=\"{line}\"></a>"
        );
    }
}

fn class(kind: SyntaxKind) -> Option<&'static str> {
    use SyntaxKind::{
        BYTE, BYTE_STRING, C_STRING, CHAR, COMMENT, FLOAT_NUMBER, INT_NUMBER, STRING,
    };
    match kind {
        COMMENT => Some("c"),
        STRING | BYTE_STRING | C_STRING | CHAR | BYTE => Some("s"),
        INT_NUMBER | FLOAT_NUMBER => Some("n"),
        kind if kind.is_keyword(ra_ap_parser::Edition::CURRENT) => Some("k"),
        _ => None,
    }
}
