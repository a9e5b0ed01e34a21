//! A diamond of tasks: one task that two others wait for, and a last one that waits for both.
//!
//! `cargo run -p dagwood --example dag`

use dagwood::{Database, Error, Executor};

fn main() -> Result<(), Error> {
    let executor = Executor::builder().workers(2).build()?;
    let db = Database::new("the quick brown fox");

    let report = executor.run(&db, |cx| {
        let words = cx.spawn(|cx| cx.data().split(' ').collect::<Vec<_>>());
        // Any number of tasks may wait for one: a handle is cloned for each.
        let (for_longest, for_letters) = (words.clone(), words);
        let longest = cx.spawn(move |cx| {
            for_longest
                .wait(cx)
                .iter()
                .map(|word| word.len())
                .max()
                .unwrap_or(0)
        });
        let letters = cx.spawn(move |cx| {
            for_letters
                .wait(cx)
                .iter()
                .map(|word| word.len())
                .sum::<usize>()
        });
        let report = cx.spawn(move |cx| (*longest.wait(cx), *letters.wait(cx)));
        *report.wait(cx)
    })?;

    println!("the longest word has {} letters of {}", report.0, report.1);
    assert_eq!(report, (5, 16));
    Ok(())
}
