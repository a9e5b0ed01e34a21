//! W0 to W4 and W6: waits that must not run the wrong job on the waiting stack, and must not hold up a worker.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Query};
use dagwood_tests::{Bed, Gated, Meeting, open, scenarios};

scenarios! {
    pools [1, 2, 3, 8]: w0_outer_half_does_not_run_on_the_waiting_stack;
    pools [1, 2, 3, 8]: w0_outer_child_does_not_run_on_the_waiting_stack;
    pools [2, 1, 4]: w1_stolen_self_wait;
    pools [4, 1, 2]: w2_crossed_stacks_are_no_cycle;
    pools [4, 1]: w3_more_waiters_than_workers;
    pools [4, 1]: w3_more_waiting_tasks_than_workers;
    pools [4, 1]: w4_siblings_of_waiting_items_go_on;
    all [1, 4]: w6_asked_first_inside_a_loop_and_looping_itself;
}

/// Gates and counts that the queries of this file share.
#[derive(Default)]
struct Board {
    right_started: Event<()>,
    other_started: Event<()>,
    runs: AtomicUsize,
}

impl Board {
    fn ran(&self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

/// A join whose left half waits until the right one was started elsewhere, and ends while that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Forked;

impl Query<Board> for Forked {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        cx.data().ran();
        let (left, right) = cx.join(
            |cx| {
                cx.data().right_started.wait(cx);
                1
            },
            |cx| {
                open(&cx.data().right_started);
                cx.data().other_started.wait(cx);
                2
            },
        );
        left + right
    }
}

fn w0_outer_half_does_not_run_on_the_waiting_stack(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Board::default());
        let both = executor.run(&db, |cx| {
            cx.join(
                |cx| *cx.get(Forked),
                |cx| {
                    open(&cx.data().other_started);
                    *cx.get(Forked)
                },
            )
        });
        assert_eq!(both.expect("there is no cycle"), (3, 3));
        assert_eq!(db.data().runs(), 1);
    }
}

fn w0_outer_child_does_not_run_on_the_waiting_stack(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Board::default());
        let mut seen = 0;
        let asked = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                scope.spawn(cx, |cx| {
                    open(&cx.data().other_started);
                    seen = *cx.get(Forked);
                });
                *cx.get(Forked)
            })
        });
        assert_eq!(asked.expect("there is no cycle"), 3);
        assert_eq!((seen, db.data().runs()), (3, 1));
    }
}

/// As [`Forked`], but the left half spawns the task that ends the right half's wait, and that asks for this query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SelfWait;

impl Query<Board> for SelfWait {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Board>) -> u32 {
        cx.data().ran();
        cx.join(
            |cx| {
                cx.data().right_started.wait(cx);
                cx.spawn(|cx| {
                    open(&cx.data().other_started);
                    assert_eq!(*cx.get(SelfWait), 7);
                });
            },
            |cx| {
                open(&cx.data().right_started);
                cx.data().other_started.wait(cx);
            },
        );
        7
    }
}

fn w1_stolen_self_wait(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Board::default());
        let value = executor.run(&db, |cx| cx.scope(|cx, _| *cx.get(SelfWait)));
        assert_eq!(value.expect("there is no cycle"), 7);
        assert_eq!(db.data().runs(), 1);
    }
}

/// Two queries whose tasks ask crosswise.
struct Crossing {
    right_started: [Event<()>; 2],
    asking: Meeting,
    runs: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Side(usize);

impl Query<Crossing> for Side {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Crossing>) -> usize {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        cx.join(
            |cx| {
                cx.data().right_started[self.0].wait(cx);
                cx.spawn(move |cx| {
                    cx.data().asking.come();
                    assert_eq!(*cx.get(Side(1 - self.0)), 1 - self.0);
                });
            },
            |cx| {
                open(&cx.data().right_started[self.0]);
                cx.data().asking.wait(cx);
            },
        );
        self.0
    }
}

fn w2_crossed_stacks_are_no_cycle(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Crossing {
            right_started: Default::default(),
            asking: Meeting::new(2),
            runs: AtomicUsize::new(0),
        });
        let sides = executor.run(&db, |cx| {
            cx.join(|cx| *cx.get(Side(0)), |cx| *cx.get(Side(1)))
        });
        assert_eq!(sides.expect("there is no cycle"), (0, 1));
        assert_eq!(db.data().runs.load(Ordering::SeqCst), 2);
    }
}

fn w3_more_waiters_than_workers(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let (waiting, event) = (Meeting::new(63), Event::new());
        let seen = executor.run(&Database::new(()), |cx| {
            cx.par_map(0..64_usize, |cx, item| {
                if item == 63 {
                    waiting.wait(cx);
                    event.set(5).expect("one sets it");
                } else {
                    waiting.come();
                }
                *event.wait(cx)
            })
        });
        assert_eq!(seen.expect("all are woken"), [5; 64]);
    }
}

fn w3_more_waiting_tasks_than_workers(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new((Meeting::new(63), Event::new()));
        let seen = executor.run(&db, |cx| {
            let spawn = |item: usize| {
                cx.spawn(move |cx| {
                    let (waiting, event) = cx.data();
                    if item == 63 {
                        waiting.wait(cx);
                        event.set(item).expect("one sets it");
                    } else {
                        waiting.come();
                    }
                    *event.wait(cx)
                })
            };
            let tasks: Vec<_> = (0..64).map(spawn).collect();
            tasks.iter().map(|task| *task.wait(cx)).collect::<Vec<_>>()
        });
        assert_eq!(seen.expect("all are woken"), [63; 64]);
    }
}

fn w4_siblings_of_waiting_items_go_on(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Event::new());
        let others = Meeting::new(124);
        let run = executor.run(&db, |cx| {
            let items = |cx: &Cx<'_, Event<()>>| {
                cx.par_for_each(0..128_usize, |cx, item| match item {
                    0..4 => assert_eq!(*cx.get(Gated(9)), 9),
                    _ => others.come(),
                });
            };
            cx.join(items, |cx| {
                others.wait(cx);
                open(cx.data());
            });
        });
        run.expect("the others came before the query ended");
    }
}

/// How often the loop ran, and that its last item did.
#[derive(Default)]
struct Rows {
    runs: AtomicUsize,
    last: Event<()>,
}

/// A parallel loop inside a query. Its first item waits for its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Table;

impl Query<Rows> for Table {
    type Value = Vec<usize>;

    fn provide(self, cx: &Cx<'_, Rows>) -> Vec<usize> {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        cx.par_map(0..64_usize, |cx, i| {
            match i {
                0 => drop(cx.data().last.wait(cx)),
                // In program order it was set before.
                63 => drop(cx.data().last.set(())),
                _ => (),
            }
            i * i
        })
    }
}

fn w6_asked_first_inside_a_loop_and_looping_itself(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Rows::default());
        if bed.is_sequential() {
            open(&db.data().last);
        }
        let squares = executor.run(&db, |cx| {
            cx.par_map(0..256_usize, |cx, i| cx.get(Table)[i % 64])
        });
        let expected: Vec<usize> = (0..256).map(|i| (i % 64) * (i % 64)).collect();
        assert_eq!(squares.expect("there is no cycle"), expected);
        assert_eq!(db.data().runs.load(Ordering::SeqCst), 1);
    }
}
