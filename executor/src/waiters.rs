//! Who waits for what: the report of [`Executor::waiters`](crate::Executor::waiters) and of the watchdog.
//!
//! Data and its text; how it is gathered: `sched/pool/look.rs`.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// The fibers of an executor that wait, as each worker saw its own when it was asked.
#[derive(Clone, Debug, Default)]
pub struct WaitReport {
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) silent: Vec<SilentWorker>,
}

/// A fiber that waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    pub(crate) worker: usize,
    pub(crate) awaited: String,
    pub(crate) queries: Vec<String>,
    pub(crate) holder: Holder,
    pub(crate) waiting_for: Option<Duration>,
}

/// Who does what a fiber waits for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A fiber that waits itself: the one with this index in the report.
    Waiter(usize),
    /// A fiber that runs, or is about to, or belongs to another executor.
    Other,
    /// Nobody is known to: an event, or what has not begun.
    Nobody,
}

/// A worker that did not answer: it is in the middle of a job, or blocked in a lock that the library does not know of, or waits for
/// a permit to run ([`Builder::jobserver`](crate::Builder::jobserver)).
#[derive(Clone, Debug)]
pub struct SilentWorker {
    pub(crate) worker: usize,
    pub(crate) ready: Vec<&'static str>,
    pub(crate) lacks_permit: bool,
}

impl WaitReport {
    /// The fibers that wait, worker by worker.
    pub fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.iter()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// The workers that did not answer: their fibers are missing in the report.
    pub fn silent_workers(&self) -> &[SilentWorker] {
        &self.silent
    }

    /// The same as a graph in the language of Graphviz: fibers, and what they wait for.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph waits {\n");
        for (index, waiter) in self.waiters.iter().enumerate() {
            let label = format!("{index}: {} (worker {})", waiter.doing(), waiter.worker);
            let awaited = escaped(&waiter.awaited);
            // Writing to a string cannot fail.
            let _ = writeln!(dot, "  f{index} [label=\"{}\"];", escaped(&label));
            let _ = match waiter.holder {
                Holder::Waiter(holder) => {
                    writeln!(dot, "  f{index} -> f{holder} [label=\"{awaited}\"];")
                }
                Holder::Other | Holder::Nobody => {
                    let shape = if waiter.holder == Holder::Nobody {
                        "box"
                    } else {
                        "ellipse"
                    };
                    writeln!(
                        dot,
                        "  a{index} [label=\"{awaited}\", shape={shape}];\n  f{index} -> a{index};"
                    )
                }
            };
        }
        dot.push_str("}\n");
        dot
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

impl Waiter {
    /// The worker that it belongs to.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// What it waits for: a query, a task, an event, or its own branches and children.
    pub fn awaited(&self) -> &str {
        &self.awaited
    }

    /// The queries and tasks on it, the innermost first; each was asked for by the next.
    pub fn queries(&self) -> &[String] {
        &self.queries
    }

    /// Who does what it waits for.
    pub fn holder(&self) -> Holder {
        self.holder
    }

    /// For how long it has waited; known with [`Builder::watchdog`](crate::Builder::watchdog) or
    /// [`Builder::statistics`](crate::Builder::statistics), since looking at the clock costs as much as a short wait.
    pub fn waiting_for(&self) -> Option<Duration> {
        self.waiting_for
    }

    fn doing(&self) -> String {
        if self.queries.is_empty() {
            "a job".to_owned()
        } else {
            self.queries.join(", asked by ")
        }
    }
}

impl SilentWorker {
    /// Which worker.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Its fibers that others woke, and that wait for it: the type of the innermost query on each, or "a job". Known with
    /// [`Builder::watchdog`](crate::Builder::watchdog).
    pub fn ready_fibers(&self) -> &[&'static str] {
        &self.ready
    }

    /// Whether it waits for a permit, and for nothing else: others run, here or in other processes.
    pub fn waits_for_permit(&self) -> bool {
        self.lacks_permit
    }
}

impl fmt::Display for WaitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} fibers wait", self.waiters.len())?;
        for (index, waiter) in self.waiters.iter().enumerate() {
            write!(
                f,
                "  {index}: {}, on worker {}, ",
                waiter.doing(),
                waiter.worker
            )?;
            write!(f, "waits for {}", waiter.awaited)?;
            match waiter.holder {
                Holder::Waiter(holder) => write!(f, ", which fiber {holder} does")?,
                Holder::Other => f.write_str(", which a running fiber does")?,
                Holder::Nobody => f.write_str(", which nobody is known to do")?,
            }
            if let Some(time) = waiter.waiting_for {
                write!(f, ", for {time:.1?}")?;
            }
            writeln!(f)?;
        }
        for silent in &self.silent {
            let state = match silent.lacks_permit {
                true => "waits for a permit of its jobserver",
                false => "is in the middle of a job, or blocked in it",
            };
            write!(f, "  worker {} {state}", silent.worker)?;
            if !silent.ready.is_empty() {
                let ready = silent.ready.join(", ");
                write!(
                    f,
                    ", and {} of its fibers are ready: {ready}",
                    silent.ready.len()
                )?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What is called with a report.
type Hook = Arc<dyn Fn(&WaitReport) + Send + Sync>;

/// When somebody looks whether anything goes on, and whom it tells; if there is no hook, standard error.
#[derive(Clone, Default)]
pub(crate) struct Watching {
    /// `None`: nobody looks.
    pub(crate) period: Option<Duration>,
    pub(crate) hook: Option<Hook>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
