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
    let mut depth = Depth {
        levels: vec![(SyntaxKind::EOF, 0)],
        total: 0,
    };
    let mut previous = T![;];
    let mut tokens = (0..lexed.len())
        .filter(|&i| !lexed.kind(i).is_trivia())
        .peekable();
    while let Some(i) = tokens.next() {
        let kind = lexed.kind(i);
        let next = tokens.peek().map_or(T![;], |&i| lexed.kind(i));
        match kind {
            T!['('] => depth.open(T![')']),
            T!['['] => depth.open(T![']']),
            T!['{'] => depth.open(T!['}']),
            T![')'] | T![']'] => depth.close(kind),
            T!['}'] => {
                depth.close_brace();
                if begins_afresh(next) {
                    depth.reset();
                }
            }
            T![;] | T![,] => depth.reset(),
            kind if recurses(previous, kind, next) => depth.count(),
            _ => {}
        }
        if depth.total > PARSER_LIMIT {
            return Some(lexed.text_start(i));
        }
        // The first dot of `a..b` is no prefix, and so the second is none either.
        let is_between = kind == T![.] && ends_operand(previous);
        previous = if is_between { T![..] } else { kind };
    }
    None
}

/// How deep the parser may be.
struct Depth {
    /// For each open delimiter what closes it, and how much of `total` belongs to it; the first is the file.
    levels: Vec<(SyntaxKind, usize)>,
    total: usize,
}

impl Depth {
    fn open(&mut self, closer: SyntaxKind) {
        self.levels.push((closer, 0));
        self.count();
    }

    fn count(&mut self) {
        if let Some((_, level)) = self.levels.last_mut() {
            *level += 1;
            self.total += 1;
        }
    }

    /// Forgets what the innermost delimiter has counted apart from itself.
    fn reset(&mut self) {
        let itself = usize::from(self.levels.len() > 1);
        if let Some((_, level)) = self.levels.last_mut() {
            self.total -= std::mem::replace(level, itself) - itself;
        }
    }

    /// One that closes something else is skipped by the parser, which stays where it is.
    fn close(&mut self, kind: SyntaxKind) {
        if self
            .levels
            .last()
            .is_some_and(|&(closer, _)| closer == kind)
        {
            self.pop();
        }
    }

    /// The parser never skips a brace: it leaves all that is open inside.
    fn close_brace(&mut self) {
        if self.levels.iter().any(|&(closer, _)| closer == T!['}']) {
            while self.pop() != Some(T!['}']) {}
        }
    }

    fn pop(&mut self) -> Option<SyntaxKind> {
        let (closer, level) = self.levels.pop()?;
        self.total -= level;
        Some(closer)
    }
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
