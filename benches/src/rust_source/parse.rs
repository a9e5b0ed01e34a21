//! From bytes to a tree: the queries for a file's text, its lines and its syntax.
//!
//! Asked by everything that looks at source. The tree is kept as a green node, which any thread may share; a red
//! tree (`SyntaxNode`) lives inside one provider only. The glue to the parser is here and not `SourceFile::parse`,
//! because `ra_ap_syntax::Parse` hands its tree to a hidden thread when it is dropped, which would disturb timings.

use dagwood::{Cx, Query};
use ra_ap_parser::{Edition, LexedStr, StrStep, TopEntryPoint};
use ra_ap_syntax::{AstNode, SourceFile, SyntaxNode};
use rowan::{GreenNode, GreenNodeBuilder, SyntaxKind};

use super::{
    manifest::ManifestOf,
    nesting,
    sources::{FileId, Sources},
};

/// The text of a file as the lexer is to see it: without a byte order mark, lines ended by a line feed alone. An error
/// is the number of bytes before the first that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SourceText(pub(super) FileId);

impl Query<Sources> for SourceText {
    type Value = Result<String, usize>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Self::Value {
        let bytes = &cx.data().file(self.0).bytes;
        let text = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.contains('\r') {
            Ok(text.replace("\r\n", "\n"))
        } else {
            Ok(text.to_owned())
        }
    }
}

/// Where lines begin, to turn offsets into lines and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LineIndex(pub(super) FileId);

/// The offsets at which the lines of a file begin.
pub(super) struct LineStarts(Vec<u32>);

impl Query<Sources> for LineIndex {
    type Value = LineStarts;

    fn provide(self, cx: &Cx<'_, Sources>) -> LineStarts {
        let text = cx.get(SourceText(self.0)).as_ref();
        let bytes = text.map_or(&cx.data().file(self.0).bytes[..], String::as_bytes);
        let feeds = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'\n');
        LineStarts(
            std::iter::once(0)
                .chain(feeds.map(|(i, _)| i as u32 + 1))
                .collect(),
        )
    }
}

impl LineStarts {
    /// Line and column of an offset, both counted from 1, columns in bytes.
    pub(super) fn position(&self, offset: u32) -> (u32, u32) {
        let line = self.0.partition_point(|&start| start <= offset).max(1);
        (line as u32, offset - self.0[line - 1] + 1)
    }
}

/// The syntax of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Parse(pub(super) FileId);

/// A tree and what is wrong in it.
pub(super) struct Parsed {
    /// `None`: not UTF-8, or nested too deeply to be parsed.
    green: Option<GreenNode>,
    /// In the order of their offsets.
    pub(super) errors: Vec<ParseError>,
}

/// What the lexer or the parser complains about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ParseError {
    pub(super) offset: u32,
    pub(super) message: String,
}

impl Parsed {
    /// The tree, for use inside one provider.
    pub(super) fn source_file(&self) -> Option<SourceFile> {
        SourceFile::cast(SyntaxNode::new_root(self.green.clone()?))
    }

    fn too_deep(offset: usize) -> Parsed {
        let message = "nested too deeply: the file is not analysed".to_owned();
        Parsed {
            green: None,
            errors: vec![ParseError {
                offset: offset as u32,
                message,
            }],
        }
    }
}

impl Query<Sources> for Parse {
    type Value = Parsed;

    fn provide(self, cx: &Cx<'_, Sources>) -> Parsed {
        let edition = cx.get(ManifestOf(cx.data().file(self.0).package)).edition;
        match cx.get(SourceText(self.0)) {
            Ok(text) => parse(text, edition),
            Err(_) => Parsed {
                green: None,
                errors: Vec::new(),
            },
        }
    }
}

/// A diagnostic is a line; a few of the parser's messages are more.
fn in_one_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Lexes and parses one file.
pub(super) fn parse(text: &str, edition: Edition) -> Parsed {
    let lexed = LexedStr::new(edition, text);
    if let Some(offset) = nesting::too_deep_for_parser(&lexed) {
        return Parsed::too_deep(offset);
    }
    let output = TopEntryPoint::SourceFile.parse(&lexed.to_input(edition));
    if nesting::is_too_deep_for_tree(&output) {
        return Parsed::too_deep(0);
    }
    let mut builder = GreenNodeBuilder::new();
    let mut errors = Vec::new();
    lexed.intersperse_trivia(&output, &mut |step| match step {
        StrStep::Token { kind, text } => builder.token(SyntaxKind(kind.into()), text),
        StrStep::Enter { kind } => builder.start_node(SyntaxKind(kind.into())),
        StrStep::Exit => builder.finish_node(),
        StrStep::Error { msg, pos } => {
            errors.push(ParseError {
                offset: pos as u32,
                message: in_one_line(msg),
            });
        }
    });
    errors.extend(lexed.errors().map(|(token, message)| ParseError {
        offset: lexed.text_start(token) as u32,
        message: in_one_line(message),
    }));
    errors.sort();
    Parsed {
        green: Some(builder.finish()),
        errors,
    }
}
