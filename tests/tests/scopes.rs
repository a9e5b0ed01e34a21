//! Scopes: every child runs once with what it captured, however many, large or deep they are, and whoever spawns them.

use dagwood::{Cx, Database, Event, Scope};
use dagwood_tests::{Bed, Count, Meeting, open, scaled, scenarios};

scenarios! {
    all [1, 2, 4, 8]: children_find_what_they_captured;
    all [1, 3]: children_of_all_shapes;
    all [1, 2, 8]: d3_a_hundred_thousand_children;
    all [1, 2, 8]: children_in_a_chain;
    all [1, 2, 8]: children_spawned_by_branches_and_inner_scopes;
    pools [1, 2, 8]: w3_many_scopes_live_over_a_wait;
}

/// Children's memory is used again: not before they have read it. Other workers take parts of the same memory, and spawn.
fn children_find_what_they_captured(bed: &Bed) {
    let children = bed.at_most_seeded(50, 1000);
    const ROUNDS: usize = scaled(400);
    let executor = bed.executor();
    for _ in 0..bed.scaled(ROUNDS) {
        let ran = Count::default();
        let run = executor.run(&Database::new(()), |cx| {
            cx.scope(|cx, scope| {
                for child in 0..children {
                    let (ran, own) = (&ran, [child; 12]);
                    scope.spawn(cx, move |cx| {
                        assert_eq!(own, [child; 12]);
                        ran.add();
                        for grandchild in 0..3 {
                            let own = [child * 10 + grandchild; 11];
                            scope.spawn(cx, move |_| {
                                assert_eq!(own, [child * 10 + grandchild; 11]);
                                ran.add();
                            });
                        }
                    });
                }
            });
        });
        run.expect("nothing fails");
        assert_eq!(ran.get(), children * 4);
    }
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned(usize);

#[derive(Clone, Copy)]
#[repr(align(4096))]
struct PageAligned(usize);

fn children_of_all_shapes(bed: &Bed) {
    let rounds = bed.at_most_seeded(10, 200);
    static EMPTY: Count = Count::new();
    let executor = bed.executor();
    let empty_before = EMPTY.get();
    let ran = Count::default();
    let run = executor.run(&Database::new(()), |cx| {
        cx.scope(|cx, scope| {
            for round in 0..rounds {
                let ran = &ran;
                scope.spawn(cx, |_| EMPTY.add());
                let large = [round; 8192 / size_of::<usize>()];
                scope.spawn(cx, move |_| {
                    assert!(large.iter().all(|word| *word == round));
                    ran.add();
                });
                let aligned = Aligned(round);
                scope.spawn(cx, move |_| {
                    let aligned = &aligned;
                    assert_eq!((&raw const *aligned).addr() % 64, 0);
                    assert_eq!(aligned.0, round);
                    ran.add();
                });
                let aligned = PageAligned(round);
                scope.spawn(cx, move |_| {
                    let aligned = &aligned;
                    assert_eq!((&raw const *aligned).addr() % 4096, 0);
                    assert_eq!(aligned.0, round);
                    ran.add();
                });
                let byte = round as u8;
                scope.spawn(cx, move |_| {
                    assert_eq!(byte, round as u8);
                    ran.add();
                });
                // As large as what lies in a chunk may be, more or less.
                let words = [round; 125];
                scope.spawn(cx, move |_| {
                    assert_eq!(words, [round; 125]);
                    ran.add();
                });
            }
        });
    });
    run.expect("nothing fails");
    assert_eq!(ran.get(), 5 * rounds);
    // The other backends' tests may run at the same time.
    assert!(EMPTY.get() >= empty_before + rounds);
}

const MANY: usize = scaled(100_000);

fn d3_a_hundred_thousand_children(bed: &Bed) {
    let mut squares = vec![0_u64; bed.at_most_seeded(500, MANY)];
    let run = bed.executor().run(&Database::new(()), |cx| {
        cx.scope(|cx, scope| {
            for (i, square) in (0..).zip(&mut squares) {
                scope.spawn(cx, move |_| *square += i * i);
            }
        });
    });
    run.expect("nothing fails");
    assert!((0..).zip(&squares).all(|(i, n)| *n == i * i));
}

/// Spawns itself once more, from a child.
fn link<'scope, 'db>(
    cx: &Cx<'db, ()>,
    scope: &'scope Scope<'scope, '_, 'db, ()>,
    left: usize,
    ran: &'scope Count,
) {
    ran.add();
    if left > 1 {
        scope.spawn(cx, move |cx| link(cx, scope, left - 1, ran));
    }
}

/// On the sequential backend a child runs inside the spawn: that chain is as deep as its stack lets it be.
fn children_in_a_chain(bed: &Bed) {
    let len = if bed.is_sequential() {
        1000
    } else {
        bed.at_most_seeded(500, MANY)
    };
    let ran = Count::default();
    let run = bed.executor().run(&Database::new(()), |cx| {
        cx.scope(|cx, scope| link(cx, scope, len, &ran));
    });
    run.expect("nothing fails");
    assert_eq!(ran.get(), len);
}

/// Spawns into `scope` below `levels` levels of joins, inner scopes and loops; of each level there are two.
fn spread<'scope, 'db>(
    cx: &Cx<'db, ()>,
    scope: &'scope Scope<'scope, '_, 'db, ()>,
    levels: usize,
    ran: &'scope Count,
) {
    scope.spawn(cx, move |_| ran.add());
    let Some(below) = levels.checked_sub(1) else {
        return;
    };
    match levels % 4 {
        0 => {
            cx.join(
                |cx| spread(cx, scope, below, ran),
                |cx| spread(cx, scope, below, ran),
            );
        }
        1 => cx.scope(|cx, inner| {
            inner.spawn(cx, move |cx| spread(cx, scope, below, ran));
            spread(cx, scope, below, ran);
        }),
        2 => cx.par_for_each(0..2_u8, |cx, _| spread(cx, scope, below, ran)),
        _ => {
            scope.spawn(cx, move |cx| spread(cx, scope, below, ran));
            spread(cx, scope, below, ran);
        }
    }
}

fn children_spawned_by_branches_and_inner_scopes(bed: &Bed) {
    let executor = bed.executor();
    let levels = bed.at_most_seeded(7, 9);
    for _ in 0..bed.scaled(20) {
        let ran = Count::default();
        let run = executor.run(&Database::new(()), |cx| {
            cx.scope(|cx, scope| spread(cx, scope, levels, &ran));
        });
        run.expect("nothing fails");
        assert_eq!(ran.get(), (1 << (levels + 1)) - 1);
    }
}

fn w3_many_scopes_live_over_a_wait(bed: &Bed) {
    let scopes = bed.at_most_on_threads(bed.at_most_seeded(20, 64), 1000);
    let executor = bed.executor();
    let (meeting, gate, ran) = (Meeting::new(scopes), Event::new(), Count::default());
    let run = executor.run(&Database::new(()), |cx| {
        let item = |cx: &Cx<'_, ()>, _: usize| {
            cx.scope(|cx, scope| {
                let (meeting, ran) = (&meeting, &ran);
                scope.spawn(cx, move |_| ran.add());
                scope.spawn(cx, move |_| meeting.come());
                gate.wait(cx);
                scope.spawn(cx, move |_| ran.add());
            });
        };
        cx.join(
            |cx| cx.par_for_each(0..scopes, item),
            |cx| {
                meeting.wait(cx);
                open(&gate);
            },
        );
    });
    run.expect("nothing fails");
    assert_eq!(ran.get(), 2 * scopes);
}
