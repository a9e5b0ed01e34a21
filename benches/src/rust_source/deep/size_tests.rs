//! Large inputs: what is asked for and kept grows with the text, not with its square.

use std::cell::RefCell;
use std::fmt::Write;

use dagwood::{Cx, Database, Executor};

use super::{
    crate_names::NamesIn,
    links::LinksOf,
    paths::Paths,
    tests::{NONE, library, package_with},
};
use crate::rust_source::{
    module_tree::CrateId,
    sources::{FileId, Sources},
    tests::{MANIFEST, input},
};

/// Looks at the only crate of a package with one file.
fn in_crate<R: Send>(text: &str, look: impl FnOnce(&Cx<'_, Sources>, CrateId) -> R + Send) -> R {
    let input = input(&[("Cargo.toml", MANIFEST), ("src/lib.rs", text)]);
    let executor = Executor::builder().workers(1).build().expect("an executor");
    let database = Database::new(input.sources().clone());
    let done = executor.run(&database, |cx| look(cx, CrateId(FileId(0))));
    done.expect("no query fails")
}

/// A text for each number.
fn each(count: u32, text: impl Fn(u32) -> String) -> String {
    (0..count).fold(String::new(), |mut all, i| {
        let _ = writeln!(all, "{}", text(i));
        all
    })
}

#[test]
fn modules_whose_globs_nobody_else_sees_are_not_asked_where_they_lead() {
    // As in packages that have a module for each type: `pub use` of all, and `use super::*` in each.
    let text = each(20, |i| {
        format!("mod m{i} {{ use super::*; pub struct S{i}; }} pub use m{i}::*;")
    });
    let asked = in_crate(&text, |cx, krate| {
        let names = cx.get(NamesIn(krate));
        let asked = RefCell::new(Vec::new());
        let imported = |module: u32| {
            asked.borrow_mut().push(module);
            names.imported(module)
        };
        let paths = Paths {
            scopes: &names.scopes,
            imported: &imported,
            behind: None,
        };
        assert_eq!(paths.lookup(1, "S7").len(), 2);
        asked.into_inner()
    });
    assert_eq!(asked, [1, 0]);
}

#[test]
fn a_name_of_many_meanings_is_used_and_kept_once() {
    let text = each(100, |i| format!("#[cfg(a{i})] fn f() {{ f() }}"));
    let kept = in_crate(&text, |cx, krate| {
        cx.get(LinksOf { krate, module: 0 }).also.len()
    });
    assert_eq!(kept, 0);
    assert_eq!(library(&text), NONE);
}

#[test]
fn imports_that_lead_to_themselves_are_looked_at_once() {
    // Each is in the module that it looks in: a search that comes back to it would go through all of them again and again.
    let text = each(2000, |i| format!("use crate::gone{i};"));
    let found = library(&text);
    assert_eq!(found.len(), 2000);
    assert_eq!(
        found[0],
        "1:12: unresolved-import: `gone0` is not in `crate`"
    );
}

#[test]
fn what_a_macro_makes_is_read_once_and_not_for_each_call_and_each_missing_name() {
    let made = each(1000, |i| format!("struct T{i};"));
    let rest = each(1000, |i| {
        format!("many!{{ a{i} }} pub fn f{i}() {{ gone{i}() }}")
    });
    let found = library(&format!(
        "macro_rules! many {{ () => {{ {made} }} }}\n{rest}pub fn g() {{ T7() }}"
    ));
    assert_eq!(found, NONE);
}

#[test]
fn crates_that_all_have_globs_of_each_other_end_the_search() {
    const COUNT: usize = 60;
    let others = |i| (0..COUNT).filter(move |&other| other != i);
    let mut files = Vec::new();
    for i in 0..COUNT {
        let mut manifest = format!("[package]\nname = \"c{i}\"\n[dependencies]\n");
        let mut root = format!("pub use crate::lost{i};\n");
        for other in others(i) {
            let _ = writeln!(manifest, "c{other} = {{ path = \"../c{other}\" }}");
            let _ = writeln!(root, "pub use c{other}::*;");
        }
        files.push((format!("c{i}/Cargo.toml"), manifest));
        files.push((format!("c{i}/src/lib.rs"), root));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let found = package_with(&files);
    assert!(found.iter().all(|line| !line.contains("unresolved")));
}
