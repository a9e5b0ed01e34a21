//! `run rust-source` in depth, as a user meets it: pages on disk, exit codes, JSON.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::dagwood;

/// A package with something to find; gives its directory.
fn package(folder: &Path) -> String {
    let files = [
        (
            "Cargo.toml",
            "[package]\nname = \"sample\"\nedition = \"2024\"\n",
        ),
        (
            "src/lib.rs",
            "mod a;\npub use a::shown;\nfn dead() {}\nuse crate::gone;\n",
        ),
        (
            "src/a.rs",
            "use super::*;\npub fn shown() { helper() }\nfn helper() {}\n",
        ),
        ("src/bad.rs", "fn broken( {"),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        fs::write(path, text).expect("a file is written");
    }
    fs::write(folder.join("src/not_text.rs"), [0xff, 0xfe, 0x00]).expect("a file is written");
    folder.display().to_string()
}

/// All files below a directory with their contents.
fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").display();
                found.insert(name.to_string(), fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

#[test]
fn pages_on_disk_are_the_same_for_each_engine_and_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(&folder.path().join("in"));
    let mut expected = None;
    for engine in [
        "sequential --workers 1",
        "fibers --workers 1",
        "fibers --workers 2",
        "fibers --workers 3",
        "threads --workers 2",
    ] {
        let out = folder.path().join("out");
        let done = dagwood(&format!(
            "run rust-source --input {input} --out {} --engine {engine}",
            out.display()
        ));
        assert_eq!(done.code, 0, "{engine}: {}", done.stderr);
        let got = (done.stdout, contents(&out));
        assert!(got.1.contains_key("index.html") && got.1.len() > 6);
        fs::remove_dir_all(&out).expect("it is there");
        let expected = expected.get_or_insert_with(|| got.clone());
        assert!(got == *expected, "{engine}");
    }
}

#[test]
fn levels_of_lints_decide_what_is_said_and_the_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(folder.path());
    let run = |options: &str| dagwood(&format!("run rust-source --input {input} {options}"));
    let said = "src/lib.rs:3:4: unused-function: nothing refers to `dead`";
    let done = run("--deep");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains(said), "{}", done.stdout);
    assert!(
        done.stdout
            .contains("src/lib.rs:4:12: unresolved-import: `gone` is not in `crate`"),
        "{}",
        done.stdout
    );
    let done = run("--lint unused-function=deny");
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains(&format!("{said} (denied)")));
    let done = run("--lint all=deny,unused-function=allow,all=allow");
    assert_eq!(done.code, 0);
    assert!(!done.stdout.contains(said), "{}", done.stdout);
}

#[test]
fn json_names_what_was_not_analysed() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(folder.path());
    let done = dagwood(&format!("run rust-source --input {input} --format json"));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let json: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(json["not_analysed"][0]["file"], "src/not_text.rs");
    assert!(json["query_graph"]["depth"].as_u64() > Some(5));
    let findings = json["findings"].as_array().expect("a list");
    let is_dead = |finding: &&serde_json::Value| finding["lint"] == "unused-function";
    let dead = findings.iter().find(is_dead).expect("it is found");
    let place = ["file", "line", "column", "level"].map(|name| dead[name].clone());
    assert_eq!(
        serde_json::Value::from(place.to_vec()).to_string(),
        "[\"src/lib.rs\",3,4,\"warn\"]"
    );
}

/// Where the source of the standard library lies, if it is installed (`rustup component add rust-src`) or named.
fn standard_library() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("DAGWOOD_STANDARD_LIBRARY") {
        return Some(named.into());
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(output.ok()?.stdout).ok()?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    library.join("std/src/lib.rs").exists().then_some(library)
}

