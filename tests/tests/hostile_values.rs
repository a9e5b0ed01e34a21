//! F5: a value whose `Drop` panics, wherever the library drops it. No worker dies, nothing hangs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Query};
use dagwood_tests::{Bed, fail_quietly, open, panic_text, scenarios};

scenarios! {
    all [1, 3]: f5_a_value_of_a_cycles_member_whose_drop_panics;
    all [1, 3]: f5_a_result_beside_a_panic_whose_drop_panics;
    all [1, 3]: f5_a_result_of_a_dropped_task_whose_drop_panics;
    all [1, 3]: f5_a_value_whose_drop_panics_with_the_database;
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
    for _ in 0..bed.scaled(50) {
        let drops = Drops::default();
        let run = || {
            executor.run(&Database::new(()), |cx| {
                cx.join(|_| fail_left(), |_| Bomb(Arc::clone(&drops)));
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
        assert_eq!(panic_text(payload), "left");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

fn fail_left() {
    fail_quietly("left")
}

fn f5_a_result_of_a_dropped_task_whose_drop_panics(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
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
    assert_eq!(panic_text(payload), "bomb");
    // The others may be leaked, but none is dropped twice.
    assert!((1..=10).contains(&drops.load(Ordering::SeqCst)));
}
