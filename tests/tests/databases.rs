//! X5: jobs that work on several databases of one executor.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{CancelToken, Cx, Database, Error, Event, FiberLocal, Fixpoint, Query};
use dagwood_tests::{Bed, Meeting, open, scenarios};

scenarios! {
    shared [1, 3]: x5_a_provider_asks_another_database;
    shared [1, 3]: x5_a_cycle_through_two_databases;
    shared [1, 3]: x5_no_cycle_where_two_databases_ask_each_other;
    shared [1, 3]: x5_an_iteration_through_another_database;
    pools [1, 3]: x5_one_waits_for_what_another_computes_in_the_other_database;
    shared [1, 3]: x5_tasks_for_another_database_have_ended;
    shared [1, 3]: x5_locals_are_seen_on_another_database;
    pools [1, 3]: x5_what_is_cancelled_ends_on_another_database;
}

/// A database that knows another one, which is made later.
#[derive(Default)]
struct Data {
    other: OnceLock<Arc<Database<Data>>>,
    provided: AtomicUsize,
    gate: Event<()>,
    begun: Event<()>,
}

impl Data {
    fn other(&self) -> &Database<Data> {
        self.other.get().expect("it was made")
    }
}

/// Two that know each other. (They are never freed.)
fn two() -> [Arc<Database<Data>>; 2] {
    let both = [(); 2].map(|()| Arc::new(Database::new(Data::default())));
    for (here, there) in [(0, 1), (1, 0)] {
        let set = both[here].data().other.set(Arc::clone(&both[there]));
        assert!(set.is_ok(), "set once");
    }
    both
}

/// Asks the other database for the next lower one, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Down(usize);

impl Query<Data> for Down {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        cx.data().provided.fetch_add(1, Ordering::SeqCst);
        let below = |cx: &Cx<'_, Data>| match self.0 {
            0 => 0,
            level => cx.with_database(cx.data().other(), |cx| *cx.get(Down(level - 1))),
        };
        let (left, right) = cx.join(below, below);
        assert_eq!(left, right);
        left + 1
    }
}

/// Asks the other database for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round(usize);

impl Query<Data> for Round {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        cx.with_database(cx.data().other(), |cx| *cx.get(Round((self.0 + 1) % 3)))
    }
}

/// Waits for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slow;

impl Query<Data> for Slow {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        open(&cx.data().begun);
        cx.data().gate.wait(cx);
        cx.data().provided.fetch_add(1, Ordering::SeqCst)
    }
}

fn x5_a_provider_asks_another_database(bed: &Bed) {
    let executor = bed.executor();
    let [first, second] = two();
    let levels = bed.scaled(50);
    let run = executor.run(&first, |cx| *cx.get(Down(levels)));
    assert_eq!(run.expect("it ends"), levels + 1);
    let provided = [&first, &second].map(|db| db.data().provided.load(Ordering::SeqCst));
    assert_eq!(provided.iter().sum::<usize>(), levels + 1, "each once");
}

fn x5_a_cycle_through_two_databases(bed: &Bed) {
    let executor = bed.executor();
    let [first, second] = two();
    let texts: Vec<String> = [&first, &second, &first]
        .into_iter()
        .map(|db| {
            let run = executor.run(db, |cx| cx.try_get(Round(0)).copied());
            let error = run.expect("the run goes on").expect_err("it is a cycle");
            assert!(error.is_cycle(), "{error}");
            error.to_string()
        })
        .collect();
    // Three keys in each of two databases: a walk of six, whatever was asked first.
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    assert!(texts[0].matches("Round(").count() >= 6, "{}", texts[0]);
}

/// The greatest number below a limit: an iteration, which asks another database on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Iterated {
    /// Whether the other database asks back.
    asks_back: bool,
}

impl Query<Data> for Iterated {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        let further = cx.with_database(cx.data().other(), |cx| match self.asks_back {
            true => *cx.get(Back),
            false => *cx.get(Down(2)),
        });
        (*cx.get(self) + further).min(10)
    }
}

/// Asks back for what is iterated in the other database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Back;

impl Query<Data> for Back {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Data>) -> usize {
        cx.with_database(cx.data().other(), |cx| {
            *cx.get(Iterated { asks_back: true })
        })
    }
}

