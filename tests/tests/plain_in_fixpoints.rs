//! C1 and C7 where queries that ask for no fixpoint lie between those that do: how often they are computed.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Fixpoint, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1, 4]: c7_a_plain_query_is_kept_while_others_are_decided;
    all [1, 4]: c7_a_plain_query_is_kept_over_rounds;
    all [1, 4]: c1_a_chain_of_plain_queries_beside_a_ring;
}

/// How many there are, and how often a plain query was computed.
struct Counts {
    len: usize,
    runs: AtomicUsize,
}

impl Counts {
    fn new(len: usize) -> Self {
        Counts {
            len,
            runs: AtomicUsize::new(0),
        }
    }
}

fn runs(db: &Database<Counts>) -> usize {
    db.data().runs.load(Ordering::Relaxed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    /// All users.
    Users,
    /// Asks for the plain query, and for what is decided at once.
    User(usize),
    Leaf(usize),
    /// Two that ask for each other, and count to ten.
    Hub,
    Counter,
    /// A ring, around which what the first one finds in the plain query goes step by step.
    Ring(usize),
    /// One that needs the ring, and does not change when the ring does.
    Still(usize),
    /// A ring whose first one asks for the chain.
    Linked(usize),
}

/// The plain ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Plain {
    /// What the hub gives.
    OfHub,
    /// The sum of all that are still.
    OfStill,
    /// The sum of the linked ring from here on.
    Link(usize),
}

/// How many are still.
const STILL: usize = 50;

impl Query<Counts> for Node {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Counts>) -> usize {
        let len = cx.data().len;
        match self {
            Node::Users => (0..len).map(|number| *cx.get(Node::User(number))).sum(),
            Node::User(number) => *cx.get(Plain::OfHub) + *cx.get(Node::Leaf(number)),
            Node::Leaf(number) => number,
            Node::Hub => *cx.get(Node::Counter),
            Node::Counter => (*cx.get(Node::Hub) + 1).min(10),
            Node::Ring(0) => {
                cx.get(Node::Ring(len - 1));
                *cx.get(Plain::OfStill)
            }
            Node::Ring(number) => {
                cx.get(Plain::OfStill);
                *cx.get(Node::Ring(number - 1))
            }
            Node::Still(_) => {
                cx.get(Node::Ring(0));
                5
            }
            Node::Linked(0) => {
                cx.get(Plain::Link(0));
                cx.get(Node::Linked(len - 1));
                1
            }
            Node::Linked(number) => {
                cx.get(Node::Linked(number - 1));
                1
            }
        }
    }
}

impl Query<Counts> for Plain {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Counts>) -> usize {
        let Counts { len, runs } = cx.data();
        runs.fetch_add(1, Ordering::Relaxed);
        match self {
            Plain::OfHub => *cx.get(Node::Hub),
            Plain::OfStill => (0..STILL).map(|number| *cx.get(Node::Still(number))).sum(),
            Plain::Link(number) if number == *len => 0,
            Plain::Link(number) => {
                let rest = *cx.get(Plain::Link(number + 1));
                rest + *cx.get(Node::Linked(number))
            }
        }
    }
}

/// Each user is found, and its leaf decided, after the one before has asked for the plain query.
fn c7_a_plain_query_is_kept_while_others_are_decided(bed: &Bed) {
    let len = bed.scaled(2000);
    let db = Database::new(Counts::new(len));
    let users = bed.executor().run(&db, |cx| *cx.get(Node::Users));
    assert_eq!(users.expect("it ends"), 10 * len + len * (len - 1) / 2);
    // Against the first value of the hub, and against the last.
    assert!(runs(&db) <= 2, "{} runs", runs(&db));
}

/// In each round one of the ring changes, and asks for the plain query, of whose answers none has changed.
fn c7_a_plain_query_is_kept_over_rounds(bed: &Bed) {
    let len = bed.scaled(1000);
    let db = Database::new(Counts::new(len));
    let last = bed.executor().run(&db, |cx| *cx.get(Node::Ring(len - 1)));
    assert_eq!(last.expect("it ends"), 5 * STILL);
    // Against first values, which the ring is found by, twice if it is found to be larger; and when all have changed.
    assert!(runs(&db) <= 4, "{} runs", runs(&db));
}

/// What has gone into each of the chain is not written down anew with each: that would be 200,000,000 numbers.
fn c1_a_chain_of_plain_queries_beside_a_ring(bed: &Bed) {
    let len = bed.scaled(20_000);
    let db = Database::new(Counts::new(len));
    let sum = bed.executor().run(&db, |cx| {
        cx.get(Node::Linked(0));
        *cx.get(Plain::Link(0))
    });
    assert_eq!(sum.expect("it ends"), len);
    // Against first values, when all have changed, and against results.
    assert!(runs(&db) <= 3 * (len + 1), "{} runs", runs(&db));
}
