//! C1, C2 and C3: cycles are found, and said the same, from wherever and by however many they are entered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::{Backend, Cx, Database, Error, Event, Executor, Query};
use dagwood_tests::{Bed, at_once_from_tasks, at_once_from_threads, open, scenarios};

scenarios! {
    all [1, 2, 3, 8]: c1_entered_from_each_member_at_once_by_tasks;
    shared [1, 2, 3, 8]: c1_entered_from_each_member_at_once_by_threads;
    all [1]: c1_entered_from_each_member_in_turn;
    pools [8] unseeded "its jobs block their threads": c2_found_beside_jobs_that_never_look_up;
    all [1, 3, 8]: c3_many_disjoint_cycles_at_once;
}

/// The length of the ring, and how often each member's provider ran.
struct Ring {
    len: usize,
    runs: [AtomicUsize; 3],
}

impl Ring {
    fn new(len: usize) -> Self {
        Ring {
            len,
            runs: Default::default(),
        }
    }
}

macro_rules! member {
    ($name:ident, $index:literal) => {
        /// A member of the ring.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $name(u32);

        impl Query<Ring> for $name {
            type Value = u32;

            fn provide(self, cx: &Cx<'_, Ring>) -> u32 {
                cx.data().runs[$index].fetch_add(1, Ordering::SeqCst);
                match ask(cx, ($index + 1) % cx.data().len) {
                    Ok(value) => value,
                    Err(error) => {
                        panic!("the ask of a member does not return, not even with {error}")
                    }
                }
            }
        }
    };
}

// In the order of their names; each asks the next.
member!(Ant, 0);
member!(Bee, 1);
member!(Cat, 2);

fn ask(cx: &Cx<'_, Ring>, member: usize) -> Result<u32, Error> {
    match member {
        0 => cx.try_get(Ant(0)),
        1 => cx.try_get(Bee(0)),
        _ => cx.try_get(Cat(0)),
    }
    .copied()
}

