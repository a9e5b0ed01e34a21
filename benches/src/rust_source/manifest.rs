//! What a package's `Cargo.toml` says: the edition, the roots of its crates, its library and its dependencies.
//!
//! Asked by `parse` (edition), `crates` (roots) and `libraries`. Follows Cargo's conventions as far as files are concerned
//! and knows nothing of versions or features.

use dagwood::{Cx, Query};
use ra_ap_parser::Edition;
use ra_ap_syntax::SmolStr;
use toml::{Table, Value};

use super::sources::{FileId, Package, PackageId, Sources, directory_of, join_label};

/// The manifest of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ManifestOf(pub(super) PackageId);

/// What was learned from a manifest; for files without one, what is assumed.
pub(super) struct Manifest {
    pub(super) edition: Edition,
    pub(super) name: SmolStr,
    /// The library's name in code, and its root.
    pub(super) library: Option<(SmolStr, FileId)>,
    /// `test = false`: the library is never built with `cfg(test)`.
    pub(super) is_library_untested: bool,
    pub(super) dependencies: Vec<Dependency>,
    /// Root files of libraries, programs, tests, examples, benches and the build script, each once.
    pub(super) roots: Vec<FileId>,
    /// Lints that `[lints]`, or the workspace's, lets pass, by the compiler's names.
    pub(super) allowed_lints: Vec<String>,
    pub(super) error: Option<String>,
}

/// What a manifest calls a dependency, whatever it is needed for.
pub(super) struct Dependency {
    /// In code.
    pub(super) name: SmolStr,
    pub(super) package: SmolStr,
    pub(super) path: Option<SmolStr>,
}

impl Query<Sources> for ManifestOf {
    type Value = Manifest;

    fn provide(self, cx: &Cx<'_, Sources>) -> Manifest {
        let sources = cx.data();
        let package = sources.package(self.0);
        let nothing = Manifest {
            edition: Edition::Edition2021,
            name: SmolStr::default(),
            library: None,
            is_library_untested: false,
            dependencies: Vec::new(),
            roots: Vec::new(),
            allowed_lints: Vec::new(),
            error: None,
        };
        let Some(bytes) = &package.manifest else {
            return nothing;
        };
        match table(bytes) {
            Ok(table) => {
                let name = table.get("package").and_then(|package| package.get("name"));
                let name = SmolStr::new(name.and_then(Value::as_str).unwrap_or_default());
                let tested = table.get("lib").and_then(|lib| lib.get("test"));
                Manifest {
                    edition: edition(sources, package, &table),
                    library: library(sources, package, &table, &name),
                    name,
                    is_library_untested: tested.and_then(Value::as_bool) == Some(false),
                    dependencies: dependencies(&table),
                    roots: roots(sources, package, &table),
                    allowed_lints: allowed_lints(sources, package, &table),
                    error: None,
                }
            }
            Err(error) => Manifest {
                roots: roots(
                    sources,
                    package,
                    &Table::from_iter([("package".to_owned(), Table::new().into())]),
                ),
                error: Some(error),
                ..nothing
            },
        }
    }
}

fn library(
    sources: &Sources,
    package: &Package,
    table: &Table,
    name: &str,
) -> Option<(SmolStr, FileId)> {
    let own = table.get("lib");
    let said = |key| own.and_then(|lib| lib.get(key)?.as_str());
    let label = join_label(&package.directory, said("path").unwrap_or("src/lib.rs"))?;
    let name = said("name").unwrap_or(name).replace('-', "_");
    Some((SmolStr::new(name), sources.file_at(&label)?))
}

/// Those of all kinds and targets.
fn dependencies(table: &Table) -> Vec<Dependency> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = table.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(table).chain(tables) {
        for kind in KINDS {
            let entries = table.get(kind).and_then(Value::as_table);
            for (name, value) in entries.into_iter().flatten() {
                let said = |key| value.get(key).and_then(Value::as_str).map(SmolStr::new);
                found.push(Dependency {
                    name: SmolStr::new(name.replace('-', "_")),
                    package: said("package").unwrap_or_else(|| SmolStr::new(name)),
                    path: said("path"),
                });
            }
        }
    }
    found
}

fn table(bytes: &[u8]) -> Result<Table, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    match table.get("package") {
        Some(package) if !package.is_table() => Err("`package` is no table".to_owned()),
        _ => Ok(table),
    }
}

