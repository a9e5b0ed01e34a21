//! Adds everything up: the analysis of the whole input, and its text.
//!
//! Asked by the root job. Packages, files, crates and modules go side by side; what comes back is in order, and findings
//! are sorted, so that the output is the same for every schedule.

use dagwood::Cx;
use rustc_hash::FxHashMap;

use super::{
    checks::ChecksOf,
    facts::{Counts, ModuleFacts, ModuleFactsOf},
    findings::{Finding, Level, Levels, Lint},
    outline::OutlineOf,
    progress::Progress,
    query_graph::QueryGraph,
    reasons::Reason,
    references::ReferencesOf,
};
use crate::rust_source::{
    crates::{Crate, CratesOf},
    input::count_lines,
    lints::{self, FileLints},
    module_tree::{ModulesOf, ProblemKind},
    sources::{FileId, PackageId, Sources},
};

/// What was found out.
#[derive(Default)]
pub(crate) struct Whole<'db> {
    pub(crate) packages: u64,
    pub(crate) files: u64,
    pub(crate) lines: u64,
    pub(crate) stray_files: u64,
    pub(crate) crates: Vec<CrateFacts<'db>>,
    pub(crate) counts: Counts,
    /// Sorted, none twice.
    pub(crate) findings: Vec<Finding>,
}

/// A crate that is judged.
pub(crate) struct CrateFacts<'db> {
    pub(crate) package: PackageId,
    pub(crate) krate: Crate,
    /// The label of its root file.
    pub(crate) root: &'db str,
    pub(crate) modules: Vec<&'db ModuleFacts>,
}

/// Analyses everything.
pub(crate) fn whole<'db>(cx: &Cx<'db, Sources>, progress: &Progress) -> Whole<'db> {
    let sources = cx.data();
    let packages: Vec<PackageId> = (0..sources.tree().packages.len() as u32)
        .map(PackageId)
        .collect();
    let bytes = |&package: &PackageId| -> usize {
        let files = sources.package(package).files.iter();
        files.map(|&file| sources.file(file).bytes.len()).sum()
    };
    // The large ones first, so that none is left alone at the end.
    let mut order = packages.clone();
    order.sort_by_cached_key(|package| std::cmp::Reverse(bytes(package)));
    let mut parts = cx.par_map(&order, |cx, &id| (id, package(cx, id, progress)));
    parts.sort_by_key(|(id, _)| *id);
    let mut whole = Whole::default();
    for (_, part) in parts {
        whole.packages += part.packages;
        whole.files += part.files;
        whole.lines += part.lines;
        whole.stray_files += part.stray_files;
        whole.findings.extend(part.findings);
        whole.crates.extend(part.crates);
    }
    for module in whole.crates.iter().flat_map(|krate| &krate.modules) {
        whole.counts.add(&module.counts);
    }
    whole
        .findings
        .extend(lints::skipped(sources).map(|diagnostic| Finding::from(&diagnostic)));
    whole.findings.sort();
    whole.findings.dedup();
    whole
}

fn package<'db>(cx: &Cx<'db, Sources>, id: PackageId, progress: &Progress) -> Whole<'db> {
    let package = cx.data().package(id);
    let mut files = package.files.clone();
    files.sort_by_cached_key(|&file| std::cmp::Reverse(cx.data().file(file).bytes.len()));
    // A crate's imports are one long chain, which others had better not wait for at the end; files are there to be given away.
    let (crates, in_files) = cx.join(
        |cx| crates(cx, id, progress),
        |cx| cx.par_map(&files, |cx, &id| file(cx, id, progress)),
    );
    let mut whole = crates;
    whole.packages = u64::from(package.manifest.is_some());
    whole.files = files.len() as u64;
    let lines = files
        .iter()
        .map(|&file| count_lines(&cx.data().file(file).bytes));
    whole.lines = lines.sum();
    whole.findings.extend(in_files.into_iter().flatten());
    let manifest = lints::manifest(cx, id);
    whole.findings.extend(manifest.iter().map(Finding::from));
    whole
}

/// What a file says by itself, down to the references of its items.
fn file(cx: &Cx<'_, Sources>, file: FileId, progress: &Progress) -> Vec<Finding> {
    let items = cx.get(OutlineOf(file)).items.len();
    cx.par_for_each(0..items, |cx, item| {
        cx.get(ReferencesOf {
            file,
            item: item as u32,
        });
    });
    progress.file(items);
    cx.get(FileLints(file)).iter().map(Finding::from).collect()
}

