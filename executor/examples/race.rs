//! A race that a user has made: two queries that talk through a side channel, of which the library knows nothing. Seeds find
//! it, and the log of its schedule shows it again, as often as one likes.
//!
//! Run it: `cargo run -p dagwood --example race`

use std::sync::atomic::{AtomicBool, Ordering};

use dagwood::{Cx, Database, Error, Executor, Query, Schedule};

/// What a careless author shares between providers: whether the names have been loaded.
struct Program {
    is_loaded: AtomicBool,
}

/// Loads the names, and says so on the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Load;

impl Query<Program> for Load {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Program>) -> usize {
        cx.data().is_loaded.store(true, Ordering::Relaxed);
        40
    }
}

/// Counts names. It looks at the side channel where it should ask for `Load`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Count;

impl Query<Program> for Count {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Program>) -> usize {
        if cx.data().is_loaded.load(Ordering::Relaxed) {
            42
        } else {
            2
        }
    }
}

fn count(executor: &Executor) -> Result<usize, Error> {
    let db = Database::new(Program {
        is_loaded: AtomicBool::new(false),
    });
    executor.run(&db, |cx| {
        let (_, count) = cx.join(|cx| *cx.get(Load), |cx| *cx.get(Count));
        count
    })
}

fn executor(schedule: Schedule) -> Result<Executor, Error> {
    Executor::builder().workers(2).schedule(schedule).build()
}

fn main() -> Result<(), Error> {
    let expected = count(&executor(Schedule::Sequential)?)?;
    println!("in program order: {expected} names");
    for seed in 0..1000 {
        let seeded = executor(Schedule::Seeded(seed))?;
        let found = count(&seeded)?;
        if found == expected {
            continue;
        }
        println!("seed {seed}: {found} names");
        let log = seeded.schedule_log().expect("a seeded schedule is logged");
        println!("its schedule: {log}");
        for _ in 0..2 {
            let again = count(&executor(Schedule::Replay(log.clone()))?)?;
            println!("the same again: {again} names");
            assert_eq!(again, found, "a replay is exact");
        }
        return Ok(());
    }
    let has_workers = executor(Schedule::Free)?.backend() != dagwood::Backend::Sequential;
    assert!(!has_workers, "a thousand seeds do not find the race");
    println!("there is no other order in this build");
    Ok(())
}
