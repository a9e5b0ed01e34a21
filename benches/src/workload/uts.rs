//! `uts-t1`, `uts-t3`: the nodes of the unbalanced trees T1 and T3, whose shape comes from SHA-1, with joins over halves
//! of the children.
//!
//! A node's state is the hash of its parent's state and of its own number; how many children it has follows from the
//! state. T1 is ten levels deep. T3 is 1,572 levels deep, with a join for each halving on each level: it overflows stacks of
//! 2 MiB where a join has nothing to go on on. So ours get 2 MiB, which is what threads of the others have.

use sha1::{Digest, Sha1};

use super::divide::{self, Divide, Solver, Work};
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

const BRANCHING: f64 = 4.0;
const MOST_CHILDREN: u32 = 100;
/// The depth of T1 itself, and its published number of nodes.
const T1: (u32, u64) = (10, 4_130_071);

/// In T3 a node but the root has this many children, with this probability.
const T3_CHILDREN: u32 = 8;
const T3_PROBABILITY: f64 = 0.124_875;
/// The children of T3's own root, and its published number of nodes.
const T3: (u32, u64) = (2000, 4_112_897);

/// The stacks of our fibers on T3.
const T3_STACK_BYTES: usize = 2 << 20;

struct Uts {
    tree: Tree,
    nodes: u64,
    stack_bytes: Option<usize>,
}

/// Nothing to read; trees other than T1 itself are counted here.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load_tree(Shape::Geometric, request, T1, None)
}

/// The same for trees of the kind of T3.
pub(super) fn load_t3(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load_tree(Shape::Binomial, request, T3, Some(T3_STACK_BYTES))
}

fn load_tree(
    shape: Shape,
    request: &Request,
    published: (u32, u64),
    stack_bytes: Option<usize>,
) -> Result<Box<dyn Loaded>, Failure> {
    let size = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let tree = Tree { shape, size };
    let nodes = if size == published.0 {
        published.1
    } else {
        by_stack(&tree)
    };
    Ok(Box::new(Uts {
        tree,
        nodes,
        stack_bytes,
    }))
}

impl Loaded for Uts {
    fn size(&self) -> u64 {
        self.tree.size.into()
    }

    fn ops(&self) -> u64 {
        self.nodes
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.nodes.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job_on_stack(setup, self.stack_bytes, self)
    }
}

impl Work for Uts {
    type Answer = Number;

    fn run<S: Solver>(&self, solver: &mut S) -> Number {
        let below_root = self.tree.children_of(self.tree.root());
        Number {
            label: self.tree.label(),
            value: 1 + solver.solve(&self.tree, below_root),
        }
    }
}

#[derive(Copy, Clone)]
struct Node {
    state: [u8; 20],
    depth: u32,
}

impl Node {
    fn root(seed: u32) -> Self {
        let mut input = [0; 20];
        input[16..].copy_from_slice(&seed.to_be_bytes());
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

    /// A number from 0 up to 1.
    fn random(&self) -> f64 {
        let [.., a, b, c, d] = self.state;
        let random = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
        f64::from(random) / f64::from(1_u32 << 31)
    }
}

/// What decides how many children a node has.
#[derive(Copy, Clone)]
enum Shape {
    /// As in T1: as many on each level, down to a depth.
    Geometric,
    /// As in T3: many at the root, else eight or none.
    Binomial,
}

/// A tree.
struct Tree {
    shape: Shape,
    /// Its depth, if it is geometric, else the number of the root's children.
    size: u32,
}

/// Children of one node, by their numbers.
#[derive(Copy, Clone)]
struct Siblings {
    parent: Node,
    first: u32,
    count: u32,
}

impl Tree {
    fn label(&self) -> String {
        match self.shape {
            Shape::Geometric => format!("nodes of the tree of depth {}", self.size),
            Shape::Binomial => format!("nodes of the tree with {} below its root", self.size),
        }
    }

    fn root(&self) -> Node {
        Node::root(match self.shape {
            Shape::Geometric => 19,
            Shape::Binomial => 42,
        })
    }

    fn children_of(&self, parent: Node) -> Siblings {
        Siblings {
            parent,
            first: 0,
            count: self.count_children(&parent),
        }
    }

    fn count_children(&self, parent: &Node) -> u32 {
        match self.shape {
            Shape::Geometric if parent.depth >= self.size => 0,
            Shape::Geometric => {
                let children = (1.0 - parent.random()).ln() / (1.0 - 1.0 / (1.0 + BRANCHING)).ln();
                (children.floor() as u32).min(MOST_CHILDREN)
            }
            Shape::Binomial if parent.depth == 0 => self.size,
            Shape::Binomial if parent.random() < T3_PROBABILITY => T3_CHILDREN,
            Shape::Binomial => 0,
        }
    }
}

impl Divide for &Tree {
    type Part = Siblings;
    type Out = u64;

    #[inline]
    fn solve<J>(self, mut nodes: Siblings, join: J) -> u64
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
fn by_stack(tree: &Tree) -> u64 {
    let mut open = vec![tree.root()];
    let mut nodes = 0;
    while let Some(node) = open.pop() {
        nodes += 1;
        let children = tree.count_children(&node);
        open.extend((0..children).map(|number| node.child(number)));
    }
    nodes
}
