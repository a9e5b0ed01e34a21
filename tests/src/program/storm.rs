//! A random program that several ask for at once, while some of them, and parts of it, are cancelled.
//!
//! What the cancelled get is a matter of the schedule: what they would have got, or that they were cancelled. What all others
//! get is not, nor what is asked for afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use dagwood::{Backend, CancelToken, Cx, Database, Error, Executor};

use super::Program;
use super::play::{Play, ask};
use crate::gate::panic_text;
use crate::random::Random;

/// Who asks for all queries of a program, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Is not cancelled.
    Patient,
    /// Is cancelled when so many things were begun by all.
    Until(usize),
    /// Has so many microseconds.
    For(u64),
}

/// A program, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// What is asked for.
    pub program: Program,
    /// All at once.
    pub askers: Vec<Asker>,
    /// Whether they are parts of one run; else each has a run of its own, from a thread of its own.
    pub is_one_run: bool,
    /// When the parts inside queries are cancelled; none are if it is empty.
    pub parts: Vec<usize>,
}

/// What one who asks is given: of each query that it came to, and of all.
struct Got {
    answers: Vec<Option<Result<u64, Error>>>,
    end: Result<(), String>,
    /// Whether it may have been cancelled.
    is_cancelled: bool,
}

/// What a program gives in program order.
pub struct Expected {
    answers: Vec<Result<u64, String>>,
    /// Whether a task fails that nobody waits for.
    is_failed: bool,
}

impl Storm {
    /// Of each number one of its own.
    pub fn random(number: u64) -> Self {
        let mut random = Random::new(number ^ 0x5707_0000_0000);
        let mut until = move |bound: usize| random.below(bound);
        let asker = |until: &mut dyn FnMut(usize) -> usize| match until(8) {
            0..3 => Asker::Patient,
            3 => Asker::For(until(300) as u64),
            _ => Asker::Until(until(60)),
        };
        let count = 1 + until(4);
        let parts = until(3);
        Storm {
            program: Program::random_with(number, true),
            askers: (0..count).map(|_| asker(&mut until)).collect(),
            is_one_run: until(2) == 0,
            parts: (0..parts).map(|_| until(40)).collect(),
        }
    }

    /// What its program gives in program order, undisturbed.
    pub fn expected(&self, oracle: &Executor) -> Expected {
        let db = Database::new(Play::calm(&self.program));
        let got = self.ask_all(None, |body| oracle.run(&db, body));
        let answers = got.answers.into_iter().map(|answer| {
            let answer = answer.expect("each is asked for");
            answer.map_err(|error| error.to_string())
        });
        Expected {
            answers: answers.collect(),
            is_failed: got.end.is_err(),
        }
    }

    /// Lets it loose on `executors` in turn, and asks again when it is over.
    ///
    /// # Errors
    ///
    /// What is not as it should be.
    pub fn judge(&self, executors: &[&Executor], expected: &Expected) -> Result<(), String> {
        let tokens: Vec<_> = self.askers.iter().map(|_| CancelToken::new()).collect();
        let parts: Vec<_> = self.parts.iter().map(|_| CancelToken::new()).collect();
        let of_askers = self.askers.iter().zip(&tokens);
        let of_askers = of_askers.filter_map(|(asker, token)| match asker {
            Asker::Until(at) => Some((*at, token.clone())),
            _ => None,
        });
        let of_parts = self.parts.iter().copied().zip(parts.iter().cloned());
        let ends = of_askers.chain(of_parts).collect();
        let db = Database::new(Play::with_ends(&self.program, ends, parts.clone()));
        let is_one_run = self.is_one_run || Executor::backends() == [Backend::Sequential];
        let (got, around) = if is_one_run {
            self.ask_in_parts(executors[0], &db, &tokens)
        } else {
            (self.ask_in_runs(executors, &db, &tokens), Ok(()))
        };
        let is_any_part_cancelled = parts.iter().any(CancelToken::is_cancelled);
        match around {
            Err(error) if !is_any_part_cancelled && !expected.is_failed => {
                return Err(format!("what is around the parts fails: {error}"));
            }
            _ => (),
        }
        for (number, mut got) in got.into_iter().enumerate() {
            got.is_cancelled |= is_any_part_cancelled;
            let asker = &self.askers[number];
            got.check(expected)
                .map_err(|error| format!("asker {number} ({asker:?}): {error}"))?;
        }
        db.data().calm_down();
        for executor in executors {
            let again = self.ask_all(None, |body| executor.run(&db, body));
            again
                .check(expected)
                .map_err(|error| format!("afterwards, {}: {error}", executor.backend()))?;
        }
        Ok(())
    }

