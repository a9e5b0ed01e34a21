//! C1 and C7 where queries that ask for no fixpoint lie between those that do: how often they are computed.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Fixpoint, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1, 4]: c7_a_plain_query_is_kept_while_others_are_decided;
    all [1, 4]: c7_a_plain_query_is_kept_over_rounds;
    all [1, 4]: c1_a_chain_of_plain_queries_beside_a_ring;
    all [1, 2, 4]: c7_random_programs_with_plain_queries_between;
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

/// One step of a provider: asks, unless it is not to without a bit that it has not found.
#[derive(Clone, Copy, Debug)]
struct Step {
    asked: Var,
    only_with: Option<u32>,
}

/// A query of a random program, which gives a set of bits: a node with a bit of its own, or a plain query, which asks for no
/// plain query before itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Var {
    Node(u32),
    Plain(u32),
}

impl Var {
    /// What its steps come to, if `ask` says what others give. More answers never give less.
    fn value(self, program: &Program, mut ask: impl FnMut(Var) -> u64) -> u64 {
        let (steps, first) = match self {
            Var::Node(number) => (&program.nodes[number as usize], 1 << number),
            Var::Plain(number) => (&program.plains[number as usize], 0),
        };
        steps.iter().fold(first, |set, step| {
            let is_asked = step.only_with.is_none_or(|bit| set & 1 << bit != 0);
            if is_asked { set | ask(step.asked) } else { set }
        })
    }
}

#[derive(Debug)]
struct Program {
    nodes: Vec<Vec<Step>>,
    plains: Vec<Vec<Step>>,
}

impl Program {
    fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = move |bound: u32| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as u32 % bound
        };
        let (nodes, plains) = (2 + below(40), 1 + below(20));
        let mut steps = |least_plain: u32| {
            let count = 1 + below(4);
            let step = |_| Step {
                asked: if least_plain < plains && below(2) == 0 {
                    Var::Plain(least_plain + below(plains - least_plain))
                } else {
                    Var::Node(below(nodes))
                },
                only_with: (below(3) == 0).then(|| below(nodes)),
            };
            (0..count).map(step).collect::<Vec<_>>()
        };
        Program {
            nodes: (0..nodes).map(|_| steps(0)).collect(),
            plains: (0..plains).map(|number| steps(number + 1)).collect(),
        }
    }

    fn vars(&self) -> Vec<Var> {
        let nodes = (0..self.nodes.len() as u32).map(Var::Node);
        nodes
            .chain((0..self.plains.len() as u32).map(Var::Plain))
            .collect()
    }

    /// The least values that agree with each other, found by trying again and again.
    fn least(&self) -> Vec<u64> {
        let vars = self.vars();
        let place = |var| match var {
            Var::Node(number) => number as usize,
            Var::Plain(number) => self.nodes.len() + number as usize,
        };
        let mut values = vec![0; vars.len()];
        loop {
            let value = |var: &Var| var.value(self, |asked| values[place(asked)]);
            let next: Vec<u64> = vars.iter().map(value).collect();
            if next == values {
                return values;
            }
            values = next;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct NodeSet(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PlainSet(u32);

fn set_of(cx: &Cx<'_, Program>, var: Var) -> u64 {
    match var {
        Var::Node(number) => *cx.get(NodeSet(number)),
        Var::Plain(number) => *cx.get(PlainSet(number)),
    }
}

impl Query<Program> for NodeSet {
    type Value = u64;
    const FIXPOINT: Option<Fixpoint<Self, u64>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Program>) -> u64 {
        Var::Node(self.0).value(cx.data(), |asked| set_of(cx, asked))
    }
}

impl Query<Program> for PlainSet {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Program>) -> u64 {
        Var::Plain(self.0).value(cx.data(), |asked| set_of(cx, asked))
    }
}

/// What they give is what one finds by trying, though groups turn out to be larger in later rounds, and plain queries that
/// many have read are kept as long as they can be.
fn c7_random_programs_with_plain_queries_between(bed: &Bed) {
    let executor = bed.executor();
    for number in bed.numbers(1000) {
        let seed = number + 1;
        let program = Program::new(seed);
        let (least, vars) = (program.least(), program.vars());
        let db = Database::new(program);
        let start = seed as usize % vars.len();
        let given = executor.run(&db, |cx| {
            set_of(cx, vars[start]);
            cx.par_map(0..vars.len(), |cx, place| set_of(cx, vars[place]))
        });
        assert_eq!(
            given.expect("no cycle of plain ones"),
            least,
            "program {seed}"
        );
    }
}