/// What everybody says of a ring of that length.
fn expected(len: usize) -> (&'static str, &'static [&'static str]) {
    let members = &["Ant(0)", "Bee(0)", "Cat(0)"][..len];
    let text = match len {
        1 => "query cycle: Ant(0) -> Ant(0)",
        2 => "query cycle: Ant(0) -> Bee(0) -> Ant(0)",
        _ => "query cycle: Ant(0) -> Bee(0) -> Cat(0) -> Ant(0)",
    };
    (text, members)
}

fn check(ring: &Ring, results: Vec<Result<u32, Error>>) {
    let (text, members) = expected(ring.len);
    for result in results {
        let error = result.expect_err("all of them fail");
        assert!(error.is_cycle());
        assert_eq!(error.to_string(), text);
        assert_eq!(error.cycle_members().expect("a cycle"), members);
    }
    for runs in &ring.runs[..ring.len] {
        assert_eq!(runs.load(Ordering::SeqCst), 1, "runs");
    }
}

fn c1_entered_from_each_member_at_once_by_tasks(bed: &Bed) {
    let executor = bed.executor();
    for round in bed.numbers(1000) {
        for len in 1..=3 {
            let db = Database::new(Ring::new(len));
            let start = |cx: &Cx<'_, Ring>, index: usize| ask(cx, (index + round as usize) % len);
            let results = at_once_from_tasks(&executor, &db, len, start);
            check(db.data(), results);
        }
    }
}

fn c1_entered_from_each_member_at_once_by_threads(bed: &Bed) {
    let executor = bed.executor();
    for round in bed.numbers(1000) {
        for len in 1..=3 {
            let db = Database::new(Ring::new(len));
            let start = |cx: &Cx<'_, Ring>, index: usize| ask(cx, (index + round as usize) % len);
            let results = at_once_from_threads(&executor, &db, len, start);
            check(db.data(), results.into_iter().map(|run| run?).collect());
        }
    }
}

fn c1_entered_from_each_member_in_turn(bed: &Bed) {
    let executor = bed.executor();
    for len in 1..=3 {
        for first in 0..len {
            let db = Database::new(Ring::new(len));
            let asked = executor.run(&db, |cx| {
                let results = (first..first + len).map(|index| ask(cx, index % len));
                results.collect::<Vec<_>>()
            });
            check(db.data(), asked.expect("errors are held back"));
        }
    }
}

/// Two queries that ask each other once both have started.
#[derive(Default)]
struct Pair {
    started: [Event<()>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Side(usize);

impl Query<Pair> for Side {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Pair>) {
        open(&cx.data().started[self.0]);
        cx.data().started[1 - self.0].wait(cx);
        *cx.get(Side(1 - self.0))
    }
}

fn c2_found_beside_jobs_that_never_look_up(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..10 {
        let db = Database::new(Pair::default());
        let (busy, has_come) = (AtomicUsize::new(0), AtomicBool::new(false));
        let never_look_up = |_: &Cx<'_, Pair>| {
            busy.fetch_add(1, Ordering::SeqCst);
            while !has_come.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        };
        let run = executor.run(&db, |cx| {
            cx.scope(|cx, scope| {
                for _ in 0..6 {
                    scope.spawn(cx, never_look_up);
                }
                // This one keeps its worker, so that six others take the six.
                while busy.load(Ordering::SeqCst) < 6 {
                    thread::yield_now();
                }
                let side = |cx: &Cx<'_, Pair>, index| cx.try_get(Side(index)).map(|_| ());
                let both = cx.join(|cx| side(cx, 0), |cx| side(cx, 1));
                has_come.store(true, Ordering::SeqCst);
                both
            })
        });
        let (left, right) = run.expect("errors are held back");
        for result in [left, right] {
            let text = result.expect_err("they ask each other").to_string();
            assert_eq!(text, "query cycle: Side(0) -> Side(1) -> Side(0)");
        }
    }
}

/// The lengths of the rings.
const LENGTHS: [usize; 11] = [1, 2, 3, 4, 5, 2, 3, 4, 5, 2, 3];

/// Place `.1` of ring `.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place(usize, usize);

impl Query<AtomicUsize> for Place {
    type Value = ();

    fn provide(self, cx: &Cx<'_, AtomicUsize>) {
        cx.data().fetch_add(1, Ordering::SeqCst);
        *cx.get(Place(self.0, (self.1 + 1) % LENGTHS[self.0]))
    }
}

fn c3_many_disjoint_cycles_at_once(bed: &Bed) {
    many_disjoint_cycles(bed, 50);
}

/// As above, ten thousand times: a minute in release.
#[test]
#[ignore = "takes long in debug"]
fn c3_ten_thousand_times() {
    for backend in Executor::backends() {
        let rounds = if *backend == Backend::Threads {
            200
        } else {
            500
        };
        // In turns, so that each stays within the watchdog's time.
        for _ in 0..10_000 / rounds {
            let body: fn(&Bed) = match rounds {
                200 => |bed| many_disjoint_cycles(bed, 200),
                _ => |bed| many_disjoint_cycles(bed, 500),
            };
            dagwood_tests::run_scenario("c3_ten_thousand_times", *backend, &[8], body);
        }
    }
}

fn many_disjoint_cycles(bed: &Bed, rounds: usize) {
    let ring = |ring: usize| (0..LENGTHS[ring]).map(move |place| Place(ring, place));
    let places: Vec<Place> = (0..LENGTHS.len()).flat_map(ring).collect();
    let executor = bed.executor();
    for _ in 0..bed.scaled(rounds) {
        let db = Database::new(AtomicUsize::new(0));
        let results = at_once_from_tasks(&executor, &db, places.len(), |cx, index| {
            cx.try_get(places[index]).map(|_| ())
        });
        for (place, result) in places.iter().zip(results) {
            let error = result.expect_err("all are on a cycle");
            let members: Vec<String> = ring(place.0).map(|place| format!("{place:?}")).collect();
            assert_eq!(error.cycle_members().expect("a cycle"), members);
            assert_eq!(
                error.query_stack().count(),
                0,
                "members fail by the cycle itself"
            );
        }
        assert_eq!(db.data().load(Ordering::SeqCst), places.len(), "runs");
    }
}
