//! Names in a green tree: what a node declares, and the segments of a path.
//!
//! Used by `references`. Knows the shape of a few nodes and no more.

use ra_ap_syntax::{SmolStr, SyntaxKind as Kind};
use rowan::{GreenNodeData, NodeOrToken};

use super::references::Segment;
use crate::rust_source::uses::plain;

/// The name that a node declares, without its raw mark, and where it stands.
pub(super) fn name_in(node: &GreenNodeData, at: u32) -> Option<(SmolStr, u32)> {
    let mut offset = at;
    for child in node.children() {
        if let NodeOrToken::Node(name) = child
            && name.kind().0 == Kind::NAME as u16
        {
            let token = name.children().find_map(NodeOrToken::into_token)?;
            return Some((plain(token.text()), offset));
        }
        offset += match child {
            NodeOrToken::Node(node) => u32::from(node.text_len()),
            NodeOrToken::Token(token) => u32::from(token.text_len()),
        };
    }
    None
}

/// Adds the segments of a path; false if it has one that is no name (`<T as Trait>::f`).
pub(super) fn segments_of(
    path: &GreenNodeData,
    at: u32,
    segments: &mut Vec<Segment>,
    is_absolute: &mut bool,
) -> bool {
    let mut offset = at;
    for child in path.children() {
        match child {
            NodeOrToken::Node(node) => {
                let kind = Kind::from(node.kind().0);
                let is_good = match kind {
                    Kind::PATH => segments_of(node, offset, segments, is_absolute),
                    Kind::PATH_SEGMENT => segment(node, offset, segments, is_absolute),
                    _ => true,
                };
                if !is_good {
                    return false;
                }
                offset += u32::from(node.text_len());
            }
            NodeOrToken::Token(token) => {
                *is_absolute |= segments.is_empty() && token.kind().0 == Kind::COLON2 as u16;
                offset += u32::from(token.text_len());
            }
        }
    }
    !segments.is_empty()
}

fn segment(
    node: &GreenNodeData,
    at: u32,
    segments: &mut Vec<Segment>,
    is_absolute: &mut bool,
) -> bool {
    let mut offset = at;
    for child in node.children() {
        match child {
            NodeOrToken::Node(name) if name.kind().0 == Kind::NAME_REF as u16 => {
                let Some(token) = name.children().find_map(NodeOrToken::into_token) else {
                    return false;
                };
                segments.push(Segment {
                    name: plain(token.text()),
                    offset,
                    len: u32::from(token.text_len()),
                });
                return true;
            }
            NodeOrToken::Node(node) if node.kind().0 == Kind::TYPE_ANCHOR as u16 => return false,
            NodeOrToken::Node(node) => offset += u32::from(node.text_len()),
            NodeOrToken::Token(token) => {
                let kind = Kind::from(token.kind().0);
                if kind == Kind::L_ANGLE {
                    return false;
                }
                *is_absolute |= segments.is_empty() && kind == Kind::COLON2;
                offset += u32::from(token.text_len());
            }
        }
    }
    false
}
