//! What the compiler does not check of the tree: cited rules exist, names stand only where they
//! belong.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use walkdir::WalkDir;

/// The files that may contain `unsafe`, in the libraries.
const UNSAFE_FILES: [&str; 122] = [
    "executor/rayon-core/src/broadcast.rs",
    "executor/rayon-core/src/join.rs",
    "executor/rayon-core/src/registry.rs",
    "executor/rayon-core/src/registry/guest.rs",
    "executor/rayon-core/src/scope.rs",
    "executor/rayon-core/src/thread_pool.rs",
    "executor/src/backend/parallel.rs",
    "executor/src/backend/sequential.rs",
    "executor/src/broadcast.rs",
    "executor/src/builder.rs",
    "executor/src/cancel.rs",
    "executor/src/children.rs",
    "executor/src/chunk.rs",
    "executor/src/cx.rs",
    "executor/src/event.rs",
    "executor/src/executor.rs",
    "executor/src/half.rs",
    "executor/src/indexed.rs",
    "executor/src/join.rs",
    "executor/src/local.rs",
    "executor/src/locks/barrier.rs",
    "executor/src/locks/channel.rs",
    "executor/src/locks/condvar.rs",
    "executor/src/locks/limit.rs",
    "executor/src/locks/mutex.rs",
    "executor/src/locks/once_cell.rs",
    "executor/src/locks/rwlock.rs",
    "executor/src/locks/wait.rs",
    "executor/src/make/client.rs",
    "executor/src/other_database.rs",
    "executor/src/par.rs",
    "executor/src/part.rs",
    "executor/src/query/arena.rs",
    "executor/src/query/ask.rs",
    "executor/src/query/database.rs",
    "executor/src/query/dense.rs",
    "executor/src/query/fixpoint.rs",
    "executor/src/query/hashed.rs",
    "executor/src/query/interner.rs",
    "executor/src/query/iteration.rs",
    "executor/src/query/iteration/member.rs",
    "executor/src/query/iteration/plain.rs",
    "executor/src/query/iteration/wanted.rs",
    "executor/src/query/pieces.rs",
    "executor/src/query/pointers.rs",
    "executor/src/query/record.rs",
    "executor/src/query/record/steps.rs",
    "executor/src/query/slot.rs",
    "executor/src/query/table.rs",
    "executor/src/query/types.rs",
    "executor/src/raw.rs",
    "executor/src/raw/join.rs",
    "executor/src/raw/lent.rs",
    "executor/src/raw/pool.rs",
    "executor/src/raw/pool_none.rs",
    "executor/src/rest.rs",
    "executor/src/run.rs",
    "executor/src/sched/cancel.rs",
    "executor/src/sched/cycle.rs",
    "executor/src/sched/fiber.rs",
    "executor/src/sched/fiber/current.rs",
    "executor/src/sched/fiber/ending.rs",
    "executor/src/sched/fiber/holding.rs",
    "executor/src/sched/fiber/nested.rs",
    "executor/src/sched/fiber/no_suspend.rs",
    "executor/src/sched/fork.rs",
    "executor/src/sched/graph.rs",
    "executor/src/sched/graph/deadlock.rs",
    "executor/src/sched/graph/edge.rs",
    "executor/src/sched/graph/frame.rs",
    "executor/src/sched/graph/giving_up.rs",
    "executor/src/sched/graph/locking.rs",
    "executor/src/sched/graph/looks.rs",
    "executor/src/sched/graph/subject.rs",
    "executor/src/sched/graph/waits.rs",
    "executor/src/sched/holder.rs",
    "executor/src/sched/job.rs",
    "executor/src/sched/latch.rs",
    "executor/src/sched/line.rs",
    "executor/src/sched/lock.rs",
    "executor/src/sched/permits.rs",
    "executor/src/sched/places.rs",
    "executor/src/sched/pool.rs",
    "executor/src/sched/pool/gate.rs",
    "executor/src/sched/pool/look.rs",
    "executor/src/sched/pool/runs.rs",
    "executor/src/sched/pool/sweeps.rs",
    "executor/src/sched/ready.rs",
    "executor/src/sched/seeded/delivery.rs",
    "executor/src/sched/shared.rs",
    "executor/src/sched/slab.rs",
    "executor/src/sched/wait.rs",
    "executor/src/sched/wanted.rs",
    "executor/src/sched/witness.rs",
    "executor/src/sched/worker.rs",
    "executor/src/sched/worker/fibers.rs",
    "executor/src/sched/worker/moving.rs",
    "executor/src/sched/worker/records.rs",
    "executor/src/sched/worker/sweep.rs",
    "executor/src/scope.rs",
    "executor/src/spawned.rs",
    "executor/src/sync/sequential.rs",
    "executor/src/task.rs",
    "executor/src/worker_local.rs",
    "fibers/src/absent.rs",
    "fibers/src/context.rs",
    "fibers/src/context/jump.rs",
    "fibers/src/context/jump_powerpc64.rs",
    "fibers/src/depot.rs",
    "fibers/src/fiber.rs",
    "fibers/src/large_none.rs",
    "fibers/src/overflow.rs",
    "fibers/src/portable.rs",
    "fibers/src/region.rs",
    "fibers/src/stacks.rs",
    "fibers/src/switch.rs",
    "fibers/src/switch/own_stack.rs",
    "fibers/src/system/large.rs",
    "fibers/src/system/memory.rs",
    "fibers/src/system/processor.rs",
    "fibers/src/system/signal.rs",
    "fibers/src/threads.rs",
];

