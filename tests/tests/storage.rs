//! Where results are kept: hashed and by index, under keys of all kinds, with what they take and how they end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dagwood::{Cx, Database, Executor, Query, Storage};
use dagwood_tests::{Bed, scaled, scenarios};

scenarios! {
    all [1, 2, 4]: keys_asked_by_all_workers_at_once;
    all [1, 2]: keys_of_all_kinds;
    all [1, 2]: indices_far_apart;
    all [1, 2]: memory_by_query_type;
    all [1, 2]: values_are_dropped_once;
}

/// Counts how often each provider has run.
struct Runs(Vec<AtomicUsize>);

impl Runs {
    fn new(len: usize) -> Self {
        Runs((0..len).map(|_| AtomicUsize::new(0)).collect())
    }

    fn compute(&self, number: u64) -> u64 {
        self.0[number as usize].fetch_add(1, Ordering::Relaxed);
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hashed(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Dense(u64);

impl Query<Runs> for Hashed {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Runs>) -> u64 {
        cx.data().compute(self.0)
    }
}

impl Query<Runs> for Dense {
    type Value = u64;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0 as usize,
        key: |index| Dense(index as u64),
    };

    fn provide(self, cx: &Cx<'_, Runs>) -> u64 {
        cx.data().compute(self.0)
    }
}

/// Each worker asks for all keys, each from another place on, so that each is a race somewhere. Each provider runs once,
/// and all see what an oracle says.
fn ask_everywhere(
    executor: &Executor,
    len: usize,
    ask: impl Fn(&Cx<'_, Runs>, u64) -> u64 + Sync,
) -> Database<Runs> {
    let db = Database::new(Runs::new(len));
    let workers = executor.workers();
    let walk = |cx: &Cx<'_, Runs>, worker: usize| {
        for step in 0..len {
            let number = ((step + worker * len / workers) % len) as u64;
            let oracle = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            assert_eq!(ask(cx, number), oracle, "{number}");
        }
    };
    executor
        .run(&db, |cx| drop(cx.broadcast(walk)))
        .expect("no failure");
    assert!(
        db.data()
            .0
            .iter()
            .all(|runs| runs.load(Ordering::Relaxed) == 1)
    );
    assert_eq!(db.memory()[0].ready, len);
    db
}

fn keys_asked_by_all_workers_at_once(bed: &Bed) {
    let executor = bed.executor();
    for len in [1, 40, bed.at_most_seeded(300, scaled(20_000))] {
        ask_everywhere(&executor, len, |cx, number| *cx.get(Hashed(number)));
        ask_everywhere(&executor, len, |cx, number| *cx.get(Dense(number)));
    }
}

/// As above with ten million keys: some seconds in release.
#[test]
#[ignore = "takes long in debug"]
fn ten_million_keys_by_four_workers() {
    for backend in Executor::backends() {
        dagwood_tests::run_scenario("ten_million_keys", *backend, &[4], |bed| {
            let executor = bed.executor();
            ask_everywhere(&executor, 10_000_000, |cx, number| *cx.get(Hashed(number)));
            ask_everywhere(&executor, 10_000_000, |cx, number| *cx.get(Dense(number)));
        });
    }
}

/// A value with its own destructor, as deep as the numbers before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Deep(usize);

/// Holds the value before: so the last result holds all of them.
struct Link(#[allow(dead_code, reason = "only held")] Option<Arc<Link>>);

impl Drop for Link {
    /// Without recursion, as whoever makes deep values must see to.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.0.take();
        }
    }
}

impl Query<()> for Deep {
    type Value = Arc<Link>;

    fn provide(self, cx: &Cx<'_, ()>) -> Arc<Link> {
        let before = self
            .0
            .checked_sub(1)
            .map(|before| Arc::clone(cx.get(Deep(before))));
        Arc::new(Link(before))
    }
}

fn fill_deep(executor: &Executor, len: usize) -> Database<()> {
    let db = Database::new(());
    let filled = executor.run(&db, |cx| {
        (0..len).for_each(|number| drop(Arc::clone(cx.get(Deep(number)))))
    });
    filled.expect("no failure");
    db
}

/// With `--nocapture`.
fn drop_and_say<D>(what: &str, db: Database<D>) {
    let start = Instant::now();
    drop(db);
    println!("{what}: dropped in {:?}", start.elapsed());
}

/// A database with ten million results, and one with a million of which each holds all before it, are gone soon: the
/// watchdog of scenarios says when not.
#[test]
#[ignore = "takes long in debug"]
fn ten_million_results_are_dropped() {
    for backend in Executor::backends() {
        dagwood_tests::run_scenario("ten_million_results", *backend, &[1], |bed| {
            let executor = bed.executor();
            let ten = 10_000_000;
            let hashed = ask_everywhere(&executor, ten, |cx, number| *cx.get(Hashed(number)));
            drop_and_say("hashed", hashed);
            let dense = ask_everywhere(&executor, ten, |cx, number| *cx.get(Dense(number)));
            drop_and_say("by index", dense);
            drop_and_say("a million deep", fill_deep(&executor, 1_000_000));
        });
    }
}

