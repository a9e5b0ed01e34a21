//! F5: tables whose keys' own code comes back into them, lies, or collides.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Backend, Cx, Database, Executor, Query, Storage};
use dagwood_tests::{Bed, fail_quietly, is_emulated, scaled, scenarios};

scenarios! {
    all [1, 2, 4]: f5_keys_whose_code_fills_their_own_table;
    all [1, 2, 4]: f5_keys_that_all_collide;
    all [1, 2, 4]: f5_hashes_that_lie;
    all [1, 2, 4]: f5_indices_that_lie;
    all [1, 2]: f5_a_key_of_an_index_that_panics;
    all [1, 2]: f5_an_index_that_is_too_large;
}

/// What is in a database that the code of its own keys asks, by a `run` of another executor.
#[derive(Debug)]
struct Nest {
    inner: Executor,
    runs: AtomicUsize,
}

thread_local! {
    /// Keys whose code is running on this thread: these come back into the table only once.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Which of a key's own functions asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    Nothing,
    Hash,
    Eq,
    Clone,
}

#[derive(Debug)]
struct Meddler {
    number: usize,
    hook: Hook,
    nest: &'static Database<Nest>,
}

/// As many as make the table grow several times.
const MEDDLED: usize = if is_emulated() { 100 } else { 300 };

impl Meddler {
    /// Asks for many keys of the same table, in the middle of whatever that table is doing.
    fn meddle(&self, hook: Hook) {
        if self.hook != hook || INSIDE.replace(true) {
            return;
        }
        let nest = self.nest;
        let base = 1000 * (1 + self.number);
        let asked = nest.data().inner.run(nest, |cx| {
            let key = |number| Meddler {
                number,
                hook: Hook::Nothing,
                nest,
            };
            (base..base + MEDDLED).all(|number| *cx.get(key(number)) == number)
        });
        assert!(asked.expect("no failure"));
        INSIDE.set(false);
    }
}

impl Hash for Meddler {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meddle(Hook::Hash);
        // So that many are compared with others.
        (self.number % 64).hash(state);
    }
}

impl PartialEq for Meddler {
    fn eq(&self, other: &Self) -> bool {
        // The one that is asked for, whichever side it stands on.
        self.meddle(Hook::Eq);
        other.meddle(Hook::Eq);
        self.number == other.number
    }
}

impl Eq for Meddler {}

impl Clone for Meddler {
    fn clone(&self) -> Self {
        self.meddle(Hook::Clone);
        Meddler { ..*self }
    }
}

impl Query<Nest> for Meddler {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Nest>) -> usize {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        self.number
    }
}

fn f5_keys_whose_code_fills_their_own_table(bed: &Bed) {
    for hook in bed.cases([Hook::Hash, Hook::Eq, Hook::Clone]) {
        let inner = Executor::builder().backend(Backend::Sequential).build();
        let nest = &*Box::leak(Box::new(Database::new(Nest {
            inner: inner.expect("it is in every build"),
            runs: AtomicUsize::new(0),
        })));
        let asked = bed.executor().run(nest, |cx| {
            cx.par_map(0..20_usize, |cx, number| {
                // Several come at once to the same key.
                let number = number / 2;
                *cx.get(Meddler { number, hook, nest })
            })
        });
        let expected: Vec<usize> = (0..20).map(|number| number / 2).collect();
        assert_eq!(asked.expect("no failure"), expected);
        let ready = nest.memory()[0].ready;
        assert_eq!(nest.data().runs.load(Ordering::SeqCst), ready, "{hook:?}");
        assert!(ready > MEDDLED, "{hook:?} has come back into the table");
    }
}

/// A number whose hash, or whose index, is what the database says.
macro_rules! told {
    ($name:ident, $storage:expr, $hash:expr) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $name(usize);

        impl Query<AtomicUsize> for $name {
            type Value = usize;

            const STORAGE: Storage<Self> = $storage;

            fn provide(self, cx: &Cx<'_, AtomicUsize>) -> usize {
                cx.data().fetch_add(1, Ordering::SeqCst);
                self.0
            }

            fn hash_key(&self) -> u64 {
                $hash
            }
        }
    };
}

/// Another number at each call.
fn whatever() -> usize {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    CALLS
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9)
}

told!(Collides, Storage::Hashed, 7);
told!(Lies, Storage::Hashed, whatever() as u64);
told!(
    LiesByIndex,
    Storage::Dense {
        index: |_| whatever() % 5000,
        key: |_| LiesByIndex(whatever()),
    },
    0
);

/// Asks for each number by each worker; gives what came, and how many providers ran.
fn ask_all<Q: Query<AtomicUsize, Value = usize>>(
    bed: &Bed,
    len: usize,
    key: impl Fn(usize) -> Q + Sync,
) -> (Vec<Vec<usize>>, usize) {
    let db = Database::new(AtomicUsize::new(0));
    let asked = bed.executor().run(&db, |cx| {
        cx.broadcast(|cx, _| (0..len).map(|number| *cx.get(key(number))).collect())
    });
    (asked.expect("no failure"), db.into_data().into_inner())
}

/// The work is the square of this.
const COLLIDING: usize = scaled(500);

fn f5_keys_that_all_collide(bed: &Bed) {
    let (asked, runs) = ask_all(bed, COLLIDING, Collides);
    assert!(
        asked
            .iter()
            .all(|values| values.iter().copied().eq(0..COLLIDING))
    );
    assert_eq!(runs, COLLIDING);
}

/// Providers run more than once, and that is all.
fn f5_hashes_that_lie(bed: &Bed) {
    let (asked, runs) = ask_all(bed, COLLIDING, Lies);
    assert!(
        asked
            .iter()
            .all(|values| values.iter().copied().eq(0..COLLIDING))
    );
    assert!(runs >= COLLIDING);
}

/// Whose result it is nobody knows, but it is one.
fn f5_indices_that_lie(bed: &Bed) {
    let (asked, _) = ask_all(bed, 2000, LiesByIndex);
    assert!(asked.iter().flatten().all(|value| *value < 2000));
}

/// Can be looked up by its index, but not the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OneWay(usize);

impl Query<()> for OneWay {
    type Value = usize;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |key| key.0,
        key: |_| fail_quietly("no way back"),
    };

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        match self.0 {
            0 => *cx.get(OneWay(1)),
            1 => *cx.get(OneWay(0)),
            _ => 1 + *cx.get(OneWay(self.0 / 2 + 100)),
        }
    }
}

/// Reports of what is running have the key itself.
fn f5_a_key_of_an_index_that_panics(bed: &Bed) {
    let db = Database::new(());
    let error = bed.executor().run(&db, |cx| cx.try_get(OneWay(0)).err());
    let error = error.expect("held back").expect("a cycle").to_string();
    assert_eq!(error, "query cycle: OneWay(0) -> OneWay(1) -> OneWay(0)");
}

/// The ask panics; the table is as it was.
fn f5_an_index_that_is_too_large(bed: &Bed) {
    let db = Database::new(AtomicUsize::new(0));
    let executor = bed.executor();
    let ask = |number: usize| executor.run(&db, |cx| *cx.get(Straight(number)));
    assert_eq!(ask(3).expect("a value"), 3);
    // None is, where numbers have 32 bits.
    if usize::BITS > 32 {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(usize::MAX)));
        assert!(caught.is_err());
    }
    assert_eq!(ask(70_000).expect("a value"), 70_000);
    assert_eq!(db.memory()[0].ready, 2);
}

told!(
    Straight,
    Storage::Dense {
        index: |key| key.0,
        key: Straight,
    },
    0
);
