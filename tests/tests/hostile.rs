//! F5: user code that the library calls panics or asks where it hurts. The tables stay valid; nothing aborts unsaid.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Query};
use dagwood_tests::{Bed, fail_quietly, open, scenarios};

scenarios! {
    all [1, 3]: f5_a_key_whose_hash_panics;
    all [1, 3]: f5_a_key_whose_eq_panics;
    all [1, 3]: f5_a_key_whose_clone_panics;
    all [1, 3]: f5_a_key_whose_debug_panics;
    all [1, 3]: f5_a_key_whose_drop_panics;
    all [1, 3]: f5_a_value_of_a_cycles_member_whose_drop_panics;
    all [1, 3]: f5_a_result_beside_a_panic_whose_drop_panics;
    all [1, 3]: f5_a_result_of_a_dropped_task_whose_drop_panics;
    all [1, 3]: f5_a_value_whose_drop_panics_with_the_database;
    all [1, 3]: f5_a_caught_ask;
    all [1, 3]: f5_an_ask_in_a_destructor_during_an_unwind;
    pools [1, 3]: f5_a_wait_in_a_destructor_during_an_unwind;
}

/// Which part of a key panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    None,
    Hash,
    Eq,
    Clone,
    Debug,
    Drop,
}

/// A key of which one part panics, as long as it is armed. All keys have one hash.
struct Key {
    number: u32,
    part: Part,
    is_armed: Arc<AtomicUsize>,
}

impl Key {
    fn new(number: u32, part: Part) -> (Self, Arc<AtomicUsize>) {
        let is_armed = Arc::new(AtomicUsize::new(usize::MAX));
        let key = Key {
            number,
            part,
            is_armed: Arc::clone(&is_armed),
        };
        (key, is_armed)
    }

    fn fine(number: u32) -> Self {
        Key::new(number, Part::None).0
    }

    /// Panics if this is the part, and it is armed: for so many times.
    fn try_part(&self, part: Part) {
        let fire = |left: usize| left.checked_sub(1);
        if self.part == part
            && !std::thread::panicking()
            && self
                .is_armed
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fire)
                .is_ok()
        {
            fail_quietly(&format!("{part:?} fails"));
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.try_part(Part::Hash);
        state.write_u8(0);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.try_part(Part::Eq);
        other.try_part(Part::Eq);
        self.number == other.number
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.try_part(Part::Clone);
        Key {
            number: self.number,
            part: self.part,
            is_armed: Arc::clone(&self.is_armed),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.try_part(Part::Debug);
        write!(f, "Key({})", self.number)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.try_part(Part::Drop);
    }
}

impl Query<()> for Key {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, ()>) -> u32 {
        if self.part == Part::Debug {
            return *cx.get(Key {
                number: 0,
                part: self.part,
                is_armed: Arc::clone(&self.is_armed),
            });
        }
        self.number * 2
    }
}

fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    payload
        .downcast::<String>()
        .map_or_else(|_| "no text".to_owned(), |text| *text)
}

/// What an ask for `key` gives, and in what way it failed: by a panic of the asker, or an error.
fn ask(cx: &Cx<'_, ()>, key: Key) -> Result<u32, String> {
    match catch_unwind(AssertUnwindSafe(|| cx.try_get(key).copied())) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) => Err(format!("unwound: {}", message(payload))),
    }
}

/// Asks for a key of which `part` panics, between asks for others; then for the same one, disarmed.
fn ask_armed(bed: &Bed, part: Part, times: usize) -> Result<u32, String> {
    let executor = bed.executor();
    let db = Database::new(());
    let run = executor.run(&db, |cx| {
        assert_eq!(ask(cx, Key::fine(1)), Ok(2));
        let (key, is_armed) = Key::new(7, part);
        is_armed.store(times, Ordering::SeqCst);
        let first = ask(cx, key);
        is_armed.store(0, Ordering::SeqCst);
        // More than one growth of the table.
        for number in 1..200 {
            if number != 7 {
                assert_eq!(ask(cx, Key::fine(number)), Ok(number * 2));
            }
        }
        first
    });
    assert_eq!(
        executor
            .run(&db, |cx| ask(cx, Key::fine(1)))
            .expect("usable"),
        Ok(2)
    );
    run.expect("errors are held back")
}

