//! What frames do and waits are for, in so far as the graph needs to know: a name, and what becomes of it in a cycle or a
//! cancellation.
//!
//! Used by whoever enters a frame or waits. Knows nothing of queries: it calls the functions of their [`Kind`].

use std::ptr::NonNull;

use crate::error::Error;
use crate::sched::cancel::Region;
use crate::sched::fiber::FiberRecord;
use crate::sched::wait::{Outcome, Waiters};

/// What part a frame has in the end of cancelled work (cancel.md X3, X4).
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A query or a task.
    Work,
    /// What a fiber gave away, and takes back.
    Fork,
    /// A whole run: nothing below it, if there is something, is part of it.
    Run,
    /// A run of an iteration's own: what is below it, on the fiber around, is one with it (cancel.md X9).
    Inside,
    /// A part of a run; the data is its [`Region`].
    Part,
    /// No frame: what a wait is for.
    Wait,
}

/// What a frame does is to the wait graph.
pub(crate) struct Kind {
    pub(crate) role: Role,
    /// The name of the query's type, if it is a query: for a signal handler, so it must not allocate.
    pub(crate) query: Option<fn() -> &'static str>,
    /// Its name in the report of a cycle: (kind, key). `None`: it is not named (a join's half).
    pub(crate) describe: Option<unsafe fn(NonNull<()>) -> Name>,
    /// What a cycle makes of it: queries only, others end when their fibers have unwound.
    pub(crate) decide: Option<Decide>,
    /// Whether what it does is provisional, if it ever is: a cycle through it is cut instead of decided (graph.md G9).
    pub(crate) is_provisional: Option<unsafe fn(NonNull<()>) -> bool>,
    /// Gives it back without a result, for a fiber that goes no further: queries and tasks.
    pub(crate) abandon: Option<unsafe fn(NonNull<()>) -> Waiters>,
}

/// How a cycle ends a query, in two steps (graph.md G6).
#[derive(Copy, Clone)]
pub(crate) struct Decide {
    /// Puts the result in: a value, or the cycle's error. Runs user code; says how it is to be closed.
    pub(crate) put: unsafe fn(NonNull<()>, &Error) -> Outcome,
    /// Closes it so.
    pub(crate) close: unsafe fn(NonNull<()>, Outcome) -> Waiters,
}

impl Kind {
    /// Has no name in reports (the query that forked or ran it has), and ends by itself.
    const FORK: &'static Kind = &Kind::unnamed(Role::Fork);
    const RUN: &'static Kind = &Kind::unnamed(Role::Run);
    const INSIDE: &'static Kind = &Kind::unnamed(Role::Inside);
    const PART: &'static Kind = &Kind::unnamed(Role::Part);
    const WAIT: &'static Kind = &Kind::unnamed(Role::Wait);

    const fn unnamed(role: Role) -> Kind {
        Kind {
            role,
            query: None,
            describe: None,
            decide: None,
            is_provisional: None,
            abandon: None,
        }
    }
}

/// What a frame does, with what its kind needs to know: a pointer that only the kind's functions
/// look at.
#[derive(Copy, Clone)]
pub(crate) struct Subject {
    pub(super) kind: &'static Kind,
    pub(super) data: NonNull<()>,
}

impl Subject {
    /// A whole run.
    pub(crate) const RUN: Subject = Subject::unnamed(Kind::RUN);
    /// A run of an iteration's own.
    pub(crate) const INSIDE: Subject = Subject::unnamed(Kind::INSIDE);
    /// A wait for a fork.
    pub(super) const CHILD: Subject = Subject::unnamed(Kind::WAIT);

    const fn unnamed(kind: &'static Kind) -> Self {
        Subject {
            kind,
            data: NonNull::dangling(),
        }
    }

    /// What `giver` forked; it outlives the frame.
    pub(super) fn fork(giver: *const FiberRecord) -> Self {
        Subject {
            kind: Kind::FORK,
            data: NonNull::new(giver.cast_mut()).map_or(NonNull::dangling(), NonNull::cast),
        }
    }

    /// A part of a run, which can be cancelled alone. The region outlives the frame.
    pub(crate) fn part(region: &Region) -> Self {
        Subject {
            kind: Kind::PART,
            data: NonNull::from(region).cast(),
        }
    }

    /// What it is called, if it has a name. Runs user code (`Debug`).
    pub(super) fn name(&self) -> Option<Name> {
        let describe = self.kind.describe?;
        // SAFETY: of this kind, and its frame or wait is entered (`Subject::new`).
        Some(unsafe { describe(self.data) })
    }

    /// # Safety
    ///
    /// The functions of `kind` may be called with `data` as long as the subject's frame is entered.
    pub(crate) unsafe fn new<T>(kind: &'static Kind, data: &T) -> Self {
        Subject {
            kind,
            data: NonNull::from(data).cast(),
        }
    }
}

/// What a thing is called in reports, ordered by kind, then by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}
