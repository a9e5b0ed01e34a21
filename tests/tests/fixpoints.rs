//! C1, C4, C7 and C8 with queries that ask for a fixpoint: the same values from wherever and by however many they are
//! asked, right against plain loops, and never seen before they are final.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Fixpoint, Query};
use dagwood_tests::{
    Bed, Random, at_once_from_tasks, at_once_from_threads, fail_quietly, open, scenarios,
};

scenarios! {
    all [1, 2, 3, 8]: c1_reachable_sets_from_each_member_at_once;
    shared [1, 2, 4]: c1_reachable_sets_by_threads;
    all [1, 4]: c1_a_component_of_sixty_thousand;
    all [1, 2, 3, 8]: c1_values_that_go_up_and_down;
    all [1, 2]: c1_a_query_on_no_cycle_has_final_answers_only;
    all [1, 2, 4]: c4_members_that_come_to_no_end;
    all [1, 2, 4]: c4_a_member_that_fails;
    all [1, 2]: c4_a_panic_of_user_code_in_between;
    all [1, 2]: c4_records_are_those_of_the_last_round;
    pools [1, 2, 4]: c7_a_plain_query_elsewhere_on_the_cycle;
    pools [2, 4]: c7_a_reader_outside_sees_final_values_only;
    pools [1, 2, 4]: c7_what_others_want_holds_nobody_up;
    all [1, 2, 4]: c8_forks_and_tasks_inside;
    pools [1, 2]: c8_an_event_is_awaited_inside;
}

/// Whom each node asks for.
#[derive(Debug)]
struct Graph(Vec<Vec<usize>>);

impl Graph {
    fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let len = 1 + random.below(60);
        let degree = 1 + random.below(4);
        let asks = |_| {
            let count = random.below(degree + 1);
            (0..count).map(|_| random.below(len)).collect()
        };
        Graph((0..len).map(asks).collect())
    }

    /// What can be reached from a node, itself included, by a plain walk.
    fn reachable(&self, node: usize) -> Vec<usize> {
        let mut is_reached = vec![false; self.0.len()];
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut is_reached[node], true) {
                open.extend(&self.0[node]);
            }
        }
        (0..self.0.len()).filter(|node| is_reached[*node]).collect()
    }
}

/// What can be reached from a node; odd ones ask through [`Relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reachable(usize);

/// The same, by a query that asks for no fixpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Relay(usize);

impl Query<Graph> for Reachable {
    type Value = Vec<usize>;
    const FIXPOINT: Option<Fixpoint<Self, Self::Value>> = Some(Fixpoint::new(|_| Vec::new()));

    fn provide(self, cx: &Cx<'_, Graph>) -> Vec<usize> {
        let mut reached = vec![self.0];
        for next in &cx.data().0[self.0] {
            match self.0 % 2 {
                0 => reached.extend(cx.get(Reachable(*next))),
                _ => reached.extend(cx.get(Relay(*next))),
            }
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }
}

impl Query<Graph> for Relay {
    type Value = Vec<usize>;

    fn provide(self, cx: &Cx<'_, Graph>) -> Vec<usize> {
        cx.get(Reachable(self.0)).clone()
    }
}

/// Every third by way of the relay.
fn ask(cx: &Cx<'_, Graph>, node: usize) -> Vec<usize> {
    if node.is_multiple_of(3) {
        cx.get(Relay(node)).clone()
    } else {
        cx.get(Reachable(node)).clone()
    }
}

fn c1_reachable_sets_from_each_member_at_once(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(300) {
        let db = Database::new(Graph::random(seed));
        let len = db.data().0.len();
        let first = seed as usize;
        let reached = at_once_from_tasks(&executor, &db, len, |cx, index| {
            let node = (first + index) % len;
            (node, ask(cx, node))
        });
        for (node, reached) in reached {
            assert_eq!(reached, db.data().reachable(node), "seed {seed}, {node}");
        }
    }
}

fn c1_reachable_sets_by_threads(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(30) {
        let db = Database::new(Graph::random(seed));
        let len = db.data().0.len();
        let count = bed.at_most_on_threads(8, 16);
        let reached = at_once_from_threads(&executor, &db, count, |cx, index| {
            let node = index % len;
            (node, ask(cx, node))
        });
        for run in reached {
            let (node, reached) = run.expect("a value");
            assert_eq!(reached, db.data().reachable(node), "seed {seed}, {node}");
        }
    }
}

/// The greatest number below a node of a tree whose leaves ask for the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Greatest(usize);

impl Query<(usize, AtomicUsize)> for Greatest {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, (usize, AtomicUsize)>) -> usize {
        let (len, runs) = cx.data();
        runs.fetch_add(1, Ordering::Relaxed);
        let below = [2 * self.0 + 1, 2 * self.0 + 2];
        let inside = below.into_iter().filter(|node| node < len);
        let asks: Vec<usize> = inside.chain((below[1] >= *len).then_some(0)).collect();
        let greatest = asks.into_iter().map(|node| *cx.get(Greatest(node))).max();
        greatest.unwrap_or(0).max(self.0)
    }
}

