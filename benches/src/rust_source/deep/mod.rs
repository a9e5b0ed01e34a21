//! `rust-source` in depth: names, calls, what the public API reaches, lints, measures, pages.
//!
//! On top of the measured workload's queries for files, trees and modules:
//!
//! ```text
//! outline        OutlineOf       what a file declares, in full          (outline_lowering, item_shape, item_marks)
//!   scopes       ScopesOf        the modules of a crate side by side
//!     imported   ImportedBy      imports to a fixpoint, in a database of the crate's own   (paths: one path)
//!     crate_names  NamesIn       all names; why what is not found may be right (reasons, made, elsewhere)
//!       members  MembersOf       `Type::name`
//!   references   ReferencesOf    what an item's text refers to          (reference_walk, bound, segments, token_paths, metrics)
//!     links      LinksOf         each path with what it means, module by module     (finder, blocks)
//!     module_graph ModuleGraphOf   which modules use which, cycles
//!     public     PublicOf        what the public API names and reaches
//!     usage      UsageOf         names and definitions that anybody uses
//!       checks   ChecksOf        the lints                            (findings, foreign, prelude)
//!       facts    ModuleFactsOf   measures, calls, signatures
//!         report, json           the whole
//!           site                 pages of HTML, side by side          (write)
//!           query_graph          how deep all these queries are, and how many are shared
//! ```
//!
//! Errors of the input end nothing: what was not analysed is named with the reason.

use std::path::PathBuf;

use dagwood::{Database, Error, Executor};

mod blocks;
mod bound;
mod checks;
mod crate_names;
mod describe;
mod elsewhere;
mod facts;
mod finder;
mod findings;
mod foreign;
mod imported;
mod item_marks;
mod item_shape;
mod json;
mod links;
mod made;
mod members;
mod metrics;
mod module_graph;
mod outline;
mod outline_lowering;
mod paths;
mod prelude;
mod progress;
mod public;
mod query_graph;
mod reasons;
mod reference_walk;
mod references;
mod report;
mod scopes;
mod segments;
#[cfg(test)]
mod silence_tests;
mod site;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;
mod token_paths;
mod usage;
mod write;

pub(crate) use findings::{Level, Levels, Lint};
pub(crate) use progress::{Done, Progress};

use super::{Input, digest::Digest, sources::Sources};

/// What is asked for.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) levels: Levels,
    pub(crate) is_json: bool,
    /// Also what the queries of the analysis are like: then the database records what they ask.
    pub(crate) has_query_graph: bool,
    /// Where pages are to be written.
    pub(crate) out: Option<PathBuf>,
}

/// What came out.
pub(crate) struct Deep {
    /// For people, or JSON.
    pub(crate) text: String,
    /// A lint that is denied has found something.
    pub(crate) is_denied: bool,
    /// Why not all pages were written.
    pub(crate) write_error: Option<String>,
    /// All results; freeing them is no part of the job.
    _database: Database<Sources>,
}

/// Analyses the input in a fresh database.
///
/// # Errors
///
/// A query failed; none does on any input that we know.
pub(crate) fn analyse(
    executor: &Executor,
    input: &Input,
    wanted: &Wanted,
    progress: &Progress,
) -> Result<Deep, Error> {
    let mut database = Database::new(input.sources().clone());
    if wanted.has_query_graph {
        database = database.record_all();
    }
    let (whole, written) = executor.run(&database, |cx| {
        let whole = report::whole(cx, progress);
        let written = wanted.out.as_ref().map(|root| {
            let sink = |path: &str, text: &str| write::page(root, path, text);
            site::render(cx, &whole, &wanted.levels, progress, &sink)
        });
        (whole, written)
    })?;
    let graph = match wanted.has_query_graph {
        true => Some(query_graph::of(executor, &database)?),
        false => None,
    };
    let text = executor.run(&database, |cx| {
        if wanted.is_json {
            json::render(cx, &whole, graph, &wanted.levels)
        } else {
            report::text(&whole, graph, &wanted.levels)
        }
    })?;
    let is_denied = wanted.levels.deny(&whole.findings);
    drop(whole);
    Ok(Deep {
        text,
        is_denied,
        write_error: written.and_then(Result::err),
        _database: database,
    })
}

impl Deep {
    /// A hash of the output's bytes, in hexadecimal digits; the same on every system.
    pub(crate) fn checksum(&self) -> String {
        Digest::new().part(self.text.as_bytes()).finish()
    }
}
