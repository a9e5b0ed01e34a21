//! Lints: their names, their levels, and what they have found.

use std::fmt;

use serde::Serialize;

use crate::rust_source::lints::{self, Diagnostic};

/// Something that a lint says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Finding {
    /// The label of the file.
    pub(crate) file: String,
    /// Line and column, from 1, the column in bytes; `None` if the whole file is meant.
    pub(crate) position: Option<(u32, u32)>,
    pub(crate) lint: Lint,
    pub(crate) message: String,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Allow,
    Warn,
    Deny,
}

macro_rules! lints {
    ($($lint:ident, $name:literal, $level:ident, $about:literal;)*) => {
        /// All lints, in the order of the summary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum Lint {
            $(#[doc = $about] #[serde(rename = $name)] $lint,)*
        }

        impl Lint {
            pub(crate) const ALL: &[Lint] = &[$(Lint::$lint),*];

            /// The name on the command line and in the output.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Lint::$lint => $name,)* }
            }

            /// What it finds.
            pub(crate) fn about(self) -> &'static str {
                match self { $(Lint::$lint => $about,)* }
            }

            /// The level, unless it is told.
            pub(crate) fn default_level(self) -> Level {
                match self { $(Lint::$lint => Level::$level,)* }
            }
        }
    };
}

lints! {
    Skipped, "skipped", Warn, "a path that was not read";
    NotUtf8, "not-utf-8", Warn, "a file that is not UTF-8";
    Manifest, "manifest", Warn, "a Cargo.toml that cannot be understood";
    Syntax, "syntax", Warn, "what the lexer or the parser complains about";
    MissingModule, "missing-module", Warn, "`mod name;` without a file";
    ModuleLoop, "module-loop", Warn, "a file that would contain itself, or a tree without end";
    UnresolvedImport, "unresolved-import", Warn, "an import of this crate that leads nowhere";
    ExcusedImport, "excused-import", Allow, "one that leads nowhere that can be seen, for a stated limit";
    UnresolvedCall, "unresolved-call", Warn, "a call to something of this crate that is not there";
    UnusedImport, "unused-import", Warn, "a private import that nothing uses";
    UnusedFunction, "unused-function", Warn, "a function that is not public and that nothing refers to";
    ModuleCycle, "module-cycle", Allow, "modules that use each other in a circle";
    LongFunction, "long-function", Allow, "a function of more than 100 lines";
}

/// A function may have so many lines.
pub(crate) const FUNCTION_LINES_MAX: u32 = 100;

impl Lint {
    /// The lint of that name.
    pub(crate) fn find(name: &str) -> Option<Lint> {
        Lint::ALL.iter().copied().find(|lint| lint.name() == name)
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The level of each lint.
#[derive(Clone, Debug)]
pub(crate) struct Levels(Vec<Level>);

impl Default for Levels {
    fn default() -> Self {
        Levels(Lint::ALL.iter().map(|lint| lint.default_level()).collect())
    }
}

impl Levels {
    pub(crate) fn of(&self, lint: Lint) -> Level {
        self.0[lint as usize]
    }

    pub(crate) fn set(&mut self, lint: Lint, level: Level) {
        self.0[lint as usize] = level;
    }

    /// Whether anything found is denied.
    pub(crate) fn deny(&self, findings: &[Finding]) -> bool {
        findings
            .iter()
            .any(|finding| self.of(finding.lint) == Level::Deny)
    }
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Finding {
        let lint = match diagnostic.lint {
            lints::Lint::Skipped => Lint::Skipped,
            lints::Lint::NotUtf8 => Lint::NotUtf8,
            lints::Lint::Manifest => Lint::Manifest,
            lints::Lint::Syntax => Lint::Syntax,
            lints::Lint::MissingModule => Lint::MissingModule,
            lints::Lint::ModuleLoop => Lint::ModuleLoop,
            lints::Lint::UnresolvedImport => Lint::UnresolvedImport,
        };
        Finding {
            file: diagnostic.file.clone(),
            position: diagnostic.position,
            lint,
            message: diagnostic.message.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: {}", self.lint, self.message)
    }
}