/// No stack as deep as the component is long is needed, and few rounds.
fn c1_a_component_of_sixty_thousand(bed: &Bed) {
    let len = bed.scaled(60_000);
    let executor = bed.executor();
    let db = Database::new((len, AtomicUsize::new(0)));
    let greatest = executor.run(&db, |cx| {
        (*cx.get(Greatest(len - 1)), *cx.get(Greatest(len / 2)))
    });
    assert_eq!(greatest.expect("it ends"), (len - 1, len - 1));
    let runs = db.data().1.load(Ordering::Relaxed);
    // Each of the few rounds in which the root has a greater answer concerns the half that are leaves.
    assert!(runs < 12 * len, "{runs} runs");
}

/// What a node does after it has an answer.
#[derive(Clone, Copy, Debug)]
struct Turn {
    node: usize,
    /// Only if the sum so far is odd.
    if_odd: bool,
    factor: u64,
}

/// Queries of both kinds with small numbers for values, which depend on answers in no way that always leads to an end, and
/// ask for more or less as the answers are.
#[derive(Debug)]
struct Waves {
    nodes: Vec<Vec<Turn>>,
    runs: AtomicUsize,
}

impl Waves {
    fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let len = 2 + random.below(9);
        let turn = |random: &mut Random| Turn {
            node: random.below(len),
            if_odd: random.once_in(3),
            factor: random.below(3) as u64,
        };
        let mut node = || {
            let count = random.below(4);
            (0..count).map(|_| turn(&mut random)).collect()
        };
        Waves {
            nodes: (0..len).map(|_| node()).collect(),
            runs: AtomicUsize::new(0),
        }
    }

    fn value(&self, cx: &Cx<'_, Waves>, node: usize) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut sum = node as u64;
        for turn in &self.nodes[node] {
            if turn.if_odd && sum.is_multiple_of(2) {
                continue;
            }
            sum += turn.factor * wave(cx, turn.node);
            sum %= 12;
        }
        sum
    }
}

fn is_wave(node: usize) -> bool {
    !node.is_multiple_of(3)
}

