//! Rayon's own tests, on the crate `rayon-core` of this repository: taken from the packages that Cargo's registry has,
//! at run time, and put into `target/`. None of them is kept here.
//!
//! Used by the step `rayon`. `rayon` is patched as a user would patch it. `rayon-core`'s unit tests look into its
//! modules, so they are put into a copy of our crate, whose modules have the same names; its documentation, with the
//! examples, is put there as the documentation of nothing.

use std::fs;
use std::path::Path;

use crate::published::{append, copy, ignore_missing, package, patched, root, start_anew, walk};

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
    let root = root().map_err(|error| error.to_string())?;
    let place = root.join(PLACE);
    package(&root, "rayon-1.")
        .and_then(|rayon| patched(&root, &rayon, &place.join("rayon"), ""))
        .and_then(|()| prepare_core(&root, &place.join("core")))
        .map_err(|error| format!("{PLACE}: {error}"))
}

/// Our crate, with the tests and the documentation of the published package `rayon-core`.
fn prepare_core(root: &Path, place: &Path) -> std::io::Result<()> {
    let theirs = package(root, "rayon-core-1.13.")?;
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
