//! `cycle-beside`: two queries ask each other while six workers are busy with jobs that never look up: how soon the cycle is
//! reported.
//!
//! The jobs are begun before the clock runs. They end when the cycle was reported, so that they disturb no other turn, but
//! not before their time is over if it was not: who finds cycles only when all workers have stopped would take as long as
//! they do. The workers are those of the setup, and six more for the jobs. The baseline is the same cycle sequentially,
//! with nothing beside it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dagwood::{Cx, Database, Error, Event, Executor, Query};

use super::job::cannot_run;
use super::meeting::{Meeting, spin_until};
use super::{Answer, Job, Loaded, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// How many workers are busy.
const BUSY: usize = 6;

struct Beside {
    /// How long each of the jobs takes, if the cycle is not reported before.
    time: Duration,
}

/// Two queries that ask each other, on pools once both have begun.
struct Pair {
    begun: Option<[Event<()>; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Side(usize);

impl Query<Pair> for Side {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Pair>) {
        if let Some(begun) = &cx.data().begun {
            begun[self.0].set(()).expect("it begins once");
            begun[1 - self.0].wait(cx);
        }
        *cx.get(Side(1 - self.0))
    }
}

/// What the two were told.
struct Told([String; 2]);

impl Answer for Told {
    fn checksum(&self) -> String {
        self.0.join("; ")
    }

    fn text(&self) -> String {
        format!("{}\n", self.0.join("\n"))
    }
}

/// Jobs that are busy; dropped, they are told that it is over, and waited for.
struct Crowd {
    is_over: Arc<AtomicBool>,
    run: Option<JoinHandle<()>>,
}

impl Crowd {
    /// They all run when this returns.
    fn begin(executor: &Executor, time: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let meeting = Arc::new(Meeting::new(BUSY + 1));
        let (executor, over, met) = (executor.clone(), is_over.clone(), meeting.clone());
        let busy = move || {
            met.arrive();
            let end = Instant::now() + time;
            spin_until(|| over.load(Ordering::Relaxed) || Instant::now() > end);
        };
        let run = thread::spawn(move || {
            let db = Database::new(());
            let all_busy = |cx: &Cx<'_, ()>| cx.par_for_each(0..BUSY, |_, _| busy());
            executor.run(&db, all_busy).expect("nothing fails");
        });
        meeting.arrive();
        Crowd {
            is_over,
            run: Some(run),
        }
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
        let run = self.run.take().map(JoinHandle::join);
        assert!(!matches!(run, Some(Err(_))), "a busy job has failed");
    }
}

/// Nothing to read: the input is how long the jobs take.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let time = Duration::from_millis(request.size);
    Ok(Box::new(Beside { time }))
}

impl Loaded for Beside {
    fn size(&self) -> u64 {
        self.time.as_millis() as u64
    }

    fn ops(&self) -> u64 {
        1
    }

    fn known_checksum(&self) -> Option<String> {
        let walk = "query cycle: Side(0) -> Side(1) -> Side(0)";
        Some(Told([walk, walk].map(str::to_owned)).checksum())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        match setup.engine {
            Engine::Sequential => {
                Job::on_executor(setup, None, |executor| told(executor, Pair { begun: None }))
            }
            Engine::Fibers | Engine::Threads => {
                let (time, workers) = (self.time, setup.workers + BUSY);
                let crowd = Rc::new(Cell::new(None));
                let present = crowd.clone();
                let job = Job::on_built(
                    setup,
                    |builder| builder.workers(workers),
                    move |executor| {
                        let begun = Some(["left", "right"].map(Event::named));
                        let told = told(executor, Pair { begun });
                        let crowd: Option<Crowd> = present.take();
                        present.set(crowd.inspect(Crowd::end));
                        told
                    },
                )?;
                Ok(job.prepared_on_executor(move |executor| {
                    drop(crowd.take());
                    crowd.set(Some(Crowd::begin(executor, time)));
                }))
            }
            other => Err(cannot_run(other)),
        }
    }
}

fn told(executor: &Executor, pair: Pair) -> Result<Told, Error> {
    executor.run(&Database::new(pair), |cx| {
        let ask = |cx: &Cx<'_, Pair>, side| match cx.try_get(Side(side)) {
            Ok(()) => "no cycle".to_owned(),
            Err(error) => error.to_string(),
        };
        let (left, right) = cx.join(|cx| ask(cx, 0), |cx| ask(cx, 1));
        Told([left, right])
    })
}
