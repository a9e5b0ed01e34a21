//! In what order the nodes of an iteration can be decided: the strongly connected sets of a graph, those first that lead
//! to no other; while what is decided changes the graph.
//!
//! Tarjan's algorithm with a stack of its own, since components may be large. Knows numbers only.

use std::cell::RefCell;
use std::convert::Infallible;

/// What is walked.
pub(super) trait Graph {
    type Error;

    /// The nodes are the numbers below this; it may grow while a component is settled.
    fn len(&self) -> usize;

    /// Whom a node has edges to.
    fn edges(&self, node: u32) -> Vec<u32>;

    /// Whether nobody needs to go there.
    fn is_decided(&self, node: u32) -> bool;

    /// All that this component leads to is decided. `false`: it is not, or not any more, since its edges have changed; it
    /// is walked anew. The edges of nodes outside, unless they are decided, stay as they are.
    fn settle(&self, component: &[u32]) -> Result<bool, Self::Error>;
}

/// Where a node stands while the graph is walked.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// When it was met, from one on; zero: not yet.
    met: u32,
    /// The least that it leads back to.
    least: u32,
    is_placed: bool,
}

/// A node whose edges are being looked at.
struct Open {
    node: u32,
    edges: std::vec::IntoIter<u32>,
}

/// A walk over a graph, and further ones over what these have left.
#[derive(Default)]
pub(super) struct Walk {
    marks: Vec<Mark>,
    clock: u32,
    /// Met, and in no component yet.
    waiting: Vec<u32>,
}

impl Walk {
    /// Settles the strongly connected sets of what can be reached from `start`, those that lead to no other first.
    ///
    /// # Errors
    ///
    /// That of a component which could not be settled. The walk cannot be used any more.
    pub(super) fn from<G: Graph>(&mut self, start: u32, graph: &G) -> Result<(), G::Error> {
        let mut path = vec![self.meet(start, graph)];
        while let Some(open) = path.last_mut() {
            let node = open.node;
            if let Some(next) = open.edges.next() {
                let mark = self.marks[next as usize];
                if mark.is_placed || graph.is_decided(next) {
                    continue;
                }
                if mark.met == 0 {
                    path.push(self.meet(next, graph));
                } else {
                    self.lower(node, mark.met);
                }
                continue;
            }
            let Mark { met, least, .. } = self.marks[node as usize];
            if met == least && !self.settle(node, graph)? && !graph.is_decided(node) {
                *open = self.meet(node, graph);
                continue;
            }
            path.pop();
            if let Some(below) = path.last() {
                self.lower(below.node, least);
            }
        }
        Ok(())
    }

    fn meet<G: Graph>(&mut self, node: u32, graph: &G) -> Open {
        self.clock += 1;
        self.marks.resize(graph.len(), Mark::default());
        self.marks[node as usize] = Mark {
            met: self.clock,
            least: self.clock,
            is_placed: false,
        };
        self.waiting.push(node);
        Open {
            node,
            edges: graph.edges(node).into_iter(),
        }
    }

    fn lower(&mut self, node: u32, to: u32) {
        let mark = &mut self.marks[node as usize];
        mark.least = mark.least.min(to);
    }

    /// All that was met since `first` and waits is a component. Whether it is decided; if not, its nodes count as not met.
    fn settle<G: Graph>(&mut self, first: u32, graph: &G) -> Result<bool, G::Error> {
        let place = self.waiting.iter().rposition(|node| *node == first);
        let component = self.waiting.split_off(place.expect("it waits"));
        let is_decided = graph.settle(&component)?;
        for node in &component {
            self.marks[*node as usize] = Mark {
                is_placed: is_decided,
                ..Mark::default()
            };
        }
        Ok(is_decided)
    }
}

/// The strongly connected sets of what can be reached from `start`, those that lead to no other first, in a graph that
/// stays as it is. `edges` gives the nodes, all below `count`, that a node has edges to.
pub(super) fn components(
    count: usize,
    start: u32,
    edges: impl Fn(u32) -> Vec<u32>,
) -> Vec<Vec<u32>> {
    struct Fixed<E> {
        count: usize,
        edges: E,
        components: RefCell<Vec<Vec<u32>>>,
    }

    impl<E: Fn(u32) -> Vec<u32>> Graph for Fixed<E> {
        type Error = Infallible;

        fn len(&self) -> usize {
            self.count
        }

        fn edges(&self, node: u32) -> Vec<u32> {
            (self.edges)(node)
        }

        fn is_decided(&self, _: u32) -> bool {
            false
        }

        fn settle(&self, component: &[u32]) -> Result<bool, Infallible> {
            self.components.borrow_mut().push(component.to_vec());
            Ok(true)
        }
    }

    let graph = Fixed {
        count,
        edges,
        components: RefCell::default(),
    };
    let Ok(()) = Walk::default().from(start, &graph);
    graph.components.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(graph: &[&[u32]], start: u32) -> Vec<Vec<u32>> {
        let edges = |node: u32| graph[node as usize].to_vec();
        let mut sets = components(graph.len(), start, edges);
        sets.iter_mut().for_each(|set| set.sort_unstable());
        sets
    }

    #[test]
    fn sets_come_after_what_they_lead_to() {
        // 0 <-> 1 -> 2 <-> 3 -> 4 (itself), and 5, which nobody reaches.
        let graph: &[&[u32]] = &[&[1], &[0, 2], &[3], &[2, 4], &[4], &[0]];
        assert_eq!(sets(graph, 0), [vec![4], vec![2, 3], vec![0, 1]]);
        assert_eq!(sets(graph, 5).len(), 4);
    }

    #[test]
    fn a_long_ring_needs_no_stack() {
        let len = 200_000;
        let edges = |node: u32| vec![(node + 1) % len];
        let sets = components(len as usize, 7, edges);
        assert_eq!((sets.len(), sets[0].len()), (1, len as usize));
    }
}
