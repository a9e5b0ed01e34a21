//! W0 and W4 for loops: an item that waits holds up no other, however it waits and however the items depend on each other.

use dagwood::{Cx, Database, Event, Executor, Query};
use dagwood_tests::{Bed, Meeting, open, scenarios};

scenarios! {
    pools [1, 2, 3, 8]: w4_each_item_waits_for_the_next;
    pools [1, 2, 3, 8]: w4_each_item_waits_for_the_one_before;
    pools [1, 2, 3, 8]: w4_all_items_wait_for_the_last;
    pools [1, 2, 3, 8]: w4_an_item_waits_for_the_next_one_in_each_way;
    pools [1, 2, 3, 8]: w4_a_nested_run_in_an_item_waits_for_the_next;
    pools [1, 2, 3, 8]: w4_loops_inside_everything_wait;
    pools [1, 2, 3, 8]: w0_the_loop_around_does_not_go_on_on_the_waiting_stack;
    pools [1, 2, 3, 8]: w0_the_scope_around_does_not_go_on_on_the_waiting_stack;
    pools [1]: w4_short_waits_keep_few_fibers;
}

/// So many that a worker takes several at once from what is left.
const MANY: usize = 5000;

fn events(count: usize) -> Vec<Event<()>> {
    (0..count).map(|_| Event::new()).collect()
}

fn w4_each_item_waits_for_the_next(bed: &Bed) {
    let executor = bed.executor();
    let most = bed.at_most_on_threads(bed.at_most_seeded(60, 200), MANY);
    for len in bed.cases([1, 2, 3, 64, most]) {
        let done = events(len);
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_map(0..len, |cx, i| {
                if let Some(next) = done.get(i + 1) {
                    next.wait(cx);
                }
                open(&done[i]);
                i
            })
        });
        assert_eq!(run.expect("nothing fails"), Vec::from_iter(0..len));
    }
}

fn w4_each_item_waits_for_the_one_before(bed: &Bed) {
    let executor = bed.executor();
    let most = bed.at_most_seeded(100, MANY);
    for len in bed.cases([1, 2, 3, 64, most]) {
        let done = events(len);
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_map(0..len, |cx, i| {
                if let Some(before) = i.checked_sub(1) {
                    done[before].wait(cx);
                }
                open(&done[i]);
                i
            })
        });
        assert_eq!(run.expect("nothing fails"), Vec::from_iter(0..len));
    }
}

fn w4_all_items_wait_for_the_last(bed: &Bed) {
    let executor = bed.executor();
    let most = bed.at_most_on_threads(bed.at_most_seeded(60, 200), MANY);
    for len in bed.cases([1, 2, 3, 64, most]) {
        let (others, last) = (Meeting::new(len - 1), Event::new());
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_for_each(0..len, |cx, i| {
                if i == len - 1 {
                    others.wait(cx);
                    open(&last);
                } else {
                    others.come();
                    last.wait(cx);
                }
            });
        });
        run.expect("nothing fails");
    }
}

/// Waits for the event of the database with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Set(usize);

impl Query<Vec<Event<()>>> for Set {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Vec<Event<()>>>) -> usize {
        cx.data()[self.0].wait(cx);
        self.0
    }
}

type WaitCx<'c, 'db> = &'c Cx<'db, Vec<Event<()>>>;

/// Waits for an event in a way that depends on `way`.
fn wait_in_some_way(cx: WaitCx<'_, '_>, way: usize, event: usize) {
    let wait = move |cx: WaitCx<'_, '_>| {
        cx.data()[event].wait(cx);
    };
    match way % 10 {
        0 => wait(cx),
        1 => assert_eq!(*cx.get(Set(event)), event),
        2 => cx.join(wait, |_| ()).0,
        3 => cx.join(|_| (), wait).1,
        4 => cx.scope(|cx, scope| scope.spawn(cx, wait)),
        5 => cx.scope(|cx, _| wait(cx)),
        6 => *cx.spawn(wait).wait(cx),
        7 => cx.par_for_each(0..3_u8, |cx, _| wait(cx)),
        8 => {
            while cx.data()[event].get().is_none() {
                cx.yield_now();
            }
        }
        _ => {
            cx.scope(|cx, scope| {
                scope.spawn(cx, move |cx| {
                    cx.join(
                        |cx| cx.par_for_each(0..2_u8, |cx, _| wait(cx)),
                        |cx| assert_eq!(*cx.get(Set(event)), event),
                    );
                });
                scope.spawn(cx, wait);
            });
        }
    }
}

