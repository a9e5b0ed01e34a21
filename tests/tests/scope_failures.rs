//! F1 and F5 for scopes: children that panic lose nothing, and a destructor may spawn during an unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dagwood::{Cx, Database, Scope};
use dagwood_tests::{Bed, Count, fail_quietly, scenarios};

scenarios! {
    all [1, 2, 8]: f1_captured_values_are_dropped_once;
    all [1, 2, 8]: f5_a_spawn_in_a_destructor_during_an_unwind;
}

/// Counts its drop.
struct Counted(Arc<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn f1_captured_values_are_dropped_once(bed: &Bed) {
    let children = bed.at_most_seeded(30, 300);
    let executor = bed.executor();
    for is_failing in [false, true] {
        for _ in 0..bed.scaled(20) {
            let drops = Arc::new(Count::default());
            let run = || {
                executor.run(&Database::new(()), |cx| {
                    cx.scope(|cx, scope| {
                        for child in 0..children {
                            let (own, drops) = (Counted(Arc::clone(&drops)), &drops);
                            let padding = [child; 20];
                            scope.spawn(cx, move |cx| {
                                let inner = Counted(Arc::clone(drops));
                                scope.spawn(cx, move |_| drop(inner));
                                let _own = own;
                                assert_eq!(padding, [child; 20]);
                                if is_failing && child % 7 == 5 {
                                    fail_quietly("child")
                                }
                            });
                        }
                        if is_failing {
                            fail_quietly("body")
                        }
                    });
                })
            };
            let result = catch_unwind(AssertUnwindSafe(run));
            assert_eq!(result.is_err(), is_failing);
            assert_eq!(drops.get(), 2 * children);
        }
    }
}

/// Spawns in its destructor, into a scope around and into one of its own.
struct SpawnOnDrop<'c, 'scope, 'env, 'db> {
    cx: &'c Cx<'db, ()>,
    scope: &'scope Scope<'scope, 'env, 'db, ()>,
    ran: &'scope Count,
    count: usize,
}

impl Drop for SpawnOnDrop<'_, '_, '_, '_> {
    fn drop(&mut self) {
        let (ran, count) = (self.ran, self.count);
        for _ in 0..self.count {
            self.scope.spawn(self.cx, move |_| ran.add());
        }
        self.cx.scope(|cx, inner| {
            for _ in 0..count {
                inner.spawn(cx, move |cx| {
                    inner.spawn(cx, move |_| ran.add());
                });
            }
        });
    }
}

fn f5_a_spawn_in_a_destructor_during_an_unwind(bed: &Bed) {
    let executor = bed.executor();
    let count = bed.at_most_seeded(10, 100);
    for _ in 0..bed.scaled(50) {
        let ran = Count::default();
        let run = || {
            executor.run(&Database::new(()), |cx| {
                cx.scope(|cx, scope| {
                    let ran = &ran;
                    for _ in 0..10 {
                        scope.spawn(cx, move |cx| {
                            let _spawn = SpawnOnDrop {
                                cx,
                                scope,
                                ran,
                                count,
                            };
                            fail_quietly("child")
                        });
                    }
                    cx.join(
                        |_| (),
                        |cx| {
                            let _spawn = SpawnOnDrop {
                                cx,
                                scope,
                                ran,
                                count,
                            };
                            fail_quietly("body")
                        },
                    )
                })
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run));
        let payload = payload
            .map(|_: Result<((), ()), _>| ())
            .expect_err("it panics");
        assert_eq!(payload.downcast_ref::<String>().expect("a text"), "body");
        assert_eq!(ran.get(), 11 * 2 * count);
    }
}
