//! Why an engine gave no answer: it failed, it hung, or it was stopped.
//!
//! Used by everything between a run and the rows. A hang has a word of its own, because for some
//! peers it is what the comparison is about. Who is stopped has taken so long at least, which is something to compare. It
//! must not know any engine.

use std::fmt;
use std::time::Duration;

/// What went wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It ended, without an answer.
    Failed(String),
    /// It would never have ended, or not in the time that was given.
    Hung(String),
    /// A run went on when this time was over.
    Stopped(Duration),
}

impl Trouble {
    /// One word for the table.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Trouble::Failed(_) => "error",
            Trouble::Hung(_) => "hung",
            Trouble::Stopped(_) => "stopped",
        }
    }

    /// What is known about it.
    pub(crate) fn text(&self) -> String {
        match self {
            Trouble::Failed(text) | Trouble::Hung(text) => text.clone(),
            Trouble::Stopped(limit) => format!("after {} s", limit.as_secs()),
        }
    }

    /// How long a run has taken at least.
    pub(crate) fn at_least(&self) -> Option<Duration> {
        match self {
            Trouble::Stopped(limit) => Some(*limit),
            Trouble::Failed(_) | Trouble::Hung(_) => None,
        }
    }

    /// The same, with the round in which it happened, where that tells something; rounds count from 1.
    pub(crate) fn in_round(self, round: u32) -> Self {
        match self {
            Trouble::Failed(text) => Trouble::Failed(format!("in round {round}: {text}")),
            Trouble::Hung(text) => Trouble::Hung(format!("in round {round}: {text}")),
            Trouble::Stopped(_) => self,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Failed(text) => f.write_str(text),
            Trouble::Hung(text) => write!(f, "hung: {text}"),
            Trouble::Stopped(_) => write!(f, "{} {}", self.word(), self.text()),
        }
    }
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Trouble::Failed(text)
    }
}

impl From<&str> for Trouble {
    fn from(text: &str) -> Self {
        Trouble::Failed(text.to_owned())
    }
}
