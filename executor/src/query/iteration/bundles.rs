//! What went into the values of an iteration: bundles of reads, which share what they have in common, so that what has read
//! much by way of another does not repeat it (cycle.md X5).
//!
//! Used by the iteration and its plain queries. Knows numbers only.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

/// Something provisional that was read: the value of a node, or all that went into a plain query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Read(u32);

/// What a [`Read`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Node(u32),
    Bundle(u32),
}

impl Read {
    pub(super) fn node(number: u32) -> Self {
        Read(number * 2)
    }

    fn bundle(place: u32) -> Self {
        Read(place * 2 + 1)
    }

    pub(super) fn of(self) -> Of {
        if self.0.is_multiple_of(2) {
            Of::Node(self.0 / 2)
        } else {
            Of::Bundle(self.0 / 2)
        }
    }

    /// A number that no other has.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn from_number(number: u32) -> Self {
        Read(number)
    }
}

/// What can be read.
#[derive(Default)]
struct Source {
    /// The bundles that it is in.
    around: Vec<u32>,
    /// Whether it is decided, or a node in it is: who has read it has read what is no more.
    is_decided: bool,
    /// When it last changed.
    changed: u64,
}

/// Reads of which each is there once, in the order of the program.
struct Bundle {
    reads: Rc<[Read]>,
    source: Source,
    /// Whether a node in it has changed since somebody has read it. What it is in has changed then, too.
    is_outdated: bool,
    /// The members of a group that have read it as it is.
    readers: Vec<u32>,
    /// The group that they are of.
    group: u32,
}

/// All bundles, each once.
#[derive(Default)]
pub(super) struct Bundles {
    nodes: Vec<Source>,
    bundles: Vec<Bundle>,
    places: FxHashMap<Rc<[Read]>, u32>,
    /// Counts changes.
    clock: u64,
}

/// Each of them once, in the same order.
pub(super) fn distinct(mut reads: Vec<Read>) -> Vec<Read> {
    if reads.len() > 1 {
        let mut known = FxHashSet::default();
        reads.retain(|read| known.insert(*read));
    }
    reads
}

impl Bundles {
    /// All of these as one.
    pub(super) fn bundle(&mut self, reads: Vec<Read>) -> Option<Read> {
        let reads = distinct(reads);
        if reads.len() < 2 {
            return reads.first().copied();
        }
        let place = match self.places.get(&reads[..]) {
            Some(place) => *place,
            None => self.add(reads.into()),
        };
        self.bundles[place as usize].is_outdated = false;
        Some(Read::bundle(place))
    }

    fn add(&mut self, reads: Rc<[Read]>) -> u32 {
        let place = u32::try_from(self.bundles.len()).expect("fewer than 2^32 lists");
        for read in &*reads {
            self.source_mut(*read).around.push(place);
        }
        self.places.insert(Rc::clone(&reads), place);
        self.bundles.push(Bundle {
            reads,
            source: Source::default(),
            is_outdated: false,
            readers: Vec::new(),
            group: 0,
        });
        place
    }

    fn source(&self, read: Read) -> Option<&Source> {
        match read.of() {
            Of::Node(number) => self.nodes.get(number as usize),
            Of::Bundle(place) => Some(&self.bundles[place as usize].source),
        }
    }

    fn source_mut(&mut self, read: Read) -> &mut Source {
        match read.of() {
            Of::Node(number) => {
                let number = number as usize;
                if self.nodes.len() <= number {
                    self.nodes.resize_with(number + 1, Source::default);
                }
                &mut self.nodes[number]
            }
            Of::Bundle(place) => &mut self.bundles[place as usize].source,
        }
    }

    /// The time now.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// What is in a bundle.
    pub(super) fn reads(&self, place: u32) -> &Rc<[Read]> {
        &self.bundles[place as usize].reads
    }

    /// A number above those of all bundles.
    pub(super) fn number_end(&self) -> usize {
        2 * self.bundles.len()
    }

    /// Whether who has read it has read a value that was not final and is now.
    pub(super) fn is_decided(&self, read: Read) -> bool {
        self.source(read).is_some_and(|source| source.is_decided)
    }

    /// Whether nothing of it was decided, nor has changed, since that time.
    pub(super) fn is_as_at(&self, read: Read, time: u64) -> bool {
        let is_same = |source: &Source| !source.is_decided && source.changed <= time;
        self.source(read).is_none_or(is_same)
    }

    /// A node is decided.
    pub(super) fn decide(&mut self, node: u32) {
        let mut open = vec![Read::node(node)];
        while let Some(read) = open.pop() {
            let source = self.source_mut(read);
            if !std::mem::replace(&mut source.is_decided, true) {
                open.extend(source.around.iter().copied().map(Read::bundle));
            }
        }
    }

    /// These nodes have other values. Gives those who have read a bundle with any of them, of the group that last told of
    /// its readers.
    pub(super) fn change(&mut self, nodes: &[u32], group: u32) -> Vec<u32> {
        self.clock += 1;
        let clock = self.clock;
        let mut readers = Vec::new();
        let mut open: Vec<u32> = Vec::new();
        for node in nodes {
            let source = self.source_mut(Read::node(*node));
            source.changed = clock;
            open.extend(&source.around);
        }
        while let Some(place) = open.pop() {
            let bundle = &mut self.bundles[place as usize];
            if std::mem::replace(&mut bundle.is_outdated, true) {
                continue;
            }
            bundle.source.changed = clock;
            open.extend(&bundle.source.around);
            if bundle.group == group {
                readers.extend(&bundle.readers);
            }
        }
        readers
    }

