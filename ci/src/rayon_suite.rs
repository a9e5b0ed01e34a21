//! Rayon's own tests, on the crate `rayon-core` of this repository: taken from the packages that Cargo's registry has,
//! at run time, and put into `target/`. None of them is kept here.
//!
//! Used by the step `rayon`. `rayon` is patched as a user would patch it. `rayon-core`'s unit tests look into its
//! modules, so they are put into a copy of our crate, whose modules have the same names; its documentation, with the
//! examples, is put there as the documentation of nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where everything is put.
pub(crate) const PLACE: &str = "target/rayon-suite";

/// What rayon-core's tests want.
const CORE_WANTS: &str = r#"
[dev-dependencies]
crossbeam-utils = "0.8"
rand = "0.9"
rand_xorshift = "0.4"
scoped-tls = "1.0"

[target.'cfg(unix)'.dev-dependencies]
libc = "0.2"
"#;

/// The modules of rayon-core that have unit tests, with where these are.
const UNIT_TESTS: [(&str, &str); 6] = [
    ("lib", "test.rs"),
    ("broadcast", "broadcast/test.rs"),
    ("join", "join/test.rs"),
    ("scope", "scope/test.rs"),
    ("spawn", "spawn/test.rs"),
    ("thread_pool", "thread_pool/test.rs"),
];

/// What unit tests find in our modules, beside what is there.
const FOR_UNIT_TESTS: [(&str, &str); 2] = [
    ("join", "\n#[cfg(test)]\nuse crate::unwind;\n"),
    (
        "registry",
        "\n#[cfg(test)]\nimpl Registry {\n    pub(crate) fn wait_until_stopped(&self) {\n        self.stopped.wait();\n    }\n}\n",
    ),
];

/// Puts rayon's suites into [`PLACE`].
pub(crate) fn prepare() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let place = root.join(PLACE);
    prepare_rayon(&root, &place.join("rayon"))
        .and_then(|()| prepare_core(&root, &place.join("core")))
        .map_err(|error| format!("{PLACE}: {error}"))
}

/// The published package `rayon`, patched.
fn prepare_rayon(root: &Path, place: &Path) -> std::io::Result<()> {
    start_anew(place)?;
    copy(&published("rayon-1.")?, place)?;
    // It names the published rayon-core, and the patch would not be used.
    fs::remove_file(place.join("Cargo.lock")).or_else(ignore_missing)?;
    let core = root.join("executor/rayon-core");
    append(
        &place.join("Cargo.toml"),
        &format!("\n[patch.crates-io]\nrayon-core = {{ path = {core:?} }}\n\n[workspace]\n"),
    )?;
    expect_ours(&core, place)
}

/// The one `rayon-core` that the package at `place` is built with is `ours`.
fn expect_ours(ours: &Path, place: &Path) -> std::io::Result<()> {
    let is_core = |folder: &PathBuf| {
        let last = folder
            .file_name()
            .map(|last| last.to_string_lossy().into_owned());
        last.is_some_and(|last| last.starts_with("rayon-core"))
    };
    let found: Vec<PathBuf> = packages(place)?.into_iter().filter(is_core).collect();
    if found == [ours] {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "built with {found:?}, and not with {ours:?} alone"
        )))
    }
}

