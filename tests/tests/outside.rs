//! W10 and X5: asks from outside threads, and several executors on one database.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{Backend, Cx, Database, Error, Event, Executor, Query};
use dagwood_tests::{
    Bed, Dag, Node, OsGate, Random, at_once_from_threads, fail_quietly, open, scenarios,
};

scenarios! {
    shared [1, 2, 4]: w10_sixteen_threads_at_once;
    shared [1, 2, 4]: w10_each_thread_drops_its_executor_after_its_run;
    pools [1, 3]: x5_two_executors_run_each_query_once;
    pools [1, 3]: x5_a_cycle_through_two_executors;
    pools [1, 3]: x5_a_run_of_another_executor_suspends;
    pools [1, 3]: x5_a_cycle_through_a_run_of_another_executor;
    pools [1, 3]: x5_a_sequential_run_inside_a_job_blocks_no_worker;
}

/// The gate of the query in progress: what opens it is outside, so that no backend needs to suspend for it.
#[derive(Default)]
struct Outside {
    gate: OsGate,
    runs: [AtomicUsize; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Slow,
    Bad,
    Left,
    Right,
}

impl Query<Outside> for Kind {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Outside>) -> u32 {
        cx.data().runs[self as usize].fetch_add(1, Ordering::SeqCst);
        match self {
            Kind::Slow => {
                cx.data().gate.pass();
                4
            }
            Kind::Bad => fail_quietly("bad"),
            Kind::Left => *cx.get(Kind::Right),
            Kind::Right => *cx.get(Kind::Left),
        }
    }
}

const KINDS: [Kind; 4] = [Kind::Slow, Kind::Bad, Kind::Left, Kind::Right];

fn text(result: Result<u32, Error>) -> String {
    result.map_or_else(|error| error.to_string(), |value| value.to_string())
}

fn w10_sixteen_threads_at_once(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Outside::default());
        let asked = thread::scope(|scope| {
            scope.spawn(|| db.data().gate.open());
            at_once_from_threads(&executor, &db, 16, |cx, thread| *cx.get(KINDS[thread % 4]))
        });
        for (thread, result) in asked.into_iter().enumerate() {
            let expected = match KINDS[thread % 4] {
                Kind::Slow => "4",
                Kind::Bad => "panicked: bad (in Kind Bad)",
                Kind::Left | Kind::Right => "query cycle: Kind Left -> Kind Right -> Kind Left",
            };
            assert_eq!(text(result), expected);
        }
        for runs in &db.data().runs {
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        }
    }
}

fn w10_each_thread_drops_its_executor_after_its_run(bed: &Bed) {
    for round in bed.numbers(50) {
        let db = Database::new(round);
        let executor = bed.executor();
        thread::scope(|scope| {
            for _ in 0..16 {
                let executor = executor.clone();
                let db = &db;
                scope.spawn(move || {
                    let round = executor.run(db, |cx| *cx.data());
                    drop(executor);
                    assert_eq!(round.expect("nothing fails"), *db.data());
                });
            }
            drop(executor);
        });
    }
}

fn sequential() -> Executor {
    let builder = Executor::builder().backend(Backend::Sequential);
    builder.build().expect("it is in every build")
}

fn x5_two_executors_run_each_query_once(bed: &Bed) {
    let (pool, sequential) = (bed.executor(), sequential());
    for seed in bed.numbers(20) {
        let db = Database::new(Dag::random(&mut Random::new(seed), 100));
        let all = |cx: &Cx<'_, Dag>| cx.par_map(0..cx.data().len(), |cx, i| *cx.get(Node(i)));
        let (by_pool, by_thread) = thread::scope(|scope| {
            let by_thread = scope.spawn(|| sequential.run(&db, all));
            let by_pool = pool.run(&db, all);
            (by_pool, by_thread.join().expect("carries its panics out"))
        });
        let oracle = db.data().oracle();
        assert_eq!(by_pool.expect("no false cycle"), oracle);
        assert_eq!(by_thread.expect("no false cycle"), oracle);
        assert!(db.data().runs().iter().all(|runs| *runs == 1));
    }
}

