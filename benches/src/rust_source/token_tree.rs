//! The tokens of a part of a syntax tree, one after another.
//!
//! Used by who looks into macro calls and attributes, whose tokens have no structure but their groups.

use ra_ap_syntax::SyntaxKind;
use rowan::{GreenNodeData, NodeOrToken};

/// Shows each token below a node that begins at `base`, with its text and where it begins; none that only separates others.
pub(super) fn each_token<'a>(
    tree: &'a GreenNodeData,
    base: u32,
    mut show: impl FnMut(SyntaxKind, &'a str, u32),
) {
    let mut offset = base;
    // Token trees nest; an explicit stack, since the depth comes from the input.
    let mut open = vec![tree.children()];
    while let Some(children) = open.last_mut() {
        match children.next() {
            None => drop(open.pop()),
            Some(NodeOrToken::Node(node)) => open.push(node.children()),
            Some(NodeOrToken::Token(token)) => {
                let kind = SyntaxKind::from(token.kind().0);
                if !kind.is_trivia() {
                    show(kind, token.text(), offset);
                }
                offset += u32::from(token.text_len());
            }
        }
    }
}
