//! F1 and F5 for loops: all items are done, the first panic in order goes on, and each value is dropped once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Indexed};
use dagwood_tests::{Bed, Random, fail_quietly, open, panic_text, scenarios};

scenarios! {
    all [1, 2, 3, 8]: f1_first_of_many_panics_in_a_loop;
    all [1, 2, 8]: f1_panics_of_a_source;
    all [1, 2, 8]: f1_panics_of_a_reduction;
    all [1, 2, 8]: f1_results_whose_drop_panics;
    all [1, 2, 8]: f1_a_source_is_dropped_once;
    pools [1, 2, 8]: f1_the_first_panic_comes_last;
    all [1, 2, 8]: f5_loops_in_a_destructor_during_an_unwind;
}

/// How many values there are, and how many there have been.
#[derive(Default)]
struct Census {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Census {
    fn value(&self) -> Value<'_> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Value {
            census: self,
            is_bomb: false,
            own: Box::new(7),
        }
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// Counts its drop, and panics in it if told so.
struct Value<'c> {
    census: &'c Census,
    is_bomb: bool,
    /// Dropped twice it would be noticed by the allocator, too.
    own: Box<u8>,
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        assert_eq!(*self.own, 7);
        self.census.dropped.fetch_add(1, Ordering::Relaxed);
        if self.is_bomb && !std::thread::panicking() {
            fail_quietly("bomb");
        }
    }
}

/// The message of the panic with which `body` ends in a run; the result is forgotten.
fn panic_of<R: Send>(bed: &Bed, body: impl Fn(&Cx<'_, ()>) -> R + Send + Sync) -> String {
    let run = || drop(bed.executor().run(&Database::new(()), |cx| body(cx)));
    panic_text(catch_unwind(AssertUnwindSafe(run)).expect_err("it panics"))
}

fn f1_first_of_many_panics_in_a_loop(bed: &Bed) {
    let mut random = Random::new(11);
    for len in bed.cases([1, 2, 3, 100, bed.at_most_seeded(200, 5000)]) {
        for failing in bed.cases([1, 2, 50, len]) {
            let mut fails = vec![false; len];
            for _ in 0..failing {
                fails[random.below(len)] = true;
            }
            if failing == len {
                fails.fill(true);
            }
            let first = fails.iter().position(|fails| *fails).expect("one fails");
            let census = Census::default();
            let item = |_: &Cx<'_, ()>, i: usize| {
                let value = census.value();
                if fails[i] {
                    fail_quietly(&format!("item {i}"));
                }
                value
            };
            let text = panic_of(bed, |cx| cx.par_map(0..len, item).len());
            assert_eq!(text, format!("item {first}"));
            let text = panic_of(bed, |cx| cx.par_for_each(0..len, |cx, i| drop(item(cx, i))));
            assert_eq!(text, format!("item {first}"));
            assert_eq!((census.made(), census.dropped()), (2 * len, 2 * len));
        }
    }
}

/// A source that panics at some indices, one of them with a value at hand.
struct Thorny<'c>(&'c Census);

const THORNS: [usize; 3] = [40, 1700, 2999];

impl<'c> Indexed for Thorny<'c> {
    type Item = Value<'c>;

    fn len(&self) -> usize {
        3000
    }

    fn item(&self, index: usize) -> Value<'c> {
        let value = self.0.value();
        if THORNS.contains(&index) {
            fail_quietly(&format!("thorn {index}"));
        }
        value
    }
}

fn f1_panics_of_a_source(bed: &Bed) {
    let census = Census::default();
    let ways = bed.cases([true, false]);
    for is_map in &ways {
        let text = panic_of(bed, |cx| {
            if *is_map {
                drop(cx.par_map(Thorny(&census), |_, value| value));
            } else {
                cx.par_for_each(Thorny(&census), |_, _| ());
            }
        });
        assert_eq!(text, "thorn 40");
    }
    let all = 3000 * ways.len();
    assert_eq!((census.made(), census.dropped()), (all, all));
}

fn f1_panics_of_a_reduction(bed: &Bed) {
    const LEN: usize = 3000;
    for is_map in bed.cases([false, true]) {
        let census = Census::default();
        let combined = AtomicUsize::new(0);
        let text = panic_of(bed, |cx| {
            let map = |_: &Cx<'_, ()>, i: usize| {
                let value = census.value();
                if is_map && i % 1000 == 700 {
                    fail_quietly(&format!("map {i}"));
                }
                (i, value)
            };
            let combine = |a: (usize, Value<'_>), b: (usize, Value<'_>)| {
                combined.fetch_add(1, Ordering::Relaxed);
                drop(a.1);
                if b.0 % 1000 == 500 {
                    fail_quietly(&format!("combine {}", b.0));
                }
                (b.0, census.value())
            };
            cx.par_reduce(0..LEN, map, combine).is_some()
        });
        assert_eq!(text, if is_map { "map 700" } else { "combine 500" });
        assert_eq!(combined.load(Ordering::SeqCst) > 0, !is_map);
        assert_eq!(census.made(), census.dropped());
        assert!(census.made() >= LEN);
    }
}