/// Values of a round are seen in its own database only: a cycle of them through another one is an error.
fn x5_an_iteration_through_another_database(bed: &Bed) {
    let executor = bed.executor();
    let [first, _] = two();
    let run = executor.run(&first, |cx| {
        let ask = |asks_back| cx.try_get(Iterated { asks_back }).copied();
        [ask(false), ask(true), ask(false)]
    });
    let [plain, back, again] = run.expect("the run goes on");
    assert_eq!(plain.expect("it comes to an end"), 10);
    let error = back.expect_err("it is a cycle");
    assert!(error.is_cycle(), "{error}");
    assert_eq!(again.expect("it is known"), 10);
}

fn x5_no_cycle_where_two_databases_ask_each_other(bed: &Bed) {
    let executor = bed.executor();
    let levels = bed.at_most_on_threads(20, 60);
    for _ in 0..bed.scaled(20) {
        let [first, second] = two();
        let run = executor.run(&first, |cx| {
            let there =
                |cx: &Cx<'_, Data>| cx.with_database(cx.data().other(), |cx| *cx.get(Down(levels)));
            cx.join(|cx| *cx.get(Down(levels)), there)
        });
        assert_eq!(run.expect("it ends"), (levels + 1, levels + 1));
        let provided = [&first, &second].map(|db| db.data().provided.load(Ordering::SeqCst));
        assert_eq!(provided, [levels + 1; 2], "each once");
    }
}

fn x5_one_waits_for_what_another_computes_in_the_other_database(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let [first, second] = two();
        let ask = |cx: &Cx<'_, Data>| cx.with_database(&*second, |cx| *cx.get(Slow));
        let run = executor.run(&first, |cx| {
            let waits = |cx: &Cx<'_, Data>| {
                second.data().begun.wait(cx);
                let waits = |cx: &Cx<'_, Data>| {
                    cx.yield_now();
                    open(&second.data().gate);
                };
                cx.join(ask, waits).0
            };
            cx.join(ask, waits)
        });
        assert_eq!(run.expect("it ends"), (0, 0));
        assert_eq!(second.data().provided.load(Ordering::SeqCst), 1);
    }
}

fn x5_tasks_for_another_database_have_ended(bed: &Bed) {
    let executor = bed.executor();
    let (first, second) = (Database::new(1_usize), Database::new(2_usize));
    let ended = AtomicUsize::new(0);
    let run = executor.run(&first, |cx| {
        for round in 1..=3 {
            cx.with_database(&second, |cx| {
                for _ in 0..10 {
                    cx.spawn(|cx| {
                        cx.yield_now();
                        ended.fetch_add(*cx.data(), Ordering::SeqCst);
                    });
                }
            });
            assert_eq!(ended.load(Ordering::SeqCst), 20 * round);
        }
        let failing = |cx: &Cx<'_, usize>| {
            cx.with_database(&second, |cx| {
                cx.spawn(|_| dagwood_tests::fail_quietly("a task that nobody asks for"));
            });
        };
        failing(cx);
    });
    let error = run.expect_err("a task failed");
    assert!(error.to_string().contains("a task that nobody"), "{error}");
}

static NAME: FiberLocal<&str> = FiberLocal::new();

fn x5_locals_are_seen_on_another_database(bed: &Bed) {
    let executor = bed.executor();
    let (first, second) = (Database::new(1_usize), Database::new("two"));
    let run = executor.run(&first, |cx| {
        NAME.scope(cx, "bound", |cx| {
            cx.with_database(&second, |cx| {
                let both = cx.join(|cx| NAME.get(cx).copied(), |cx| NAME.get(cx).copied());
                (both, *cx.data())
            })
        })
    });
    let seen = Some("bound");
    assert_eq!(run.expect("it ends"), ((seen, seen), "two"));
}

fn x5_what_is_cancelled_ends_on_another_database(bed: &Bed) {
    let executor = bed.executor();
    let (first, second) = (Database::new(()), Database::new(1_usize));
    let (never, token) = (Event::<()>::new(), CancelToken::new());
    let waits = Meeting::new(3);
    let run = executor.run(&first, |cx| {
        let cancelled = |cx: &Cx<'_, ()>| {
            cx.cancellable(&token, |cx| {
                cx.with_database(&second, |cx| {
                    let wait = |cx: &Cx<'_, usize>| {
                        waits.come();
                        never.wait(cx);
                    };
                    cx.spawn(wait);
                    cx.join(wait, wait);
                });
            })
        };
        let cancels = |cx: &Cx<'_, ()>| {
            waits.wait(cx);
            token.cancel();
        };
        cx.join(cancelled, cancels).0
    });
    let error: Error = run.expect("the run goes on").expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}
