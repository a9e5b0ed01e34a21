//! Random graphs of queries with forks inside, what each node must give, and how often it ran.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Query};

use crate::gate::fail_quietly;
use crate::random::Random;

/// What a node does with other nodes; the order of asking is the order written here.
#[derive(Clone, Debug)]
pub enum Step {
    /// Asks for one.
    Get(usize),
    /// Asks for two, in a join.
    Join(usize, usize),
    /// Asks for some, in a parallel loop.
    Loop(Vec<usize>),
    /// Asks for some, each in a child of a scope.
    Scope(Vec<usize>),
    /// Asks for some, each in a task.
    Tasks(Vec<usize>),
    /// Panics.
    Panic,
}

/// A graph: the data of a database, whose queries are [`Node`]s.
#[derive(Debug)]
pub struct Dag {
    nodes: Vec<Vec<Step>>,
    runs: Vec<AtomicUsize>,
}

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(pub usize);

/// What a node gives: its value, or the text of its error.
pub type Outcome = Result<u64, String>;

impl Dag {
    /// A graph of these nodes.
    pub fn new(nodes: Vec<Vec<Step>>) -> Self {
        let runs = nodes.iter().map(|_| AtomicUsize::new(0)).collect();
        Dag { nodes, runs }
    }

    /// A random graph without cycles: a node asks for smaller ones.
    pub fn random(random: &mut Random, len: usize) -> Self {
        let node = |index: usize| match index {
            0 => Vec::new(),
            _ => steps(random, index, 5),
        };
        Dag::new((0..len).map(node).collect())
    }

    /// The same as [`random`](Self::random) with nodes that panic.
    pub fn random_with_panics(random: &mut Random, len: usize) -> Self {
        let node = |index: usize| match index {
            0 => Vec::new(),
            _ if random.once_in(10) => vec![Step::Panic],
            _ => steps(random, index, 4),
        };
        Dag::new((0..len).map(node).collect())
    }

    /// A random graph in which a node may ask for any, itself too, and some nodes panic; forks only if `has_forks`.
    ///
    /// No tasks: the sequential backend runs a task at its own place in program order, so their cycles may differ.
    pub fn random_with_cycles(random: &mut Random, len: usize, has_forks: bool) -> Self {
        let kinds = if has_forks { 4 } else { 1 };
        let node = |_| match () {
            () if random.once_in(10) => vec![Step::Panic],
            () if random.once_in(3) => Vec::new(),
            () => steps(random, len, kinds),
        };
        Dag::new((0..len).map(node).collect())
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What the record of a node must say.
    pub fn record_of(&self, node: usize) -> String {
        let mut known = Vec::new();
        let steps = self.nodes[node].iter().map(|step| step.record(&mut known));
        let steps: Vec<String> = steps.filter(|step| !step.is_empty()).collect();
        format!("[{}]", steps.join(", "))
    }

    /// How often each node's provider has run.
    pub fn runs(&self) -> Vec<usize> {
        let count = |runs: &AtomicUsize| runs.load(Ordering::SeqCst);
        self.runs.iter().map(count).collect()
    }

    /// The values of a graph without cycles and panics, by a plain loop.
    pub fn oracle(&self) -> Vec<u64> {
        let mut values: Vec<u64> = Vec::new();
        for (index, steps) in self.nodes.iter().enumerate() {
            let asked = steps.iter().flat_map(Step::asked);
            let value = asked.fold(index as u64, |sum, node| mix(sum, values[node]));
            values.push(value);
        }
        values
    }
}

impl Step {
    /// The nodes that are asked for, in order.
    pub fn asked(&self) -> Vec<usize> {
        match self {
            Step::Get(node) => vec![*node],
            Step::Join(left, right) => vec![*left, *right],
            Step::Loop(nodes) | Step::Scope(nodes) | Step::Tasks(nodes) => nodes.clone(),
            Step::Panic => Vec::new(),
        }
    }

    /// As a record shows it: without what is known.
    fn record(&self, known: &mut Vec<usize>) -> String {
        let mut asks: Vec<String> = Vec::new();
        for node in self.asked() {
            if !known.contains(&node) {
                known.push(node);
                asks.push(format!("{:?}", Node(node)));
            }
        }
        match self {
            // A task's ask stands where the task is waited for.
            Step::Get(_) | Step::Panic | Step::Tasks(_) => asks.join(", "),
            _ if asks.is_empty() => String::new(),
            Step::Join(..) | Step::Loop(_) | Step::Scope(_) => {
                let branches: Vec<String> = asks.iter().map(|ask| format!("[{ask}]")).collect();
                format!("{{{}}}", branches.join(" | "))
            }
        }
    }

    fn take(&self, node: Node, cx: &Cx<'_, Dag>) -> Vec<u64> {
        match self {
            Step::Get(asked) => vec![*cx.get(Node(*asked))],
            Step::Join(left, right) => {
                let (left, right) = cx.join(|cx| *cx.get(Node(*left)), |cx| *cx.get(Node(*right)));
                vec![left, right]
            }
            Step::Loop(nodes) => cx.par_map(nodes, |cx, asked| *cx.get(Node(*asked))),
            Step::Scope(nodes) => {
                let mut values = vec![0; nodes.len()];
                cx.scope(|cx, scope| {
                    for (asked, value) in nodes.iter().zip(&mut values) {
                        scope.spawn(cx, move |cx| *value = *cx.get(Node(*asked)));
                    }
                });
                values
            }
            Step::Tasks(nodes) => {
                let spawn = |asked: &usize| {
                    let asked = *asked;
                    cx.spawn(move |cx| *cx.get(Node(asked)))
                };
                let tasks: Vec<_> = nodes.iter().map(spawn).collect();
                tasks.iter().map(|task| *task.wait(cx)).collect()
            }
            Step::Panic => fail_quietly(&format!("{node:?} fails")),
        }
    }
}

impl Query<Dag> for Node {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Dag>) -> u64 {
        let dag = cx.data();
        dag.runs[self.0].fetch_add(1, Ordering::SeqCst);
        let mut sum = self.0 as u64;
        for step in &dag.nodes[self.0] {
            sum = step.take(self, cx).into_iter().fold(sum, mix);
        }
        sum
    }
}

/// Not commutative: a wrong order gives another sum.
fn mix(sum: u64, value: u64) -> u64 {
    sum.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ value
}

/// Up to three steps of the first `kinds` kinds, asking for nodes below `bound`.
fn steps(random: &mut Random, bound: usize, kinds: usize) -> Vec<Step> {
    let count = random.below(4);
    (0..count).map(|_| step(random, bound, kinds)).collect()
}

fn step(random: &mut Random, bound: usize, kinds: usize) -> Step {
    let kind = random.below(kinds);
    let count = 1 + random.below(5);
    let mut nodes: Vec<usize> = (0..count).map(|_| random.below(bound)).collect();
    match kind {
        0 => Step::Get(nodes[0]),
        1 => {
            nodes.push(random.below(bound));
            Step::Join(nodes[0], nodes[1])
        }
        2 => Step::Loop(nodes),
        3 => Step::Scope(nodes),
        _ => Step::Tasks(nodes),
    }
}
