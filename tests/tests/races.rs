//! W7 and W8: who inserts, who completes and who waits, at the same moment.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Cx, Database, Query, Storage};
use dagwood_tests::{Bed, Meeting, OsGate, at_once_from_tasks, fail_quietly, scenarios};

scenarios! {
    shared [2, 3] unseeded "a key blocks its thread": w7_a_miss_that_is_overtaken_before_its_claim;
    pools [4, 1, 2]: w8_completion_at_the_moment_of_listing;
    pools [4, 1, 2]: w8_panic_at_the_moment_of_listing;
    all [1, 2, 4]: w7_first_asks_at_once_by_index;
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

/// The same, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RaceByIndex(usize);

fn end_after_the_asks(cx: &Cx<'_, Start>) -> u32 {
    cx.data().runs.fetch_add(1, Ordering::SeqCst);
    cx.data().asking.wait(cx);
    match cx.data().end {
        End::Value => 11,
        End::Panic => fail_quietly("at that moment"),
    }
}

impl Query<Start> for Race {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Start>) -> u32 {
        end_after_the_asks(cx)
    }
}

impl Query<Start> for RaceByIndex {
    type Value = u32;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0,
        key: RaceByIndex,
    };

    fn provide(self, cx: &Cx<'_, Start>) -> u32 {
        end_after_the_asks(cx)
    }
}

fn race(bed: &Bed, end: End, check: impl Fn(&str)) {
    race_for(bed, end, || Race, &check);
    race_for(bed, end, || RaceByIndex(1000), &check);
}

/// In each round the provider ends after another number of asks.
fn race_for<Q: Query<Start, Value = u32>>(
    bed: &Bed,
    end: End,
    key: impl Fn() -> Q + Sync,
    check: impl Fn(&str),
) {
    let rounds = bed.at_most_on_threads(50, 200);
    let asks = bed.at_most_seeded(20, 100);
    let executor = bed.executor();
    for round in bed.numbers(rounds) {
        let db = Database::new(Start {
            asking: Meeting::new(1 + (round as usize * 37) % asks),
            end,
            runs: AtomicUsize::new(0),
        });
        let texts = at_once_from_tasks(&executor, &db, asks, |cx, _| {
            cx.data().asking.come();
            match cx.try_get(key()) {
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
        let before = "panicked: at that moment (in Race";
        assert!(
            [")", "ByIndex(1000))"]
                .map(|end| format!("{before}{end}"))
                .contains(&text.to_owned()),
            "{text}"
        );
    });
}

/// A number by index, whose provider counts, and lets others ask meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ByIndex(usize);

impl Query<AtomicUsize> for ByIndex {
    type Value = usize;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0,
        key: ByIndex,
    };

    fn provide(self, cx: &Cx<'_, AtomicUsize>) -> usize {
        cx.data().fetch_add(1, Ordering::SeqCst);
        cx.yield_now();
        self.0
    }
}

/// Nothing of a user's runs between a miss by index and its claim: so many rounds, each in a table that has no page yet.
fn w7_first_asks_at_once_by_index(bed: &Bed) {
    let executor = bed.executor();
    for round in bed.numbers(200) {
        let round = round as usize % 200;
        let db = Database::new(AtomicUsize::new(0));
        let sums = at_once_from_tasks(&executor, &db, 8, |cx, _| {
            let each = |number: usize| *cx.get(ByIndex(round * 100 + number * 200));
            (0..3).map(each).sum::<usize>()
        });
        assert!(sums.iter().all(|sum| *sum == 300 * round + 600), "{sums:?}");
        assert_eq!(db.data().load(Ordering::SeqCst), 3, "runs");
    }
}
