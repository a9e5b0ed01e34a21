//! Why there is no value.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

/// A panic's payload.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Why a query, a task, a wait or an executor gave nothing.
///
/// Cheap to clone: all who asked for a failed query share one. What it says is a function of the
/// queries, not of the schedule: the queries that led to the failure are counted from the failure
/// outwards, along the asker's own path.
///
/// # Examples
///
/// ```
/// # use dagwood::{Cx, Database, Executor, Query};
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// struct Chicken;
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// struct Egg;
///
/// impl Query<()> for Chicken {
///     type Value = u32;
///     fn provide(self, cx: &Cx<'_, ()>) -> u32 { *cx.get(Egg) }
/// }
/// impl Query<()> for Egg {
///     type Value = u32;
///     fn provide(self, cx: &Cx<'_, ()>) -> u32 { *cx.get(Chicken) }
/// }
///
/// let error = Executor::builder().workers(2).build()?.run(&Database::new(()), |cx| *cx.get(Egg)).unwrap_err();
/// assert!(error.is_cycle());
/// assert_eq!(error.to_string(), "query cycle: Chicken -> Egg -> Chicken");
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone)]
pub struct Error {
    /// One pointer: a result or an error are then given in registers.
    trail: Arc<Trail>,
}

/// The way from a failure's cause to here.
struct Trail {
    cause: Arc<Cause>,
    /// The query that failed last, and what it failed of.
    query: Option<(String, Arc<Trail>)>,
}

enum Cause {
    /// The walk, beginning with the smallest member.
    Cycle(Vec<String>),
    Panic {
        message: String,
        payload: PanicPayload,
    },
    /// A wait that nobody can end.
    NeverSet(String),
    /// The waits of a circle with a lock on it.
    Deadlock(String),
    /// A wait where it was said that there is none: where, and for what.
    NoSuspend(String),
    /// For now there is no fiber to go on with, or no stack to go deeper.
    Exhausted(String),
    /// A destructor would have to wait during an unwind.
    Unwinding,
    /// Work for a query that a cycle has decided already.
    LeftOver,
    /// A wait that an iteration goes on without; no user sees it.
    Cut,
    /// Rounds that came to no end, and the members.
    Diverged { rounds: u32, members: Vec<String> },
    /// It was asked to stop.
    Cancelled(Reason),
    /// `run` inside the same executor.
    NestedRun,
    /// The executor could not be made, or cannot be used here.
    Setup(String),
}

/// Who wants work to stop.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// [`CancelToken::cancel`](crate::CancelToken::cancel).
    Request = 1,
    /// [`Executor::run_with_deadline`](crate::Executor::run_with_deadline).
    Deadline,
    /// The last handle of the task was dropped.
    Dropped,
    /// [`Executor::shutdown`](crate::Executor::shutdown).
    Shutdown,
}

impl Error {
    fn new(cause: Cause) -> Self {
        Error {
            trail: Arc::new(Trail {
                cause: Arc::new(cause),
                query: None,
            }),
        }
    }

    pub(crate) fn cycle(walk: Vec<String>) -> Self {
        Self::new(Cause::Cycle(walk))
    }

    pub(crate) fn unwinding() -> Self {
        Self::new(Cause::Unwinding)
    }

    pub(crate) fn left_over() -> Self {
        Self::new(Cause::LeftOver)
    }

    pub(crate) fn cut() -> Self {
        Self::new(Cause::Cut)
    }

    pub(crate) fn diverged(rounds: u32, members: Vec<String>) -> Self {
        Self::new(Cause::Diverged { rounds, members })
    }

    pub(crate) fn cancelled(reason: Reason) -> Self {
        Self::new(Cause::Cancelled(reason))
    }

    pub(crate) fn nested_run() -> Self {
        Self::new(Cause::NestedRun)
    }

    pub(crate) fn never_set(what: String) -> Self {
        Self::new(Cause::NeverSet(what))
    }

    pub(crate) fn deadlock(waits: String) -> Self {
        Self::new(Cause::Deadlock(waits))
    }

    pub(crate) fn no_suspend(place: &Location<'_>, what: &str) -> Self {
        Self::new(Cause::NoSuspend(format!(
            "cannot wait for {what}: what began at {place} must not suspend"
        )))
    }

    pub(crate) fn wait_in_report() -> Self {
        let why = "a key's `Debug` or a destructor must not wait while a failure, or who waits, is reported";
        Self::new(Cause::NoSuspend(why.to_owned()))
    }

    pub(crate) fn setup(message: impl Into<String>) -> Self {
        Self::new(Cause::Setup(message.into()))
    }

    #[cfg(any(feature = "fibers", feature = "threads"))]
    pub(crate) fn fibers_exhausted(max: usize) -> Self {
        Self::new(Cause::Exhausted(format!(
            "cannot wait: all {max} fibers wait (`Builder::max_fibers`)"
        )))
    }

    #[cfg(any(feature = "fibers", feature = "threads"))]
    pub(crate) fn no_stack(error: &std::io::Error) -> Self {
        Self::new(Cause::Exhausted(format!(
            "cannot wait: no stack for another fiber: {error}"
        )))
    }

