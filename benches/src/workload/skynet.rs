//! `skynet`: the sum of the numbers of the leaves of a tree, each node with ten children, with joins over halves of the children.

use super::divide::{self, Divide, Solver, Work};
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

const CHILDREN: u64 = 10;

struct Skynet {
    depth: u32,
}

/// Nothing to read: the input is the depth.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let depth = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Skynet { depth }))
}

impl Skynet {
    fn leaves(&self) -> u64 {
        CHILDREN.pow(self.depth)
    }
}

impl Loaded for Skynet {
    fn size(&self) -> u64 {
        self.depth.into()
    }

    fn ops(&self) -> u64 {
        self.leaves()
    }

    fn known_checksum(&self) -> Option<String> {
        Some((self.leaves() * (self.leaves() - 1) / 2).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for Skynet {
    type Answer = Number;

    fn run<S: Solver>(&self, solver: &mut S) -> Number {
        let root = Siblings {
            first_leaf: 0,
            leaves_each: self.leaves(),
            count: 1,
        };
        Number {
            label: format!("sum over {} leaves", self.leaves()),
            value: solver.solve(Sum, root),
        }
    }
}

#[derive(Clone, Copy)]
struct Sum;

/// Nodes side by side under one parent.
#[derive(Copy, Clone)]
struct Siblings {
    first_leaf: u64,
    leaves_each: u64,
    count: u64,
}

impl Divide for Sum {
    type Part = Siblings;
    type Out = u64;

    #[inline]
    fn solve<J>(self, mut nodes: Siblings, join: J) -> u64
    where
        J: FnOnce(Siblings, Siblings) -> (u64, u64),
    {
        if nodes.count == 1 {
            if nodes.leaves_each == 1 {
                return nodes.first_leaf;
            }
            nodes.leaves_each /= CHILDREN;
            nodes.count = CHILDREN;
        }
        let half = nodes.count / 2;
        let (left, right) = join(
            Siblings {
                count: half,
                ..nodes
            },
            Siblings {
                first_leaf: nodes.first_leaf + half * nodes.leaves_each,
                count: nodes.count - half,
                ..nodes
            },
        );
        left + right
    }
}
