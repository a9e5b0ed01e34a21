//! `uts-t1`: the nodes of the unbalanced tree T1, whose shape comes from SHA-1, with joins over halves of the children.
//!
//! A node's state is the hash of its parent's state and of its own number; how many children it has follows from the state.

use sha1::{Digest, Sha1};

use super::divide::{self, Divide, Solver, Work};
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

const ROOT_SEED: u32 = 19;
const BRANCHING: f64 = 4.0;
const MOST_CHILDREN: u32 = 100;
/// The depth of T1 itself, and its published number of nodes.
const T1: (u32, u64) = (10, 4_130_071);

struct Uts {
    depth: u32,
    nodes: u64,
}

/// Nothing to read; trees other than T1 itself are counted here.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let depth = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let nodes = if depth == T1.0 { T1.1 } else { by_stack(depth) };
    Ok(Box::new(Uts { depth, nodes }))
}

impl Loaded for Uts {
    fn size(&self) -> u64 {
        self.depth.into()
    }

    fn ops(&self) -> u64 {
        self.nodes
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.nodes.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for Uts {
    type Answer = Number;

    fn run<S: Solver>(&self, solver: &mut S) -> Number {
        let tree = Tree { depth: self.depth };
        let below_root = tree.children_of(Node::root());
        Number {
            label: format!("nodes of the tree of depth {}", self.depth),
            value: 1 + solver.solve(&tree, below_root),
        }
    }
}

#[derive(Copy, Clone)]
struct Node {
    state: [u8; 20],
    depth: u32,
}

impl Node {
    fn root() -> Self {
        let mut input = [0; 20];
        input[16..].copy_from_slice(&ROOT_SEED.to_be_bytes());
        Node {
            state: Sha1::digest(input).into(),
            depth: 0,
        }
    }

    fn child(&self, number: u32) -> Self {
        let hash = Sha1::new()
            .chain_update(self.state)
            .chain_update(number.to_be_bytes())
            .finalize();
        Node {
            state: hash.into(),
            depth: self.depth + 1,
        }
    }

    fn children(&self, depth: u32) -> u32 {
        if self.depth >= depth {
            return 0;
        }
        let [.., a, b, c, d] = self.state;
        let random = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
        let u = f64::from(random) / f64::from(1_u32 << 31);
        let children = (1.0 - u).ln() / (1.0 - 1.0 / (1.0 + BRANCHING)).ln();
        (children.floor() as u32).min(MOST_CHILDREN)
    }
}

/// The tree down to a depth.
struct Tree {
    depth: u32,
}

/// Children of one node, by their numbers.
#[derive(Copy, Clone)]
struct Siblings {
    parent: Node,
    first: u32,
    count: u32,
}

impl Tree {
    fn children_of(&self, parent: Node) -> Siblings {
        Siblings {
            parent,
            first: 0,
            count: parent.children(self.depth),
        }
    }
}

impl Divide for Tree {
    type Part = Siblings;
    type Out = u64;

    #[inline]
    fn solve<J>(&self, mut nodes: Siblings, join: J) -> u64
    where
        J: FnOnce(Siblings, Siblings) -> (u64, u64),
    {
        let mut seen = 0;
        while nodes.count == 1 {
            seen += 1;
            nodes = self.children_of(nodes.parent.child(nodes.first));
        }
        if nodes.count == 0 {
            return seen;
        }
        let half = nodes.count / 2;
        let (left, right) = join(
            Siblings {
                count: half,
                ..nodes
            },
            Siblings {
                first: nodes.first + half,
                count: nodes.count - half,
                ..nodes
            },
        );
        seen + left + right
    }
}

/// The same count without recursion.
fn by_stack(depth: u32) -> u64 {
    let mut open = vec![Node::root()];
    let mut nodes = 0;
    while let Some(node) = open.pop() {
        nodes += 1;
        open.extend((0..node.children(depth)).map(|number| node.child(number)));
    }
    nodes
}
