//! In what order the nodes of an iteration can be decided: the strongly connected sets of a graph, those first that lead
//! to no other.
//!
//! Tarjan's algorithm with a stack of its own, since components may be large. Knows numbers only.

/// Where a node stands while the graph is walked.
#[derive(Clone, Copy)]
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

/// The strongly connected sets of what can be reached from `start`, those that lead to no other first. `edges` gives the
/// nodes, all below `count`, that a node has edges to.
pub(super) fn components(
    count: usize,
    start: u32,
    edges: impl Fn(u32) -> Vec<u32>,
) -> Vec<Vec<u32>> {
    let mut walk = Walk {
        marks: vec![
            Mark {
                met: 0,
                least: 0,
                is_placed: false,
            };
            count
        ],
        clock: 0,
        waiting: Vec::new(),
        components: Vec::new(),
    };
    walk.from(start, &edges);
    walk.components
}

struct Walk {
    marks: Vec<Mark>,
    clock: u32,
    /// Met, and in no component yet.
    waiting: Vec<u32>,
    components: Vec<Vec<u32>>,
}

impl Walk {
    fn from(&mut self, start: u32, edges: &impl Fn(u32) -> Vec<u32>) {
        let mut path = vec![self.meet(start, edges)];
        while let Some(open) = path.last_mut() {
            let node = open.node;
            if let Some(next) = open.edges.next() {
                let mark = self.marks[next as usize];
                if mark.met == 0 {
                    path.push(self.meet(next, edges));
                } else if !mark.is_placed {
                    self.lower(node, mark.met);
                }
                continue;
            }
            path.pop();
            let Mark { met, least, .. } = self.marks[node as usize];
            if let Some(below) = path.last() {
                self.lower(below.node, least);
            }
            if met == least {
                self.place(node);
            }
        }
    }

    fn meet(&mut self, node: u32, edges: &impl Fn(u32) -> Vec<u32>) -> Open {
        self.clock += 1;
        self.marks[node as usize] = Mark {
            met: self.clock,
            least: self.clock,
            is_placed: false,
        };
        self.waiting.push(node);
        Open {
            node,
            edges: edges(node).into_iter(),
        }
    }

    fn lower(&mut self, node: u32, to: u32) {
        let mark = &mut self.marks[node as usize];
        mark.least = mark.least.min(to);
    }

    /// All that was met since `first` and waits is a component.
    fn place(&mut self, first: u32) {
        let place = self.waiting.iter().rposition(|node| *node == first);
        let component = self.waiting.split_off(place.expect("it waits"));
        for node in &component {
            self.marks[*node as usize].is_placed = true;
        }
        self.components.push(component);
    }
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
