//! The main workload: a small front end for Rust, made of demand-driven queries.
//!
//! `input` reads the files; then each query is a file of its own, asked for by those further down:
//!
//! ```text
//! sources                      files and packages, under dense ids
//!   parse      SourceText, LineIndex, Parse      (nesting: how deep a source may be)
//!   manifest   ManifestOf                        edition, roots and more from Cargo.toml  (libraries)
//!     items    ItemsOf                           (lowering: uses, attributes, macro_modules)
//!       bodies       BodyOf                      inside functions
//!       module_tree  ModulesOf                   (module_files: from `mod` to file)
//!         crates     CratesOf                    roots, and what no `mod` reaches
//!         names      NamesOf
//!           resolve  ImportsOf                   (solver: the work list; paths: one path, once)
//!             lints  FileLints, CrateLints
//!               report  FileReport, PackageReport
//! ```
//!
//! Used by the harness through [`Input`] and [`analyse`]. Knows the library's public API only, and neither engines
//! nor clocks. The text that comes out is the same for every backend and every number of workers.

use dagwood::{Database, Error, Executor};

mod attributes;
mod bodies;
mod counts;
mod crates;
pub(crate) mod deep;
mod digest;
mod input;
mod items;
mod libraries;
mod lints;
mod lowering;
mod macro_modules;
mod manifest;
mod module_files;
mod module_tree;
mod names;
mod nesting;
mod parse;
mod paths;
mod registry;
mod report;
mod resolve;
mod solver;
mod sources;
#[cfg(test)]
mod tests;
mod token_tree;
mod uses;
mod walk;

pub(crate) use input::Input;
pub(crate) use lints::Diagnostic;

use digest::Digest;
use sources::Sources;

/// What came out.
pub(crate) struct Analysis {
    /// Counts, one a line.
    pub(crate) summary: String,
    /// In the order of files, then places; none twice.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// All trees and results. Freeing them is no part of the job: whoever measures stops the clock first.
    _database: Database<Sources>,
}

/// Analyses the input in a fresh database.
///
/// # Errors
///
/// A query failed; none does on any input that we know.
pub(crate) fn analyse(executor: &Executor, input: &Input) -> Result<Analysis, Error> {
    let database = Database::new(input.sources().clone());
    let totals = executor.run(&database, report::whole)?;
    let summary = report::summary(&totals);
    Ok(Analysis {
        summary,
        diagnostics: totals.diagnostics,
        _database: database,
    })
}

impl Analysis {
    /// The whole output: summary, then diagnostics, one a line.
    pub(crate) fn render(&self) -> String {
        let mut text = self.summary.clone();
        for diagnostic in &self.diagnostics {
            text.push_str(&format!("{diagnostic}\n"));
        }
        text
    }

    /// A hash of the output's bytes, in hexadecimal digits; the same on every system.
    pub(crate) fn checksum(&self) -> String {
        Digest::new().part(self.render().as_bytes()).finish()
    }
}
