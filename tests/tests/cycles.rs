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

/// A member's key: what a cycle makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Fails,
    Recovers,
}

/// The length of the ring, the key of its members, and how often each member's provider ran.
struct Ring {
    len: usize,
    end: End,
    runs: [AtomicUsize; 3],
}

impl Ring {
    fn new(len: usize, end: End) -> Self {
        Ring {
            len,
            end,
            runs: Default::default(),
        }
    }

    /// Of each length, with each end.
    fn all() -> impl Iterator<Item = Ring> {
        let with_each_end = |len| [End::Fails, End::Recovers].map(|end| Ring::new(len, end));
        (1..=3).flat_map(with_each_end)
    }

    /// Of each length, with one end in this round and the other in the next.
    fn all_of(round: u64) -> impl Iterator<Item = Ring> {
        let end = [End::Fails, End::Recovers][round as usize % 2];
        Ring::all().filter(move |ring| ring.end == end)
    }
}

macro_rules! member {
    ($name:ident, $index:literal) => {
        /// A member of the ring.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $name(End);

        impl Query<Ring> for $name {
            /// Its place, and the walk.
            type Value = (usize, String);

            fn provide(self, cx: &Cx<'_, Ring>) -> Self::Value {
                cx.data().runs[$index].fetch_add(1, Ordering::SeqCst);
                match ask(cx, ($index + 1) % cx.data().len) {
                    Ok(value) => value,
                    Err(error) => {
                        panic!("the ask of a member does not return, not even with {error}")
                    }
                }
            }

            fn recover(&self, cycle: &Error) -> Option<Self::Value> {
                (self.0 == End::Recovers).then(|| ($index, cycle.to_string()))
            }
        }
    };
}

// In the order of their names; each asks the next.
member!(Ant, 0);
member!(Bee, 1);
member!(Cat, 2);

type Answer = Result<(usize, String), Error>;

fn ask(cx: &Cx<'_, Ring>, member: usize) -> Answer {
    let end = cx.data().end;
    match member {
        0 => cx.try_get(Ant(end)),
        1 => cx.try_get(Bee(end)),
        _ => cx.try_get(Cat(end)),
    }
    .cloned()
}

/// The members of a ring, as everybody says them.
fn walk_of(ring: &Ring) -> Vec<String> {
    let names = ["Ant", "Bee", "Cat"].iter().take(ring.len);
    names
        .map(|name| format!("{name}({:?})", ring.end))
        .collect()
}

/// `results` are those of asks for these members.
fn check(ring: &Ring, results: impl IntoIterator<Item = (usize, Answer)>) {
    let members = walk_of(ring);
    let text = format!("query cycle: {} -> {}", members.join(" -> "), members[0]);
    for (member, result) in results {
        if ring.end == End::Recovers {
            assert_eq!(result.expect("all recover"), (member, text.clone()));
            continue;
        }
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
        for ring in Ring::all_of(round) {
            let len = ring.len;
            let db = Database::new(ring);
            let member = |index: usize| (index + round as usize) % len;
            let start = |cx: &Cx<'_, Ring>, index: usize| (member(index), ask(cx, member(index)));
            let results = at_once_from_tasks(&executor, &db, len, start);
            check(db.data(), results);
        }
    }
}

fn c1_entered_from_each_member_at_once_by_threads(bed: &Bed) {
    let executor = bed.executor();
    for round in bed.numbers(1000) {
        for ring in Ring::all_of(round) {
            let len = ring.len;
            let db = Database::new(ring);
            let member = |index: usize| (index + round as usize) % len;
            let start = |cx: &Cx<'_, Ring>, index: usize| (member(index), ask(cx, member(index)));
            let results = at_once_from_threads(&executor, &db, len, start);
            let results = results
                .into_iter()
                .map(|run| run.expect("errors are held back"));
            check(db.data(), results);
        }
    }
}

fn c1_entered_from_each_member_in_turn(bed: &Bed) {
    let executor = bed.executor();
    for first in 0..3 {
        for ring in Ring::all().filter(|ring| first < ring.len) {
            let len = ring.len;
            let db = Database::new(ring);
            let asked = executor.run(&db, |cx| {
                let members = (first..first + len).map(|index| index % len);
                let results = members.map(|member| (member, ask(cx, member)));
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