fn f5_a_key_whose_hash_panics(bed: &Bed) {
    let first = ask_armed(bed, Part::Hash, 1);
    assert_eq!(first, Err("unwound: Hash fails".to_owned()));
}

fn f5_a_key_whose_eq_panics(bed: &Bed) {
    let first = ask_armed(bed, Part::Eq, 1);
    assert_eq!(first, Err("unwound: Eq fails".to_owned()));
}

fn f5_a_key_whose_clone_panics(bed: &Bed) {
    let first = ask_armed(bed, Part::Clone, 1);
    assert_eq!(first, Err("unwound: Clone fails".to_owned()));
}

fn f5_a_key_whose_debug_panics(bed: &Bed) {
    let executor = bed.executor();
    let (key, _) = Key::new(0, Part::Debug);
    let asked = executor.run(&Database::new(()), |cx| ask(cx, key));
    let text = asked.expect("errors are held back").expect_err("a cycle");
    assert_eq!(
        text,
        "query cycle: Key (its Debug panicked) -> Key (its Debug panicked)"
    );
}

fn f5_a_key_whose_drop_panics(bed: &Bed) {
    // The first drop is the provider's, the second that of the copy in `ask`.
    let first = ask_armed(bed, Part::Drop, 1);
    let expected = ["panicked: Drop fails (in Key(7))", "unwound: Drop fails"];
    let text = first.expect_err("a drop panics");
    assert!(expected.contains(&text.as_str()), "{text}");
}

/// Panics when dropped, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if !std::thread::panicking() {
            fail_quietly("bomb");
        }
    }
}

type Drops = Arc<AtomicUsize>;

/// Asks for itself, catches that, and gives a value that nobody will see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stubborn;

impl Query<Drops> for Stubborn {
    type Value = Bomb;

    fn provide(self, cx: &Cx<'_, Drops>) -> Bomb {
        let caught = catch_unwind(AssertUnwindSafe(|| cx.try_get(Stubborn).is_ok()));
        assert!(caught.is_err(), "the ask of a member does not return");
        Bomb(Arc::clone(cx.data()))
    }
}

fn f5_a_value_of_a_cycles_member_whose_drop_panics(bed: &Bed) {
    let db = Database::new(Drops::default());
    let asked = bed
        .executor()
        .run(&db, |cx| cx.try_get(Stubborn).map(|_| ()));
    let error = asked.expect("held back").expect_err("a cycle");
    assert_eq!(error.to_string(), "query cycle: Stubborn -> Stubborn");
    assert_eq!(db.data().load(Ordering::SeqCst), 1);
}