fn wave(cx: &Cx<'_, Waves>, node: usize) -> u64 {
    if is_wave(node) {
        *cx.get(Wave(node))
    } else {
        *cx.get(Still(node))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Wave(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Still(usize);

impl Query<Waves> for Wave {
    type Value = u64;
    const FIXPOINT: Option<Fixpoint<Self, u64>> =
        Some(Fixpoint::new(|key: &Wave| key.0 as u64 % 3).rounds_max(60));

    fn provide(self, cx: &Cx<'_, Waves>) -> u64 {
        cx.data().value(cx, self.0)
    }
}

impl Query<Waves> for Still {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Waves>) -> u64 {
        cx.data().value(cx, self.0)
    }
}

fn try_wave(cx: &Cx<'_, Waves>, node: usize) -> Result<u64, String> {
    let value = if is_wave(node) {
        cx.try_get(Wave(node))
    } else {
        cx.try_get(Still(node))
    };
    value.copied().map_err(|error| error.to_string())
}

/// Whether there is a fixpoint, who comes to none together, and all values are the same from every entry.
fn c1_values_that_go_up_and_down(bed: &Bed) {
    let executor = bed.executor();
    let (mut values, mut endless) = (0, 0);
    for seed in bed.numbers(600) {
        let fresh = || Database::new(Waves::random(seed));
        let len = fresh().data().nodes.len();
        let from = |first: usize| {
            let given = executor.run(&fresh(), |cx| {
                let all = (0..len).map(|index| (first + index) % len);
                let mut given: Vec<_> = all.map(|node| try_wave(cx, node)).collect();
                given.rotate_right(first);
                given
            });
            given.expect("errors are held back")
        };
        let expected = from(0);
        for first in 1..len {
            assert_eq!(from(first), expected, "seed {seed}, entered at {first}");
        }
        let db = fresh();
        let at_once = at_once_from_tasks(&executor, &db, len, try_wave);
        assert_eq!(at_once, expected, "seed {seed}, {:?}", db.data());
        values += expected.iter().filter(|given| given.is_ok()).count();
        endless += expected.iter().filter(|given| given.is_err()).count();
    }
    if !bed.is_seeded() {
        let least = bed.scaled(80);
        assert!(values > least && endless > least, "{values}, {endless}");
    }
}

/// A chain: the answer of the next, and how often a provider saw one that was not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Chain(usize);

impl Query<AtomicUsize> for Chain {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, AtomicUsize>) -> usize {
        cx.data().fetch_add(1, Ordering::Relaxed);
        match self.0 {
            0 => 1,
            link => 1 + *cx.get(Chain(link - 1)),
        }
    }
}

fn c1_a_query_on_no_cycle_has_final_answers_only(bed: &Bed) {
    let len = bed.scaled(5000);
    let db = Database::new(AtomicUsize::new(0));
    let length = bed.executor().run(&db, |cx| *cx.get(Chain(len)));
    assert_eq!(length.expect("no cycle"), len + 1);
    // Once against a first value, once against the final one.
    assert!(db.data().load(Ordering::Relaxed) <= 2 * len + 1);
}

/// Two that ask each other, and each says one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Counting(usize);

impl Query<()> for Counting {
    type Value = u64;
    const FIXPOINT: Option<Fixpoint<Self, u64>> = Some(Fixpoint::new(|_| 0).rounds_max(20));

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        match self.0 {
            // From outside.
            2 => 1 + cx.try_get(Counting(0)).copied().unwrap_or(100),
            side => 1 + cx.get(Counting(1 - side)),
        }
    }
}

fn c4_members_that_come_to_no_end(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(());
        let given = at_once_from_tasks(&executor, &db, 3, |cx, key| {
            cx.try_get(Counting(key)).copied()
        });
        for error in &given[..2] {
            let error = error.as_ref().expect_err("no end");
            assert!(error.is_diverged() && !error.is_cycle());
            assert_eq!(
                error.to_string(),
                "no fixpoint after 20 rounds: Counting(0), Counting(1)"
            );
        }
        assert_eq!(*given[2].as_ref().expect("it asks from outside"), 101);
    }
}

/// A ring of four, of which the third fails once the answer of the next is greater than two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Failing(usize);

impl Query<()> for Failing {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        let next = *cx.get(Failing((self.0 + 1) % 4));
        if self.0 == 2 && next > 2 {
            fail_quietly("too many");
        }
        (next + 1).min(10)
    }
}

fn c4_a_member_that_fails(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(());
        let given = at_once_from_tasks(&executor, &db, 4, |cx, key| {
            cx.try_get(Failing(key)).copied()
        });
        for error in given {
            let text = error.expect_err("one of them fails").to_string();
            assert_eq!(text, "panicked: too many (in Failing(2))");
        }
        // The executor and the database are as good as before.
        let other = executor.run(&db, |cx| cx.try_get(Failing(0)).is_err());
        assert!(other.expect("errors are held back"));
    }
}

/// A value whose comparison panics while the data says so.
#[derive(Debug)]
struct Touchy(bool, u32);

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        if self.0 || other.0 {
            fail_quietly("do not compare me");
        }
        self.1 == other.1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Compared;

