//! Input that is not as it should be: a clear error if there is nothing to do, else a diagnostic and the rest is done.

use std::{fs, path::Path};

use super::{super::Input, complaints, count, input_with_skipped, run};

fn discover(path: &Path) -> Result<Input, String> {
    Input::discover(Some(path), 0).map_err(|error| error.to_string())
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    folder
}

#[test]
fn path_that_does_not_exist_is_an_error() {
    let folder = folder(&[]);
    let error = discover(&folder.path().join("nowhere"))
        .err()
        .expect("an error");
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn folder_without_source_is_an_error() {
    let folder = folder(&[("readme.txt", b"no source")]);
    let error = discover(folder.path()).err().expect("an error");
    assert!(error.contains("no .rs file to read"), "{error}");
}

#[test]
fn folder_whose_only_file_is_skipped_says_why() {
    let folder = folder(&[]);
    let file = fs::File::create(folder.path().join("huge.rs")).expect("a file");
    file.set_len(100 << 20).expect("a hole");
    let error = discover(folder.path()).err().expect("an error");
    assert!(
        error.contains("huge.rs: 104857600 bytes, over the limit of 16777216"),
        "{error}"
    );
}

#[test]
fn single_file_is_an_input() {
    let folder = folder(&[("one.rs", b"fn f() {}\nfn g() {}")]);
    let input = discover(&folder.path().join("one.rs")).expect("an input");
    assert_eq!((input.files(), input.lines(), input.bytes()), (1, 2, 19));
    assert_eq!(count(&run(&input), "functions"), 2);
}

#[test]
fn huge_file_is_skipped_and_the_rest_is_done() {
    let folder = folder(&[("lib.rs", b"mod huge;\nfn f() {}")]);
    let file = fs::File::create(folder.path().join("huge.rs")).expect("a file");
    file.set_len(100 << 20).expect("a hole");
    let analysis = run(&discover(folder.path()).expect("an input"));
    assert_eq!(
        complaints(&analysis),
        ["huge.rs: skipped: 104857600 bytes, over the limit of 16777216"]
    );
    assert_eq!(count(&analysis, "functions"), 1);
}

#[test]
fn text_that_is_not_utf_8_is_a_diagnostic() {
    let folder = folder(&[
        ("lib.rs", b"mod bad;\nuse self::bad::anything;"),
        ("bad.rs", b"fn f() {}\n// \xff"),
    ]);
    let analysis = run(&discover(folder.path()).expect("an input"));
    assert_eq!(
        complaints(&analysis),
        ["bad.rs:2:4: not-utf-8: the text is not UTF-8 from here on"]
    );
    assert_eq!(count(&analysis, "files"), 2);
}

#[test]
fn source_that_does_not_parse_is_a_diagnostic_and_its_items_count() {
    let folder = folder(&[("lib.rs", b"fn f( {}\nfn g() {}\nstruct S { x }\n")]);
    let analysis = run(&discover(folder.path()).expect("an input"));
    let found = complaints(&analysis);
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("lib.rs:1:") && text.contains(": syntax: ")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("lib.rs:3:") && text.contains(": syntax: ")),
        "{found:?}"
    );
    assert_eq!(count(&analysis, "functions"), 2);
}

#[test]
fn ends_of_lines_and_byte_order_marks_do_not_matter() {
    let plain = "const A: &str = \"a \\\n  b\";\nuse self::gone;\n";
    let other = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    for text in [plain, &other] {
        let found = complaints(&run(&super::input(&[("lib.rs", text)])));
        assert_eq!(
            found,
            ["lib.rs:3:5: unresolved-import: `gone` is not in `crate`"]
        );
    }
}

#[test]
fn messages_are_one_line_each() {
    let analysis = run(&super::input(&[("lib.rs", "fn f() {};\nstruct S {};\n")]));
    let lines = analysis.render().lines().count() - analysis.summary.lines().count();
    assert_eq!(
        (lines, complaints(&analysis).len()),
        (2, 2),
        "{}",
        analysis.render()
    );
}

#[test]
fn unreadable_file_is_a_diagnostic() {
    // Not by permissions, which root passes over: as a directory's entry that is no file.
    let analysis = run(&input_with_skipped(
        &[("lib.rs", "mod gone; use gone::x;")],
        &["gone.rs"],
    ));
    assert_eq!(complaints(&analysis), ["gone.rs: skipped: a test"]);
}

#[test]
fn a_module_whose_folder_was_not_read_is_not_missing() {
    let analysis = run(&input_with_skipped(
        &[("src/lib.rs", "mod gone; use gone::x;")],
        &["src/gone"],
    ));
    assert_eq!(complaints(&analysis), ["src/gone: skipped: a test"]);
}

#[cfg(unix)]
#[test]
fn links_lead_into_no_loop() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("lib.rs", b"mod linked;"), ("other/real.txt", b"fn f() {}")]);
    let at = |name: &str| folder.path().join(name);
    symlink(folder.path(), at("other/up")).expect("a link to a folder above");
    symlink(at("other/real.txt"), at("linked.rs")).expect("a link to a file");
    symlink(at("nowhere"), at("dangling.rs")).expect("a link to nothing");
    symlink(at("circle.rs"), at("circle.rs")).expect("a link to itself");
    let analysis = run(&discover(folder.path()).expect("an input"));
    let found = complaints(&analysis);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with("circle.rs: skipped: cannot be read: "),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("dangling.rs: skipped: cannot be read: "),
        "{found:?}"
    );
    assert_eq!(
        found[2],
        "other/up: skipped: a link to a directory: not followed"
    );
    assert_eq!(count(&analysis, "functions"), 1);
}

#[test]
fn build_folder_is_left_out_and_a_module_of_that_name_is_not() {
    let folder = folder(&[
        ("Cargo.toml", b"[package]\nname = \"p\"\n"),
        ("src/lib.rs", b"mod target;"),
        ("src/target/mod.rs", b"fn f() {}"),
        ("target/debug/made.rs", b"fn g() {}"),
        (".hidden/x.rs", b"fn h() {}"),
    ]);
    let analysis = run(&discover(folder.path()).expect("an input"));
    assert_eq!(count(&analysis, "files"), 2);
    assert_eq!(complaints(&analysis), [""; 0]);
}

#[test]
fn digest_tells_contents_labels_and_manifests_apart() {
    let digest = |files: &[(&str, &str)]| super::input(files).digest().to_owned();
    let one = digest(&[("a.rs", "fn f() {}")]);
    assert_eq!(one, digest(&[("a.rs", "fn f() {}")]));
    assert_ne!(one, digest(&[("a.rs", "fn g() {}")]));
    assert_ne!(one, digest(&[("b.rs", "fn f() {}")]));
    assert_ne!(
        one,
        digest(&[("a.rs", "fn f() {}"), ("Cargo.toml", "[package]")])
    );
}