/// Two queries that ask each other once both have started.
#[derive(Default)]
struct Mutual {
    started: [OsGate; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Half(usize);

impl Query<Mutual> for Half {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Mutual>) {
        cx.data().started[self.0].open();
        cx.data().started[1 - self.0].pass();
        *cx.get(Half(1 - self.0))
    }
}

fn x5_a_cycle_through_two_executors(bed: &Bed) {
    let pool = bed.executor();
    for other in [sequential(), bed.executor()] {
        for _ in 0..bed.scaled(50) {
            let db = Database::new(Mutual::default());
            let (here, there) = thread::scope(|scope| {
                let there = scope.spawn(|| other.run(&db, |cx| *cx.get(Half(1))));
                let here = pool.run(&db, |cx| *cx.get(Half(0)));
                (here, there.join().expect("carries its panics out"))
            });
            for result in [here, there] {
                let text = result.expect_err("they ask each other").to_string();
                assert_eq!(text, "query cycle: Half(0) -> Half(1) -> Half(0)");
            }
        }
    }
}

fn x5_a_run_of_another_executor_suspends(bed: &Bed) {
    let (outer, inner) = (bed.executor(), bed.executor());
    let db = Database::new(());
    for _ in 0..bed.scaled(50) {
        let event = Event::new();
        let value = outer.run(&db, |cx| {
            // With one worker, the right half needs the thread of the left one.
            let inside = |_: &Cx<'_, ()>| inner.run(&db, |cx| *event.wait(cx));
            cx.join(inside, |_| event.set(8)).0
        });
        assert_eq!(value.expect("ends").expect("ends"), 8);
    }
}

/// Runs another executor on the same database, and asks for itself there.
struct Nested {
    other: Executor,
    db: std::sync::OnceLock<&'static Database<Nested>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Inside;

impl Query<Nested> for Inside {
    type Value = String;

    fn provide(self, cx: &Cx<'_, Nested>) -> String {
        let db = cx.data().db.get().expect("set before the run");
        let inner = cx.data().other.run(db, |cx| cx.get(Inside).clone());
        inner.unwrap_or_else(|error| error.to_string())
    }
}

fn x5_a_cycle_through_a_run_of_another_executor(bed: &Bed) {
    for other in [bed.executor(), sequential()] {
        let nested = Nested {
            other,
            db: std::sync::OnceLock::new(),
        };
        // Leaked: it refers to itself.
        let db: &'static Database<Nested> = Box::leak(Box::new(Database::new(nested)));
        let _ = db.data().db.set(db);
        let error = bed.executor().run(db, |cx| cx.get(Inside).clone());
        let text = error.expect_err("it asks for itself").to_string();
        assert_eq!(text, "query cycle: Inside -> Inside");
    }
}

/// Waits for the gate of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Gated;

impl Query<[Event<()>; 3]> for Gated {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, [Event<()>; 3]>) -> u32 {
        open(&cx.data()[0]);
        cx.data()[1].wait(cx);
        6
    }
}

fn x5_a_sequential_run_inside_a_job_blocks_no_worker(bed: &Bed) {
    let pool = bed.executor();
    let sequential = sequential();
    for _ in 0..bed.scaled(20) {
        let db: Database<[Event<()>; 3]> = Database::new(Default::default());
        let both = pool.run(&db, |cx| {
            let inside = |cx: &Cx<'_, [Event<()>; 3]>| {
                cx.data()[0].wait(cx);
                open(&cx.data()[2]);
                // The query is in progress, on a fiber of this pool that waits too.
                sequential.run(&db, |cx| *cx.get(Gated))
            };
            let last = |cx: &Cx<'_, [Event<()>; 3]>| {
                cx.data()[2].wait(cx);
                open(&cx.data()[1]);
            };
            cx.join(|cx| *cx.get(Gated), |cx| cx.join(inside, last).0)
        });
        let (outer, inner) = both.expect("ends");
        assert_eq!((outer, inner.expect("ends")), (6, 6));
    }
}
