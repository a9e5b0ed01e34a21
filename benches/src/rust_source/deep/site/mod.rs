//! The pages of HTML: an index with search, a page for each module, a page for each file.
//!
//! Used by `analyse` where `--out` is given. Which pages there are is planned first; then they are rendered side by side
//! and handed to a sink, each under its path, so that none is kept. A page's text depends on the results alone.

mod graph;
mod html;
mod index_page;
mod links_of_file;
mod module_page;
mod source_page;
#[cfg(test)]
mod tests;

use dagwood::Cx;
use rustc_hash::FxHashMap;

use super::{
    describe,
    findings::{Finding, Level, Levels},
    progress::Progress,
    report::Whole,
    scopes::Def,
};
use crate::rust_source::{
    digest::Digest,
    module_tree::{CrateId, ModulesOf},
    sources::{FileId, Sources},
};

/// Takes a page: its path, with `/`, and its text. An error ends the whole.
pub(crate) type Sink<'a> = dyn Fn(&str, &str) -> Result<(), String> + Sync + 'a;

/// What pages are made of.
struct Site<'a, 'db> {
    whole: &'a Whole<'db>,
    /// Findings of lints that are not allowed, by file.
    findings: FxHashMap<&'a str, Vec<&'a Finding>>,
    levels: &'a Levels,
    /// The crate that a file is shown in: the first that has it, with the modules that it is.
    homes: FxHashMap<FileId, (CrateId, Vec<u32>)>,
}

/// One page.
#[derive(Clone, Copy, Debug)]
enum Page {
    Index,
    SearchIndex,
    Style,
    Module { krate: usize, module: u32 },
    Source(FileId),
}

/// Renders all pages.
///
/// # Errors
///
/// The sink's first, in the order of the pages.
pub(crate) fn render(
    cx: &Cx<'_, Sources>,
    whole: &Whole<'_>,
    levels: &Levels,
    progress: &Progress,
    sink: &Sink<'_>,
) -> Result<(), String> {
    let mut findings: FxHashMap<&str, Vec<&Finding>> = FxHashMap::default();
    let told = whole
        .findings
        .iter()
        .filter(|finding| levels.of(finding.lint) > Level::Allow);
    for finding in told {
        findings.entry(&finding.file).or_default().push(finding);
    }
    let site = Site {
        whole,
        findings,
        levels,
        homes: homes(cx, whole),
    };
    let mut pages = vec![Page::Index, Page::SearchIndex, Page::Style];
    for (krate, facts) in whole.crates.iter().enumerate() {
        let modules = 0..facts.modules.len() as u32;
        pages.extend(modules.map(|module| Page::Module { krate, module }));
    }
    let files = 0..cx.data().tree().files.len() as u32;
    pages.extend(files.map(|file| Page::Source(FileId(file))));
    let done = cx.par_map(&pages, |cx, &page| {
        let (path, text) = site.page(cx, page);
        progress.page();
        sink(&path, &text)
    });
    done.into_iter().collect()
}

fn homes(cx: &Cx<'_, Sources>, whole: &Whole<'_>) -> FxHashMap<FileId, (CrateId, Vec<u32>)> {
    let mut homes: FxHashMap<FileId, (CrateId, Vec<u32>)> = FxHashMap::default();
    for facts in &whole.crates {
        let krate = facts.krate.id;
        for (id, module) in (0..).zip(&cx.get(ModulesOf(krate)).modules) {
            let home = homes.entry(module.file).or_insert((krate, Vec::new()));
            if home.0 == krate {
                home.1.push(id);
            }
        }
    }
    homes
}

impl Site<'_, '_> {
    fn page(&self, cx: &Cx<'_, Sources>, page: Page) -> (String, String) {
        match page {
            Page::Index => ("index.html".to_owned(), index_page::render(cx, self)),
            Page::SearchIndex => ("search.js".to_owned(), index_page::search(cx, self)),
            Page::Style => ("style.css".to_owned(), html::STYLE.to_owned()),
            Page::Module { krate, module } => (
                module_path(cx, self.whole.crates[krate].krate.id, module),
                module_page::render(cx, self, krate, module),
            ),
            Page::Source(file) => (source_path(cx, file), source_page::render(cx, self, file)),
        }
    }
}

/// The path of a module's page. The number tells modules of one name apart (`#[cfg]`).
fn module_path(cx: &Cx<'_, Sources>, krate: CrateId, module: u32) -> String {
    let root = &cx.data().file(krate.0).label;
    let name = &cx.get(ModulesOf(krate)).modules[module as usize].name;
    page_path(format!("modules/{root}/{module}-{name}"))
}

/// The path of a file's page.
fn source_path(cx: &Cx<'_, Sources>, file: FileId) -> String {
    page_of_label(&cx.data().file(file).label)
}

/// The path of the page of the file with that label.
fn page_of_label(label: &str) -> String {
    page_path(format!("sources/{label}"))
}

/// The path of a page, with its end. File systems take names of up to 255 bytes: of a longer one the rest is hashed.
fn page_path(mut path: String) -> String {
    const NAME_BYTES_MAX: usize = 200;
    let begin = path.rfind('/').map_or(0, |slash| slash + 1);
    if path.len() - begin > NAME_BYTES_MAX {
        let hash = Digest::new().part(&path.as_bytes()[begin..]).finish();
        path.truncate(path.floor_char_boundary(begin + NAME_BYTES_MAX / 2));
        path.push('~');
        path.push_str(&hash);
    }
    path.push_str(".html");
    path
}

/// A link, from the top, to the line where a definition stands.
fn definition(cx: &Cx<'_, Sources>, krate: CrateId, def: Def) -> Option<String> {
    let (file, offset) = describe::place(cx, krate, def)?;
    let line = describe::position(cx, file, offset).0;
    Some(format!("{}#L{line}", html::url(&source_path(cx, file))))
}
