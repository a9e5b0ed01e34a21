//! The output does not depend on who computes it: every backend, several numbers of workers.

use dagwood::{Backend, Executor};

use super::{
    super::{Input, analyse},
    MANIFEST, input,
};

/// A tree with something of everything, so that order has a chance to show.
fn sample() -> Input {
    let mut files = vec![("Cargo.toml".to_owned(), MANIFEST.to_owned())];
    let mut root = String::new();
    for i in 0..40 {
        let next = (i + 1) % 40;
        root.push_str(&format!("mod m{i};\n"));
        let text = format!(
            "pub use super::m{next}::*;\nuse super::gone{i};\nmod missing;\nfn broken( {{}}\n{}pub enum E{i} {{ A, B }}\n",
            format!("pub fn f() {{ if a {{ g(|| -1) }} use crate::m{next}::None{i}; }}\n")
                .repeat(i)
        );
        files.push((format!("src/m{i}.rs"), text));
        files.push((format!("other/src/m{i}.rs"), format!("mod m{next};")));
    }
    files.push(("src/lib.rs".to_owned(), root.clone()));
    files.push(("src/main.rs".to_owned(), root));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(label, text)| (label.as_str(), text.as_str()))
        .collect();
    input(&files)
}

fn render(backend: Backend, workers: usize, input: &Input) -> (String, String) {
    let executor = Executor::builder()
        .backend(backend)
        .workers(workers)
        .build()
        .expect("an executor");
    let analysis = analyse(&executor, input).expect("no query fails");
    (analysis.render(), analysis.checksum())
}

#[test]
fn output_is_the_same_on_every_backend_with_any_number_of_workers() {
    let input = sample();
    let (expected, checksum) = render(Backend::Sequential, 1, &input);
    assert!(
        expected.contains("unresolved-import") && expected.contains("missing-module"),
        "{expected}"
    );
    for &backend in Executor::backends() {
        for workers in [1, 2, 4, 16] {
            let got = render(backend, workers, &input);
            assert_eq!(got.0, expected, "{backend:?} with {workers} workers");
            assert_eq!(got.1, checksum);
        }
    }
}

#[test]
fn checksum_tells_outputs_apart() {
    let one = render(Backend::Sequential, 1, &input(&[("a.rs", "use self::x;")]));
    let two = render(Backend::Sequential, 1, &input(&[("a.rs", "use self::y;")]));
    assert_ne!(one.1, two.1);
}
