//! The graph of `closure`: made from its size alone, with a large strongly connected set in each of eight parts; the sets
//! of what is reached; and the answer by Tarjan's algorithm.
//!
//! Used by `closure.rs` and by salsa's side of it. Knows no query.

/// Parts that do not reach each other.
const PARTS: usize = 8;

/// Of so many nodes in 10,000 the largest strongly connected set consists; that of each next part of half as many.
const LARGEST: usize = 967;

/// Whom each node asks for.
pub(crate) struct Graph {
    /// Where the edges of a node begin.
    starts: Vec<usize>,
    edges: Vec<u32>,
}

/// A generator of numbers: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

impl Graph {
    /// The graph of `size` nodes, with 5.23 edges a node.
    pub(crate) fn new(size: usize) -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut graph = Graph {
            starts: vec![0],
            edges: Vec::new(),
        };
        for part in 0..PARTS {
            let (start, end) = (part * size / PARTS, (part + 1) * size / PARTS);
            let largest = ((size * LARGEST / 10_000) >> part).min((end - start) / 5 * 4);
            let core = start + (end - start - largest) / 2;
            for node in start..end {
                graph.add_node(&mut random, node, core..core + largest, end);
            }
        }
        graph
    }

    /// A node of the core asks for the next of it, some of it, and one behind it; another for some behind itself; one in
    /// twenty for one a little before.
    fn add_node(
        &mut self,
        random: &mut Random,
        node: usize,
        core: std::ops::Range<usize>,
        end: usize,
    ) {
        let count = 5 + usize::from(random.below(1000) < 233);
        if core.contains(&node) {
            let next = if node + 1 == core.end {
                core.start
            } else {
                node + 1
            };
            self.edges.push(next as u32);
            for _ in 2..count {
                self.edges
                    .push((core.start + random.below(core.len())) as u32);
            }
            self.edges.push((node + random.below(end - node)) as u32);
        } else {
            let is_back = random.below(20) == 0 && node >= 5 && node - 5 >= core.end;
            if is_back {
                self.edges.push((node - 1 - random.below(4)) as u32);
            }
            if node + 1 < end {
                for _ in usize::from(is_back)..count {
                    self.edges
                        .push((node + 1 + random.below(end - node - 1)) as u32);
                }
            }
        }
        self.starts.push(self.edges.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn edges(&self, node: u32) -> &[u32] {
        &self.edges[self.starts[node as usize]..self.starts[node as usize + 1]]
    }

    /// What a node reaches, if `ask` says what others do.
    pub(super) fn reached<'s>(&self, node: u32, ask: impl Fn(u32) -> &'s Set) -> Set {
        let mut set = Set::default();
        set.insert(node);
        for next in self.edges(node) {
            set.unite(ask(*next));
        }
        set
    }

    /// The sum over all nodes of what each reaches, weighed, so that no two can change places.
    pub(super) fn sum(sizes: impl Iterator<Item = usize>) -> u64 {
        sizes.zip(1_u64..).fold(0, |sum, (size, place)| {
            sum.wrapping_add((size as u64).wrapping_mul(place))
        })
    }

    /// How many nodes each reaches, by components: all of one reach the same.
    pub(super) fn sizes_by_components(&self) -> (Vec<usize>, usize) {
        let components = Components::of(self);
        let mut sets: Vec<Set> = Vec::new();
        for (number, members) in components.members.iter().enumerate() {
            let mut set = Set::default();
            for member in members {
                set.insert(*member);
                for next in self.edges(*member) {
                    let of = components.of[*next as usize] as usize;
                    if of != number {
                        set.unite(&sets[of]);
                    }
                }
            }
            sets.push(set);
        }
        let sizes: Vec<usize> = sets.iter().map(Set::len).collect();
        let largest = components.members.iter().map(Vec::len).max();
        let of_node = components.of.iter().map(|of| sizes[*of as usize]);
        (of_node.collect(), largest.unwrap_or(0))
    }
}

/// A set of nodes: a bit each, from the word of the smallest to that of the greatest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    first: usize,
    words: Vec<u64>,
}

impl Set {
    fn insert(&mut self, node: u32) {
        let word = node as usize / 64;
        self.reserve(word, word + 1);
        self.words[word - self.first] |= 1 << (node % 64);
    }

    fn reserve(&mut self, first: usize, end: usize) {
        if self.words.is_empty() {
            self.first = first;
        }
        if first < self.first {
            let missing = self.first - first;
            self.words.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = first;
        }
        if end > self.first + self.words.len() {
            self.words.resize(end - self.first, 0);
        }
    }

    fn unite(&mut self, other: &Set) {
        if other.words.is_empty() {
            return;
        }
        self.reserve(other.first, other.first + other.words.len());
        let place = other.first - self.first;
        for (own, others) in self.words[place..].iter_mut().zip(&other.words) {
            *own |= others;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }
}

/// The strongly connected sets, each after those that it leads to.
struct Components {
    members: Vec<Vec<u32>>,
    of: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Components {
    fn of(graph: &Graph) -> Components {
        let mut found = Components {
            members: Vec::new(),
            of: vec![UNKNOWN; graph.len()],
        };
        let mut met = vec![0_u32; graph.len()];
        let mut least = met.clone();
        let (mut clock, mut open) = (0, Vec::new());
        for start in 0..graph.len() as u32 {
            if met[start as usize] != 0 {
                continue;
            }
            let mut path = vec![(start, 0)];
            while let Some((node, next)) = path.last_mut() {
                let (node, place) = (*node, *node as usize);
                if *next == 0 && met[place] == 0 {
                    clock += 1;
                    (met[place], least[place]) = (clock, clock);
                    open.push(node);
                }
                if let Some(&to) = graph.edges(node).get(*next) {
                    *next += 1;
                    if met[to as usize] == 0 {
                        path.push((to, 0));
                    } else if found.of[to as usize] == UNKNOWN {
                        least[place] = least[place].min(met[to as usize]);
                    }
                    continue;
                }
                path.pop();
                if let Some((below, _)) = path.last() {
                    least[*below as usize] = least[*below as usize].min(least[place]);
                }
                if least[place] == met[place] {
                    found.close(&mut open, node);
                }
            }
        }
        found
    }

    /// All that is open since `first` is a component.
    fn close(&mut self, open: &mut Vec<u32>, first: u32) {
        let place = open.iter().rposition(|node| *node == first);
        let members = open.split_off(place.expect("it is open"));
        for member in &members {
            self.of[*member as usize] = self.members.len() as u32;
        }
        self.members.push(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached_by_a_walk(graph: &Graph, start: u32) -> usize {
        let mut is_reached = vec![false; graph.len()];
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut is_reached[node as usize], true) {
                open.extend(graph.edges(node));
            }
        }
        is_reached
            .into_iter()
            .filter(|is_reached| *is_reached)
            .count()
    }

    #[test]
    fn components_give_what_walks_give() {
        for size in [8, 100, 1777] {
            let graph = Graph::new(size);
            let (sizes, _) = graph.sizes_by_components();
            for (node, size) in sizes.into_iter().enumerate() {
                assert_eq!(size, reached_by_a_walk(&graph, node as u32), "{node}");
            }
        }
    }

    #[test]
    fn the_graph_is_as_large_as_it_says() {
        let graph = Graph::new(60_000);
        assert_eq!(graph.len(), 60_000);
        assert!(
            (312_000..316_000).contains(&graph.edge_count()),
            "{}",
            graph.edge_count()
        );
        let (_, largest) = graph.sizes_by_components();
        assert!((5_780..5_820).contains(&largest), "{largest}");
    }
}
