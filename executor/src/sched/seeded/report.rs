//! What is said on standard error of a run under a schedule that fails or stands still: what, and how to see it again.

use super::{Seeded, Sleepers, Turns};
use crate::schedule::Schedule;

impl Seeded {
    /// Says how to see a failure again: of the first one, since that shows them all. After how many choices is not said:
    /// workers may be going on.
    pub(crate) fn report(&self, what: &str) {
        let is_told = std::mem::replace(&mut self.turns.lock().is_failure_told, true);
        if !is_told {
            eprintln!("dagwood: {what}; {}", self.how_to_repeat());
        }
    }

    fn how_to_repeat(&self) -> String {
        let workers = self.places.len();
        let schedule = match &self.schedule {
            Schedule::Replay(_) => "the log that it replays".to_owned(),
            Schedule::Prefix(_) => "the log that it begins with".to_owned(),
            seeded => format!("DAGWOOD_SCHEDULE={seeded} (or `Builder::schedule`)"),
        };
        format!("to see it again: {schedule}, with {workers} workers")
    }

    /// Nothing has moved for long: once for each time.
    pub(super) fn report_standstill(&self, turns: &mut Turns, pool: &impl Sleepers) {
        let choices = turns.chooser.choices();
        if turns.runs == 0 || turns.told_after.replace(choices) == Some(choices) {
            return;
        }
        let why = match turns.running {
            Some(worker) => format!(
                "worker {worker} comes to no scheduling point: its closure computes for long, or waits for what \
                 another one would do"
            ),
            None if pool.has_work() => {
                "STUCK: all workers sleep while there is work: a bug of dagwood".to_owned()
            }
            None => "STUCK: all workers sleep while a `run` waits: if nobody outside is about to do something, this \
                     is a deadlock"
                .to_owned(),
        };
        eprintln!(
            "dagwood: {why}; after {choices} choices of the schedule; {}",
            self.how_to_repeat()
        );
    }
}