macro_rules! echo {
    ($name:ident, $inner:ty) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        struct $name($inner);

        impl Query<()> for $name {
            type Value = $inner;

            fn provide(self, _: &Cx<'_, ()>) -> $inner {
                self.0
            }
        }
    };
}

echo!(Number, i64);
echo!(Pair, (u32, String));
echo!(Name, String);
echo!(Path, PathBuf);

fn keys_of_all_kinds(bed: &Bed) {
    let db = Database::new(());
    let asked = bed.executor().run(&db, |cx| {
        for round in 0..2 {
            for i in 0..500 {
                let text = format!("name {i}");
                let path = PathBuf::from(format!("/a/{i}"));
                assert_eq!(*cx.get(Number(-i)), -i, "round {round}");
                assert_eq!(*cx.get(Pair((7, text.clone()))), (7, text.clone()));
                assert_eq!(*cx.get(Name(text.clone())), text);
                assert_eq!(*cx.get(Path(path.clone())), path);
            }
        }
    });
    asked.expect("no failure");
    assert!(db.memory().iter().all(|memory| memory.ready == 500));
}

/// A number by index, whatever the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Far(usize);

impl Query<()> for Far {
    type Value = usize;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0,
        key: Far,
    };

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        if self.0 == 3 { *cx.get(self) } else { self.0 }
    }
}

fn indices_far_apart(bed: &Bed) {
    let db = Database::new(());
    let asked = bed.executor().run(&db, |cx| {
        for number in [0, 255, 256, 1 << 20, 70_000, 1 << 24, 5] {
            assert_eq!(*cx.get(Far(number)), number);
        }
        // A report finds the key of an index.
        cx.try_get(Far(3)).expect_err("a cycle").to_string()
    });
    assert_eq!(asked.expect("no failure"), "query cycle: Far(3) -> Far(3)");
    let memory = &db.memory()[0];
    assert_eq!(memory.ready, 7);
    assert!(memory.bytes < 4 << 20, "{memory:?}");
}

fn memory_by_query_type(bed: &Bed) {
    let db = Database::new(Runs::new(10_000));
    assert!(db.memory().is_empty());
    let asked = bed.executor().run(&db, |cx| {
        for number in 0..10_000 {
            cx.get(Hashed(number));
            cx.get(Dense(number));
        }
    });
    asked.expect("no failure");
    let memory = db.memory();
    let bytes = |name: &str| {
        let of_type = memory.iter().find(|memory| memory.query.ends_with(name));
        of_type
            .and_then(|memory| memory.bytes_per_result())
            .expect("it was asked for")
    };
    assert!(
        bytes("Dense") < 64.0 && bytes("Dense") >= 16.0,
        "{memory:?}"
    );
    assert!(
        bytes("Hashed") < 160.0 && bytes("Hashed") > bytes("Dense"),
        "{memory:?}"
    );
}

/// A value that counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One of them, hashed or by index, and holding what those before it hold: values as deep as there are keys.
macro_rules! counted {
    ($name:ident, $storage:expr) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $name(usize);

        impl Query<Arc<AtomicUsize>> for $name {
            type Value = Vec<Arc<Counted>>;

            const STORAGE: Storage<Self> = $storage;

            fn provide(self, cx: &Cx<'_, Arc<AtomicUsize>>) -> Self::Value {
                let mut held = match self.0 {
                    0 => Vec::new(),
                    number => cx
                        .get($name(number - 1))
                        .iter()
                        .rev()
                        .take(3)
                        .cloned()
                        .collect(),
                };
                held.push(Arc::new(Counted(Arc::clone(cx.data()))));
                held
            }
        }
    };
}

counted!(HashedCounted, Storage::Hashed);
counted!(
    DenseCounted,
    Storage::Dense {
        index: |key| key.0,
        key: DenseCounted
    }
);

fn values_are_dropped_once(bed: &Bed) {
    let executor = bed.executor();
    let count = 3000;
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut db = Database::new(Arc::clone(&dropped));
    let ask = |cx: &Cx<'_, Arc<AtomicUsize>>| {
        for number in 0..count {
            cx.get(HashedCounted(number));
            cx.get(DenseCounted(number));
        }
    };
    executor.run(&db, ask).expect("no failure");
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    db.forget();
    assert_eq!(dropped.load(Ordering::SeqCst), 2 * count);
    executor.run(&db, ask).expect("no failure");
    drop(db);
    assert_eq!(dropped.load(Ordering::SeqCst), 4 * count);
}
