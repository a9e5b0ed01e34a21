//! Adds everything up: the reports of files, crates and packages, and the text that comes out.
//!
//! Asked by the root job in `mod.rs`. Loops over files, crates and bodies go through the library; their results come
//! back in order, and what is printed is sorted, so that the text is the same for every schedule.

use dagwood::{Cx, Query};

use super::{
    bodies::BodyOf,
    counts::{Counts, KINDS},
    crates::CratesOf,
    input::count_lines,
    items::ItemsOf,
    lints::{self, CrateLints, Diagnostic, FileLints, Lint},
    module_tree::ModulesOf,
    resolve::ImportsOf,
    sources::{FileId, PackageId, Sources},
};

/// Sums over some part of the input.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) packages: u64,
    pub(super) crates: u64,
    pub(super) stray_crates: u64,
    pub(super) modules: u64,
    pub(super) files: u64,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) bodies: u64,
    pub(super) local_imports: u64,
    pub(super) outside_imports: u64,
    pub(super) counts: Counts,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Totals) {
        self.packages += other.packages;
        self.crates += other.crates;
        self.stray_crates += other.stray_crates;
        self.modules += other.modules;
        self.files += other.files;
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.bodies += other.bodies;
        self.local_imports += other.local_imports;
        self.outside_imports += other.outside_imports;
        self.counts.add_all(&other.counts);
        self.diagnostics.extend_from_slice(&other.diagnostics);
    }
}

/// The report on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileReport(pub(super) FileId);

impl Query<Sources> for FileReport {
    type Value = Totals;

    fn provide(self, cx: &Cx<'_, Sources>) -> Totals {
        let file = self.0;
        let bytes = &cx.data().file(file).bytes;
        let items = cx.get(ItemsOf(file));
        let bodies = cx.par_map(0..items.bodies.len(), |cx, i| {
            cx.get(BodyOf {
                file,
                index: i as u32,
            })
        });
        let mut totals = Totals {
            files: 1,
            lines: count_lines(bytes),
            bytes: bytes.len() as u64,
            bodies: bodies.len() as u64,
            counts: items.counts.clone(),
            diagnostics: cx.get(FileLints(file)).clone(),
            ..Totals::default()
        };
        bodies
            .iter()
            .for_each(|body| totals.counts.add_all(&body.counts));
        totals
    }
}

/// The report on a package: its files and its crates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PackageReport(pub(super) PackageId);

impl Query<Sources> for PackageReport {
    type Value = Totals;

    fn provide(self, cx: &Cx<'_, Sources>) -> Totals {
        let package = self.0;
        let files = by_size(&cx.data().package(package).files, |&file| {
            cx.data().file(file).bytes.len()
        });
        let (files, crates) = cx.join(
            |cx| cx.par_map(&files, |cx, &file| cx.get(FileReport(file))),
            |cx| crates(cx, package),
        );
        let mut totals = crates;
        totals.packages = u64::from(cx.data().package(package).manifest.is_some());
        totals.diagnostics.extend(lints::manifest(cx, package));
        files.into_iter().for_each(|file| totals.add(file));
        totals
    }
}

fn crates(cx: &Cx<'_, Sources>, package: PackageId) -> Totals {
    let crates = cx.get(CratesOf(package));
    let mut totals = Totals::default();
    for part in cx.par_map(crates, |cx, &krate| {
        let imports = cx.get(ImportsOf(krate.id));
        Totals {
            crates: 1,
            stray_crates: u64::from(krate.is_stray),
            modules: cx.get(ModulesOf(krate.id)).modules.len() as u64,
            local_imports: imports.local,
            outside_imports: imports.outside,
            diagnostics: cx.get(CrateLints(krate)).clone(),
            ..Totals::default()
        }
    }) {
        totals.add(&part);
    }
    totals
}

/// The whole: packages side by side, then the text.
pub(super) fn whole(cx: &Cx<'_, Sources>) -> Totals {
    let packages: Vec<PackageId> = (0..cx.data().tree().packages.len() as u32)
        .map(PackageId)
        .collect();
    let size = |&package: &PackageId| -> usize {
        cx.data()
            .package(package)
            .files
            .iter()
            .map(|&file| cx.data().file(file).bytes.len())
            .sum()
    };
    let mut totals = Totals::default();
    for package in cx.par_map(&by_size(&packages, size), |cx, &package| {
        cx.get(PackageReport(package))
    }) {
        totals.add(package);
    }
    totals.diagnostics.extend(lints::skipped(cx.data()));
    // A file may belong to several crates and be complained about in each.
    totals.diagnostics.sort();
    totals.diagnostics.dedup();
    totals
}

/// The large ones first, so that none is left alone at the end; equals keep their order.
fn by_size<T: Copy>(things: &[T], size: impl Fn(&T) -> usize) -> Vec<T> {
    let mut things = things.to_vec();
    things.sort_by_cached_key(|thing| std::cmp::Reverse(size(thing)));
    things
}

/// One line for each count.
pub(super) fn summary(totals: &Totals) -> String {
    let mut text = String::new();
    let mut line = |count: u64, what: &str| text.push_str(&format!("{count:>9} {what}\n"));
    line(totals.packages, "packages");
    line(totals.crates - totals.stray_crates, "crates");
    line(totals.stray_crates, "files that nothing reaches");
    line(totals.files, "files");
    line(totals.lines, "lines");
    line(totals.bytes, "bytes");
    line(totals.modules, "modules in the crates' trees");
    line(totals.bodies, "bodies");
    for (kind, name) in KINDS {
        line(totals.counts.get(kind), name);
    }
    line(totals.local_imports, "imports from the same crate");
    line(totals.outside_imports, "imports from elsewhere");
    for lint in Lint::ALL {
        let count = totals
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.lint == lint)
            .count();
        line(count as u64, &format!("diagnostics: {}", lint.name()));
    }
    text
}
