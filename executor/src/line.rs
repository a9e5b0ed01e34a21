//! A line of what comes one after another in program order: children that have not started, and
//! places of what was given away. Used by `children.rs`.

use std::collections::VecDeque;

use crate::chunk::Stretch;

/// What comes at one place of a line.
pub(crate) enum Entry<G> {
    /// Children that have not started.
    Here(Stretch),
    /// What was given away from here.
    Given(G),
}

impl<G> Entry<G> {
    fn has_children(&self) -> bool {
        matches!(self, Entry::Here(_))
    }
}

/// Entries in program order.
pub(crate) struct Line<G> {
    entries: VecDeque<Entry<G>>,
    /// How many of them have children.
    with_children: usize,
    /// So many of the first are known to have none. (There may be a great many that were given away, and who takes work off
    /// looks for the first with children.)
    without: usize,
}

impl<G> Line<G> {
    pub(crate) const fn new() -> Self {
        Line {
            entries: VecDeque::new(),
            with_children: 0,
            without: 0,
        }
    }

    /// A line of children alone.
    pub(crate) fn of(stretch: Stretch) -> Self {
        let mut line = Line::new();
        line.push_last(Entry::Here(stretch));
        line
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn take_first(&mut self) -> Option<Entry<G>> {
        let first = self.entries.pop_front()?;
        self.with_children -= usize::from(first.has_children());
        self.without = self.without.saturating_sub(1);
        Some(first)
    }

    pub(crate) fn push_first(&mut self, entry: Entry<G>) {
        if entry.has_children() {
            self.with_children += 1;
            self.without = 0;
        } else {
            self.without += 1;
        }
        self.entries.push_front(entry);
    }

    pub(crate) fn push_last(&mut self, entry: Entry<G>) {
        self.with_children += usize::from(entry.has_children());
        self.entries.push_back(entry);
    }

    /// Adds children behind all others, if there are any.
    pub(crate) fn push_children(&mut self, stretch: Stretch) {
        if !stretch.is_empty() {
            self.push_last(Entry::Here(stretch));
        }
    }

    /// Puts all of `earlier` in front.
    pub(crate) fn prepend(&mut self, earlier: Self) {
        let entries = earlier.entries.into_iter().rev();
        entries.for_each(|entry| self.push_first(entry));
    }

    /// Takes the last half of the children off: half of the entries with children, if there are
    /// several, else half of that one; with all that comes after them.
    pub(crate) fn split_off_half(&mut self) -> Option<Self> {
        if self.with_children == 0 {
            return None;
        }
        let last = self.entries.iter().rposition(Entry::has_children)?;
        if self.with_children > 1 {
            let known = self.entries.iter().skip(self.without);
            self.without += known.take_while(|entry| !entry.has_children()).count();
            let first = self.without;
            return Some(self.split_off(first + (last - first).div_ceil(2)));
        }
        let mut taken = self.split_off(last + 1);
        if let Some(Entry::Here(mut stretch)) = self.take_last() {
            if let Some(half) = stretch.split_off_half() {
                taken.push_first(Entry::Here(half));
            }
            self.push_children(stretch);
        }
        Some(taken)
    }

    fn take_last(&mut self) -> Option<Entry<G>> {
        let last = self.entries.pop_back()?;
        self.with_children -= usize::from(last.has_children());
        Some(last)
    }

    fn split_off(&mut self, at: usize) -> Self {
        let entries = self.entries.split_off(at);
        let with_children = entries.iter().filter(|entry| entry.has_children()).count();
        self.with_children -= with_children;
        Line {
            entries,
            with_children,
            without: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Line};
    use crate::chunk::Stretch;

    /// What stands at each place: the number of what was given away, or children (none in these tests, so that nothing is to
    /// be run).
    fn look(line: &Line<u32>) -> Vec<Option<u32>> {
        let number = |entry: &Entry<u32>| match entry {
            Entry::Here(_) => None,
            Entry::Given(number) => Some(*number),
        };
        line.entries.iter().map(number).collect()
    }

    fn entry(number: Option<u32>) -> Entry<u32> {
        number.map_or(Entry::Here(Stretch::EMPTY), Entry::Given)
    }

    /// What is taken of entries that are looked for one by one.
    fn split_plainly(entries: &mut Vec<Option<u32>>) -> Option<Vec<Option<u32>>> {
        let last = entries.iter().rposition(Option::is_none)?;
        let first = entries.iter().position(Option::is_none)?;
        if first < last {
            return Some(entries.split_off(first + (last - first).div_ceil(2)));
        }
        let taken = entries.split_off(last + 1);
        entries.pop();
        Some(taken)
    }

    #[test]
    fn halves_are_those_of_a_plain_list() {
        let mut random = 1_u32;
        let mut draw = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        let (mut line, mut plain) = (Line::new(), Vec::new());
        for number in 0..100_000 {
            let what = (draw(4) > 0).then_some(number);
            match draw(8) {
                0..4 => {
                    line.push_last(entry(what));
                    plain.push(what);
                }
                4..6 => {
                    line.push_first(entry(what));
                    plain.insert(0, what);
                }
                6 => {
                    let first = line.take_first().is_some();
                    assert_eq!(first, !plain.is_empty());
                    plain.drain(..usize::from(first));
                }
                _ => {
                    let taken = line.split_off_half();
                    assert_eq!(taken.as_ref().map(look), split_plainly(&mut plain));
                    let Some(taken) = taken.filter(|_| draw(2) == 0) else {
                        continue;
                    };
                    plain.splice(..0, look(&taken));
                    line.prepend(taken);
                }
            }
            assert_eq!(look(&line), plain);
        }
    }
}
