//! A job: one workload on one engine, ready to run again and again.
//!
//! Used by the workloads to make jobs, and by whatever times them. It must not know any workload.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dagwood::{Builder, Executor, Schedule, Statistics};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Kind};
use crate::jobserver;
use crate::trouble::Trouble;

/// What a job is made for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Setup {
    /// The engine.
    pub(crate) engine: Engine,
    /// The number of its workers.
    pub(crate) workers: usize,
    /// Whether our executors count; counting costs time.
    pub(crate) statistics: bool,
    /// In which order the workers of our executors run.
    pub(crate) interleaving: Interleaving,
}

/// In which order the workers of our executors run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interleaving {
    /// As the environment says, else all at once.
    Free,
    /// One at a time, as a seed says.
    Random(u64),
    /// The same, with so many preemptions.
    Pct { seed: u64, preemptions: u32 },
}

impl Interleaving {
    /// Preemptions lie among so many choices.
    const STEPS: u32 = 100_000;

    /// The schedule, if it is not the environment's.
    pub(crate) fn schedule(self) -> Option<Schedule> {
        match self {
            Interleaving::Free => None,
            Interleaving::Random(seed) => Some(Schedule::Seeded(seed)),
            Interleaving::Pct { seed, preemptions } => Some(Schedule::Pct {
                seed,
                preemptions,
                steps: Self::STEPS,
            }),
        }
    }
}

/// What one run found; looking at it is not timed.
pub(crate) trait Answer {
    /// Equal for equal answers.
    fn checksum(&self) -> String;
    /// The answer as `run` prints it, with a newline at its end.
    fn text(&self) -> String;
}

/// An answer that is one number.
pub(crate) struct Number {
    /// What the number is.
    pub(crate) label: String,
    /// The number.
    pub(crate) value: u64,
}

impl Answer for Number {
    fn checksum(&self) -> String {
        self.value.to_string()
    }

    fn text(&self) -> String {
        format!("{} = {}\n", self.label, self.value)
    }
}

type Run<'a> = Box<dyn FnMut() -> Result<Box<dyn Answer>, Trouble> + 'a>;

/// One workload on one engine.
pub(crate) struct Job<'a> {
    run: Run<'a>,
    /// What is done before each run, and not timed.
    preparation: Option<Box<dyn FnMut() + 'a>>,
    is_prepared: bool,
    executor: Option<Executor>,
    /// What the workload itself has measured in the last run.
    figures: Figures,
}

/// Figures of a workload's own, under their names in JSON; shared by a job and its run.
pub(crate) type Figures = Rc<RefCell<BTreeMap<String, u64>>>;

