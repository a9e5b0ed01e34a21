//! C1, C4, C7, C9 and C10 with queries that say what they give as members of a cycle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Error, Event, Query};
use dagwood_tests::{Bed, at_once_from_tasks, fail_quietly, open, scenarios};

scenarios! {
    all [1, 2, 3, 8]: c1_recovered_the_same_from_each_member;
    all [1, 2, 3, 8]: c4_each_asker_gets_the_value_of_its_key;
    all [1, 2, 4]: c4_members_that_recover_and_members_that_do_not;
    all [1, 2, 4]: c4_a_sibling_in_a_fork_sees_the_recovered_value;
    all [1, 2]: c4_a_recovery_that_panics;
    all [1, 2]: c4_a_recovered_query_has_a_record;
    all [1, 2, 3, 8]: c7_two_loops_that_share_a_node;
    pools [1, 2, 4]: c7_an_outside_reader_in_mid_cycle;
    all [1, 2, 4]: c9_fixed_and_retried;
    all [1, 2, 4]: c10_what_a_member_catches_changes_nothing;
}

/// Whom each asks for, in order.
struct Graph {
    asks: Vec<Vec<usize>>,
    /// Whether members catch what their asks raise, and go on.
    catches: bool,
    runs: AtomicUsize,
}

impl Graph {
    fn new(asks: &[&[usize]]) -> Self {
        Graph {
            asks: asks.iter().map(|asks| asks.to_vec()).collect(),
            catches: false,
            runs: AtomicUsize::new(0),
        }
    }
}

/// What a node gives, by hand or as a member of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    /// The sum of one, and of what was asked for.
    Sum(usize),
    /// By a member with this number, of this cycle.
    Recovered(usize, Vec<String>),
}

/// Recovers, with a value of its own key and of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node(usize);

/// The number of the key, in a value of either kind.
fn worth(given: &Given) -> usize {
    match given {
        Given::Sum(sum) => *sum,
        Given::Recovered(key, _) => 1000 * (key + 1),
    }
}

impl Query<Graph> for Node {
    type Value = Given;

    fn provide(self, cx: &Cx<'_, Graph>) -> Given {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        let ask = |node: &usize| worth(cx.get(Node(*node)));
        let asked = cx.data().asks[self.0].iter().map(|node| {
            if cx.data().catches {
                catch_unwind(AssertUnwindSafe(|| ask(node))).unwrap_or(77)
            } else {
                ask(node)
            }
        });
        Given::Sum(1 + asked.sum::<usize>())
    }

    fn recover(&self, cycle: &Error) -> Option<Given> {
        let members = cycle.cycle_members().expect("a cycle");
        Some(Given::Recovered(self.0, members.to_vec()))
    }
}

fn recovered(key: usize, walk: &[usize]) -> Given {
    let walk = walk.iter().map(|node| format!("{:?}", Node(*node)));
    Given::Recovered(key, walk.collect())
}

/// What all nodes give that are asked for at once, beginning with one of them.
fn ask_all(bed: &Bed, graph: Graph, first: usize) -> Vec<Given> {
    let executor = bed.executor();
    let count = graph.asks.len();
    let db = Database::new(graph);
    let mut given = at_once_from_tasks(&executor, &db, count, |cx, index| {
        cx.get(Node((first + index) % count)).clone()
    });
    assert_eq!(db.data().runs.load(Ordering::SeqCst), count, "runs");
    given.rotate_right(first);
    given
}

fn c1_recovered_the_same_from_each_member(bed: &Bed) {
    for round in 0..bed.scaled(300) {
        for len in 1..=3 {
            let ring: Vec<[usize; 1]> = (0..len).map(|node| [(node + 1) % len]).collect();
            let ring: Vec<&[usize]> = ring.iter().map(|asks| &asks[..]).collect();
            let walk: Vec<usize> = (0..len).collect();
            let expected: Vec<Given> = (0..len).map(|key| recovered(key, &walk)).collect();
            assert_eq!(ask_all(bed, Graph::new(&ring), round % len), expected);
        }
    }
}

/// A cycle of three (0, 1, 2), two that ask for it from outside (3 for 1, 4 for 3 and 0), and one beside it.
fn with_outsiders() -> Graph {
    Graph::new(&[&[1], &[2], &[0], &[1], &[3, 0, 5], &[]])
}

fn expected_with_outsiders() -> [Given; 6] {
    let walk = [0, 1, 2];
    [
        recovered(0, &walk),
        recovered(1, &walk),
        recovered(2, &walk),
        Given::Sum(1 + 2000),
        Given::Sum(1 + 2001 + 1000 + 1),
        Given::Sum(1),
    ]
}

fn c4_each_asker_gets_the_value_of_its_key(bed: &Bed) {
    for round in 0..bed.scaled(300) {
        assert_eq!(
            ask_all(bed, with_outsiders(), round % 6),
            expected_with_outsiders()
        );
    }
}

/// Its even ones recover; each asks for the next of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Half(usize);

impl Query<()> for Half {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        *cx.get(Half((self.0 + 1) % 4))
    }

    fn recover(&self, _: &Error) -> Option<usize> {
        self.0.is_multiple_of(2).then_some(10 + self.0)
    }
}

fn c4_members_that_recover_and_members_that_do_not(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        let db = Database::new(());
        let results = at_once_from_tasks(&executor, &db, 4, |cx, key| {
            cx.try_get(Half(key))
                .copied()
                .map_err(|error| error.to_string())
        });
        let text = "query cycle: Half(0) -> Half(1) -> Half(2) -> Half(3) -> Half(0)";
        let error = || Err(text.to_owned());
        assert_eq!(results, [Ok(10), error(), Ok(12), error()]);
    }
}

