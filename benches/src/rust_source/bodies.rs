//! What stands inside functions, constants and statics: counts, and imports of blocks.
//!
//! One query for each body: the many small nodes of the graph. Asked by `resolve` (imports) and `report` (counts).
//! Walks the green tree, which costs no allocation a node, with an explicit stack.

use dagwood::{Cx, Query};
use ra_ap_syntax::{AstNode, SyntaxKind, SyntaxNode, ast};
use rowan::{GreenNodeData, NodeOrToken};

use super::{
    counts::{Counts, Kind},
    items::ItemsOf,
    sources::{FileId, Sources},
    uses::{self, Import},
};

/// One body, by its place in the file's `bodies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BodyOf {
    pub(super) file: FileId,
    pub(super) index: u32,
}

/// What was found in a body.
#[derive(Default)]
pub(super) struct BodyFacts {
    pub(super) counts: Counts,
    /// Imports whose meaning does not depend on the block they stand in: they begin with `crate`, `self` or `super`.
    pub(super) imports: Vec<Import>,
}

impl Query<Sources> for BodyOf {
    type Value = BodyFacts;

    fn provide(self, cx: &Cx<'_, Sources>) -> BodyFacts {
        let body = &cx.get(ItemsOf(self.file)).bodies[self.index as usize];
        let mut facts = BodyFacts::default();
        let mut offset = body.offset;
        let mut open = vec![body.green.children()];
        while let Some(children) = open.last_mut() {
            match children.next() {
                None => drop(open.pop()),
                Some(NodeOrToken::Token(token)) => offset += u32::from(token.text_len()),
                Some(NodeOrToken::Node(node)) if facts.enter(node, offset) => {
                    open.push(node.children())
                }
                Some(NodeOrToken::Node(node)) => offset += u32::from(node.text_len()),
            }
        }
        facts
    }
}

impl BodyFacts {
    /// Counts a node; says whether to look inside.
    fn enter(&mut self, node: &GreenNodeData, offset: u32) -> bool {
        let kind = SyntaxKind::from(node.kind().0);
        if ast::Expr::can_cast(kind) {
            self.counts.add(Kind::Expression, 1);
        }
        match kind {
            SyntaxKind::TOKEN_TREE => return false,
            SyntaxKind::USE => {
                self.import(node, offset);
                return false;
            }
            SyntaxKind::CLOSURE_EXPR => self.counts.add(Kind::Closure, 1),
            SyntaxKind::IF_EXPR | SyntaxKind::MATCH_ARM => self.counts.add(Kind::Branch, 1),
            SyntaxKind::WHILE_EXPR | SyntaxKind::LOOP_EXPR | SyntaxKind::FOR_EXPR => {
                self.counts.add(Kind::Loop, 1)
            }
            SyntaxKind::CALL_EXPR | SyntaxKind::METHOD_CALL_EXPR => {
                self.counts.add(Kind::CallInBody, 1)
            }
            SyntaxKind::MACRO_CALL => self.counts.add(Kind::MacroCallInBody, 1),
            SyntaxKind::BLOCK_EXPR => self
                .counts
                .add(Kind::UnsafeBlock, u64::from(is_unsafe(node))),
            _ => {}
        }
        true
    }

    fn import(&mut self, node: &GreenNodeData, offset: u32) {
        let item = ast::Use::cast(SyntaxNode::new_root(node.to_owned()));
        let imports = item
            .map(|item| uses::flatten(&item, offset))
            .unwrap_or_default();
        self.counts.add(Kind::ImportInBody, imports.len() as u64);
        let is_rooted = |import: &Import| {
            let first = import.path.first().map(|first| first.as_str());
            matches!(first, Some("crate" | "self" | "super")) && !import.is_absolute
        };
        self.imports.extend(imports.into_iter().filter(is_rooted));
    }
}

fn is_unsafe(block: &GreenNodeData) -> bool {
    let mut tokens = block.children().filter_map(|child| child.into_token());
    tokens.any(|token| token.kind().0 == SyntaxKind::UNSAFE_KW as u16)
}
