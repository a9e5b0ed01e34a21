//! The timed rounds: every engine once a round, in changing order.
//!
//! Used by `compare`. It knows lanes and runners, neither workloads nor tables.

use crate::measure::Sample;
use crate::order::Order;
use crate::plan::Subject;
use crate::trouble::Trouble;
use crate::workload::Counters;

/// What runs in a round.
pub(crate) trait Runner {
    /// Does the whole job once.
    fn run(&mut self) -> Result<Round, Trouble>;
    /// The turn is over: what would disturb the others' turns stops.
    fn rest(&mut self) {}
}

/// What one run gave.
pub(crate) struct Round {
    /// What it took.
    pub(crate) sample: Sample,
    /// The answer's checksum.
    pub(crate) checksum: String,
    /// The memory of other processes that took part.
    pub(crate) peak_rss_bytes: Option<u64>,
}

/// All that is found out about one engine with one number of workers.
pub(crate) struct Lane {
    /// Engine and workers.
    pub(crate) subject: Subject,
    /// The operations of one run.
    pub(crate) ops: u64,
    /// One for each timed round.
    pub(crate) samples: Vec<Sample>,
    /// The checksum of the first answer.
    pub(crate) checksum: Option<String>,
    /// Peak memory of a process that did only this.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Counters of the untimed run.
    pub(crate) counters: Option<Counters>,
    /// Why there are no samples, or why they are not to be trusted.
    pub(crate) trouble: Option<Trouble>,
}

impl Lane {
    /// Nothing is known yet.
    pub(crate) fn new(subject: Subject, ops: u64) -> Self {
        Lane {
            subject,
            ops,
            samples: Vec::new(),
            checksum: None,
            peak_rss_bytes: None,
            counters: None,
            trouble: None,
        }
    }

    /// Takes an answer's checksum; a second one that differs from the first is an error of the lane.
    pub(crate) fn answered(&mut self, checksum: String) {
        match &self.checksum {
            None => self.checksum = Some(checksum),
            Some(first) if *first == checksum => {}
            Some(first) => {
                let error = format!("answers differ from run to run: {first}, then {checksum}");
                self.trouble.get_or_insert(error.into());
            }
        }
    }

    /// The lane is out: what it has so far cannot be compared round by round.
    pub(crate) fn fail(&mut self, trouble: Trouble) {
        self.samples.clear();
        self.checksum = None;
        self.trouble = Some(trouble);
    }

    /// Wall time by operation in each round.
    pub(crate) fn ns_per_op(&self) -> impl Iterator<Item = f64> {
        self.samples
            .iter()
            .map(|sample| sample.wall_ns as f64 / self.ops.max(1) as f64)
    }

    /// CPU time by operation in each round.
    pub(crate) fn cpu_ns_per_op(&self) -> impl Iterator<Item = f64> {
        self.samples
            .iter()
            .map(|sample| sample.cpu_ns as f64 / self.ops.max(1) as f64)
    }
}