fn w4_an_item_waits_for_the_next_one_in_each_way(bed: &Bed) {
    let executor = bed.executor();
    let len = bed.at_most_on_threads(bed.at_most_seeded(30, 100), 3000);
    for way in bed.cases(0..10) {
        for period in bed.cases([1, 7]) {
            let db = Database::new(events(len));
            let run = executor.run(&db, |cx| {
                cx.par_for_each(0..len, |cx, i| {
                    // One that polls is enough, many take long.
                    let is_waiting = i % period == 0 && (way != 8 || i < 50);
                    if is_waiting && i + 1 < len {
                        wait_in_some_way(cx, way, i + 1);
                    }
                    open(&cx.data()[i]);
                });
            });
            run.expect("nothing fails");
        }
    }
}

/// Not of more items: those are taken in blocks, and a `run`, which gets no `Cx`, cannot say that the rest of one is free.
fn w4_a_nested_run_in_an_item_waits_for_the_next(bed: &Bed) {
    let (outer, inner) = (bed.executor(), bed.executor());
    let len = bed.at_most_seeded(301, 1000);
    let done = events(len);
    let run = outer.run(&Database::new(()), |cx| {
        cx.par_for_each(0..len, |_, i| {
            if i.is_multiple_of(100) && i + 1 < len {
                let run = inner.run(&Database::new(()), |cx| {
                    done[i + 1].wait(cx);
                });
                run.expect("nothing fails");
            }
            open(&done[i]);
        });
    });
    run.expect("nothing fails");
}

/// A loop whose first item waits for the last.
fn tied<D: Sync + 'static>(cx: &Cx<'_, D>, len: usize) -> usize {
    let last = Event::new();
    let items = cx.par_map(0..len, |cx, i| {
        if i == len - 1 {
            open(&last);
        } else if i == 0 {
            last.wait(cx);
        }
        i
    });
    assert_eq!(items, Vec::from_iter(0..len));
    len
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tied(usize);

impl Query<()> for Tied {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        tied(cx, self.0)
    }
}

fn w4_loops_inside_everything_wait(bed: &Bed) {
    let executor = bed.executor();
    for len in bed.cases([2, 3, 50, bed.at_most_seeded(100, 4000)]) {
        let run = executor.run(&Database::new(()), |cx| {
            let halves = cx.join(|cx| tied(cx, len), |cx| *cx.get(Tied(len)));
            assert_eq!(halves, (len, len));
            cx.scope(|cx, scope| {
                for _ in 0..5 {
                    scope.spawn(cx, move |cx| assert_eq!(tied(cx, len), len));
                }
                assert_eq!(tied(cx, len), len);
            });
            let tasks: Vec<_> = (0..3).map(|_| cx.spawn(move |cx| tied(cx, len))).collect();
            assert!(tasks.iter().all(|task| *task.wait(cx) == len));
            let nested = cx.par_map(0..5_usize, |cx, _| tied(cx, len));
            assert_eq!(nested, [len; 5]);
        });
        run.expect("nothing fails");
    }
}

/// Waits for an event that an outer item or child sets, which then asks for this query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Looping;

impl Query<(Event<()>, Meeting)> for Looping {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, (Event<()>, Meeting)>) -> u32 {
        let (started, asked) = cx.data();
        cx.par_for_each(0..8_usize, |cx, item| {
            if item == 0 {
                started.wait(cx);
            } else if item == 7 {
                open(started);
                asked.wait(cx);
            }
        });
        7
    }
}

fn w0_the_loop_around_does_not_go_on_on_the_waiting_stack(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new((Event::new(), Meeting::new(1)));
        let run = executor.run(&db, |cx| {
            cx.par_map(0..16_usize, |cx, item| {
                if item > 0 {
                    cx.data().1.come();
                }
                *cx.get(Looping)
            })
        });
        assert_eq!(run.expect("there is no cycle"), [7; 16]);
    }
}

fn w0_the_scope_around_does_not_go_on_on_the_waiting_stack(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new((Event::new(), Meeting::new(1)));
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                for _ in 0..4 {
                    scope.spawn(cx, |cx| {
                        cx.data().1.come();
                        assert_eq!(*cx.get(Looping), 7);
                    });
                }
                *cx.get(Looping)
            })
        });
        assert_eq!(run.expect("there is no cycle"), 7);
    }
}

/// What is left of a loop is given away in halves when an item waits: fibers must not add up.
fn w4_short_waits_keep_few_fibers(bed: &Bed) {
    let executor: Executor = bed.builder().statistics(true).build().expect("can be made");
    let items = bed.at_most_seeded(300, 20_000);
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..items, |cx, _| {
            let event = Event::new();
            cx.join(|cx| *event.wait(cx), |_| open(&event));
        });
    });
    run.expect("nothing fails");
    let statistics = executor.statistics();
    assert!(statistics.waits >= items as u64, "{statistics:?}");
    assert!(statistics.fibers_peak <= 20, "{statistics:?}");
}