impl Query<AtomicUsize> for Compared {
    type Value = Touchy;
    const FIXPOINT: Option<Fixpoint<Self, Touchy>> = Some(Fixpoint::new(|_| Touchy(false, 0)));

    fn provide(self, cx: &Cx<'_, AtomicUsize>) -> Touchy {
        let is_touchy = cx.data().load(Ordering::SeqCst) == 0;
        Touchy(is_touchy, cx.get(Compared).1.max(3))
    }
}

/// It goes on where the query was asked for, and leaves nothing behind.
fn c4_a_panic_of_user_code_in_between(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let run = std::panic::AssertUnwindSafe(|| executor.run(&db, |cx| cx.get(Compared).1));
        let payload = std::panic::catch_unwind(run).expect_err("it panics");
        assert_eq!(dagwood_tests::panic_text(payload), "do not compare me");
    }
    db.data().store(1, Ordering::SeqCst);
    let value = executor.run(&db, |cx| cx.get(Compared).1);
    assert_eq!(value.expect("it can be compared now"), 3);
}

/// Asks for [`Leaf`] as often as its own value says, and for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Growing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leaf(usize);

impl Query<()> for Growing {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        let own = *cx.get(Growing);
        // In the first round one that no later round asks for.
        let leaf = if own == 0 { Leaf(9) } else { Leaf(own) };
        (own + *cx.get(leaf)).min(3)
    }
}

impl Query<()> for Leaf {
    type Value = usize;

    fn provide(self, _: &Cx<'_, ()>) -> usize {
        1
    }
}

fn c4_records_are_those_of_the_last_round(bed: &Bed) {
    let db = Database::new(()).record_all();
    let value = bed.executor().run(&db, |cx| *cx.get(Growing));
    assert_eq!(value.expect("it ends"), 3);
    let record = format!("{:?}", db.record(&Growing).expect("it is ready"));
    assert_eq!(record, "[Growing, Leaf(3)]");
}

/// `Far` (plain) and `Near` (iterated) ask each other; both start before the first asks.
#[derive(Default)]
struct Pair {
    far_runs: Event<()>,
    near_runs: Event<()>,
    has_met: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Far;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Near;

impl Query<Pair> for Far {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Pair>) -> u32 {
        if cx.data().has_met.fetch_add(1, Ordering::SeqCst) == 0 {
            open(&cx.data().far_runs);
            cx.data().near_runs.wait(cx);
        }
        (*cx.get(Near) + 1).min(7)
    }
}

impl Query<Pair> for Near {
    type Value = u32;
    const FIXPOINT: Option<Fixpoint<Self, u32>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Pair>) -> u32 {
        if cx.data().near_runs.get().is_none() {
            cx.data().far_runs.wait(cx);
            open(&cx.data().near_runs);
        }
        *cx.get(Far)
    }
}

fn c7_a_plain_query_elsewhere_on_the_cycle(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(200) {
        let db = Database::new(Pair::default());
        let given = executor.run(&db, |cx| cx.join(|cx| *cx.get(Far), |cx| *cx.get(Near)));
        assert_eq!(given.expect("a fixpoint"), (7, 7));
    }
}

/// A ring of two that asks for a gate's opener in its third round.
#[derive(Default)]
struct Watched {
    in_mid_cycle: Event<()>,
    reader_asks: Event<()>,
    ring_is_done: Event<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ring(usize);

impl Query<Watched> for Ring {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Watched>) -> usize {
        let other = *cx.get(Ring(1 - self.0));
        if self.0 == 0 && other == 3 && cx.data().in_mid_cycle.get().is_none() {
            open(&cx.data().in_mid_cycle);
            cx.data().reader_asks.wait(cx);
        }
        (other + 1).min(20)
    }
}

