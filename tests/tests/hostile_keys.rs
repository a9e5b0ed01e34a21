//! F5: a key whose own code panics. The tables stay valid, and the asker gets to know.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Query};
use dagwood_tests::{Bed, fail_quietly, panic_text, scenarios};

scenarios! {
    all [1, 3]: f5_a_key_whose_hash_panics;
    all [1, 3]: f5_a_key_whose_eq_panics;
    all [1, 3]: f5_a_key_whose_clone_panics;
    all [1, 3]: f5_a_key_whose_debug_panics;
    all [1, 3]: f5_a_key_whose_drop_panics;
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

/// What an ask for `key` gives, and in what way it failed: by a panic of the asker, or an error.
fn ask(cx: &Cx<'_, ()>, key: Key) -> Result<u32, String> {
    match catch_unwind(AssertUnwindSafe(|| cx.try_get(key).copied())) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) => Err(format!("unwound: {}", panic_text(payload))),
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
