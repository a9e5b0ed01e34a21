//! The pages of `run rust-source --out` in a headless browser: they are drawn, light and dark, and the search finds.
//!
//! Ignored by default: it needs `chromium` (the gate's step `pages` installs it). The pictures lie in the folder for
//! tests of Cargo's target directory, for whoever wants to look.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::dagwood;

/// A picture with nothing on it has a tenth of that.
const PICTURE_BYTES_MIN: u64 = 40_000;

fn browser(profile: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=1280,1400", "--virtual-time-budget=5000"])
        .args(arguments)
        .output()
        .expect("chromium is there");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// A source of this workspace, and its pages.
fn site() -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fibers");
    let out = folder.path().join("site");
    let line = format!(
        "run rust-source --input {} --out {}",
        input.display(),
        out.display()
    );
    let done = dagwood(&line);
    assert_eq!(done.code, 0, "{}", done.stderr);
    (out, folder)
}

#[test]
#[ignore = "needs chromium"]
fn pages_are_drawn_light_and_dark() {
    let (site, folder) = site();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, page) in [
        ("index", "index.html"),
        ("source", "sources/src/fiber.rs.html"),
        ("module", "modules/src/lib.rs/0-crate.html"),
    ] {
        let mut drawn = Vec::new();
        // What the style sheet asks for: 1 is light, 0 is dark.
        for (scheme, setting) in [("light", 1), ("dark", 0)] {
            let picture = pictures.join(format!("{name}-{scheme}.png"));
            let _ = fs::remove_file(&picture);
            browser(
                folder.path(),
                &[
                    &format!("--screenshot={}", picture.display()),
                    &format!("--blink-settings=preferredColorScheme={setting}"),
                    &format!("file://{}/{page}", site.display()),
                ],
            );
            let bytes = fs::read(&picture).expect("a picture");
            assert!(bytes.starts_with(b"\x89PNG"), "{name}");
            assert!(
                bytes.len() as u64 > PICTURE_BYTES_MIN,
                "{name}: {}",
                bytes.len()
            );
            drawn.push(bytes);
        }
        assert!(drawn[0] != drawn[1], "{name} is the same in the dark");
    }
}

#[test]
#[ignore = "needs chromium"]
fn search_finds_by_words() {
    let (site, folder) = site();
    let found = |query: &str| {
        let url = format!("file://{}/index.html#q={query}", site.display());
        let page = browser(folder.path(), &["--dump-dom", &url]);
        let page = String::from_utf8(page).expect("text");
        let list = page.split_once("<ul id=\"results\">").expect("a list").1;
        list.split_once("</ul>").expect("its end").0.to_owned()
    };
    let list = found("struct%20fiber");
    assert!(
        list.contains("href=\"sources/src/fiber.rs.html#L"),
        "{list}"
    );
    assert_eq!(found("nothing-is-called-so"), "");
}