/// `Root` is a join of `Left` and `Right`, and both ask for `Root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fork {
    Left,
    Right,
    Root,
}

impl Query<()> for Fork {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, ()>) -> u32 {
        match self {
            Fork::Root => {
                let (left, right) = cx.join(|cx| *cx.get(Fork::Left), |cx| *cx.get(Fork::Right));
                left + right
            }
            Fork::Left => *cx.get(Fork::Root),
            Fork::Right => 1 + *cx.get(Fork::Root),
        }
    }

    fn recover(&self, cycle: &Error) -> Option<u32> {
        let len = cycle.cycle_members().expect("a cycle").len() as u32;
        Some(100 * len + *self as u32)
    }
}

fn c4_a_sibling_in_a_fork_sees_the_recovered_value(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(300) {
        let db = Database::new(());
        let keys = [Fork::Root, Fork::Left, Fork::Right];
        let given = at_once_from_tasks(&executor, &db, 3, |cx, index| *cx.get(keys[index]));
        // The right one is no member: it goes on with the root's value.
        assert_eq!(given, [202, 200, 203]);
    }
}

/// Two that ask each other; what the first gives as a member is a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Brittle(usize);

impl Query<()> for Brittle {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        *cx.get(Brittle(1 - self.0))
    }

    fn recover(&self, _: &Error) -> Option<usize> {
        match self.0 {
            0 => fail_quietly("no way out"),
            key => Some(key),
        }
    }
}

fn c4_a_recovery_that_panics(bed: &Bed) {
    let executor = bed.executor();
    for first in [0, 1] {
        let db = Database::new(());
        let ask = |key: usize| executor.run(&db, |cx| *cx.get(Brittle(key)));
        let _ = ask(first);
        assert_eq!(ask(1).expect("it recovers"), 1);
        let error = ask(0).expect_err("it panics");
        assert_eq!(
            error.to_string(),
            "panicked: no way out (in Brittle(0))",
            "entered at {first}"
        );
    }
}

fn c4_a_recovered_query_has_a_record(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(with_outsiders()).record_all();
    let value = executor.run(&db, |cx| worth(cx.get(Node(4))));
    assert_eq!(value.expect("all recover"), 3003);
    let record = |key| format!("{:?}", db.record(&Node(key)).expect("it is ready"));
    assert_eq!(record(4), "[Node(3), Node(0), Node(5)]");
    assert_eq!(record(3), "[Node(1)]");
    assert_eq!(record(0), "[]");
}

/// 0, 1 and 2 are a loop, and 2, 3 and 4 are written as one: the first way around is the cycle, the other's members see
/// what the shared node gives. (1 asks itself, too, after the others.)
fn c7_two_loops_that_share_a_node(bed: &Bed) {
    for round in 0..bed.scaled(200) {
        let graph = Graph::new(&[&[1], &[2, 1], &[0, 3], &[4], &[2]]);
        let given = ask_all(bed, graph, round % 5);
        let walk = [0, 1, 2];
        let expected = [
            recovered(0, &walk),
            recovered(1, &walk),
            recovered(2, &walk),
            Given::Sum(1 + 3001),
            Given::Sum(1 + 3000),
        ];
        assert_eq!(given, expected);
    }
}

/// Two that ask each other, once a reader from outside asks.
#[derive(Default)]
struct Watched {
    reader_asks: Event<()>,
    member_runs: Event<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member(usize);

impl Query<Watched> for Member {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Watched>) -> usize {
        if self.0 == 0 {
            open(&cx.data().member_runs);
            cx.data().reader_asks.wait(cx);
        }
        *cx.get(Member(1 - self.0))
    }

    fn recover(&self, _: &Error) -> Option<usize> {
        Some(5 + self.0)
    }
}

fn c7_an_outside_reader_in_mid_cycle(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        let db = Database::new(Watched::default());
        let enter = |cx: &Cx<'_, Watched>| *cx.get(Member(1));
        let read = |cx: &Cx<'_, Watched>| {
            cx.data().member_runs.wait(cx);
            open(&cx.data().reader_asks);
            *cx.get(Member(0))
        };
        let given = executor.run(&db, |cx| cx.join(enter, read));
        assert_eq!(given.expect("both recover"), (6, 5));
    }
}

/// Asks for the next that the data names, if it does, and does not recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Link(usize);

impl Query<Vec<Option<usize>>> for Link {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Vec<Option<usize>>>) -> usize {
        cx.data()[self.0].map_or(0, |next| 1 + *cx.get(Link(next)))
    }
}

fn c9_fixed_and_retried(bed: &Bed) {
    let executor = bed.builder().statistics(true).build();
    let executor = executor.expect("an executor can be made");
    let mut db = Database::new(vec![Some(1), Some(2), Some(0)]);
    let ask = |db: &Database<_>| executor.run(db, |cx| *cx.get(Link(1)));
    for round in 1..=2 {
        for _ in 0..2 {
            assert!(ask(&db).expect_err("a cycle").is_cycle());
        }
        assert_eq!(executor.statistics().queries, 3 * round, "found once");
        // The same input, and nothing remembered: found again.
        db.forget();
    }
    let mut links = db.into_data();
    links[0] = None;
    assert_eq!(ask(&Database::new(links)).expect("no cycle any more"), 2);
}

fn c10_what_a_member_catches_changes_nothing(bed: &Bed) {
    for round in 0..bed.scaled(100) {
        let graph = Graph {
            catches: true,
            ..with_outsiders()
        };
        // A member that catches the end of its ask goes on, and what it makes of it does not count.
        assert_eq!(ask_all(bed, graph, round % 6), expected_with_outsiders());
    }
}
