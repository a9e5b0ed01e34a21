//! Problems that are solved by dividing them in two, on every engine that has a join.
//!
//! Used by the workloads that are nothing but joins: they say how a part is divided, and here is what runs the parts. It
//! must not know any workload.

use std::num::NonZero;

use dagwood::{Cx, Database};

use super::job::cannot_run;
use super::{Answer, Job, Setup};
use crate::engine::Engine;

/// How parts of a problem are divided. Goes along by value, so that a problem that has no data costs a join nothing.
pub(super) trait Divide: Copy + Send {
    /// A part of the problem, or all of it.
    type Part: Send;
    /// What comes of a part.
    type Out: Send;

    /// Solves a part: alone, or by handing two smaller ones to `join`.
    fn solve<J>(self, part: Self::Part, join: J) -> Self::Out
    where
        J: FnOnce(Self::Part, Self::Part) -> (Self::Out, Self::Out);
}

/// One run of a workload, the same on each engine.
pub(super) trait Work: Sync {
    /// What one run finds.
    type Answer: Answer + Send + 'static;

    /// Runs once; everything that is solved is solved by `solver`.
    fn run<S: Solver>(&self, solver: &mut S) -> Self::Answer;
}

/// An engine's way of solving a problem.
pub(super) trait Solver {
    /// Solves all of a problem.
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out;
}

/// The job that does `work` on the engine of `setup`.
pub(super) fn job<'a, W: Work>(setup: Setup, work: &'a W) -> Result<Job<'a>, String> {
    job_on_stack(setup, None, work)
}

/// The same, with stacks of that size for our fibers, where the default does not do.
pub(super) fn job_on_stack<'a, W: Work>(
    setup: Setup,
    stack_bytes: Option<usize>,
    work: &'a W,
) -> Result<Job<'a>, String> {
    match setup.engine {
        Engine::Fibers | Engine::Threads | Engine::Sequential => {
            Job::on_executor(setup, stack_bytes, move |executor| {
                let db = Database::new(());
                executor.run(&db, |cx| work.run(&mut Ours(cx)))
            })
        }
        Engine::Rayon => {
            let pool = rayon_pool(setup)?;
            Ok(Job::other(move || pool.install(|| work.run(&mut Rayon))))
        }
        Engine::DagwoodRayonCore => {
            let pool = dagwood_rayon_pool(setup)?;
            Ok(Job::other(move || {
                pool.install(|| work.run(&mut DagwoodRayon))
            }))
        }
        Engine::Chili => {
            let pool = chili_pool(setup);
            Ok(Job::other(move || work.run(&mut Chili(&mut pool.scope()))))
        }
        Engine::Forte => {
            let pool = forte_pool(setup);
            Ok(Job::other(move || {
                pool.with_worker(|worker| work.run(&mut Forte(worker)))
            }))
        }
        Engine::Calls => Ok(Job::other(move || work.run(&mut Calls))),
        other => Err(cannot_run(other)),
    }
}

/// How many joins one run makes.
pub(super) fn count_joins<W: Work>(work: &W) -> u64 {
    let mut counting = Counting(0);
    work.run(&mut counting);
    counting.0
}

/// The threads of rayon for a job.
pub(super) fn rayon_pool(setup: Setup) -> Result<rayon_core::ThreadPool, String> {
    rayon_core::ThreadPoolBuilder::new()
        .num_threads(setup.workers)
        .build()
        .map_err(|error| error.to_string())
}

/// The workers of our `rayon-core` for a job, with stacks as large as rayon's threads have.
pub(super) fn dagwood_rayon_pool(setup: Setup) -> Result<dagwood_rayon_core::ThreadPool, String> {
    dagwood_rayon_core::ThreadPoolBuilder::new()
        .num_threads(setup.workers)
        .stack_size(2 << 20)
        .build()
        .map_err(|error| error.to_string())
}

/// The threads of chili for a job; the calling thread is one of the workers.
pub(super) fn chili_pool(setup: Setup) -> chili::ThreadPool {
    chili::ThreadPool::with_config(chili::Config {
        thread_count: NonZero::new(setup.workers),
        ..chili::Config::default()
    })
}

/// The threads of forte for a job; the calling thread is one of the workers. They stay until the
/// process ends: a pool that was made smaller has been seen to hang.
pub(super) fn forte_pool(setup: Setup) -> &'static forte::ThreadPool {
    let pool: &'static forte::ThreadPool = Box::leak(Box::new(forte::ThreadPool::new()));
    pool.resize_to(setup.workers - 1);
    pool
}

struct Ours<'a, 'db>(&'a Cx<'db, ()>);

impl Solver for Ours<'_, '_> {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        ours(self.0, problem, whole)
    }
}

fn ours<P: Divide>(cx: &Cx<'_, ()>, problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        cx.join(
            move |cx| ours(cx, problem, a),
            move |cx| ours(cx, problem, b),
        )
    })
}

struct Rayon;

impl Solver for Rayon {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        rayon(problem, whole)
    }
}

fn rayon<P: Divide>(problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        rayon_core::join(move || rayon(problem, a), move || rayon(problem, b))
    })
}

struct DagwoodRayon;

impl Solver for DagwoodRayon {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        dagwood_rayon(problem, whole)
    }
}

fn dagwood_rayon<P: Divide>(problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        dagwood_rayon_core::join(
            move || dagwood_rayon(problem, a),
            move || dagwood_rayon(problem, b),
        )
    })
}

struct Chili<'a, 's>(&'a mut chili::Scope<'s>);

impl Solver for Chili<'_, '_> {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        chili(self.0, problem, whole)
    }
}

fn chili<P: Divide>(scope: &mut chili::Scope<'_>, problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        scope.join(
            move |scope| chili(scope, problem, a),
            move |scope| chili(scope, problem, b),
        )
    })
}

struct Forte<'a>(&'a forte::Worker);

impl Solver for Forte<'_> {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        forte(self.0, problem, whole)
    }
}

fn forte<P: Divide>(worker: &forte::Worker, problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        worker.join(
            move |worker| forte(worker, problem, a),
            move |worker| forte(worker, problem, b),
        )
    })
}

struct Calls;

impl Solver for Calls {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        calls(problem, whole)
    }
}

/// The baseline: two real calls for every join. The twin keeps the compiler from turning one of them into a loop, as it
/// does where a function calls itself.
#[inline(never)]
fn calls<P: Divide>(problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        (calls_twin(problem, a), calls_twin(problem, b))
    })
}

#[inline(never)]
fn calls_twin<P: Divide>(problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| (calls(problem, a), calls(problem, b)))
}

struct Counting(u64);

impl Solver for Counting {
    fn solve<P: Divide>(&mut self, problem: P, whole: P::Part) -> P::Out {
        count(&mut self.0, problem, whole)
    }
}

fn count<P: Divide>(joins: &mut u64, problem: P, part: P::Part) -> P::Out {
    problem.solve(part, |a, b| {
        *joins += 1;
        (count(joins, problem, a), count(joins, problem, b))
    })
}
