//! W3, W4, F1 and X4: what a hostile review of loops, scopes, broadcasts and the memory of spawned closures looked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::{Cx, Database, Event};
use dagwood_tests::{Bed, fail_quietly, open, panic_text, scenarios};

scenarios! {
    pools [1, 2]: w4_an_item_waits_for_the_next_after_a_nested_run;
    pools [2, 3, 8]: w3_a_chunk_is_not_used_again_while_a_closure_lies_in_it;
    pools [1, 2]: f1_a_branch_elsewhere_spawns_before_what_follows_it;
    all [1, 2]: f1_a_destructor_spawns_after_what_was_spawned_before;
    pools [2] unseeded "its jobs block their threads": x4_a_broadcast_in_a_destructor_lets_nobody_else_see_the_unwind;
    all [1, 2]: f1_children_of_a_child_come_right_after_it;
}

/// What a child carries: a box, so that a child that is run twice or torn is noticed.
fn child<'scope, 'env, 'db>(
    cx: &Cx<'db, ()>,
    scope: &'scope dagwood::Scope<'scope, 'env, 'db, ()>,
    seen: &'env [AtomicUsize],
    index: usize,
) {
    let carried = Box::new([index; 3]);
    scope.spawn(cx, move |cx| {
        assert_eq!(*carried, [index; 3]);
        seen[index].fetch_add(1, Ordering::Relaxed);
        for below in [2 * index + 1, 2 * index + 2] {
            if below < seen.len() {
                child(cx, scope, seen, below);
            }
        }
    });
}

/// A closure that was taken off its chunk, and not yet out of it, when others give the chunk up.
fn w3_a_chunk_is_not_used_again_while_a_closure_lies_in_it(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(());
    for _ in 0..bed.scaled(bed.at_most_on_threads(1_000, 10_000)) {
        let seen: Vec<AtomicUsize> = (0..63).map(|_| AtomicUsize::new(0)).collect();
        let run = executor.run(&db, |cx| cx.scope(|cx, scope| child(cx, scope, &seen, 0)));
        run.expect("nothing fails");
        let seen: Vec<usize> = seen.into_iter().map(AtomicUsize::into_inner).collect();
        assert_eq!(seen, vec![1; 63]);
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The panic that a run ends with.
fn failure_of(bed: &Bed, body: impl Fn(&Cx<'_, ()>) + Sync) -> String {
    let run = || bed.executor().run(&Database::new(()), &body);
    panic_text(catch_unwind(AssertUnwindSafe(run)).expect_err("a child fails"))
}

/// Not concurrent: the second child is spawned when the branches are over.
fn f1_a_branch_elsewhere_spawns_before_what_follows_it(bed: &Bed) {
    let failure = failure_of(bed, |cx| {
        cx.scope(|cx, scope| {
            let gate = Event::new();
            cx.join(
                |cx| {
                    gate.wait(cx);
                },
                |cx| {
                    scope.spawn(cx, |_| fail_quietly("first"));
                    open(&gate);
                },
            );
            scope.spawn(cx, |_| fail_quietly("second"));
        })
    });
    assert_eq!(failure, "first");
}

fn f1_a_destructor_spawns_after_what_was_spawned_before(bed: &Bed) {
    let failure = failure_of(bed, |cx| {
        cx.scope(|cx, scope| {
            scope.spawn(cx, |_| fail_quietly("first"));
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _spawns = OnDrop(|| scope.spawn(cx, |_| fail_quietly("second")));
                fail_quietly("caught")
            }));
            assert!(caught.is_err());
        })
    });
    assert_eq!(failure, "first");
}

fn f1_children_of_a_child_come_right_after_it(bed: &Bed) {
    let failure = failure_of(bed, |cx| {
        cx.scope(|cx, scope| {
            scope.spawn(cx, |cx| {
                scope.spawn(cx, |_| fail_quietly("below the first"))
            });
            scope.spawn(cx, |_| fail_quietly("second"));
        })
    });
    assert_eq!(failure, "below the first");
}

/// The nested run publishes what comes behind the block of this item; the wait must publish the rest of the block, too.
fn w4_an_item_waits_for_the_next_after_a_nested_run(bed: &Bed) {
    let (outer, inner) = (bed.executor(), bed.executor());
    let done: Vec<Event<()>> = (0..5000).map(|_| Event::new()).collect();
    let run = outer.run(&Database::new(()), |cx| {
        cx.par_for_each(0..done.len(), |cx, i| {
            if i.is_multiple_of(500) {
                inner
                    .run(&Database::new(()), |_| ())
                    .expect("nothing fails");
                done[i + 1].wait(cx);
            }
            open(&done[i]);
        });
    });
    run.expect("nothing fails");
}

/// Two workers: one is busy until the branch has run on the other, whose fiber waits in the destructor.
fn x4_a_broadcast_in_a_destructor_lets_nobody_else_see_the_unwind(bed: &Bed) {
    let (is_busy, has_run) = (AtomicBool::new(false), AtomicBool::new(false));
    let spin_until = |flag: &AtomicBool| {
        while !flag.load(Ordering::Acquire) {
            thread::yield_now();
        }
    };
    let saw = bed.executor().run(&Database::new(()), |cx| {
        let unwinding = |cx: &Cx<'_, ()>| {
            spin_until(&is_busy);
            let caught = |cx: &Cx<'_, ()>| {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    let _broadcasts =
                        OnDrop(|| drop(catch_unwind(AssertUnwindSafe(|| cx.broadcast(|_, _| ())))));
                    fail_quietly("caught")
                }));
                assert!(caught.is_err());
            };
            let branch = |_: &Cx<'_, ()>| {
                has_run.store(true, Ordering::Release);
                thread::panicking()
            };
            cx.join(caught, branch).1
        };
        let busy = |_: &Cx<'_, ()>| {
            is_busy.store(true, Ordering::Release);
            spin_until(&has_run);
        };
        cx.join(unwinding, busy).0
    });
    assert!(!saw.expect("nothing fails"));
}
