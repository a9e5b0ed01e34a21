//! What is said on standard error of a run under a schedule that fails or stands still: what, and how to see it again.

use super::{Seeded, Sleepers, Turns};
use crate::schedule::Schedule;

impl Seeded {
    /// Says how to come here again, once.
    pub(crate) fn report(&self, what: &str) {
        let mut turns = self.turns.lock();
        if !std::mem::replace(&mut turns.is_reported, true) {
            let steps = turns.chooser.choices();
            drop(turns);
            eprintln!("dagwood: {what}, {}", self.how_to_repeat(steps));
        }
    }

    fn how_to_repeat(&self, choices: usize) -> String {
        let workers = self.places.len();
        let schedule = match &self.schedule {
            Schedule::Replay(_) => "the log that it replays".to_owned(),
            Schedule::Prefix(_) => "the log that it begins with".to_owned(),
            seeded => format!("DAGWOOD_SCHEDULE={seeded} (or `Builder::schedule`)"),
        };
        format!(
            "after {choices} choices of the schedule; to see it again: {schedule}, with {workers} workers"
        )
    }

    /// Nothing has moved for long.
    pub(super) fn report_standstill(&self, turns: &mut Turns, pool: &impl Sleepers) {
        if turns.is_reported || turns.runs == 0 {
            return;
        }
        turns.is_reported = true;
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
            "dagwood: {why}; {}",
            self.how_to_repeat(turns.chooser.choices())
        );
    }
}