fn f5_a_result_beside_a_panic_whose_drop_panics(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let drops = Drops::default();
        let run = || {
            executor.run(&Database::new(()), |cx| {
                cx.join(|_| fail_left(), |_| Bomb(Arc::clone(&drops)));
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
        assert_eq!(message(payload), "left");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

fn fail_left() {
    fail_quietly("left")
}

fn f5_a_result_of_a_dropped_task_whose_drop_panics(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let drops = Drops::default();
        let event = Event::new();
        let db = Database::new((Arc::clone(&drops), event));
        let is_gated = !bed.is_sequential();
        // Whoever drops the result last, the run ends. Whether it then gives the panic or nothing is not the point.
        let run = || {
            executor.run(&db, |cx| {
                let task = cx.spawn(move |cx| {
                    let (drops, event) = cx.data();
                    if is_gated {
                        event.wait(cx);
                    }
                    Bomb(Arc::clone(drops))
                });
                drop(task);
                open(&cx.data().1);
            })
        };
        let _ = catch_unwind(AssertUnwindSafe(run));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(
            executor
                .run(&Database::new(3), |cx| *cx.data())
                .expect("usable"),
            3
        );
    }
}

/// A value whose drop panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Armed(u32);

impl Query<Drops> for Armed {
    type Value = Bomb;

    fn provide(self, cx: &Cx<'_, Drops>) -> Bomb {
        Bomb(Arc::clone(cx.data()))
    }
}

fn f5_a_value_whose_drop_panics_with_the_database(bed: &Bed) {
    let drops = Drops::default();
    let db = Database::new(Arc::clone(&drops));
    let asked = bed.executor().run(&db, |cx| {
        cx.par_for_each(0..10_u32, |cx, number| {
            cx.get(Armed(number));
        });
    });
    asked.expect("nothing is dropped yet");
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    let payload = catch_unwind(AssertUnwindSafe(|| drop(db))).expect_err("a drop panics");
    assert_eq!(message(payload), "bomb");
    // The others may be leaked, but none is dropped twice.
    assert!((1..=10).contains(&drops.load(Ordering::SeqCst)));
}

/// Gates, and a count, of the queries below.
#[derive(Default)]
struct Yard {
    started: Event<()>,
    gate: Event<()>,
    served: AtomicUsize,
    refused: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ask {
    /// Panics.
    Bad,
    /// Is ready at once, and forks.
    Fine(u32),
    /// Waits for the gate.
    Slow,
    /// Asks for `Bad`, catches that, and goes on.
    Catching,
    /// Panics while it holds a value whose destructor asks for `Fine`.
    Serving,
    /// Panics while it holds a value whose destructor asks for `Slow`.
    Refusing,
}

impl Query<Yard> for Ask {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Yard>) -> u32 {
        match self {
            Ask::Bad => fail_quietly("bad"),
            Ask::Fine(number) => cx.join(|_| number, |_| 1).0,
            Ask::Slow => {
                open(&cx.data().started);
                cx.data().gate.wait(cx);
                5
            }
            Ask::Catching => {
                let caught = catch_unwind(AssertUnwindSafe(|| *cx.get(Ask::Bad)));
                caught.map_or(9, |value| value)
            }
            Ask::Serving => {
                let _ask = AskOnDrop {
                    cx,
                    keys: vec![Ask::Fine(1), Ask::Fine(2)],
                };
                fail_quietly("serving")
            }
            Ask::Refusing => {
                let _ask = AskOnDrop {
                    cx,
                    keys: vec![Ask::Slow],
                };
                fail_quietly("refusing")
            }
        }
    }
}

/// Asks in its destructor.
struct AskOnDrop<'c, 'db> {
    cx: &'c Cx<'db, Yard>,
    keys: Vec<Ask>,
}

impl Drop for AskOnDrop<'_, '_> {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            let yard = self.cx.data();
            match self.cx.try_get(key) {
                Ok(_) => yard.served.fetch_add(1, Ordering::SeqCst),
                Err(error) => {
                    assert_eq!(
                        error.to_string(),
                        "a destructor that runs during an unwind cannot wait"
                    );
                    yard.refused.fetch_add(1, Ordering::SeqCst)
                }
            };
        }
    }
}

fn f5_a_caught_ask(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Yard::default());
    for _ in 0..2 {
        assert_eq!(
            executor
                .run(&db, |cx| *cx.get(Ask::Catching))
                .expect("caught"),
            9
        );
        let error = executor
            .run(&db, |cx| *cx.get(Ask::Bad))
            .expect_err("it panics");
        assert_eq!(error.to_string(), "panicked: bad (in Ask Bad)");
    }
}

fn f5_an_ask_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let db = Database::new(Yard::default());
        let asked = executor.run(&db, |cx| {
            assert_eq!(*cx.get(Ask::Fine(1)), 1);
            *cx.get(Ask::Serving)
        });
        let error = asked.expect_err("it panics");
        assert_eq!(error.to_string(), "panicked: serving (in Ask Serving)");
        // The one that was ready, and the one that was computed inline.
        assert_eq!(db.data().served.load(Ordering::SeqCst), 2);
    }
}

fn f5_a_wait_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..50 {
        let db = Database::new(Yard::default());
        let asked = executor.run(&db, |cx| {
            let refusing = |cx: &Cx<'_, Yard>| {
                cx.data().started.wait(cx);
                let error = cx.try_get(Ask::Refusing).expect_err("it panics");
                open(&cx.data().gate);
                error.to_string()
            };
            cx.join(|cx| *cx.get(Ask::Slow), refusing)
        });
        let (slow, text) = asked.expect("errors are held back");
        assert_eq!(
            (slow, text.as_str()),
            (5, "panicked: refusing (in Ask Refusing)")
        );
        assert_eq!(db.data().refused.load(Ordering::SeqCst), 1);
    }
}
