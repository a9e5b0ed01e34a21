//! F1: of several panics in a join, a scope or a loop the first in order goes on, whichever comes first in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event};
use dagwood_tests::{Bed, fail_quietly, open, panic_text, scenarios};

scenarios! {
    all [1, 2, 4]: f1_join_propagates_the_left_panic;
    all [1, 2, 4]: f1_scope_propagates_the_first_childs_panic;
    all [1, 2, 4]: f1_scope_propagates_its_own_panic_first;
    all [1, 2, 4]: f1_loops_propagate_the_first_items_panic;
}

/// The message of the panic with which `body` ends.
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).err();
    panic_text(payload.expect("the body panics"))
}

/// Lets the panic that comes first in order come last in time, where there are others at that time.
struct Late {
    gate: Event<()>,
    ended: AtomicUsize,
    is_gated: bool,
}

impl Late {
    fn new(bed: &Bed) -> Self {
        Late {
            gate: Event::new(),
            ended: AtomicUsize::new(0),
            is_gated: !bed.is_sequential(),
        }
    }

    fn fail_last(&self, cx: &Cx<'_, ()>, message: &str) -> ! {
        if self.is_gated {
            self.gate.wait(cx);
        }
        self.end();
        fail_quietly(message)
    }

    fn fail_first(&self, message: &str) -> ! {
        self.end();
        open(&self.gate);
        fail_quietly(message)
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

fn f1_join_propagates_the_left_panic(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.join(
                    |cx| late.fail_last(cx, "left"),
                    |_| late.fail_first("right"),
                )
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("left", 2));
    }
}

fn f1_scope_propagates_the_first_childs_panic(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.scope(|cx, scope| {
                    for child in 0..10 {
                        let late = &late;
                        scope.spawn(cx, move |cx| match child {
                            3 => late.fail_last(cx, "child 3"),
                            7 => late.fail_first("child 7"),
                            _ => late.end(),
                        });
                    }
                });
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("child 3", 10));
    }
}

fn f1_scope_propagates_its_own_panic_first(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let late = Late::new(bed);
        let message = panic_of(|| {
            executor.run(&Database::new(()), |cx| {
                cx.scope(|cx, scope| {
                    scope.spawn(cx, |_| late.fail_first("child"));
                    late.fail_last(cx, "body")
                });
            })
        });
        assert_eq!((message.as_str(), late.ended()), ("body", 2));
    }
}

fn f1_loops_propagate_the_first_items_panic(bed: &Bed) {
    let executor = bed.executor();
    for is_map in [true, false] {
        for _ in 0..bed.scaled(50) {
            let late = Late::new(bed);
            let item = |cx: &Cx<'_, ()>, item: usize| match item {
                3 => late.fail_last(cx, "item 3"),
                7 => late.fail_first("item 7"),
                _ => late.end(),
            };
            let message = panic_of(|| {
                executor.run(&Database::new(()), |cx| {
                    if is_map {
                        cx.par_map(0..16_usize, item);
                    } else {
                        cx.par_for_each(0..16_usize, item);
                    }
                })
            });
            assert_eq!((message.as_str(), late.ended()), ("item 3", 16));
        }
    }
}