fn crates<'db>(cx: &Cx<'db, Sources>, package: PackageId, progress: &Progress) -> Whole<'db> {
    let crates = cx.get(CratesOf(package));
    let parts = cx.par_map(crates, |cx, &krate| one_crate(cx, package, krate, progress));
    let mut whole = Whole::default();
    let mut unused: FxHashMap<(FileId, Finding), u32> = FxHashMap::default();
    let mut entered: FxHashMap<FileId, u32> = FxHashMap::default();
    for (krate, (facts, findings, its_unused)) in crates.iter().zip(parts) {
        whole.stray_files += u64::from(krate.is_stray);
        whole.findings.extend(findings);
        if krate.is_stray {
            continue;
        }
        for module in &cx.get(ModulesOf(krate.id)).modules {
            // Scope 0 is the file itself, as often as `mod` leads to it.
            *entered.entry(module.file).or_default() += u32::from(module.scope == 0);
        }
        for finding in its_unused {
            *unused.entry(finding).or_default() += 1;
        }
        whole.crates.extend(facts);
    }
    // A file that is several modules, of one crate or of several, may hold what only one of them uses.
    let in_all = unused
        .into_iter()
        .filter(|((file, _), count)| entered.get(file).is_some_and(|all| count >= all));
    whole
        .findings
        .extend(in_all.map(|((_, finding), _)| finding));
    whole
}

type Part<'db> = (
    Option<CrateFacts<'db>>,
    Vec<Finding>,
    Vec<(FileId, Finding)>,
);

fn one_crate<'db>(
    cx: &Cx<'db, Sources>,
    package: PackageId,
    krate: Crate,
    progress: &Progress,
) -> Part<'db> {
    let tree = cx.get(ModulesOf(krate.id));
    let is_told = |kind: &ProblemKind| !krate.is_stray || !matches!(kind, ProblemKind::Missing(..));
    let problems = tree.problems.iter();
    let mut findings: Vec<Finding> = problems
        .filter(|problem| is_told(&problem.kind))
        .map(|problem| Finding::from(&lints::modules(cx, problem)))
        .collect();
    if krate.is_stray {
        return (None, findings, Vec::new());
    }
    let checks = cx.get(ChecksOf(krate.id));
    findings.extend(checks.findings.iter().cloned());
    let modules = cx.par_map(0..tree.modules.len(), |cx, module| {
        let facts = cx.get(ModuleFactsOf {
            krate: krate.id,
            module: module as u32,
        });
        progress.module();
        facts
    });
    let facts = CrateFacts {
        package,
        krate,
        root: &cx.data().file(krate.id.0).label,
        modules,
    };
    (Some(facts), findings, checks.unused.clone())
}

/// The counts, one a line, then what the lints say at their levels.
pub(crate) fn text(whole: &Whole<'_>, graph: Option<QueryGraph>, levels: &Levels) -> String {
    let mut text = summary(whole);
    if let Some(graph) = graph {
        let mut line = |count: u64, what: &str| text.push_str(&format!("{count:>9} {what}\n"));
        line(graph.queries, "queries for all this");
        line(graph.asks, "asks of them for each other");
        line(graph.depth, "queries in the longest chain of asks");
        line(graph.shared, "queries that several others ask for");
        line(graph.askers_max, "queries that ask for one and the same");
    }
    for finding in &whole.findings {
        match levels.of(finding.lint) {
            Level::Allow => {}
            Level::Warn => text.push_str(&format!("{finding}\n")),
            Level::Deny => text.push_str(&format!("{finding} (denied)\n")),
        }
    }
    text
}

fn summary(whole: &Whole<'_>) -> String {
    let mut text = String::new();
    let mut line = |count: u64, what: &str| text.push_str(&format!("{count:>9} {what}\n"));
    let counts = &whole.counts;
    let modules: usize = whole.crates.iter().map(|krate| krate.modules.len()).sum();
    line(whole.packages, "packages");
    line(whole.crates.len() as u64, "crates");
    line(whole.stray_files, "files that nothing reaches");
    line(whole.files, "files");
    line(whole.lines, "lines");
    line(modules as u64, "modules");
    line(counts.item_count, "items");
    line(counts.reached_items, "items reached from a public API");
    line(counts.function_count, "functions and methods");
    line(counts.function_lines, "lines in them");
    line(counts.branches, "branches in them");
    line(u64::from(counts.depth_max), "nested at most");
    line(counts.links, "paths that lead to something of their crate");
    line(counts.local_calls, "calls to something of their crate");
    line(
        counts.excused_calls,
        "calls that may be, for a stated limit",
    );
    line(counts.local_imports, "imports from the same crate");
    line(counts.made_imports, "of them what macro calls make");
    line(counts.foreign_imports, "imports from elsewhere");
    for (reason, count) in Reason::ALL.iter().zip(counts.excused_imports) {
        line(count, &format!("imports not seen: {}", reason.text()));
    }
    line(counts.unresolved_imports, "imports that lead nowhere");
    for &lint in Lint::ALL {
        let found = whole.findings.iter().filter(|found| found.lint == lint);
        line(found.count() as u64, &format!("findings: {lint}"));
    }
    text
}