/// What is unresolved is below one in a hundred, and all but what is wrong there has its reason.
#[test]
fn the_standard_library_is_analysed_the_same_everywhere_and_almost_nothing_is_unresolved() {
    let Some(library) = standard_library() else {
        eprintln!(
            "skipped: no source of the standard library here; DAGWOOD_STANDARD_LIBRARY may name it"
        );
        return;
    };
    let run = |input: &Path, engine: &str| {
        let input = input.display();
        let done = dagwood(&format!(
            "run rust-source --input {input} --deep --engine {engine}"
        ));
        assert_eq!(done.code, 0, "{engine}: {}", done.stderr);
        done.stdout
    };
    // All of it takes minutes without optimisation.
    let part = match cfg!(debug_assertions) {
        true => library.join("std"),
        false => library.clone(),
    };
    let expected = run(&part, "sequential --workers 1");
    for engine in ["fibers --workers 2", "threads --workers 3"] {
        assert!(run(&part, engine) == expected, "{engine}");
    }
    let found = run(&library, "fibers --workers 2");
    let count = |what: &str| -> u64 {
        let counts = found.lines().filter(|line| line.starts_with(' '));
        let counts = counts.filter_map(|line| line.trim_start().split_once(' '));
        let counts = counts.filter(|(_, name)| name.starts_with(what));
        counts
            .map(|(count, _)| count.parse::<u64>().expect("a number"))
            .sum()
    };
    let local = count("imports from the same crate");
    let nowhere = count("imports that lead nowhere");
    let unseen = count("imports not seen: ") + nowhere;
    eprintln!(
        "{local} imports of their own crates, {unseen} unresolved, {nowhere} of them without a reason"
    );
    assert!(local > 10_000, "{local}");
    assert!(unseen * 100 < local, "{unseen} of {local}");
    // Tests of its own for one system have not followed a move of what they import.
    assert!(nowhere <= 4, "{nowhere}");
    assert_eq!(count("findings: skipped"), 0);
}

#[test]
fn options_that_mean_nothing_are_refused_and_help_names_the_lints() {
    for (line, said) in [
        ("run fork-join --deep", "mean nothing to fork-join"),
        (
            "run rust-source --lint unused=deny",
            "there is no lint unused",
        ),
        ("run rust-source --lint all=forbid", "allow, warn or deny"),
        ("run rust-source --lint all", "NAME=LEVEL"),
    ] {
        let done = dagwood(line);
        assert_eq!(done.code, 2, "{line}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{line}: {}", done.stderr);
    }
    let help = dagwood("run --help").stdout;
    for name in ["unused-import", "excused-import", "--out", "--progress"] {
        assert!(help.contains(name), "{name}:\n{help}");
    }
}

#[test]
fn progress_is_said_on_stderr_and_changes_no_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(folder.path());
    let plain = dagwood(&format!("run rust-source --input {input} --deep"));
    let watched = dagwood(&format!("run rust-source --input {input} --progress"));
    assert_eq!(watched.stdout, plain.stdout);
    let said = |text: &str| assert!(watched.stderr.contains(text), "{text}: {}", watched.stderr);
    said("4 files, 4 items, ");
    said(" modules, 0 pages; ");
    said(" waits\n");
}

#[test]
fn a_directory_for_pages_that_cannot_be_is_refused_before_the_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(&folder.path().join("in"));
    let file = folder.path().join("taken");
    fs::write(&file, "mine").expect("a file is written");
    for out in [file.clone(), file.join("inside")] {
        let done = dagwood(&format!(
            "run rust-source --input {input} --out {}",
            out.display()
        ));
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert_eq!(done.stdout, "");
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"mine");
}

#[test]
fn pages_replace_those_of_the_same_name_and_leave_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(&folder.path().join("in"));
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder is made");
    for name in ["index.html", "other.txt"] {
        fs::write(out.join(name), "before").expect("a file is written");
    }
    let done = dagwood(&format!(
        "run rust-source --input {input} --out {}",
        out.display()
    ));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let contents = contents(&out);
    assert!(contents["index.html"].starts_with(b"<!doctype html>"));
    assert_eq!(contents["other.txt"], b"before");
}
