//! `tree-sum` and `tree-sum-large`: the sum over a balanced binary tree on the heap, with a join at every node.
//!
//! A small tree is summed many times in one run, since one sum is too short to be timed; what counts there is how soon
//! other workers get a part of so little work.

use std::hint::black_box;
use std::marker::PhantomData;

use super::divide::{self, Divide, Solver, Work};
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

struct TreeSum {
    nodes: u64,
    root: Option<Box<Node>>,
}

struct Node {
    value: u64,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

/// Builds the tree.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(TreeSum {
        nodes: request.size,
        root: balanced(request.size),
    }))
}

/// A tree of that many nodes, numbered from 1 in the order of their places in memory: level by level, every other level
/// backwards. So no engine is favoured by which branch it begins with (chili begins with the second): in one direction all
/// the way, plain calls take a sixteenth longer one way than the other.
fn balanced(nodes: u64) -> Option<Box<Node>> {
    let alone = |value| Node {
        value,
        left: None,
        right: None,
    };
    let mut nodes: Vec<_> = (1..=nodes).map(|value| Box::new(alone(value))).collect();
    // Below the root, then two levels further down each time.
    let mut from = 1;
    while from < nodes.len() {
        let to = (2 * from + 1).min(nodes.len());
        nodes[from..to].reverse();
        from = 4 * from + 3;
    }
    while nodes.len() > 1 {
        let child = nodes.pop();
        let at = nodes.len();
        let parent = &mut nodes[(at - 1) / 2];
        *(if at % 2 == 1 {
            &mut parent.left
        } else {
            &mut parent.right
        }) = child;
    }
    nodes.pop()
}

impl TreeSum {
    /// About sixteen million nodes in a run, but for the smallest trees.
    fn rounds(&self) -> u64 {
        ((1 << 24) / self.nodes).clamp(1, 20_000)
    }
}

impl Loaded for TreeSum {
    fn size(&self) -> u64 {
        self.nodes
    }

    fn ops(&self) -> u64 {
        self.nodes * self.rounds()
    }

    fn known_checksum(&self) -> Option<String> {
        let once = self.nodes * (self.nodes + 1) / 2;
        Some((once * self.rounds()).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for TreeSum {
    type Answer = Number;

    fn run<S: Solver>(&self, solver: &mut S) -> Number {
        let value = (0..self.rounds())
            // Opaque, so that no sum is taken out of the loop.
            .map(|_| solver.solve(Sum(PhantomData), black_box(self.root.as_deref())))
            .sum();
        Number {
            label: format!("sum over {} nodes, {} times", self.nodes, self.rounds()),
            value,
        }
    }
}

#[derive(Clone, Copy)]
struct Sum<'a>(PhantomData<&'a Node>);

impl<'a> Divide for Sum<'a> {
    type Part = Option<&'a Node>;
    type Out = u64;

    #[inline]
    fn solve<J>(self, node: Option<&'a Node>, join: J) -> u64
    where
        J: FnOnce(Option<&'a Node>, Option<&'a Node>) -> (u64, u64),
    {
        let Some(node) = node else { return 0 };
        let (left, right) = join(node.left.as_deref(), node.right.as_deref());
        node.value + left + right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_a_join() {
        for nodes in 1..40 {
            let tree = TreeSum {
                nodes,
                root: balanced(nodes),
            };
            assert_eq!(divide::count_joins(&tree), tree.ops());
        }
    }
}
