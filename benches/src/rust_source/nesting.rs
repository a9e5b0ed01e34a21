//! Bounds the depth of a source before it is parsed.
//!
//! The parser recurses (a pair of parentheses costs several frames) and has no limit of its own; so does the drop of
//! a tree. Both run on a fiber's stack or on a test's 2 MiB, and an overflow would take the whole run down, so a file
//! that nests too deeply gets a diagnostic instead. Used by `parse` only.

use ra_ap_parser::{LexedStr, Output, Step, SyntaxKind, T};

/// Levels of recursion the parser may need. Real source stays below 100; rustc's own limit for macros is 128.
pub(super) const PARSER_LIMIT: usize = 256;

/// Levels of the tree: a chain of `a + b + c ..` needs no recursion to parse but one level for each operator.
pub(super) const TREE_LIMIT: usize = 4096;

/// The start of the token at which the recursion might get too deep. Errs on the safe side, never on the other: it
/// counts open delimiters and, since the last separator in each, all tokens after which the parser calls itself.
pub(super) fn too_deep_for_parser(lexed: &LexedStr<'_>) -> Option<usize> {
    let mut total = 0;
    // How much of `total` belongs to each open delimiter; the first is the file's.
    let mut levels = vec![0_usize];
    let mut previous = T![;];
    let mut tokens = (0..lexed.len())
        .filter(|&i| !lexed.kind(i).is_trivia())
        .peekable();
    while let Some(i) = tokens.next() {
        let kind = lexed.kind(i);
        let next = tokens.peek().map_or(T![;], |&i| lexed.kind(i));
        match kind {
            T!['('] | T!['['] | T!['{'] => {
                total += 1;
                levels.push(1);
            }
            T![')'] | T![']'] | T!['}'] if levels.len() > 1 => {
                total -= levels.pop()?;
                if kind == T!['}'] && begins_afresh(next) {
                    total -= reset(&mut levels);
                }
            }
            T![;] | T![,] => total -= reset(&mut levels),
            kind if recurses(previous, kind, next) => {
                *levels.last_mut()? += 1;
                total += 1;
            }
            _ => {}
        }
        if total > PARSER_LIMIT {
            return Some(lexed.text_start(i));
        }
        // The first dot of `a..b` is no prefix, and so the second is none either.
        let is_between = kind == T![.] && ends_operand(previous);
        previous = if is_between { T![..] } else { kind };
    }
    None
}

/// Whether the tree that the parser describes is deeper than can be dropped safely.
pub(super) fn is_too_deep_for_tree(output: &Output) -> bool {
    let mut depth = 0_usize;
    output.iter().any(|step| {
        match step {
            Step::Enter { .. } => depth += 1,
            Step::Exit => depth -= 1,
            Step::FloatSplit { ends_in_dot } => depth -= 1 + usize::from(!ends_in_dot),
            Step::Token { .. } | Step::Error { .. } => {}
        }
        depth > TREE_LIMIT
    })
}

/// Forgets what the innermost delimiter has counted apart from itself; gives how much that was.
fn reset(levels: &mut [usize]) -> usize {
    let itself = usize::from(levels.len() > 1);
    levels
        .last_mut()
        .map_or(0, |level| std::mem::replace(level, itself) - itself)
}

fn recurses(previous: SyntaxKind, kind: SyntaxKind, next: SyntaxKind) -> bool {
    match kind {
        T![.] => previous != T![..] && !ends_operand(previous),
        T![&] | T![*] | T![-] | T![!] | T![|] => !ends_operand(previous),
        T![<] | T![@] => true,
        // An assignment; not `==`, `=>`, `<=`, `..=`.
        T![=] => {
            !matches!(previous, T![=] | T![.] | T![..] | T![<] | T![>] | T![!])
                && !matches!(next, T![=] | T![>])
        }
        T![self]
        | T![Self]
        | T![super]
        | T![crate]
        | T![true]
        | T![false]
        | T![as]
        | T![mut]
        | T![pub] => false,
        kind => kind.is_keyword(ra_ap_parser::Edition::LATEST),
    }
}

fn ends_operand(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        T![')'] | T![']'] | T!['}'] | T![?] | T![>] | T![self] | T![Self] | T![super] | T![crate]
    ) || matches!(kind, T![true] | T![false])
        || matches!(kind, SyntaxKind::IDENT | SyntaxKind::LIFETIME_IDENT)
        || kind.is_literal()
}

/// After a `}`: a new item, statement or match arm, not the rest of an expression.
fn begins_afresh(next: SyntaxKind) -> bool {
    match next {
        T![else] | T![as] => false,
        T![#] | T!['}'] | SyntaxKind::IDENT | SyntaxKind::LIFETIME_IDENT => true,
        next => next.is_literal() || next.is_keyword(ra_ap_parser::Edition::LATEST),
    }
}
