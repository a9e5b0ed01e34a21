//! All schedules of a small program, up to a bound.

use super::{Entry, OUTSIDE, Schedule, ScheduleLog};

/// Goes through all schedules that differ from the plain one (every worker goes on until it waits) in at most so many
/// choices.
///
/// The number of schedules grows with the length of the run to the power of the bound: for small programs.
///
/// # Examples
///
/// ```
/// use dagwood::{Database, Executor, Exhaustive};
///
/// let mut exploration = Exhaustive::new(1);
/// while let Some(schedule) = exploration.next_schedule() {
///     let executor = Executor::builder().workers(2).schedule(schedule).build()?;
///     let db = Database::new(());
///     assert_eq!(executor.run(&db, |cx| cx.join(|_| 1, |_| 2))?, (1, 2));
///     exploration.learn(executor.schedule_log().as_ref());
/// }
/// # Ok::<(), dagwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Exhaustive {
    deviations: usize,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    /// Nothing is known: the plain one.
    Plain,
    Prefix(ScheduleLog),
    /// Handed out, and not learnt from.
    Pending,
    None,
}

impl Exhaustive {
    /// With at most so many choices that are not the first one.
    pub fn new(deviations: usize) -> Self {
        Exhaustive {
            deviations,
            next: Next::Plain,
        }
    }

    /// The next schedule to run under; `None`: there are no more, or nothing was learnt from the last one.
    pub fn next_schedule(&mut self) -> Option<Schedule> {
        match std::mem::replace(&mut self.next, Next::Pending) {
            Next::Plain => Some(Schedule::Prefix(ScheduleLog::new(0, Vec::new()))),
            Next::Prefix(log) => Some(Schedule::Prefix(log)),
            Next::Pending | Next::None => {
                self.next = Next::None;
                None
            }
        }
    }

    /// Takes the log of the run under the last schedule. `None`: the backend has one order only.
    pub fn learn(&mut self, log: Option<&ScheduleLog>) {
        self.next = log
            .and_then(|log| self.after(log))
            .map_or(Next::None, Next::Prefix);
    }

    /// The shortest way on: the last choice that can be another one.
    fn after(&self, log: &ScheduleLog) -> Option<ScheduleLog> {
        let entries = log.entries();
        // What comes from outside is nobody's choice.
        let deviates = |entry: &Entry| entry.kind() != OUTSIDE && entry.choice() > 0;
        let mut deviations = entries.iter().filter(|entry| deviates(entry)).count();
        for (place, entry) in entries.iter().enumerate().rev() {
            deviations -= usize::from(deviates(entry));
            let next = entry.choice() + 1;
            let is_ours = entry.kind() != OUTSIDE;
            if is_ours && next < entry.options() && deviations < self.deviations {
                let mut prefix = entries[..place].to_vec();
                prefix.push(Entry::new(entry.kind(), next, entry.options()));
                return Some(ScheduleLog::new(log.workers(), prefix));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of three choices of two each.
    fn run(schedule: &Schedule) -> ScheduleLog {
        let mut entries = schedule.log().expect("a prefix").entries().to_vec();
        entries.resize(3, Entry::new(b'a', 0, 2));
        ScheduleLog::new(2, entries)
    }

    fn schedules(deviations: usize) -> Vec<String> {
        let mut exploration = Exhaustive::new(deviations);
        let mut seen = Vec::new();
        while let Some(schedule) = exploration.next_schedule() {
            let log = run(&schedule);
            seen.push(log.to_string());
            exploration.learn(Some(&log));
        }
        seen
    }

    #[test]
    fn each_schedule_comes_once_up_to_the_bound() {
        assert_eq!(schedules(0).len(), 1);
        assert_eq!(schedules(1).len(), 4);
        let all = schedules(3);
        assert_eq!(all.len(), 8);
        let mut once = all.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), 8);
    }
}