/// Runs `repeats` rounds. In each round a lane runs twice in a row and the second run is timed, so that it finds the
/// caches, the allocator and the system's free pages as it leaves them itself: after another lane's run the same job
/// took up to five times as long, all of it for pages that were not there. `tick` hears of each turn before it starts
/// and of nothing while one runs.
pub(crate) fn interleave(
    lanes: &mut [(&mut Lane, Box<dyn Runner + '_>)],
    repeats: u32,
    mut tick: impl FnMut(Subject),
) {
    let mut order = Order::new();
    for round in 1..=repeats {
        for i in order.next(lanes.len()) {
            let (lane, runner) = &mut lanes[i];
            tick(lane.subject);
            if lane.trouble.is_some() {
                continue;
            }
            let outcome = turn(lane, &mut **runner);
            runner.rest();
            match outcome {
                Err(trouble) => lane.fail(trouble.in_round(round)),
                Ok(sample) => lane.samples.push(sample),
            }
        }
    }
}

/// An untimed run, then the timed one.
fn turn(lane: &mut Lane, runner: &mut dyn Runner) -> Result<Sample, Trouble> {
    run_once(lane, runner)?;
    run_once(lane, runner)
}

fn run_once(lane: &mut Lane, runner: &mut dyn Runner) -> Result<Sample, Trouble> {
    let outcome = runner.run()?;
    lane.answered(outcome.checksum);
    lane.peak_rss_bytes = lane.peak_rss_bytes.max(outcome.peak_rss_bytes);
    Ok(outcome.sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use std::cell::RefCell;

    struct Scripted<'a> {
        name: char,
        log: &'a RefCell<String>,
        runs: u64,
        fails_at: u64,
        lies_at: u64,
    }

    impl Runner for Scripted<'_> {
        fn run(&mut self) -> Result<Round, Trouble> {
            self.log.borrow_mut().push(self.name);
            self.runs += 1;
            if self.runs == self.fails_at {
                return Err(Trouble::from("broke"));
            }
            let checksum = if self.runs == self.lies_at { "2" } else { "1" };
            Ok(Round {
                sample: Sample {
                    wall_ns: 100 * self.runs,
                    cpu_ns: 1,
                },
                checksum: checksum.to_owned(),
                peak_rss_bytes: None,
            })
        }

        fn rest(&mut self) {
            self.log.borrow_mut().push('.');
        }
    }

    /// Runs lanes named by letters; each fails and lies at the given run, 0 for never.
    fn play(scripts: &[(char, u64, u64)], repeats: u32) -> (Vec<Lane>, String) {
        let log = RefCell::new(String::new());
        let subject = Subject {
            engine: Engine::Plain,
            workers: 1,
        };
        let mut lanes: Vec<Lane> = scripts.iter().map(|_| Lane::new(subject, 10)).collect();
        let mut pairs: Vec<(&mut Lane, Box<dyn Runner + '_>)> = lanes
            .iter_mut()
            .zip(scripts)
            .map(|(lane, &(name, fails_at, lies_at))| {
                let runner: Box<dyn Runner + '_> = Box::new(Scripted {
                    name,
                    log: &log,
                    runs: 0,
                    fails_at,
                    lies_at,
                });
                (lane, runner)
            })
            .collect();
        interleave(&mut pairs, repeats, |_| {});
        drop(pairs);
        (lanes, log.into_inner())
    }

    #[test]
    fn each_round_runs_everybody_twice_and_times_the_second() {
        let (lanes, log) = play(&[('a', 0, 0), ('b', 0, 0), ('c', 0, 0)], 4);
        assert_eq!(log.len(), 36);
        for round in log.as_bytes().chunks(9) {
            assert!(
                round
                    .chunks(3)
                    .all(|turn| turn[0] == turn[1] && turn[2] == b'.')
            );
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, b"...aabbcc");
        }
        for lane in &lanes {
            assert_eq!(lane.samples.len(), 4);
            assert_eq!(lane.ns_per_op().next(), Some(20.0));
        }
    }

    #[test]
    fn one_that_breaks_is_out_and_the_others_go_on() {
        let (lanes, log) = play(&[('a', 3, 0), ('b', 0, 0)], 4);
        assert_eq!(lanes[0].trouble, Some(Trouble::from("in round 2: broke")));
        assert!(lanes[0].samples.is_empty() && lanes[0].checksum.is_none());
        assert_eq!(lanes[1].samples.len(), 4);
        assert_eq!(log.matches('a').count(), 3);
    }

    #[test]
    fn an_answer_that_changes_is_an_error() {
        let (lanes, _) = play(&[('a', 0, 3)], 4);
        let error = lanes[0].trouble.as_ref().unwrap().text();
        assert!(error.contains("from run to run: 1, then 2"), "{error}");
    }
}