    pub(crate) fn no_segment(error: &std::io::Error) -> Self {
        Self::new(Cause::Exhausted(format!(
            "cannot go deeper: no memory for more stack: {error}"
        )))
    }

    #[cfg(any(feature = "fibers", feature = "threads"))]
    pub(crate) fn no_thread(error: &std::io::Error) -> Self {
        Self::setup(format!("cannot start a worker's thread: {error}"))
    }

    /// What ended a provider, a task or a run: an error that was raised, or a panic of the user's.
    pub(crate) fn from_payload(payload: Payload) -> Self {
        match payload.downcast::<Raised>() {
            Ok(raised) => raised.0,
            Err(payload) => {
                let message = panic_message(&*payload);
                Self::new(Cause::Panic {
                    message,
                    payload: PanicPayload(Mutex::new(Some(payload))),
                })
            }
        }
    }

    /// The error that was raised, if it was one.
    pub(crate) fn raised_in(payload: &Payload) -> Option<&Error> {
        payload.downcast_ref::<Raised>().map(|raised| &raised.0)
    }

    /// The same failure, as that of `query`, which asked for it (or is where it happened).
    pub(crate) fn in_query(&self, query: String) -> Self {
        Error {
            trail: Arc::new(Trail {
                cause: Arc::clone(&self.trail.cause),
                query: Some((query, Arc::clone(&self.trail))),
            }),
        }
    }

    /// Whether the failure is of the moment, and must not be remembered as a query's result.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            *self.trail.cause,
            Cause::Exhausted(_)
                | Cause::Deadlock(_)
                | Cause::NoSuspend(_)
                | Cause::Unwinding
                | Cause::LeftOver
                | Cause::Cut
                | Cause::Cancelled(_)
        )
    }

    /// Unwinds the current provider with this error. No panic message is printed.
    pub(crate) fn raise(self) -> ! {
        if std::thread::panicking() {
            // If this leaves a destructor the process aborts; then at least the reason stands
            // there.
            eprintln!(
                "dagwood: a destructor that runs during an unwind asked for what it cannot have: {self}"
            );
        }
        resume_unwind(self.into_payload())
    }

    /// What [`raise`](Self::raise) unwinds with.
    pub(crate) fn into_payload(self) -> Payload {
        Box::new(Raised(self))
    }

    /// Continues with the panic of a closure itself, if it was one; else raises the error.
    pub(crate) fn propagate(self) -> ! {
        let payload = if self.is_plain_panic() {
            self.take_payload()
        } else {
            None
        };
        match payload {
            Some(payload) => resume_unwind(payload),
            None => self.raise(),
        }
    }

    /// Whether the queries ask each other in a circle.
    pub fn is_cycle(&self) -> bool {
        matches!(*self.trail.cause, Cause::Cycle(_))
    }

    /// The queries of the cycle in the order in which they ask each other, beginning with the
    /// smallest (by the name of its type, then by its text); the last asks the first.
    pub fn cycle_members(&self) -> Option<&[String]> {
        match &*self.trail.cause {
            Cause::Cycle(walk) => Some(walk),
            _ => None,
        }
    }

    /// Whether a provider or a task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(*self.trail.cause, Cause::Panic { .. })
    }

    /// The message of the panic, if it was one.
    pub fn panic_message(&self) -> Option<&str> {
        match &*self.trail.cause {
            Cause::Panic { message, .. } => Some(message),
            _ => None,
        }
    }

    /// Takes the payload of the panic. All clones share it, so only one caller gets it.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        match &*self.trail.cause {
            Cause::Panic { payload, .. } => payload.take(),
            _ => None,
        }
    }

    /// Whether it ended work for a query that a cycle had decided: nobody's failure.
    pub(crate) fn is_left_over(&self) -> bool {
        matches!(*self.trail.cause, Cause::LeftOver)
    }

    /// Whether it ended a wait that an iteration goes on without.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(*self.trail.cause, Cause::Cut)
    }

    /// Whether queries that ask for a [fixpoint](crate::Fixpoint) came to none in as many rounds as they may have.
    pub fn is_diverged(&self) -> bool {
        matches!(*self.trail.cause, Cause::Diverged { .. })
    }

    /// Whether both come from the same failure.
    pub(crate) fn has_cause_of(&self, other: &Error) -> bool {
        Arc::ptr_eq(&self.trail.cause, &other.trail.cause)
    }

    /// Whether it was a panic that no query or task has made its own: that of a closure itself.
    pub(crate) fn is_plain_panic(&self) -> bool {
        self.is_panic() && self.trail.query.is_none()
    }

    /// Whether fibers, or memory for stacks, ran out for now; the same ask may go well later.
    pub fn is_exhausted(&self) -> bool {
        matches!(*self.trail.cause, Cause::Exhausted(_))
    }

    /// Whether it was asked to stop: by a [`CancelToken`](crate::CancelToken), a deadline, the drop of the last handle of
    /// a [cancellable task](crate::Cx::spawn_cancellable), or [`Executor::shutdown`](crate::Executor::shutdown). Nothing
    /// of it is remembered: another run computes the same query.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.trail.cause, Cause::Cancelled(_))
    }

    /// Whether the last handle of the task was dropped: nobody's failure.
    pub(crate) fn is_dropped(&self) -> bool {
        matches!(*self.trail.cause, Cause::Cancelled(Reason::Dropped))
    }

    /// Whether the executor shuts down.
    pub(crate) fn is_shutdown(&self) -> bool {
        matches!(*self.trail.cause, Cause::Cancelled(Reason::Shutdown))
    }

    /// Whether it was a wait that nobody can end any more: for a [lock](crate::locks) whose holder waits, in the end, for
    /// the one that asks; or, on the sequential backend, for what is not there, where nothing else runs that could bring
    /// it. (A wait for one's own result is a [cycle](Self::is_cycle).) Which deadlock there is is a matter of the schedule,
    /// so a query that ends with it is not remembered.
    pub fn is_deadlock(&self) -> bool {
        matches!(*self.trail.cause, Cause::NeverSet(_) | Cause::Deadlock(_))
    }

    /// Whether it was a wait where [`Cx::no_suspend`](crate::Cx::no_suspend) allows none, or of a key's `Debug` or a destructor
    /// while a failure, or who waits, is reported. Whether one must wait is a matter of the
    /// schedule, so a query that ends with it is not remembered.
    pub fn is_refused(&self) -> bool {
        matches!(*self.trail.cause, Cause::NoSuspend(_))
    }

    /// The failed queries from the one where it happened out to the one that was asked.
    pub fn query_stack(&self) -> impl Iterator<Item = &str> {
        let mut queries = Vec::new();
        let mut trail = &self.trail;
        while let Some((query, inner)) = &trail.query {
            queries.push(query.as_str());
            trail = inner;
        }
        queries.into_iter().rev()
    }
}

