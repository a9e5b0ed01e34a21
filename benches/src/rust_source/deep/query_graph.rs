//! The queries of an analysis, and who asks for whom: how many there are, how deep they go, how many are shared.
//!
//! Made after the analysis, from what its database has recorded (`Database::record_all`). A function of the input: which
//! query asked first, and who waited for whom, is in no record. What is asked in other databases (a crate's imports, in
//! circles) is part of the query that asks there.

use dagwood::{Asked, Cx, Database, Error, Executor, Query, Step, Steps};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{checks::ChecksOf, facts::ModuleFactsOf, outline::OutlineOf, references::ReferencesOf};
use crate::rust_source::{
    crates::CratesOf,
    lints::FileLints,
    manifest::ManifestOf,
    module_tree::ModulesOf,
    sources::{FileId, PackageId, Sources},
};

/// What the queries of an analysis are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct QueryGraph {
    /// Queries that were asked.
    pub(crate) queries: u64,
    /// Asks of one query for another, each pair once.
    pub(crate) asks: u64,
    /// Queries of the longest chain, each of which asks for the next.
    pub(crate) depth: u64,
    /// Queries that at least two others ask for.
    pub(crate) shared: u64,
    /// So many ask for the one that most ask for.
    pub(crate) askers_max: u64,
}

/// All that a report asks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Everything;

impl Query<Sources> for Everything {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Sources>) {
        let tree = cx.data().tree();
        for package in (0..tree.packages.len() as u32).map(PackageId) {
            cx.get(ManifestOf(package));
            for krate in cx.get(CratesOf(package)) {
                let modules = &cx.get(ModulesOf(krate.id)).modules;
                if krate.is_stray {
                    continue;
                }
                cx.get(ChecksOf(krate.id));
                for module in 0..modules.len() as u32 {
                    let krate = krate.id;
                    cx.get(ModuleFactsOf { krate, module });
                }
            }
        }
        for file in (0..tree.files.len() as u32).map(FileId) {
            cx.get(FileLints(file));
            for item in 0..cx.get(OutlineOf(file)).items.len() as u32 {
                cx.get(ReferencesOf { file, item });
            }
        }
    }
}

/// The graph of an analysis that is done in a database that records.
///
/// # Errors
///
/// A query has failed.
pub(super) fn of(executor: &Executor, database: &Database<Sources>) -> Result<QueryGraph, Error> {
    executor.run(database, |cx| *cx.get(Everything))?;
    let mut walk = Walk::default();
    let roots = database.record(&Everything).unwrap_or_default();
    let roots = walk.numbers(&roots);
    for root in roots {
        walk.visit(root);
    }
    Ok(walk.graph())
}

/// Queries by number, in the order in which they are come upon.
#[derive(Default)]
struct Walk<'db> {
    known: FxHashMap<Asked<'db, Sources>, u32>,
    queries: Vec<Asked<'db, Sources>>,
    /// How long the longest chain from each is; 0: not known yet.
    depths: Vec<u64>,
    askers: Vec<u64>,
    asks: u64,
}

impl<'db> Walk<'db> {
    /// The numbers of the queries in these steps.
    fn numbers(&mut self, steps: &Steps<'db, Sources>) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut open = vec![steps.iter()];
        while let Some(steps) = open.last_mut() {
            match steps.next() {
                None => drop(open.pop()),
                Some(Step::Fork(branches)) => open.extend(branches.iter().map(|b| b.iter())),
                Some(Step::Ask(asked)) => {
                    let next = self.queries.len() as u32;
                    let number = *self.known.entry(*asked).or_insert(next);
                    if number == next {
                        self.queries.push(*asked);
                        self.depths.push(0);
                        self.askers.push(0);
                    }
                    numbers.push(number);
                }
            }
        }
        numbers
    }

    /// Finds the depth of a query, and with it of all that it leads to. On a list, since chains may be long.
    fn visit(&mut self, root: u32) {
        let mut open: Vec<(u32, Vec<u32>, u64)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(query) = next.take()
                && self.depths[query as usize] == 0
            {
                let steps = self.queries[query as usize].steps().unwrap_or_default();
                let asked = self.numbers(&steps);
                self.asks += asked.len() as u64;
                for &other in &asked {
                    self.askers[other as usize] += 1;
                }
                // So that a circle, if there is one, ends.
                self.depths[query as usize] = 1;
                open.push((query, asked, 1));
            }
            let Some((query, left, depth)) = open.last_mut() else {
                break;
            };
            match left.last() {
                Some(&other) if self.depths[other as usize] == 0 => next = Some(other),
                Some(&other) => {
                    *depth = (*depth).max(1 + self.depths[other as usize]);
                    left.pop();
                }
                None => {
                    self.depths[*query as usize] = *depth;
                    open.pop();
                }
            }
        }
    }

    fn graph(&self) -> QueryGraph {
        QueryGraph {
            queries: self.queries.len() as u64,
            asks: self.asks,
            depth: self.depths.iter().copied().max().unwrap_or_default(),
            shared: self.askers.iter().filter(|&&askers| askers > 1).count() as u64,
            askers_max: self.askers.iter().copied().max().unwrap_or_default(),
        }
    }
}
