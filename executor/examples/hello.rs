//! Queries in five minutes: count the words of some files, each file once, on all cores.
//!
//! `cargo run -p dagwood --example hello`

use dagwood::{Cx, Database, Error, Executor, Query};

/// What the queries read.
struct Sources {
    files: Vec<&'static str>,
}

/// The number of words of a file. A value of this type is one query; asking twice computes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WordCount(usize);

impl Query<Sources> for WordCount {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Sources>) -> usize {
        cx.data().files[self.0].split_whitespace().count()
    }
}

/// The file with the most words: a query that asks others, in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Longest;

impl Query<Sources> for Longest {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Sources>) -> usize {
        let files = 0..cx.data().files.len();
        let counts = cx.par_map(files.clone(), |cx, file| *cx.get(WordCount(file)));
        files.max_by_key(|&file| counts[file]).unwrap_or(0)
    }
}

fn main() -> Result<(), Error> {
    let executor = Executor::builder().build()?;
    let db = Database::new(Sources {
        files: vec!["to be", "or not to be", "that is"],
    });

    let (total, longest) = executor.run(&db, |cx| {
        let counts = cx.par_map(0..cx.data().files.len(), |cx, file| {
            *cx.get(WordCount(file))
        });
        (counts.into_iter().sum::<usize>(), *cx.get(Longest))
    })?;

    println!(
        "{total} words; the longest file is {:?}",
        db.data().files[longest]
    );
    assert_eq!((total, longest), (8, 1));
    Ok(())
}
