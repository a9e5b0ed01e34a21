//! Measures of a function: lines, branches, depth.
//!
//! Filled in by `references` on its walk; shown by the reports and judged by the lint on long functions.

use ra_ap_syntax::SyntaxKind as Kind;
use rowan::GreenNodeData;
use serde::Serialize;

/// Measures of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Metrics {
    /// From the first to the last, comments in front excepted.
    pub(crate) lines: u32,
    /// `if`, loops, arms of a `match` but one, `?`, `&&`, `||`.
    pub(crate) branches: u32,
    /// How deep what branches, loops and closures are nested.
    pub(crate) depth: u32,
}

impl Metrics {
    /// With the lines of a node counted; what stands in front of it (comments, attributes) is left out.
    pub(crate) fn of_text(node: &GreenNodeData) -> Metrics {
        let mut lines = 1;
        for child in node.children() {
            let kind = Kind::from(child.kind().0);
            if matches!(kind, Kind::COMMENT | Kind::ATTR) {
                lines = 0;
            } else {
                lines += line_feeds(child);
            }
        }
        Metrics {
            lines: lines.max(1),
            ..Metrics::default()
        }
    }

    /// Whether what is inside the node is nested one deeper.
    pub(crate) fn nests(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::IF_EXPR
                | Kind::MATCH_EXPR
                | Kind::WHILE_EXPR
                | Kind::LOOP_EXPR
                | Kind::FOR_EXPR
                | Kind::CLOSURE_EXPR
        )
    }

    /// Counts a node, which may be the first in the one around it; says whether it nests.
    pub(crate) fn enter(&mut self, kind: Kind, depth: u32, is_first: bool) -> bool {
        match kind {
            Kind::IF_EXPR
            | Kind::WHILE_EXPR
            | Kind::FOR_EXPR
            | Kind::LOOP_EXPR
            | Kind::TRY_EXPR => {
                self.branches += 1;
            }
            Kind::MATCH_ARM if !is_first => self.branches += 1,
            _ => {}
        }
        let nests = Metrics::nests(kind);
        if nests {
            self.depth = self.depth.max(depth + 1);
        }
        nests
    }
}

fn line_feeds(element: rowan::NodeOrToken<&GreenNodeData, &rowan::GreenTokenData>) -> u32 {
    let feeds = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count() as u32;
    match element {
        rowan::NodeOrToken::Token(token) => feeds(token.text()),
        rowan::NodeOrToken::Node(node) => {
            let mut sum = 0;
            let mut open = vec![node.children()];
            while let Some(children) = open.last_mut() {
                match children.next() {
                    None => drop(open.pop()),
                    Some(rowan::NodeOrToken::Node(node)) => open.push(node.children()),
                    Some(rowan::NodeOrToken::Token(token)) => sum += feeds(token.text()),
                }
            }
            sum
        }
    }
}