impl<'a> Job<'a> {
    /// A job on an executor of ours, which is built here. `stack_bytes` is the stack of each fiber, where the default does
    /// not do.
    pub(crate) fn on_executor<A: Answer + 'static>(
        setup: Setup,
        stack_bytes: Option<usize>,
        run: impl FnMut(&Executor) -> Result<A, dagwood::Error> + 'a,
    ) -> Result<Self, String> {
        let with_stacks = |builder: Builder| match stack_bytes {
            Some(bytes) => builder.stack_bytes(bytes),
            None => builder,
        };
        Self::on_built(setup, with_stacks, run)
    }

    /// A job on an executor of ours that `configure` has a say in.
    pub(crate) fn on_built<A: Answer + 'static>(
        setup: Setup,
        configure: impl FnOnce(Builder) -> Builder,
        mut run: impl FnMut(&Executor) -> Result<A, dagwood::Error> + 'a,
    ) -> Result<Self, String> {
        let Kind::Ours(backend) = setup.engine.kind() else {
            return Err(cannot_run(setup.engine));
        };
        let builder = Executor::builder()
            .backend(backend)
            .workers(setup.workers)
            .statistics(setup.statistics);
        let builder = jobserver::with_shared(builder);
        let builder = match setup.interleaving.schedule() {
            Some(schedule) => builder.schedule(schedule),
            None => builder,
        };
        let builder = match setup.engine {
            // SAFETY: the workloads that name the engine keep no guard of an OS lock, and no thread-local, over a wait.
            Engine::MovingFibers => unsafe { builder.migrate_fibers() },
            _ => builder,
        };
        let executor = configure(builder)
            .build()
            .map_err(|error| error.to_string())?;
        let own = executor.clone();
        Ok(Job {
            run: Box::new(move || match run(&own) {
                Ok(answer) => Ok(Box::new(answer)),
                Err(error) => Err(error.to_string().into()),
            }),
            preparation: None,
            is_prepared: false,
            executor: Some(executor),
            figures: Figures::default(),
        })
    }

    /// A job that needs no executor of ours.
    pub(crate) fn other<A: Answer + 'static>(mut run: impl FnMut() -> A + 'a) -> Self {
        Job {
            run: Box::new(move || Ok(Box::new(run()))),
            preparation: None,
            is_prepared: false,
            executor: None,
            figures: Figures::default(),
        }
    }

    /// A job of an engine that can find out that it hangs.
    pub(crate) fn fallible<A: Answer + 'static>(
        mut run: impl FnMut() -> Result<A, Trouble> + 'a,
    ) -> Self {
        Job {
            run: Box::new(move || Ok(Box::new(run()?))),
            preparation: None,
            is_prepared: false,
            executor: None,
            figures: Figures::default(),
        }
    }

    /// The same job, whose runs leave figures of their own there.
    pub(crate) fn with_figures(self, figures: Figures) -> Self {
        Job { figures, ..self }
    }

    /// The same job, with something to be done before each run that is not to be timed.
    pub(crate) fn prepared_by(self, preparation: impl FnMut() + 'a) -> Self {
        Job {
            preparation: Some(Box::new(preparation)),
            ..self
        }
    }

    /// The same, where that needs the job's executor, which is one of ours.
    pub(crate) fn prepared_on_executor(self, preparation: impl Fn(&Executor) + 'a) -> Self {
        let executor = self.executor.clone().expect("a job on one of ours");
        self.prepared_by(move || preparation(&executor))
    }

    /// Does what comes before the next run, unless it is done; whoever times runs calls it first.
    pub(crate) fn prepare(&mut self) {
        if !std::mem::replace(&mut self.is_prepared, true)
            && let Some(preparation) = &mut self.preparation
        {
            preparation();
        }
    }

    /// Does the whole job once.
    pub(crate) fn run(&mut self) -> Result<Box<dyn Answer>, Trouble> {
        self.prepare();
        self.is_prepared = false;
        (self.run)()
    }

    /// What our executor counted in all runs so far; `None` for other engines.
    pub(crate) fn counters(&self) -> Option<Counters> {
        let executor = self.executor.as_ref()?;
        Some(Counters {
            figures: self.figures.borrow().clone(),
            ..Counters::from(executor.statistics())
        })
    }
}

/// What a workload says to an engine that is not in its list.
pub(crate) fn cannot_run(engine: Engine) -> String {
    format!("the engine {engine} has no job here")
}

/// The counters of an executor, under their names in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) queries: u64,
    pub(crate) hits: u64,
    pub(crate) waits: u64,
    pub(crate) fibers_created: u64,
    pub(crate) fibers_peak: u64,
    pub(crate) suspended_peak: u64,
    pub(crate) steals: u64,
    pub(crate) wakes: u64,
    pub(crate) sleeps_with_work: u64,
    /// The workload's own.
    #[serde(flatten)]
    pub(crate) figures: BTreeMap<String, u64>,
}

impl From<Statistics> for Counters {
    fn from(statistics: Statistics) -> Self {
        Counters {
            queries: statistics.queries,
            hits: statistics.hits,
            waits: statistics.waits,
            fibers_created: statistics.fibers_created,
            fibers_peak: statistics.fibers_peak,
            suspended_peak: statistics.suspended_peak,
            steals: statistics.steals,
            wakes: statistics.wakes,
            sleeps_with_work: statistics.sleeps_with_work,
            figures: BTreeMap::new(),
        }
    }
}