    /// Each in a part of one run. What is outside of the parts is not cancelled.
    fn ask_in_parts(
        &self,
        executor: &Executor,
        db: &Database<Play>,
        tokens: &[CancelToken],
    ) -> (Vec<Got>, Result<(), Error>) {
        let got = Mutex::new(Vec::new());
        let run = executor.run(db, |cx| {
            let all = cx.par_map(0..tokens.len(), |cx, asker| {
                let token = &tokens[asker];
                self.ask_all(Some(token), |body| cx.cancellable(token, body))
            });
            *got.lock().expect("no user code under the lock") = all;
        });
        (got.into_inner().expect("no user code under the lock"), run)
    }

    /// Each in a run of its own.
    fn ask_in_runs(
        &self,
        executors: &[&Executor],
        db: &Database<Play>,
        tokens: &[CancelToken],
    ) -> Vec<Got> {
        let run = |asker: usize| {
            let (token, executor) = (&tokens[asker], executors[asker % executors.len()]);
            let after = match self.askers[asker] {
                Asker::For(micros) => Some(Duration::from_micros(micros)),
                _ => None,
            };
            let mut got = self.ask_all(Some(token), |body| match after {
                Some(after) => executor.run_with_deadline(db, after, body),
                None => executor.run_cancellable(db, token, body),
            });
            got.is_cancelled |= after.is_some();
            got
        };
        thread::scope(|scope| {
            let run = &run;
            let spawn = |asker| scope.spawn(move || run(asker));
            let threads: Vec<_> = (0..tokens.len()).map(spawn).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Got>| {
                thread.join().expect("panics are caught")
            };
            threads.into_iter().map(join).collect()
        })
    }

    /// Asks for all queries at once, in what `run` makes.
    fn ask_all<'db>(
        &self,
        token: Option<&CancelToken>,
        run: impl FnOnce(Box<dyn FnOnce(&Cx<'db, Play>) + Send + '_>) -> Result<(), Error>,
    ) -> Got {
        let count = self.program.bodies.len();
        let answers = Mutex::new((0..count).map(|_| None).collect::<Vec<_>>());
        let place = |query: usize, answer| {
            answers.lock().expect("no user code under the lock")[query] = Some(answer);
        };
        let body = |cx: &Cx<'db, Play>| {
            cx.par_for_each(0..count, |cx, query| place(query, ask(cx, query)));
        };
        let end = match catch_unwind(AssertUnwindSafe(|| run(Box::new(body)))) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(payload) => Err(panic_text(payload)),
        };
        Got {
            answers: answers.into_inner().expect("no user code under the lock"),
            end,
            is_cancelled: token.is_some_and(CancelToken::is_cancelled),
        }
    }

    /// The smallest storm that `fails`, found by leaving things out of this one, which does.
    pub fn shrink(&self, fails: impl Fn(&Storm) -> bool) -> Storm {
        let mut smallest = self.clone();
        while let Some(smaller) = smallest.smaller().into_iter().find(&fails) {
            smallest = smaller;
        }
        smallest
    }

    /// All storms with one thing less.
    fn smaller(&self) -> Vec<Storm> {
        let mut all = Vec::new();
        for asker in 0..self.askers.len() {
            let mut storm = self.clone();
            storm.askers.remove(asker);
            all.push(storm);
        }
        for part in 0..self.parts.len() {
            let mut storm = self.clone();
            storm.parts.remove(part);
            all.push(storm);
        }
        let programs = self.program.smaller().into_iter();
        all.extend(programs.map(|program| Storm {
            program,
            ..self.clone()
        }));
        all
    }
}

impl Got {
    fn check(&self, expected: &Expected) -> Result<(), String> {
        for (query, (got, expected)) in self.answers.iter().zip(&expected.answers).enumerate() {
            let is_right = match got {
                // Told at the end.
                None => self.end.is_err(),
                Some(Err(error)) if error.is_cancelled() && self.is_cancelled => true,
                Some(got) => got.clone().map_err(|error| error.to_string()) == *expected,
            };
            if !is_right {
                return Err(format!("query {query} gives {got:?}, not {expected:?}"));
            }
        }
        match &self.end {
            Err(error) if !self.is_cancelled && !expected.is_failed => Err(error.clone()),
            _ => Ok(()),
        }
    }
}