fn f1_results_whose_drop_panics(bed: &Bed) {
    const LEN: usize = 1500;
    let census = Census::default();
    let text = panic_of(bed, |cx| {
        let item = |_: &Cx<'_, ()>, i: usize| {
            if i == 900 {
                fail_quietly("item 900");
            }
            let mut value = census.value();
            value.is_bomb = i.is_multiple_of(3);
            value
        };
        cx.par_map(0..LEN, item).len()
    });
    assert_eq!(text, "item 900");
    assert_eq!((census.made(), census.dropped()), (LEN - 1, LEN - 1));
}

/// A source that owns something.
struct Owner<'c>(Value<'c>);

impl Indexed for Owner<'_> {
    type Item = usize;

    fn len(&self) -> usize {
        2000
    }

    fn item(&self, index: usize) -> usize {
        assert_eq!(*self.0.own, 7);
        index
    }
}

fn f1_a_source_is_dropped_once(bed: &Bed) {
    let census = Census::default();
    let run = bed.executor().run(&Database::new(()), |cx| {
        let items = cx.par_map(Owner(census.value()), |_, i| i);
        assert_eq!(items, Vec::from_iter(0..2000));
        cx.par_for_each(Owner(census.value()), |_, _| ());
    });
    run.expect("nothing fails");
    let text = panic_of(bed, |cx| {
        cx.par_for_each(Owner(census.value()), |_, i| {
            if i >= 10 {
                fail_quietly(&format!("item {i}"));
            }
        });
    });
    assert_eq!(text, "item 10");
    assert_eq!((census.made(), census.dropped()), (3, 3));
}

fn f1_the_first_panic_comes_last(bed: &Bed) {
    for len in [8, bed.at_most_seeded(100, 5000)] {
        let (gate, ended) = (Event::new(), AtomicUsize::new(0));
        let text = panic_of(bed, |cx| {
            cx.par_for_each(0..len, |cx, i| {
                if i == 3 {
                    gate.wait(cx);
                }
                ended.fetch_add(1, Ordering::SeqCst);
                if i == len - 1 {
                    open(&gate);
                }
                if i % 4 == 3 {
                    fail_quietly(&format!("item {i}"));
                }
            });
        });
        assert_eq!((text.as_str(), ended.into_inner()), ("item 3", len));
    }
}

/// Loops in its destructor.
struct LoopOnDrop<'c, 'db>(&'c Cx<'db, ()>, &'c AtomicUsize, usize);

impl Drop for LoopOnDrop<'_, '_> {
    fn drop(&mut self) {
        let (cx, len) = (self.0, self.2);
        assert!(std::thread::panicking());
        let all = cx.par_map(0..len, |cx, i| {
            cx.join(|_| i, |cx| cx.par_map(0..2_usize, |_, j| j).len())
                .0
        });
        assert_eq!(all, Vec::from_iter(0..len));
        let mut squares = vec![0; len];
        cx.par_chunks_mut(&mut squares, 3, |_, first, chunk| {
            (first..).zip(chunk).for_each(|(i, square)| *square = i * i);
        });
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(i, square)| *square == i * i)
        );
        let sum = cx.par_reduce(0..len, |_, i| i, |a, b| a + b);
        assert_eq!(sum, Some(len * (len - 1) / 2));
        let failing = || cx.par_for_each(0..len, |_, i| assert_ne!(i, 77));
        assert!(catch_unwind(AssertUnwindSafe(failing)).is_err());
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

fn f5_loops_in_a_destructor_during_an_unwind(bed: &Bed) {
    let dropped = AtomicUsize::new(0);
    let (rounds, len) = (bed.scaled(5), bed.at_most_seeded(100, 3000));
    for _ in 0..rounds {
        let text = panic_of(bed, |cx| {
            cx.par_for_each(0..8_usize, |cx, i| {
                let _loop = LoopOnDrop(cx, &dropped, len);
                fail_quietly(&format!("item {i}"));
            });
        });
        assert_eq!(text, "item 0");
    }
    assert_eq!(dropped.into_inner(), 8 * rounds);
}
