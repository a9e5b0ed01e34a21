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

/// Entries in program order.
pub(crate) struct Line<G>(VecDeque<Entry<G>>);

impl<G> Line<G> {
    pub(crate) const fn new() -> Self {
        Line(VecDeque::new())
    }

    /// A line of children alone.
    pub(crate) fn of(stretch: Stretch) -> Self {
        Line(VecDeque::from([Entry::Here(stretch)]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take_first(&mut self) -> Option<Entry<G>> {
        self.0.pop_front()
    }

    pub(crate) fn push_first(&mut self, entry: Entry<G>) {
        self.0.push_front(entry);
    }

    pub(crate) fn push_last(&mut self, entry: Entry<G>) {
        self.0.push_back(entry);
    }

    /// Adds children behind all others, if there are any.
    pub(crate) fn push_children(&mut self, stretch: Stretch) {
        if !stretch.is_empty() {
            self.push_last(Entry::Here(stretch));
        }
    }

    /// Puts all of `earlier` in front.
    pub(crate) fn prepend(&mut self, earlier: Self) {
        let entries = earlier.0.into_iter().rev();
        entries.for_each(|entry| self.push_first(entry));
    }

    /// Takes the last half of the children off: half of the entries with children, if there are
    /// several, else half of that one; with all that comes after them.
    pub(crate) fn split_off_half(&mut self) -> Option<Self> {
        let is_here = |entry: &Entry<G>| matches!(entry, Entry::Here(_));
        let last = self.0.iter().rposition(is_here)?;
        let first = self.0.iter().position(is_here)?;
        if first < last {
            let half = first + (last - first).div_ceil(2);
            return Some(Line(self.0.split_off(half)));
        }
        let mut taken = Line(self.0.split_off(last + 1));
        if let Some(Entry::Here(mut stretch)) = self.0.pop_back() {
            if let Some(half) = stretch.split_off_half() {
                taken.push_first(Entry::Here(half));
            }
            self.push_children(stretch);
        }
        Some(taken)
    }
}