    /// A member of a group has read this bundle as it is now.
    pub(super) fn note_reader(&mut self, place: u32, reader: u32, group: u32) {
        let bundle = &mut self.bundles[place as usize];
        if bundle.group != group {
            bundle.group = group;
            bundle.readers.clear();
        }
        bundle.readers.push(reader);
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            let bundle = &mut self.bundles[place as usize];
            if std::mem::replace(&mut bundle.is_outdated, false) {
                let inner = bundle.reads.iter().filter_map(|read| match read.of() {
                    Of::Bundle(inner) => Some(inner),
                    Of::Node(_) => None,
                });
                open.extend(inner);
            }
        }
    }
}

/// Searches for nodes of some kind in what was read, over each bundle once.
#[derive(Default)]
pub(super) struct Search {
    /// What each bundle gave that was searched.
    found: FxHashMap<u32, Option<u32>>,
}

impl Search {
    /// The first such node, in the order of the program.
    pub(super) fn first(
        &mut self,
        bundles: &Bundles,
        read: Read,
        is_it: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut path: Vec<(u32, usize)> = Vec::new();
        let mut next = Some(read);
        loop {
            let found = match next.map(Read::of) {
                Some(Of::Node(number)) => is_it(number).then_some(number),
                Some(Of::Bundle(place)) => match self.found.get(&place) {
                    Some(found) => *found,
                    None => {
                        path.push((place, 0));
                        None
                    }
                },
                None => {
                    // Searched to its end.
                    let (place, _) = path.pop()?;
                    self.found.insert(place, None);
                    None
                }
            };
            if found.is_some() {
                let around = path.into_iter().map(|(place, _)| (place, found));
                self.found.extend(around);
                return found;
            }
            let (place, done) = path.last_mut()?;
            next = bundles.reads(*place).get(*done).copied();
            *done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of a chain has read a node and the one behind it.
    fn chain(bundles: &mut Bundles, len: u32) -> Read {
        let mut read = Read::node(len);
        for number in (0..len).rev() {
            let reads = vec![read, Read::node(number), read];
            read = bundles.bundle(reads).expect("there are some");
        }
        read
    }

    #[test]
    fn a_chain_takes_two_places_a_link() {
        let mut bundles = Bundles::default();
        let len = 100_000;
        let first = chain(&mut bundles, len);
        let stored: usize = bundles
            .bundles
            .iter()
            .map(|bundle| bundle.reads.len())
            .sum();
        assert_eq!(stored, 2 * len as usize);
        assert_eq!(chain(&mut bundles, len), first);
        assert_eq!(bundles.bundles.len(), len as usize);
        let mut search = Search::default();
        // The last one is read first.
        assert_eq!(search.first(&bundles, first, |_| true), Some(len));
        assert_eq!(
            Search::default().first(&bundles, first, |node| node == 0),
            Some(0)
        );
        assert_eq!(search.found.len(), len as usize);
    }

    #[test]
    fn one_read_is_no_bundle() {
        let mut bundles = Bundles::default();
        let node = Read::node(3);
        assert_eq!(bundles.bundle(vec![]), None);
        assert_eq!(bundles.bundle(vec![node, node]), Some(node));
        assert!(bundles.bundles.is_empty());
    }

    #[test]
    fn what_is_decided_or_changes_is_told_to_all_around() {
        let mut bundles = Bundles::default();
        let first = chain(&mut bundles, 5);
        let Of::Bundle(place) = first.of() else {
            panic!("it has several reads");
        };
        bundles.note_reader(place, 77, 1);
        let before = bundles.clock();
        assert!(bundles.is_as_at(first, before));
        assert_eq!(bundles.change(&[5], 1), [77]);
        assert!(!bundles.is_as_at(first, before));
        // Who has not read it since needs no second word.
        assert_eq!(bundles.change(&[5], 1), [0_u32; 0]);
        bundles.note_reader(place, 78, 1);
        assert_eq!(bundles.change(&[2], 1), [77, 78]);
        bundles.note_reader(place, 79, 2);
        assert_eq!(bundles.change(&[5], 2), [79]);
        assert!(!bundles.is_decided(first));
        bundles.decide(4);
        assert!(bundles.is_decided(first));
    }

    #[test]
    fn a_search_is_for_the_first_in_the_order_of_the_program() {
        let mut bundles = Bundles::default();
        let mut of = |reads: &[Read]| bundles.bundle(reads.to_vec()).expect("some");
        let inner = of(&[Read::node(1), Read::node(2)]);
        let other = of(&[Read::node(4), Read::node(3)]);
        let outer = of(&[inner, other, Read::node(5)]);
        let mut search = Search::default();
        let is_it = |node| node >= 3;
        assert_eq!(search.first(&bundles, inner, is_it), None);
        assert_eq!(search.first(&bundles, outer, is_it), Some(4));
        assert_eq!(search.first(&bundles, other, is_it), Some(4));
        assert_eq!(search.first(&bundles, outer, is_it), Some(4));
    }
}