fn c7_a_reader_outside_sees_final_values_only(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        let db = Database::new(Watched::default());
        let reader = |cx: &Cx<'_, Watched>| {
            cx.data().in_mid_cycle.wait(cx);
            open(&cx.data().reader_asks);
            [*cx.get(Ring(1)), *cx.get(Ring(0))]
        };
        let given = executor.run(&db, |cx| cx.join(|cx| *cx.get(Ring(0)), reader));
        assert_eq!(given.expect("a fixpoint"), (20, [20, 20]));
    }
}

/// Whether [`Lazy`] could wait to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slow;

/// Waits until the ring is known to who has asked for it first, and catches what that raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lazy;

impl Query<Watched> for Slow {
    type Value = bool;
    const FIXPOINT: Option<Fixpoint<Self, bool>> = Some(Fixpoint::new(|_| false));

    fn provide(self, cx: &Cx<'_, Watched>) -> bool {
        *cx.get(Lazy)
    }
}

impl Query<Watched> for Lazy {
    type Value = bool;

    fn provide(self, cx: &Cx<'_, Watched>) -> bool {
        let wait = || cx.data().ring_is_done.wait(cx);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).is_ok()
    }
}

/// The iteration of the ring is asked for `Slow`, too, which waits for what comes after it.
fn c7_what_others_want_holds_nobody_up(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        let db = Database::new(Watched::default());
        let ring = |cx: &Cx<'_, Watched>| {
            let ring = *cx.get(Ring(0));
            open(&cx.data().ring_is_done);
            ring
        };
        let slow = |cx: &Cx<'_, Watched>| {
            cx.data().in_mid_cycle.wait(cx);
            let ask = |cx: &Cx<'_, Watched>| *cx.get(Slow);
            cx.join(ask, |cx| open(&cx.data().reader_asks)).0
        };
        let given = executor.run(&db, |cx| cx.join(ring, slow));
        assert_eq!(given.expect("nobody is held up"), (20, true));
    }
}

/// A ring of six in which each asks for both neighbours in a fork of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Forking(usize);

impl Query<()> for Forking {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|key: &Forking| key.0));

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        let sides = [(self.0 + 1) % 6, (self.0 + 5) % 6];
        let get = |cx: &Cx<'_, ()>, side: usize| *cx.get(Forking(side));
        let answers = match self.0 {
            0 | 1 => {
                let (left, right) = cx.join(|cx| get(cx, sides[0]), |cx| get(cx, sides[1]));
                [left, right]
            }
            2 | 3 => {
                let answers = cx.par_map(0..2_usize, |cx, index| get(cx, sides[index]));
                [answers[0], answers[1]]
            }
            4 => sides.map(|side| *cx.spawn(move |cx| get(cx, side)).wait(cx)),
            _ => {
                let mut answers = [0; 2];
                cx.scope(|cx, scope| {
                    for (side, answer) in sides.iter().zip(&mut answers) {
                        scope.spawn(cx, move |cx| *answer = get(cx, *side));
                    }
                });
                answers
            }
        };
        answers.into_iter().max().expect("two").max(10 * self.0)
    }
}

fn c8_forks_and_tasks_inside(bed: &Bed) {
    let executor = bed.executor();
    for round in 0..bed.scaled(50) {
        let db = Database::new(());
        let given = at_once_from_tasks(&executor, &db, 6, |cx, key| {
            *cx.get(Forking((key + round) % 6))
        });
        assert_eq!(given, [50; 6]);
    }
}

/// Waits for an event that somebody else sets once it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Awaiting;

impl Query<[Event<()>; 2]> for Awaiting {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, [Event<()>; 2]>) -> usize {
        let own = *cx.get(Awaiting);
        if own == 1 {
            let [waits, goes_on] = cx.data();
            if waits.get().is_none() {
                open(waits);
            }
            goes_on.wait(cx);
        }
        (own + 1).min(5)
    }
}

fn c8_an_event_is_awaited_inside(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new([Event::new(), Event::new()]);
        let set = |cx: &Cx<'_, [Event<()>; 2]>| {
            cx.data()[0].wait(cx);
            open(&cx.data()[1]);
        };
        let given = executor.run(&db, |cx| cx.join(|cx| *cx.get(Awaiting), set).0);
        assert_eq!(given.expect("it is set"), 5);
    }
}
