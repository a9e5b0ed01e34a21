//! C6, S1 and D3: random and large graphs give what one thread in program order gives, on every backend.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Backend, Cx, Database, Executor, Query};
use dagwood_tests::{Bed, Dag, Node, Outcome, Random, at_once_from_tasks, scenarios};

scenarios! {
    all [1, 2, 3, 8, 16]: c6_random_graphs_without_cycles;
    all [1, 2, 3, 8]: s1_random_graphs_with_cycles;
    all [1, 2, 3, 8]: s1_random_graphs_with_forks_and_panics;
    all [1, 2, 3, 8]: s1_random_graphs_with_forks_and_cycles;
    all [1, 4]: d3_fan_in_and_fan_out_of_ten_thousand;
}

/// A copy with nothing computed.
fn fresh(seed: u64) -> Dag {
    let mut random = Random::new(seed);
    let len = 1 + random.below(300);
    Dag::random(&mut random, len)
}

fn c6_random_graphs_without_cycles(bed: &Bed) {
    let executor = bed.executor();
    for seed in bed.numbers(40) {
        let db = Database::new(fresh(seed));
        let len = db.data().len();
        let values = executor.run(&db, |cx| {
            // From the top and from everywhere at once.
            let all = |cx: &Cx<'_, Dag>| cx.par_map(0..len, |cx, i| *cx.get(Node(i)));
            cx.join(|cx| *cx.get(Node(len - 1)), all).1
        });
        assert_eq!(values.expect("no cycle"), db.data().oracle(), "seed {seed}");
        let runs = db.data().runs();
        assert!(runs.iter().all(|runs| *runs == 1), "seed {seed}: {runs:?}");
    }
}

fn outcome(cx: &Cx<'_, Dag>, index: usize) -> Outcome {
    cx.try_get(Node(index))
        .copied()
        .map_err(|error| error.to_string())
}

/// What one thread in program order finds, entered at `first` before the others.
fn in_program_order(dag: Dag, first: usize) -> Vec<Outcome> {
    let builder = Executor::builder().backend(Backend::Sequential);
    let executor = builder.build().expect("it is in every build");
    let all = |cx: &Cx<'_, Dag>| {
        let _ = outcome(cx, first);
        (0..cx.data().len()).map(|i| outcome(cx, i)).collect()
    };
    let outcomes = executor.run(&Database::new(dag), all);
    outcomes.expect("errors are held back")
}

/// Compares what all nodes give, entered at once, to program order from each entry. `check_runs` sees how often each ran.
fn check(bed: &Bed, make: impl Fn(&mut Random, usize) -> Dag, check_runs: impl Fn(Vec<usize>)) {
    let executor = bed.executor();
    for seed in bed.numbers(200) {
        let fresh = || {
            let mut random = Random::new(seed);
            let len = 2 + random.below(20);
            make(&mut random, len)
        };
        let len = fresh().len();
        let expected = in_program_order(fresh(), 0);
        for first in 1..len {
            let entered_there = in_program_order(fresh(), first);
            assert_eq!(entered_there, expected, "seed {seed}, entered at {first}");
        }
        for _ in 0..3 {
            let db = Database::new(fresh());
            let outcomes = at_once_from_tasks(&executor, &db, len, outcome);
            assert_eq!(outcomes, expected, "seed {seed}");
            check_runs(db.data().runs());
        }
    }
}

fn once_each(runs: Vec<usize>) {
    assert!(runs.iter().all(|runs| *runs == 1), "{runs:?}");
}

fn s1_random_graphs_with_cycles(bed: &Bed) {
    let make = |random: &mut Random, len| Dag::random_with_cycles(random, len, false);
    check(bed, make, once_each);
}

fn s1_random_graphs_with_forks_and_panics(bed: &Bed) {
    check(bed, Dag::random_with_panics, once_each);
}

/// A branch of a provider that a cycle has decided may have to give up what it computed, so some nodes run twice.
fn s1_random_graphs_with_forks_and_cycles(bed: &Bed) {
    let make = |random: &mut Random, len| Dag::random_with_cycles(random, len, true);
    check(bed, make, |_| ());
}

/// Layers of nodes, each of which asks three of the layer below; one node on top asks for many, and many ask for one.
struct Layers {
    width: usize,
    depth: usize,
    /// How many the fan has.
    fan: usize,
    runs: AtomicUsize,
}

/// How many ask for [`Part::One`], and how many [`Part::Many`] asks for.
const FAN: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// Asked by all of the fan.
    One,
    /// One of the fan.
    Fan(usize),
    /// Asks for all of the fan.
    Many,
    /// A layer, and the place in it.
    Inner(usize, usize),
}

impl Query<Layers> for Part {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Layers>) -> u64 {
        let layers = cx.data();
        layers.runs.fetch_add(1, Ordering::Relaxed);
        match self {
            Part::One => *cx.get(Part::Inner(layers.depth - 1, 0)),
            Part::Fan(index) => cx.get(Part::One).wrapping_add(index as u64),
            Part::Many => {
                let fan = cx.par_map(0..layers.fan, |cx, i| *cx.get(Part::Fan(i)));
                fan.into_iter().fold(0, u64::wrapping_add)
            }
            Part::Inner(0, place) => place as u64,
            Part::Inner(depth, place) => {
                let below = |by: usize| Part::Inner(depth - 1, (place + by) % layers.width);
                let (left, right) = cx.join(|cx| *cx.get(below(0)), |cx| *cx.get(below(7)));
                left.wrapping_mul(3) ^ right.wrapping_add(*cx.get(below(1)))
            }
        }
    }
}

/// The value of [`Part::Many`] by plain loops.
fn oracle(width: usize, depth: usize, fan: usize) -> u64 {
    let mut layer: Vec<u64> = (0..width as u64).collect();
    for _ in 1..depth {
        let node = |place: usize| {
            let below = |by: usize| layer[(place + by) % width];
            below(0).wrapping_mul(3) ^ below(7).wrapping_add(below(1))
        };
        layer = (0..width).map(node).collect();
    }
    (0..fan as u64).fold(0, |sum, i| sum.wrapping_add(layer[0].wrapping_add(i)))
}

fn check_layers(bed: &Bed, width: usize, depth: usize) {
    let fan = bed.scaled(FAN);
    let db = Database::new(Layers {
        width,
        depth,
        fan,
        runs: AtomicUsize::new(0),
    });
    let asked = bed.executor().run(&db, |cx| {
        let top = |cx: &Cx<'_, Layers>| {
            cx.par_for_each(0..width, |cx, place| {
                cx.get(Part::Inner(depth - 1, place));
            });
        };
        cx.join(|cx| *cx.get(Part::Many), top).0
    });
    assert_eq!(asked.expect("no cycle"), oracle(width, depth, fan));
    let nodes = width * depth + fan + 2;
    assert_eq!(db.data().runs.load(Ordering::Relaxed), nodes);
}

/// A hundred thousand nodes (a tenth under an emulator), on paths of at most a hundred.
fn d3_fan_in_and_fan_out_of_ten_thousand(bed: &Bed) {
    check_layers(bed, bed.scaled(950), bed.at_most_seeded(20, 95));
}

/// As above with a million nodes: some seconds in release.
#[test]
#[ignore = "takes long in debug"]
fn d3_a_million_nodes() {
    for backend in Executor::backends() {
        dagwood_tests::run_scenario("d3_a_million_nodes", *backend, &[1, 4], |bed| {
            check_layers(bed, 10_500, 95);
        });
    }
}
