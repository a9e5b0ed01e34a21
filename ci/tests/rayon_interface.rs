//! Our crate `rayon-core` has the functions of the published one, with the same signatures.

#[allow(dead_code, reason = "the gate uses all of it")]
#[path = "../src/published.rs"]
mod published;

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use walkdir::WalkDir;

/// For each type (none: a free function) and name, the signature, with what does not matter to a caller made equal.
type Functions = BTreeMap<(String, String), String>;

/// All public functions below a folder of sources.
fn functions(source: &Path) -> Functions {
    let item =
        r"(?m)^(?:unsafe )?impl(?:<[^{]*?>)? ([^{;]*?)\{|^( *)pub (?:const )?fn ((\w+)[^{;]*)";
    let item = Regex::new(item).expect("a pattern");
    let comment = Regex::new("//.*").expect("a pattern");
    let space = Regex::new(r"\s+").expect("a pattern");
    let mut all = Functions::new();
    for file in WalkDir::new(source).into_iter().map(Result::unwrap) {
        let path = file.path();
        let is_code = path.extension().is_some_and(|end| end == "rs");
        let names = path
            .strip_prefix(source)
            .expect("below")
            .to_string_lossy()
            .into_owned();
        if !is_code
            || ["test", "compile_fail", "private"]
                .iter()
                .any(|part| names.contains(part))
        {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("it can be read");
        let text = comment.replace_all(&text, "");
        let mut owner = String::new();
        for found in item.captures_iter(&text) {
            if let Some(of) = found.get(1) {
                owner = of
                    .as_str()
                    .split(['<', ' '])
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                continue;
            }
            let signature = space.replace_all(found[3].trim(), " ");
            let signature = signature.trim_end_matches(',').replace("mut self", "self");
            let of = if found[2].is_empty() {
                String::new()
            } else {
                owner.clone()
            };
            all.insert((of, found[4].to_owned()), signature);
        }
    }
    all
}

#[test]
fn rayon_core_has_the_functions_of_the_published_one() {
    let root = published::root().expect("the repository is there");
    let theirs = published::package(&root, "rayon-core-1.13.").expect("the harness has it");
    let [theirs, ours] =
        [theirs, root.join("executor/rayon-core")].map(|package| functions(&package.join("src")));
    assert!(theirs.len() > 60, "{}", theirs.len());
    for (name, signature) in &theirs {
        assert_eq!(ours.get(name), Some(signature), "{name:?}");
    }
    let more: Vec<_> = ours
        .keys()
        .filter(|name| !theirs.contains_key(name))
        .collect();
    assert!(more.is_empty(), "what rayon has not: {more:?}");
}
