//! The log of a schedule: every choice that there was, and its text.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The choices of a run under a [`Schedule`](crate::Schedule), in order: what
/// [`Schedule::Replay`](crate::Schedule::Replay) repeats.
///
/// Its text (`workers=4 a1/4 w0/3 ..`) names for each choice the kind of the point, what was chosen, and of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleLog {
    workers: usize,
    entries: Vec<Entry>,
}

/// The kind of entries that say what came from outside: nobody's choice.
pub(crate) const OUTSIDE: u8 = b'o';

/// One choice: kind, what, of how many. Packed: there may be millions.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    kind: u8,
    choice: u16,
    options: u16,
}

impl Entry {
    /// `kind` is an ASCII letter.
    pub(crate) fn new(kind: u8, choice: usize, options: usize) -> Self {
        debug_assert!(kind.is_ascii_alphabetic() && choice < options);
        let small = |number: usize| u16::try_from(number).expect("no pool has so many workers");
        Entry {
            kind,
            choice: small(choice),
            options: small(options),
        }
    }

    /// The letter of the point.
    pub(crate) fn kind(self) -> u8 {
        self.kind
    }

    pub(crate) fn choice(self) -> usize {
        self.choice.into()
    }

    pub(crate) fn options(self) -> usize {
        self.options.into()
    }
}

impl ScheduleLog {
    pub(crate) fn new(workers: usize, entries: Vec<Entry>) -> Self {
        ScheduleLog { workers, entries }
    }

    /// How many workers the pool had.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// How many choices there were.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was chosen: there was one worker.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = char::from(self.kind);
        write!(f, "{kind}{}/{}", self.choice, self.options)
    }
}

impl fmt::Display for ScheduleLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workers={}", self.workers)?;
        self.entries
            .iter()
            .try_for_each(|entry| write!(f, " {entry}"))
    }
}

impl FromStr for ScheduleLog {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no_log = |word: &str| Error::setup(format!("no log of a schedule: {word:?}"));
        let mut words = text.split_whitespace();
        let head = words.next().unwrap_or("");
        let workers = head
            .strip_prefix("workers=")
            .and_then(|count| count.parse().ok());
        Ok(ScheduleLog {
            workers: workers.ok_or_else(|| no_log(head))?,
            entries: words
                .map(|word| parse_entry(word).ok_or_else(|| no_log(word)))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn parse_entry(word: &str) -> Option<Entry> {
    let kind = *word.as_bytes().first()?;
    if !kind.is_ascii_alphabetic() {
        return None;
    }
    let (choice, options) = word[1..].split_once('/')?;
    let entry = Entry {
        kind,
        choice: choice.parse().ok()?,
        options: options.parse().ok()?,
    };
    (entry.choice < entry.options).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_reads_what_it_shows() {
        let entries = vec![Entry::new(b'a', 1, 4), Entry::new(b'w', 0, 3)];
        let log = ScheduleLog::new(4, entries);
        assert_eq!(log.to_string(), "workers=4 a1/4 w0/3");
        assert_eq!(log.to_string().parse::<ScheduleLog>().ok(), Some(log));
        for text in [
            "",
            "a1/4",
            "workers=x",
            "workers=2 a",
            "workers=2 a2/2",
            "workers=2 11/2",
            "workers=2 ä1/2",
        ] {
            assert!(text.parse::<ScheduleLog>().is_err(), "{text}");
        }
    }
}
