//! The stated limits: why a path that is not found may be right all the same.
//!
//! Used wherever paths are followed. Nothing is expanded and nothing configured here, so some names cannot be seen.

use serde::Serialize;

/// Why something may be there though it is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// A macro among the items of the place, or an attribute or derive that we do not know, may have made it.
    Macro,
    /// It comes from a file that a build script writes.
    BuildScript,
    /// A module's file is there under a condition only, and not in the input; or the name is there under one.
    Cfg,
    /// A file of the place could not be analysed.
    NotAnalysed,
    /// A glob of another crate may have brought it.
    ForeignGlob,
}

impl Reason {
    pub(crate) const ALL: [Reason; 5] = [
        Reason::Macro,
        Reason::BuildScript,
        Reason::Cfg,
        Reason::NotAnalysed,
        Reason::ForeignGlob,
    ];

    /// The reason in words, for the end of a sentence.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Reason::Macro => "a macro there may make it",
            Reason::BuildScript => "a build script writes a part of it",
            Reason::Cfg => "it depends on a condition (`cfg`)",
            Reason::NotAnalysed => "a file of it was not analysed",
            Reason::ForeignGlob => "a glob of another crate may bring it",
        }
    }
}