/// Crates that only some files may name, or the files of a folder: of corosensei and libc there is one place for each
/// of the two things that we use of them.
const HOMES: [(&str, &str); 10] = [
    ("context_crate", "fibers/src/context"),
    ("corosensei", "fibers/src/on_stack.rs"),
    ("corosensei", "fibers/src/switch"),
    // `make.rs` has its client in a signature.
    ("jobserver", "executor/src/make"),
    ("libc", "fibers/src/portable.rs"),
    ("libc", "fibers/src/system/"),
    ("psm", "fibers/src/portable.rs"),
    ("crossbeam_deque", "executor/src/sched/queue.rs"),
    ("parking_lot", "executor/src/sync/parallel.rs"),
    ("dagwood_arch_fallback", "fibers/src/threads.rs"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below `folders` with this ending: path from the root, and text.
fn files(folders: &[&str], ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    for folder in folders {
        for entry in WalkDir::new(root.join(folder)).sort_by_file_name() {
            let entry = entry.expect("the tree can be read");
            if entry.path().to_string_lossy().ends_with(ending) {
                let path = entry.path().strip_prefix(&root).expect("below the root");
                let text = fs::read_to_string(entry.path()).expect("source is text");
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    assert!(
        !found.is_empty(),
        "no {ending} files below {folders:?}: the check would pass by itself"
    );
    found
}

fn library_sources() -> Vec<(String, String)> {
    let libraries = [
        "executor/rayon-core/src",
        "executor/src",
        "fibers/src",
        "arch-fallback/src",
    ];
    files(&libraries, ".rs")
}

/// The text without comments, roughly: enough to find names in code.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn cited_rules_exist() {
    let protocols = files(&["executor/src", "fibers/src"], ".md");
    let rule_in = |name: &str, rule: &str| {
        protocols.iter().any(|(path, text)| {
            path.ends_with(&format!("/{name}")) && text.contains(&format!("- **{rule} "))
        })
    };
    let cited = Regex::new(r"(\w+\.md) ((?:[A-Z]\d+(?:,? and |, )?)+)").expect("a regex");
    let rule = Regex::new(r"[A-Z]\d+").expect("a regex");
    let own = Regex::new(r#"include_str!\("(\w+\.md)"\)"#).expect("a regex");
    let bare = Regex::new(r"\(([A-Z]\d+)[:)]").expect("a regex");
    let mut citations = 0;
    for (path, text) in library_sources().iter().chain(&protocols) {
        for citation in cited.captures_iter(text) {
            for rule in rule.find_iter(&citation[2]) {
                citations += 1;
                assert!(
                    rule_in(&citation[1], rule.as_str()),
                    "{path} cites {} of {}",
                    rule.as_str(),
                    &citation[1]
                );
            }
        }
        if let Some(own) = own.captures(text) {
            for citation in bare.captures_iter(text) {
                citations += 1;
                assert!(
                    rule_in(&own[1], &citation[1]),
                    "{path} cites {} of {}",
                    &citation[1],
                    &own[1]
                );
            }
        }
    }
    assert!(
        citations > 20,
        "only {citations} citations found: the pattern is broken"
    );
}

#[test]
fn unsafe_stands_in_named_files_only() {
    let word = Regex::new(r"\bunsafe\b").expect("a regex");
    for (path, text) in library_sources() {
        let has_unsafe = word.is_match(&code(&text));
        assert_eq!(
            has_unsafe,
            UNSAFE_FILES.contains(&path.as_str()),
            "{path}: `unsafe`, or its place in the list"
        );
    }
}

#[test]
fn each_outside_crate_has_one_home() {
    for (name, _) in HOMES {
        let homes: Vec<&str> = HOMES
            .into_iter()
            .filter(|(crate_name, _)| *crate_name == name)
            .map(|(_, home)| home)
            .collect();
        let word = Regex::new(&format!(r"\b{name}::|\buse {name}\b")).expect("a regex");
        let at: Vec<String> = library_sources()
            .into_iter()
            .filter(|(_, text)| word.is_match(&code(text)))
            .map(|(path, _)| path)
            .collect();
        let is_home = |home: &str, path: &String| path.starts_with(home);
        for home in &homes {
            assert!(
                at.iter().any(|path| is_home(home, path)),
                "{name} is not at {home}"
            );
        }
        assert!(
            at.iter()
                .all(|path| homes.iter().any(|home| is_home(home, path))),
            "{name}: {at:?}"
        );
    }
}

#[test]
fn target_cfgs_stand_in_two_files() {
    let target = Regex::new(r"\btarget_(abi|arch|os|family|endian|env|vendor|pointer_width)\b")
        .expect("a regex");
    for (path, text) in library_sources() {
        let allowed =
            ["fibers/src/mechanism.rs", "arch-fallback/src/lib.rs"].contains(&path.as_str());
        assert!(
            allowed || !target.is_match(&code(&text)),
            "{path} names a target"
        );
    }
}

#[test]
fn the_scheduler_knows_no_query() {
    let query = Regex::new(r"crate::(query|cx|task|scope|join|run)\b").expect("a regex");
    for (path, text) in files(&["executor/src/sched"], ".rs") {
        assert!(
            !query.is_match(&code(&text)),
            "{path} names a layer above it"
        );
    }
}

#[test]
fn tests_do_not_sleep() {
    let sleep = Regex::new(r"\bthread::sleep\b").expect("a regex");
    for (path, text) in files(
        &[
            "tests",
            "executor/rayon-core/tests",
            "executor/tests",
            "fibers/tests",
            "arch-fallback/tests",
        ],
        ".rs",
    ) {
        assert!(
            !sleep.is_match(&code(&text)),
            "{path} sleeps instead of waiting for an event"
        );
    }
}

/// The suite's programs that are not in the one that has the others.
const PROGRAMS_APART: [&str; 4] = ["memory", "plant", "planted", "thread_ends"];

#[test]
fn one_program_has_all_others() {
    let all = fs::read_to_string(root().join("tests/all.rs")).expect("it is there");
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("tests/tests")).expect("the suite is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("a name in ASCII").to_owned();
        let line = format!("#[path = \"tests/{name}.rs\"]\nmod {name};\n");
        let is_apart = PROGRAMS_APART.contains(&name.as_str());
        assert_ne!(all.contains(&line), is_apart, "tests/all.rs, {name}");
        found.push(name);
    }
    assert!(
        PROGRAMS_APART
            .iter()
            .all(|name| found.iter().any(|found| found == name))
    );
}

#[test]
fn the_gate_is_what_ci_runs() {
    let script = fs::read_to_string(root().join(".ci/run")).expect(".ci/run is there");
    assert!(
        script.contains("-p dagwood-ci"),
        ".ci/run does not call the gate"
    );
    let hosted = fs::read_to_string(root().join(".github/workflows/ci.yml"));
    assert!(
        hosted.expect("hosted CI is there").contains("run: .ci/run"),
        "hosted CI does not run the gate"
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md is there");
    for command in ["cargo test --workspace", "cargo run --release -- compare"] {
        assert!(readme.contains(command), "README does not give `{command}`");
    }
}
