//! Finds `mod name;` inside macro calls that stand where items stand, as in `cfg_if! { .. mod unix; .. }`.
//!
//! Used by `items`. Without this, large parts of real crates would look as if nothing reached them. Such a module is
//! taken to be under a condition: whether the macro lets it through cannot be known here.

use ra_ap_syntax::{SmolStr, SyntaxKind, T};
use rowan::GreenNodeData;

use super::{items::ModuleDeclaration, token_tree::each_token, uses::plain};

/// The declarations in a token tree that begins at `base`.
pub(super) fn declarations(tree: &GreenNodeData, base: u32) -> Vec<ModuleDeclaration> {
    let mut search = Search::default();
    each_token(tree, base, |kind, text, offset| {
        search.token(kind, text, offset)
    });
    search.found
}

/// Where the search stands between two tokens.
#[derive(Default)]
struct Search<'a> {
    found: Vec<ModuleDeclaration>,
    /// The last two tokens, the newer one last: enough for `mod name` and for `path =`.
    last: [Option<(SyntaxKind, &'a str)>; 2],
    name_offset: u32,
    path: Option<&'a str>,
}

impl<'a> Search<'a> {
    fn token(&mut self, kind: SyntaxKind, text: &'a str, offset: u32) {
        match (self.last, kind) {
            ([Some((T![mod], _)), Some((SyntaxKind::IDENT, name))], T![;]) => {
                let path = self
                    .path
                    .take()
                    .map(|text| SmolStr::new(text.trim_matches('"')));
                self.found.push(ModuleDeclaration {
                    name: plain(name),
                    is_cfg: true,
                    is_test: false,
                    has_plain_path: path.is_some(),
                    paths: path.into_iter().collect(),
                    offset: self.name_offset,
                });
            }
            ([Some((SyntaxKind::IDENT, "path")), Some((T![=], _))], SyntaxKind::STRING) => {
                self.path = Some(text)
            }
            (_, T![;] | T!['{'] | T!['}']) => self.path = None,
            _ => {}
        }
        self.last = [self.last[1], Some((kind, text))];
        self.name_offset = offset;
    }
}
