//! C6 as a property: in no graph without cycles is a cycle found; each node runs once, and gives what a plain loop says.
//!
//! The cases are the same in every run (more with `PROPTEST_CASES`); the schedules are not. What fails is made smaller.

use dagwood::Database;
use dagwood_tests::{Bed, Dag, Node, Step, scenarios};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

scenarios! {
    all [1, 2, 4, 16]: c6_no_false_cycle_in_small_graphs;
    all [1, 2, 4, 16]: c6_no_false_cycle_in_graphs_of_thousands;
}

/// A graph to be: of whatever numbers, so that each part can be made smaller by itself.
#[derive(Clone, Debug)]
struct Sketch {
    /// For each node its steps: a kind, and who is asked.
    nodes: Vec<Vec<(u8, Vec<usize>)>>,
    /// How far below itself a node asks at most: small ones make deep graphs.
    reach: usize,
    /// Who is asked first, at once with all.
    entries: Vec<usize>,
    is_recorded: bool,
}

impl Sketch {
    fn dag(&self) -> Dag {
        let node = |(index, steps): (usize, &Vec<(u8, Vec<usize>)>)| {
            // Only smaller ones are asked, so there is no cycle; the first asks nobody.
            let asked = |number: &usize| index - 1 - number % index.min(self.reach);
            let step = |(kind, numbers): &(u8, Vec<usize>)| {
                let nodes: Vec<usize> = numbers.iter().map(asked).collect();
                match kind {
                    0 => Step::Get(nodes[0]),
                    1 => Step::Join(nodes[0], nodes[nodes.len() - 1]),
                    2 => Step::Loop(nodes),
                    3 => Step::Scope(nodes),
                    _ => Step::Tasks(nodes),
                }
            };
            match index {
                0 => Vec::new(),
                _ => steps.iter().map(step).collect(),
            }
        };
        Dag::new(self.nodes.iter().enumerate().map(node).collect())
    }
}

fn sketches(len_max: usize) -> impl Strategy<Value = Sketch> {
    let step = (0..5_u8, vec(any::<usize>(), 1..5));
    let nodes = vec(vec(step, 0..4), 1..=len_max);
    let reach = prop_oneof![1..4_usize, 1..=len_max];
    let entries = vec(any::<usize>(), 0..6);
    (nodes, reach, entries, any::<bool>()).prop_map(|(nodes, reach, entries, is_recorded)| Sketch {
        nodes,
        reach,
        entries,
        is_recorded,
    })
}

fn check(bed: &Bed, len_max: usize, cases: u32) {
    let executor = bed.executor();
    let default = Config::default();
    let config = Config {
        // As a part of what the variable says.
        cases: bed.scaled((default.cases * cases).div_ceil(256) as usize) as u32,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..default
    };
    // Others under each seed.
    let mut start = [0x5a; 32];
    start[..8].copy_from_slice(&bed.numbers(1).start.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &start);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&sketches(len_max), |sketch| {
        let mut db = Database::new(sketch.dag());
        if sketch.is_recorded {
            db = db.record_all();
        }
        let len = db.data().len();
        let values = executor.run(&db, |cx| {
            cx.join(
                |cx| {
                    cx.par_for_each(&sketch.entries, |cx, entry| {
                        cx.get(Node(entry % len));
                    });
                },
                |cx| cx.par_map(0..len, |cx, index| *cx.get(Node(index))),
            )
            .1
        });
        let values = values.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(values, db.data().oracle());
        let runs = db.data().runs();
        prop_assert!(runs.iter().all(|runs| *runs == 1), "{:?}", runs);
        for node in (0..len).filter(|_| sketch.is_recorded) {
            let record = db.record(&Node(node)).expect("it is ready");
            prop_assert_eq!(format!("{record:?}"), db.data().record_of(node));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn c6_no_false_cycle_in_small_graphs(bed: &Bed) {
    check(bed, 30, 200);
}

fn c6_no_false_cycle_in_graphs_of_thousands(bed: &Bed) {
    check(bed, bed.at_most_seeded(200, 5000), 6);
}