impl Drop for Trail {
    /// Without recursion: a trail may be as long as the deepest chain of queries.
    fn drop(&mut self) {
        let mut query = self.query.take();
        while let Some(mut trail) = query.and_then(|(_, inner)| Arc::into_inner(inner)) {
            query = trail.query.take();
        }
    }
}

/// How many queries that came to no fixpoint are printed.
const MEMBERS_PRINTED_MAX: usize = 10;

/// How many queries of a trail are printed.
const TRAIL_PRINTED_MAX: usize = 20;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.trail.cause {
            Cause::Cycle(walk) => {
                let first = walk.first().map_or("", String::as_str);
                write!(f, "query cycle: {} -> {first}", walk.join(" -> "))?;
            }
            Cause::Panic { message, .. } => write!(f, "panicked: {message}")?,
            Cause::NeverSet(what) => write!(f, "{what} is awaited, and nobody can set it any more")?,
            Cause::Deadlock(waits) => write!(f, "deadlock: {waits}")?,
            Cause::NoSuspend(what) | Cause::Exhausted(what) => f.write_str(what)?,
            Cause::Unwinding => f.write_str("a destructor that runs during an unwind cannot wait")?,
            Cause::LeftOver => f.write_str("the query that asked is decided by a cycle already")?,
            Cause::Cut => f.write_str("the wait is part of an iteration")?,
            Cause::Diverged { rounds, members } => {
                let shown = &members[..members.len().min(MEMBERS_PRINTED_MAX)];
                write!(f, "no fixpoint after {rounds} rounds: {}", shown.join(", "))?;
                let rest = members.len() - shown.len();
                if rest > 0 {
                    write!(f, ", and {rest} more")?;
                }
            }
            Cause::Cancelled(reason) => f.write_str(match reason {
                Reason::Request => "cancelled",
                Reason::Deadline => "cancelled: the deadline has passed",
                Reason::Dropped => "cancelled: the last handle of the task was dropped",
                Reason::Shutdown => "cancelled: the executor shuts down",
            })?,
            Cause::NestedRun => f.write_str(
                "`run` was called inside a job of the same executor: use the `Cx` at hand (`get`, `join`, `spawn`)",
            )?,
            Cause::Setup(message) => f.write_str(message)?,
        }
        let mut stack = self.query_stack();
        if let Some(query) = stack.next() {
            write!(f, " (in {query}")?;
            for query in stack.by_ref().take(TRAIL_PRINTED_MAX) {
                write!(f, ", asked by {query}")?;
            }
            let rest = stack.count();
            if rest > 0 {
                write!(f, ", and {rest} more")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

/// What a panic left, for one to take. Its drop is user code, but must not panic where an error
/// happens to be dropped.
struct PanicPayload(Mutex<Option<Payload>>);

impl PanicPayload {
    fn take(&self) -> Option<Payload> {
        self.0
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
            .take()
    }
}

impl Drop for PanicPayload {
    fn drop(&mut self) {
        discard(self.take());
    }
}

/// Drops what nobody will see, where an unwind cannot go on. Dropping is user code and may panic.
pub(crate) fn discard<T>(value: T) {
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(value))));
}

/// The payload of an unwind that carries an error through a provider.
struct Raised(Error);

fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        return (*message).to_owned();
    }
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "a payload that is no text".to_owned())
}
