//! Reads paths from the tokens of a macro call: a guess, since only the macro knows what its tokens mean.
//!
//! Used by `references`, as is `names` for attributes. A name after a dot is left out, and so is one after a `$`.

use ra_ap_syntax::{SmolStr, SyntaxKind as Kind};
use rowan::{GreenNodeData, NodeOrToken};

use super::{outline::ItemKind, references::Segment};
use crate::rust_source::{token_tree::each_token, uses::plain};

/// Paths of a token tree that begins at `base`, each with whether it begins with `::`.
pub(super) fn paths(tree: &GreenNodeData, base: u32) -> Vec<(Vec<Segment>, bool)> {
    let mut reader = Reader::default();
    each_token(tree, base, |kind, text, at| reader.token(kind, text, at));
    reader.end();
    reader.found
}

/// All names in a node, whatever they mean.
pub(super) fn names(node: &GreenNodeData) -> Vec<SmolStr> {
    let mut names = Vec::new();
    each_token(node, 0, |kind, text, _| {
        if kind == Kind::IDENT {
            names.push(plain(text));
        }
    });
    names
}

/// All words of the strings in a node: `#[serde(default = "module::function")]`
pub(super) fn words(node: &GreenNodeData) -> Vec<SmolStr> {
    let mut words = Vec::new();
    each_token(node, 0, |kind, text, _| {
        if kind == Kind::STRING {
            let parts = text.split(|c: char| c != '_' && !c.is_alphanumeric());
            words.extend(parts.filter(|part| !part.is_empty()).map(SmolStr::new));
        }
    });
    words
}

/// What a token tree that begins at `base` seems to declare: names after the keywords of items, no deeper than two
/// groups, and what stands first, if a comma or colon follows (`NAME!{CONSTANT, ..}`).
pub(super) fn declarations(tree: &GreenNodeData, base: u32) -> Vec<(ItemKind, SmolStr, u32)> {
    const DEPTH_MAX: usize = 2;
    let mut found: Vec<(ItemKind, SmolStr, u32)> = Vec::new();
    let mut keyword = None;
    // The depth of the group after `enum Name`, whose variants a macro may make constants of; what came last.
    let (mut of_enum, mut last) = (None, Kind::EOF);
    // How many tokens have come, delimiters included; the first name, while it may still be one.
    let (mut count, mut first) = (0, None);
    let mut at = base;
    let mut open = vec![tree.children()];
    while let Some(children) = open.last_mut() {
        match children.next() {
            None => drop(open.pop()),
            Some(NodeOrToken::Node(node)) if open.len() <= DEPTH_MAX => open.push(node.children()),
            Some(NodeOrToken::Node(node)) => at += u32::from(node.text_len()),
            Some(NodeOrToken::Token(token)) => {
                let kind = Kind::from(token.kind().0);
                let offset = at;
                at += u32::from(token.text_len());
                if kind.is_trivia() {
                    continue;
                }
                count += 1;
                match (kind, keyword) {
                    (Kind::IDENT, Some(of)) => {
                        found.push((of, plain(token.text()), offset));
                        of_enum = (of == ItemKind::Enum).then_some(open.len() + 1);
                    }
                    // `interface Name`, `union Name`: no expression has two names in a row.
                    (Kind::IDENT, None) if last == Kind::IDENT => {
                        let kind = ItemKind::Struct { is_value: true };
                        found.push((kind, plain(token.text()), offset));
                    }
                    (Kind::IDENT, None)
                        if of_enum == Some(open.len())
                            && matches!(last, Kind::L_CURLY | Kind::COMMA) =>
                    {
                        found.push((ItemKind::Const, plain(token.text()), offset));
                    }
                    (Kind::IDENT, None) if count == 2 => {
                        first = Some((plain(token.text()), offset))
                    }
                    (Kind::COMMA | Kind::COLON, _) if count == 3 => {
                        let constant = first.take();
                        found.extend(constant.map(|(name, at)| (ItemKind::Const, name, at)));
                    }
                    _ => {}
                }
                keyword = match kind {
                    // `static ref NAME`, `const fn name`
                    Kind::REF_KW | Kind::MUT_KW | Kind::UNSAFE_KW => keyword,
                    kind => declared_by(kind),
                };
                last = kind;
            }
        }
    }
    found
}

/// What a name after this keyword is; a type may have a constructor.
fn declared_by(keyword: Kind) -> Option<ItemKind> {
    Some(match keyword {
        Kind::FN_KW => ItemKind::Function,
        Kind::STRUCT_KW => ItemKind::Struct { is_value: true },
        Kind::ENUM_KW => ItemKind::Enum,
        Kind::TRAIT_KW => ItemKind::Trait,
        Kind::TYPE_KW => ItemKind::TypeAlias,
        Kind::CONST_KW => ItemKind::Const,
        Kind::STATIC_KW => ItemKind::Static,
        _ => return None,
    })
}

#[derive(Default)]
struct Reader {
    found: Vec<(Vec<Segment>, bool)>,
    path: Vec<Segment>,
    is_absolute: bool,
    /// `::` came last; the lexer of token trees gives it as two colons.
    colons: u32,
    last: Option<Kind>,
}

impl Reader {
    fn token(&mut self, kind: Kind, text: &str, at: u32) {
        let is_name = matches!(
            kind,
            Kind::IDENT | Kind::SELF_KW | Kind::SELF_TYPE_KW | Kind::SUPER_KW | Kind::CRATE_KW
        );
        match kind {
            _ if is_name => {
                let is_apart = matches!(
                    self.last,
                    Some(
                        Kind::DOT
                            | Kind::DOLLAR
                            | Kind::LIFETIME_IDENT
                            | Kind::FN_KW
                            | Kind::LET_KW
                    )
                );
                let goes_on = self.colons == 2 && !self.path.is_empty();
                if !goes_on {
                    self.end();
                    self.is_absolute = self.colons == 2;
                }
                if !is_apart || goes_on {
                    self.path.push(Segment {
                        name: plain(text),
                        offset: at,
                        len: text.len() as u32,
                    });
                }
                self.colons = 0;
            }
            Kind::COLON => self.colons += 1,
            Kind::COLON2 => self.colons = 2,
            _ => {
                self.end();
                self.colons = 0;
            }
        }
        if self.colons == 1 && kind != Kind::COLON {
            self.end();
        }
        self.last = Some(kind);
    }

    fn end(&mut self) {
        let path = std::mem::take(&mut self.path);
        let is_keyword = |segment: &Segment| {
            matches!(segment.name.as_str(), "self" | "Self" | "super" | "crate")
        };
        let is_lone_keyword = path.len() == 1 && is_keyword(&path[0]);
        if !path.is_empty() && !is_lone_keyword {
            self.found.push((path, self.is_absolute));
        }
        self.is_absolute = false;
    }
}
