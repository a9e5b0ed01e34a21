//! W7 and W8: who inserts, who completes and who waits, at the same moment.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Cx, Database, Query};
use dagwood_tests::{Bed, Meeting, OsGate, at_once_from_tasks, fail_quietly, scenarios};

scenarios! {
    shared [2, 3]: w7_a_miss_that_is_overtaken_before_its_claim;
    pools [4, 1, 2]: w8_completion_at_the_moment_of_listing;
    pools [4, 1, 2]: w8_panic_at_the_moment_of_listing;
}

/// A key of which one copy is held when it is cloned: that is between a miss and the claim.
struct Held(Option<Arc<Hold>>);

#[derive(Debug, Default)]
struct Hold {
    is_held: OsGate,
    may_go: OsGate,
}

impl Clone for Held {
    fn clone(&self) -> Self {
        if let Some(hold) = &self.0 {
            hold.is_held.open();
            hold.may_go.pass();
        }
        Held(None)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(1);
    }
}

impl Query<AtomicUsize> for Held {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, AtomicUsize>) -> usize {
        cx.data().fetch_add(1, Ordering::SeqCst)
    }
}

fn w7_a_miss_that_is_overtaken_before_its_claim(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let db = Database::new(AtomicUsize::new(0));
        let hold = Arc::new(Hold::default());
        let ask = |key| executor.run(&db, |cx| *cx.get(key));
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| ask(Held(Some(Arc::clone(&hold)))));
            hold.is_held.pass();
            let second = ask(Held(None));
            hold.may_go.open();
            (first.join().expect("carries its panics out"), second)
        });
        assert_eq!(first.expect("a value"), 0);
        assert_eq!(second.expect("a value"), 0);
        assert_eq!(db.data().load(Ordering::SeqCst), 1, "runs");
    }
}

/// What an asker of [`Race`] makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Value,
    Panic,
}

/// When the provider ends, and how.
struct Start {
    asking: Meeting,
    end: End,
    runs: AtomicUsize,
}

/// Ends when enough have asked, some of whom are not listed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Race;

impl Query<Start> for Race {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Start>) -> u32 {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        cx.data().asking.wait(cx);
        match cx.data().end {
            End::Value => 11,
            End::Panic => fail_quietly("at that moment"),
        }
    }
}

/// In each round the provider ends after another number of asks.
fn race(bed: &Bed, end: End, check: impl Fn(&str)) {
    let rounds = bed.at_most_on_threads(50, 200);
    let executor = bed.executor();
    for round in 0..rounds {
        let db = Database::new(Start {
            asking: Meeting::new(1 + (round * 37) % 100),
            end,
            runs: AtomicUsize::new(0),
        });
        let texts = at_once_from_tasks(&executor, &db, 100, |cx, _| {
            cx.data().asking.come();
            match cx.try_get(Race) {
                Ok(value) => value.to_string(),
                Err(error) => error.to_string(),
            }
        });
        texts.iter().for_each(|text| check(text));
        assert_eq!(db.data().runs.load(Ordering::SeqCst), 1, "runs");
    }
}

fn w8_completion_at_the_moment_of_listing(bed: &Bed) {
    race(bed, End::Value, |text| assert_eq!(text, "11"));
}

fn w8_panic_at_the_moment_of_listing(bed: &Bed) {
    race(bed, End::Panic, |text| {
        assert_eq!(text, "panicked: at that moment (in Race)");
    });
}