/// `edition = ".."`, or the workspace's where the package inherits it; 2015 where nothing is said.
fn edition(sources: &Sources, package: &Package, table: &Table) -> Edition {
    let own = table
        .get("package")
        .and_then(|package| package.get("edition"));
    let inherited = || {
        let edition = |workspace: &Value| {
            let edition = workspace.get("package")?.get("edition")?;
            edition.as_str()?.parse().ok()
        };
        from_workspace(sources, package, edition)
    };
    match own {
        None => Edition::Edition2015,
        Some(Value::String(edition)) => edition.parse().unwrap_or(Edition::Edition2021),
        Some(_) => inherited().unwrap_or(Edition::Edition2021),
    }
}

/// What the nearest `[workspace]` around a package says, if it says anything.
fn from_workspace<T>(
    sources: &Sources,
    package: &Package,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let mut directory = package.directory.as_str();
    loop {
        let around = sources.package_at(directory);
        let manifest = around.and_then(|id| table(sources.package(id).manifest.as_ref()?).ok());
        let found = manifest.and_then(|table| read(table.get("workspace")?));
        if found.is_some() || directory.is_empty() {
            return found;
        }
        directory = directory_of(directory);
    }
}

fn allowed_lints(sources: &Sources, package: &Package, table: &Table) -> Vec<String> {
    let own = table.get("lints");
    let is_inherited = own.and_then(|lints| lints.get("workspace")?.as_bool());
    if is_inherited == Some(true) {
        let of_workspace = |workspace: &Value| workspace.get("lints").map(allowed);
        return from_workspace(sources, package, of_workspace).unwrap_or_default();
    }
    own.map(allowed).unwrap_or_default()
}

/// The lints of all tools that have the level `allow`, as text or in a table.
fn allowed(lints: &Value) -> Vec<String> {
    let tools = lints.as_table().into_iter().flat_map(Table::values);
    let lints = tools.filter_map(Value::as_table).flatten();
    lints
        .filter(|(_, level)| {
            let level = level.get("level").unwrap_or(level);
            level.as_str() == Some("allow")
        })
        .map(|(lint, _)| lint.clone())
        .collect()
}

/// The kinds of targets that come in lists: key, folder, the switch for finding them by convention.
const LISTS: [(&str, &str, &str); 4] = [
    ("bin", "src/bin", "autobins"),
    ("example", "examples", "autoexamples"),
    ("test", "tests", "autotests"),
    ("bench", "benches", "autobenches"),
];

fn roots(sources: &Sources, package: &Package, table: &Table) -> Vec<FileId> {
    let Some(section) = table.get("package").or_else(|| table.get("project")) else {
        return Vec::new(); // a workspace without a package of its own
    };
    let mut roots = Vec::new();
    let mut add = |path: &str| {
        let file = join_label(&package.directory, path).and_then(|label| sources.file_at(&label));
        roots.extend(file);
        file.is_some()
    };
    add(table
        .get("lib")
        .and_then(|lib| lib.get("path")?.as_str())
        .unwrap_or("src/lib.rs"));
    match section.get("build") {
        Some(Value::Boolean(false)) => false,
        build => add(build.and_then(Value::as_str).unwrap_or("build.rs")),
    };
    for (key, folder, switch) in LISTS {
        let targets = table
            .get(key)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for target in targets {
            let name = target
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            match target.get("path").and_then(Value::as_str) {
                Some(path) => add(path),
                None => {
                    add(&format!("{folder}/{name}.rs")) || add(&format!("{folder}/{name}/main.rs"))
                }
            };
        }
        if section.get(switch).and_then(Value::as_bool) != Some(false) {
            for path in by_convention(sources, package, folder) {
                add(path);
            }
            if key == "bin" {
                add("src/main.rs");
            }
        }
    }
    roots.sort();
    roots.dedup();
    roots
}

/// `folder/*.rs` and `folder/*/main.rs`, as paths inside the package.
fn by_convention<'a>(
    sources: &'a Sources,
    package: &'a Package,
    folder: &'a str,
) -> impl Iterator<Item = &'a str> {
    let prefix = if package.directory.is_empty() {
        0
    } else {
        package.directory.len() + 1
    };
    let paths = package
        .files
        .iter()
        .map(move |&file| &sources.file(file).label[prefix..]);
    paths.filter(move |path| {
        let below = path
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|below| match below.split_once('/') {
            None => true,
            Some((_, rest)) => rest == "main.rs",
        })
    })
}
