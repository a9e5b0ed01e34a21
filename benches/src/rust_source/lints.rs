//! Diagnostics: what is wrong, with file, line and column.
//!
//! Asked by `report`. Files are judged by themselves (bytes, syntax), crates by their modules and imports.

use std::fmt;

use dagwood::{Cx, Query};

use super::{
    crates::Crate,
    manifest::ManifestOf,
    module_tree::{ModulesOf, Problem, ProblemKind},
    parse::{LineIndex, Parse, SourceText},
    resolve::ImportsOf,
    sources::{FileId, PackageId, Sources},
};

/// One complaint. The order is that of files, then places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Diagnostic {
    /// The label of the file.
    pub(crate) file: String,
    /// Line and column, from 1, the column in bytes; `None` if the whole file is meant.
    pub(crate) position: Option<(u32, u32)>,
    /// What kind of complaint.
    pub(crate) lint: Lint,
    /// The complaint, in one line.
    pub(crate) message: String,
}

/// Kinds of diagnostics, in the order of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lint {
    /// A path that was not read.
    Skipped,
    /// A file that is not UTF-8.
    NotUtf8,
    /// A `Cargo.toml` that cannot be understood.
    Manifest,
    /// The lexer's or the parser's complaint.
    Syntax,
    /// `mod name;` without a file.
    MissingModule,
    /// A file that would contain itself, or a tree without end.
    ModuleLoop,
    /// An import that leads nowhere.
    UnresolvedImport,
}

impl Lint {
    /// All kinds, in order.
    pub(crate) const ALL: [Lint; 7] = [
        Lint::Skipped,
        Lint::NotUtf8,
        Lint::Manifest,
        Lint::Syntax,
        Lint::MissingModule,
        Lint::ModuleLoop,
        Lint::UnresolvedImport,
    ];

    /// The name in the output.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Lint::Skipped => "skipped",
            Lint::NotUtf8 => "not-utf-8",
            Lint::Manifest => "manifest",
            Lint::Syntax => "syntax",
            Lint::MissingModule => "missing-module",
            Lint::ModuleLoop => "module-loop",
            Lint::UnresolvedImport => "unresolved-import",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: {}", self.lint.name(), self.message)
    }
}

fn at(cx: &Cx<'_, Sources>, file: FileId, offset: u32, lint: Lint, message: String) -> Diagnostic {
    let position = Some(cx.get(LineIndex(file)).position(offset));
    Diagnostic {
        file: cx.data().file(file).label.clone(),
        position,
        lint,
        message,
    }
}

/// What is wrong with a file by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileLints(pub(super) FileId);

impl Query<Sources> for FileLints {
    type Value = Vec<Diagnostic>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Vec<Diagnostic> {
        let file = self.0;
        if let Err(valid) = cx.get(SourceText(file)) {
            let message = "the text is not UTF-8 from here on".to_owned();
            return vec![at(cx, file, *valid as u32, Lint::NotUtf8, message)];
        }
        let errors = cx.get(Parse(file)).errors.iter();
        errors
            .map(|error| at(cx, file, error.offset, Lint::Syntax, error.message.clone()))
            .collect()
    }
}

/// What is wrong with a crate as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CrateLints(pub(super) Crate);

impl Query<Sources> for CrateLints {
    type Value = Vec<Diagnostic>;

    fn provide(self, cx: &Cx<'_, Sources>) -> Vec<Diagnostic> {
        let Crate { id, is_stray } = self.0;
        let problems = cx.get(ModulesOf(id)).problems.iter();
        let is_reported =
            |problem: &&Problem| !is_stray || !matches!(problem.kind, ProblemKind::Missing(..));
        let mut diagnostics: Vec<_> = problems
            .filter(is_reported)
            .map(|problem| modules(cx, problem))
            .collect();
        if !is_stray {
            diagnostics.extend(cx.get(ImportsOf(id)).unresolved.iter().map(|import| {
                let message = format!("`{}` is not in `{}`", import.name, import.place);
                at(
                    cx,
                    import.file,
                    import.offset,
                    Lint::UnresolvedImport,
                    message,
                )
            }));
        }
        diagnostics
    }
}

/// What is wrong with a declaration of a module.
pub(super) fn modules(cx: &Cx<'_, Sources>, problem: &Problem) -> Diagnostic {
    let (lint, message) = match &problem.kind {
        ProblemKind::Missing(name, place) => (
            Lint::MissingModule,
            format!("no file for module `{name}`: `{place}` is not there"),
        ),
        ProblemKind::Loop(name) => (
            Lint::ModuleLoop,
            format!("module `{name}` would contain itself"),
        ),
        ProblemKind::TooMany => (
            Lint::ModuleLoop,
            "too many modules: the rest of the crate is left out".to_owned(),
        ),
    };
    at(cx, problem.file, problem.offset, lint, message)
}

/// What is wrong with a package's manifest.
pub(super) fn manifest(cx: &Cx<'_, Sources>, package: PackageId) -> Option<Diagnostic> {
    let message = cx.get(ManifestOf(package)).error.clone()?;
    let directory = &cx.data().package(package).directory;
    let file = if directory.is_empty() {
        "Cargo.toml".to_owned()
    } else {
        format!("{directory}/Cargo.toml")
    };
    Some(Diagnostic {
        file,
        position: None,
        lint: Lint::Manifest,
        message,
    })
}

/// What was not read at all.
pub(super) fn skipped(sources: &Sources) -> impl Iterator<Item = Diagnostic> {
    sources.tree().skipped.iter().map(|skipped| Diagnostic {
        file: skipped.label.clone(),
        position: None,
        lint: Lint::Skipped,
        message: skipped.reason.clone(),
    })
}
