//! Who goes on: by a rule and its random numbers, or by a log; and the log of what was chosen.
//!
//! Used by `seeded.rs`. Knows no thread.

use super::Point;
use crate::schedule::{Entry, Schedule, ScheduleLog};

/// By what it is chosen where no log says.
enum Rule {
    Random,
    RoundRobin,
    /// The first choice.
    First,
    Pct(Pct),
}

/// Priorities of workers, and where they change.
struct Pct {
    /// The greatest goes first.
    priorities: Vec<i64>,
    /// Below all that were given so far.
    lowest: i64,
    /// At which choices of a worker the running one becomes the last.
    drops: Vec<u32>,
    choices: u32,
}

/// Makes and logs the choices of one pool.
pub(super) struct Chooser {
    rule: Rule,
    random: Random,
    workers: usize,
    /// What is to be repeated.
    given: Vec<Entry>,
    /// Whether there must be no choice beyond what is given.
    is_exact: bool,
    log: Vec<Entry>,
    divergence: Option<String>,
}

impl Chooser {
    pub(super) fn new(schedule: &Schedule, workers: usize) -> Self {
        let seed = match schedule {
            Schedule::Seeded(seed) | Schedule::Pct { seed, .. } => *seed,
            _ => 0,
        };
        let mut random = Random::new(seed);
        let rule = match schedule {
            Schedule::RoundRobin => Rule::RoundRobin,
            Schedule::Replay(_) | Schedule::Prefix(_) => Rule::First,
            Schedule::Pct {
                preemptions, steps, ..
            } => Rule::Pct(Pct::new(&mut random, workers, *preemptions, *steps)),
            _ => Rule::Random,
        };
        Chooser {
            rule,
            random,
            workers,
            given: schedule
                .log()
                .map_or(Vec::new(), |log| log.entries().to_vec()),
            is_exact: matches!(schedule, Schedule::Replay(_)),
            log: Vec::new(),
            divergence: None,
        }
    }

    /// One of `candidates`, the first of which is who goes on if nobody minds.
    pub(super) fn worker(
        &mut self,
        at: Point,
        running: Option<usize>,
        candidates: &[usize],
    ) -> usize {
        let by_rule = match &mut self.rule {
            Rule::Random => self.random.below(candidates.len()),
            Rule::RoundRobin if at.is_poll() => 0,
            Rule::RoundRobin => 1 % candidates.len(),
            Rule::First => 0,
            Rule::Pct(pct) => pct.choose(at, running, candidates),
        };
        candidates[self.entry(at, candidates.len(), by_rule)]
    }

    /// One of so many ways to go on.
    pub(super) fn way(&mut self, at: Point, options: usize) -> usize {
        let by_rule = match self.rule {
            Rule::Random | Rule::Pct(_) => self.random.below(options),
            Rule::RoundRobin | Rule::First => 0,
        };
        self.entry(at, options, by_rule)
    }

    /// Whether something from outside is let in now; `is_there`: there is something.
    pub(super) fn lets_in(&mut self, is_there: bool) -> bool {
        self.entry(Point::Outside, 2, is_there.into()) == 1
    }

    /// What the log says next, else `by_rule`.
    fn entry(&mut self, at: Point, options: usize, by_rule: usize) -> usize {
        if options == 1 {
            return 0;
        }
        let choice = self.given_at(at, options).unwrap_or(by_rule);
        self.log.push(Entry::new(at.letter(), choice, options));
        choice
    }

    fn given_at(&mut self, at: Point, options: usize) -> Option<usize> {
        let step = self.log.len();
        let here = Entry::new(at.letter(), 0, options);
        let what = match self.given.get(step) {
            Some(entry) if entry.kind() == here.kind() && entry.options() == options => {
                return Some(entry.choice());
            }
            Some(entry) => format!("the log has {entry}"),
            None if self.is_exact => "the log has ended".to_owned(),
            None => return None,
        };
        let kind = char::from(here.kind());
        self.divergence.get_or_insert(format!(
            "the run is not the one of the log: at choice {step}, {what}, the run a choice {kind} of {options}"
        ));
        self.given.truncate(step);
        None
    }

    pub(super) fn divergence(&self) -> Option<&str> {
        self.divergence.as_deref()
    }

    pub(super) fn choices(&self) -> usize {
        self.log.len()
    }

    pub(super) fn log(&self) -> ScheduleLog {
        ScheduleLog::new(self.workers, self.log.clone())
    }
}

impl Pct {
    fn new(random: &mut Random, workers: usize, preemptions: u32, steps: u32) -> Self {
        let mut priorities: Vec<i64> = (0..).take(workers).collect();
        for place in (1..workers).rev() {
            priorities.swap(place, random.below(place + 1));
        }
        let steps = steps.max(1) as usize;
        let drops = (0..preemptions).map(|_| random.below(steps) as u32);
        Pct {
            priorities,
            lowest: 0,
            drops: drops.collect(),
            choices: 0,
        }
    }

    fn choose(&mut self, at: Point, running: Option<usize>, candidates: &[usize]) -> usize {
        let is_dropped = at.is_poll() || self.drops.contains(&self.choices);
        self.choices = self.choices.saturating_add(1);
        if let Some(running) = running.filter(|_| is_dropped) {
            self.lowest -= 1;
            self.priorities[running] = self.lowest;
        }
        let first = (0..candidates.len()).max_by_key(|place| self.priorities[candidates[*place]]);
        first.expect("somebody can go on")
    }
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // An odd factor spreads the seeds; zero would stay zero.
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        // The upper bits are the better ones; the same on targets of 32 bits.
        ((mixed >> 33) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(schedule: &Schedule) -> (Vec<usize>, Option<String>, ScheduleLog) {
        let mut chooser = Chooser::new(schedule, 3);
        let mut chosen = Vec::new();
        for _ in 0..20 {
            chosen.push(chooser.worker(Point::Attend, Some(0), &[0, 1, 2]));
            chosen.push(chooser.way(Point::Share, 4));
        }
        (
            chosen,
            chooser.divergence().map(str::to_owned),
            chooser.log(),
        )
    }

    #[test]
    fn a_log_repeats_what_was_chosen() {
        let pct = Schedule::Pct {
            seed: 3,
            preemptions: 2,
            steps: 20,
        };
        for schedule in [Schedule::Seeded(5), Schedule::RoundRobin, pct] {
            let (chosen, _, log) = choices(&schedule);
            let (again, divergence, same) = choices(&Schedule::Replay(log.clone()));
            assert_eq!((chosen, log), (again, same), "{schedule}");
            assert_eq!(divergence, None);
        }
        assert_ne!(
            choices(&Schedule::Seeded(5)).0,
            choices(&Schedule::Seeded(6)).0
        );
    }

    #[test]
    fn a_divergence_is_told() {
        let log = |text: &str| text.parse::<ScheduleLog>().expect("a log");
        let diverges = |schedule| choices(&schedule).1;
        for other in [
            "workers=3",
            "workers=3 w1/3",
            "workers=3 a1/2",
            "workers=3 a1/3",
        ] {
            let told = diverges(Schedule::Replay(log(other)));
            assert!(
                told.is_some_and(|told| told.contains("at choice")),
                "{other}"
            );
        }
        assert_eq!(diverges(Schedule::Prefix(log("workers=3 a1/3"))), None);
        assert!(diverges(Schedule::Prefix(log("workers=3 w1/3"))).is_some());
    }
}
