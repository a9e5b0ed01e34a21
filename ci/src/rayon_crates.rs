//! Tests of well-known crates that go through rayon, on the crate `rayon-core` of this repository: the packages are taken from
//! Cargo's registry at run time, and patched as a user would patch them.
//!
//! Used by the step `rayon-crates`. A crate's tests must run, so many of them at least, and must fail where no pool can be made:
//! else they would say nothing of ours.

use std::path::Path;

use crate::line::{Line, cargo};
use crate::published::{package, patched, root, start_anew};
use crate::rayon_suite::PLACE;

/// A crate with tests that go through rayon.
struct Crate {
    name: &'static str,
    version: &'static str,
    features: &'static str,
    /// Cargo's and the test programs' arguments that choose those tests.
    tests: &'static str,
    /// How many these are.
    count: usize,
}

const CRATES: [Crate; 4] = [
    Crate {
        name: "hashbrown",
        version: "0.16.1",
        features: "rayon",
        tests: "--lib --test rayon -- rayon:: map_ set_",
        count: 58,
    },
    Crate {
        name: "indexmap",
        version: "2.14.2",
        features: "rayon",
        tests: "--lib -- rayon::",
        count: 11,
    },
    Crate {
        name: "ndarray",
        version: "0.16.1",
        features: "rayon",
        tests: "--test par_azip --test par_rayon --test par_zip --",
        count: 13,
    },
    Crate {
        name: "jwalk",
        version: "0.8.1",
        features: "",
        tests: "--test integration --test detect_deadlock --",
        count: 51,
    },
];

/// What a pool says that shall run on no backend.
const NO_POOL: &str = "DAGWOOD_RAYON_BACKEND: ";

/// Their tests, on each backend, and on none; and our own of rayon itself.
pub(crate) fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = CRATES
        .iter()
        .flat_map(|it| {
            let on = |backend| Line {
                passed_at_least: it.count,
                ..it.test(backend, "")
            };
            let nowhere = Line {
                last_words: Some(NO_POOL),
                ..it.test("nowhere", "--nocapture")
            };
            [on("fibers"), on("threads"), nowhere]
        })
        .collect();
    lines[0].prepare = Some(prepare);
    // Rayon's loops in our providers.
    lines.push(Line {
        passed_at_least: 2,
        ..cargo("test --manifest-path benches/rayon-patched/Cargo.toml --target-dir target/rayon-suite/target --test provider")
    });
    lines
}

impl Crate {
    fn test(&self, backend: &'static str, rest: &str) -> Line {
        let (name, features, tests) = (self.name, self.features, self.tests);
        let mut line = cargo(&format!(
            "test --manifest-path {PLACE}/{name}/Cargo.toml --features={features} {tests} {rest}"
        ));
        line.environment = vec![
            ("DAGWOOD_RAYON_BACKEND", backend),
            ("CARGO_TARGET_DIR", "target/rayon-suite/target"),
        ];
        line
    }
}

/// Puts the crates into [`PLACE`].
fn prepare() -> Result<(), String> {
    let all = || -> std::io::Result<()> {
        let root = root()?;
        let place = root.join(PLACE);
        let user = place.join("user");
        use_all(&user)?;
        for it in &CRATES {
            let from = package(&user, &format!("{}-{}", it.name, it.version))?;
            patched(&root, &from, &place.join(it.name), it.features)?;
        }
        Ok(())
    };
    all().map_err(|error| format!("{PLACE}: {error}"))
}

/// A package that does nothing but use them: so Cargo gets them.
fn use_all(place: &Path) -> std::io::Result<()> {
    start_anew(place)?;
    let mut manifest = String::from(
        "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[dependencies]\n",
    );
    for it in &CRATES {
        manifest += &format!("{} = \"={}\"\n", it.name, it.version);
    }
    std::fs::write(place.join("Cargo.toml"), manifest)?;
    std::fs::write(place.join("lib.rs"), "")
}