/// Our crate, with the tests and the documentation of the published package `rayon-core`.
fn prepare_core(root: &Path, place: &Path) -> std::io::Result<()> {
    let theirs = published("rayon-core-1.13.")?;
    start_anew(place)?;
    copy(&root.join("executor/rayon-core"), place)?;
    // The lints are the workspace's, and not theirs.
    let manifest = fs::read_to_string(root.join("executor/rayon-core/Cargo.toml"))?
        .replace("\n[lints]\nworkspace = true\n", CORE_WANTS)
        .replace("edition.workspace = true", "edition = \"2024\"")
        .replace("rust-version.workspace = true\n", "")
        .replace("license.workspace = true\n", "")
        .replace("publish.workspace = true", "publish = false")
        .replace(
            "dagwood = { workspace = true }",
            &format!(
                "dagwood = {{ path = {:?}, default-features = false }}",
                root.join("executor")
            ),
        );
    fs::write(place.join("Cargo.toml"), manifest + "\n[workspace]\n")?;
    fs::remove_dir_all(place.join("tests")).or_else(ignore_missing)?;
    copy(&theirs.join("tests"), &place.join("tests"))?;
    let source = place.join("src");
    for (module, test) in UNIT_TESTS {
        let to = source.join(test);
        fs::create_dir_all(to.parent().expect("in a folder"))?;
        fs::copy(theirs.join("src").join(test), to)?;
        append(
            &source.join(module).with_extension("rs"),
            "\n#[cfg(test)]\nmod test;\n",
        )?;
    }
    for (module, more) in FOR_UNIT_TESTS {
        append(&source.join(module).with_extension("rs"), more)?;
    }
    copy(
        &theirs.join("src/compile_fail"),
        &source.join("compile_fail"),
    )?;
    fs::write(
        source.join("documented.rs"),
        documentation(&theirs.join("src"))?,
    )?;
    append(
        &source.join("lib.rs"),
        "\nmod compile_fail;\npub mod documented;\n",
    )
}

/// The documentation with examples of all files below `source`, each part as that of a type.
fn documentation(source: &Path) -> std::io::Result<String> {
    let mut files = Vec::new();
    walk(source, &mut files)?;
    files.sort();
    let mut all = String::new();
    let mut count = 0;
    for file in files {
        let text = fs::read_to_string(&file)?;
        if file
            .components()
            .any(|part| part.as_os_str() == "compile_fail")
        {
            continue;
        }
        for part in parts(&text).into_iter().filter(|part| part.contains("```")) {
            count += 1;
            // So that the step can leave it out on threads.
            let kind = if part.contains("scoped_tls") {
                "ScopedTls"
            } else {
                "Documented"
            };
            all += &format!("{part}#[derive(Debug)]\npub struct {kind}{count};\n\n");
        }
    }
    if count < 10 {
        return Err(std::io::Error::other(format!(
            "only {count} documented examples found"
        )));
    }
    Ok(all)
}

/// The documentation comments of a file: lines that follow each other, as outer ones.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let line = line.trim_start();
        let documented = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let last = parts.last_mut().expect("there is one");
        match documented {
            Some(words) => *last += &format!("///{words}\n"),
            None if last.is_empty() => (),
            None => parts.push(String::new()),
        }
    }
    parts
}

/// Where Cargo has put a published package that the workspace uses.
fn published(name: &str) -> std::io::Result<PathBuf> {
    let is_it = |folder: &PathBuf| {
        let last = folder
            .file_name()
            .map(|last| last.to_string_lossy().into_owned());
        last.is_some_and(|last| last.starts_with(name))
    };
    packages(Path::new("."))?
        .into_iter()
        .find(is_it)
        .ok_or_else(|| std::io::Error::other(format!("no package {name}* in the workspace")))
}

/// The folders of all packages that the one at `place` is built with.
fn packages(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1"])
        .current_dir(place)
        .stderr(Stdio::inherit())
        .output()?;
    let metadata = String::from_utf8_lossy(&output.stdout);
    let manifests = metadata.split(r#""manifest_path":""#).skip(1);
    Ok(manifests
        .filter_map(|rest| {
            Path::new(rest.split('"').next()?)
                .parent()
                .map(Path::to_owned)
        })
        .collect())
}

fn start_anew(place: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(place).or_else(ignore_missing)?;
    fs::create_dir_all(place)
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn append(path: &Path, more: &str) -> std::io::Result<()> {
    fs::write(path, fs::read_to_string(path)? + more)
}

/// All files below a folder.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    walk(from, &mut files)?;
    for file in files {
        let place = to.join(file.strip_prefix(from).expect("below it"));
        fs::create_dir_all(place.parent().expect("in a folder"))?;
        // Not the registry's permissions.
        fs::write(place, fs::read(&file)?)?;
    }
    Ok(())
}
