//! In which order workers run: freely, or as a seed or a log says. Plain data, and its text.
//!
//! Used by `Builder`, and by `sched/seeded.rs`, which carries it out. Knows no worker.

mod exhaustive;
mod log;

use std::fmt;
use std::str::FromStr;

pub use self::exhaustive::Exhaustive;
pub use self::log::ScheduleLog;
pub(crate) use self::log::{Entry, OUTSIDE};
use crate::error::Error;

/// In which order the workers of an executor run ([`Builder::schedule`](crate::Builder::schedule)).
///
/// All but [`Free`](Self::Free) and [`Sequential`](Self::Sequential) let *one worker at a time* run, and choose who goes
/// on at each scheduling point: a miss, a join, a loop item, a spawn, a wait (before it is listed, and before the switch),
/// a wake, a steal, a look for work, a yield. A hit is none. So a program whose closures are deterministic does the same
/// thing each time, to the letter, and a race that shows once shows again. It is for debugging and for tests: nothing runs
/// in parallel, and each turn that passes costs some microseconds.
///
/// The workers stay OS threads, of which all but one stand still; on both pools alike. On the sequential backend, where
/// there is one order only, all schedules are the same.
///
/// What makes it exact, and its limits:
///
/// * What comes from outside the pool (a [`run`](crate::Executor::run), or a thread that sets an
///   [`Event`](crate::Event)) is let in when no worker can go on, one at a time. With one thread outside, as in most
///   programs and tests, everything is a function of the program and the schedule. With several, the order in which they
///   come is not ours. What is let in so is the *wake*: a thread that sets an event, or another executor that fills a
///   slot of a shared database, is seen at once by who looks. Where a run must be repeatable, who waits for such a thing
///   should be waiting by then. (A job that calls another executor's `run` is. If several do at once, their order is that
///   executor's: it should have one worker, or a schedule.)
/// * A closure that blocks its OS thread until another job of the same executor has done something (by a lock, a
///   channel, a loop that does not [`yield_now`](crate::Cx::yield_now)) waits for ever, since the other one does not
///   run. After some seconds a message on standard error says which worker it is.
/// * What closures take from elsewhere (the time, addresses, the order of a `HashMap`) is not ours.
///
/// # Text
///
/// [`FromStr`] and [`Display`](fmt::Display) know `free`, `sequential`, `random:SEED` (or just the number),
/// `round-robin`, `pct:SEED:PREEMPTIONS:STEPS`, `replay:LOG` and `prefix:LOG`. The environment variable
/// `DAGWOOD_SCHEDULE` says by such a text what executors do whose builder says nothing.
///
/// # Examples
///
/// ```
/// use dagwood::{Database, Executor, Schedule};
///
/// let build = |schedule| Executor::builder().workers(4).schedule(schedule).build();
/// let db = Database::new(());
/// let first = build(Schedule::Seeded(17))?;
/// first.run(&db, |cx| cx.join(|_| "left", |_| "right"))?;
/// if let Some(log) = first.schedule_log() {
///     let again = build(Schedule::Replay(log.clone()))?;
///     again.run(&db, |cx| cx.join(|_| "left", |_| "right"))?;
///     assert_eq!(again.schedule_log(), Some(log));
/// }
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// All workers at once, as fast as they can.
    #[default]
    Free,
    /// The order of the sequential build, in any build: the sequential backend, whatever else the builder was asked for.
    Sequential,
    /// At each point any worker that can go on, with equal chances.
    Seeded(u64),
    /// At each point the next worker in turn.
    RoundRobin,
    /// *Probabilistic concurrency testing*: workers have priorities, and the first of those that can go on runs, save
    /// that so many times, at points chosen from so many first ones, the running worker becomes the last. Finds bugs that
    /// need few preemptions at the right places in long runs.
    Pct {
        /// Of priorities and places.
        seed: u64,
        /// How often.
        preemptions: u32,
        /// Among how many points: roughly as many as the run has.
        steps: u32,
    },
    /// The choices of a log ([`Executor::schedule_log`](crate::Executor::schedule_log)), with as many workers. If the
    /// program comes to other choices, `run` gives an error that says where. (One that ends before the log does gives
    /// none: compare the logs.)
    Replay(ScheduleLog),
    /// The same as far as the log goes, then at each point the first choice: the running worker goes on. What
    /// [`Exhaustive`] makes.
    Prefix(ScheduleLog),
}

impl Schedule {
    /// Whether one worker at a time runs, and choices are logged.
    pub(crate) fn is_chosen(&self) -> bool {
        !matches!(self, Schedule::Free | Schedule::Sequential)
    }

    /// The log that it follows.
    pub(crate) fn log(&self) -> Option<&ScheduleLog> {
        match self {
            Schedule::Replay(log) | Schedule::Prefix(log) => Some(log),
            _ => None,
        }
    }

    /// What the environment says.
    pub(crate) fn from_environment() -> Result<Schedule, Error> {
        match std::env::var("DAGWOOD_SCHEDULE") {
            Ok(text) => text.parse(),
            Err(_) => Ok(Schedule::Free),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Free => f.write_str("free"),
            Schedule::Sequential => f.write_str("sequential"),
            Schedule::Seeded(seed) => write!(f, "random:{seed}"),
            Schedule::RoundRobin => f.write_str("round-robin"),
            Schedule::Pct {
                seed,
                preemptions,
                steps,
            } => write!(f, "pct:{seed}:{preemptions}:{steps}"),
            Schedule::Replay(log) => write!(f, "replay:{log}"),
            Schedule::Prefix(log) => write!(f, "prefix:{log}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text.trim()).ok_or_else(|| {
            Error::setup(format!(
                "no schedule: {text:?} (`free`, `sequential`, `random:SEED`, `round-robin`, \
                 `pct:SEED:PREEMPTIONS:STEPS`, `replay:LOG` or `prefix:LOG`)"
            ))
        })
    }
}

fn parse(text: &str) -> Option<Schedule> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    Some(match name {
        "free" => Schedule::Free,
        "sequential" => Schedule::Sequential,
        "round-robin" => Schedule::RoundRobin,
        "random" => Schedule::Seeded(rest.parse().ok()?),
        "pct" => {
            let mut numbers = rest.split(':');
            let schedule = Schedule::Pct {
                seed: numbers.next()?.parse().ok()?,
                preemptions: numbers.next()?.parse().ok()?,
                steps: numbers.next()?.parse().ok()?,
            };
            return numbers.next().is_none().then_some(schedule);
        }
        "replay" => Schedule::Replay(rest.parse().ok()?),
        "prefix" => Schedule::Prefix(rest.parse().ok()?),
        seed => Schedule::Seeded(seed.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_what_it_shows() {
        let log: ScheduleLog = "workers=3 a1/3 w0/2".parse().expect("a log");
        for schedule in [
            Schedule::Free,
            Schedule::Sequential,
            Schedule::Seeded(17),
            Schedule::RoundRobin,
            Schedule::Pct {
                seed: 1,
                preemptions: 2,
                steps: 300,
            },
            Schedule::Replay(log.clone()),
            Schedule::Prefix(log),
        ] {
            assert_eq!(
                schedule.to_string().parse::<Schedule>().ok(),
                Some(schedule)
            );
        }
        assert_eq!("17".parse::<Schedule>().ok(), Some(Schedule::Seeded(17)));
        for text in [
            "",
            "rand:1",
            "random:",
            "random:-1",
            "pct:1:2",
            "pct:1:2:3:4",
            "replay:a1",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
