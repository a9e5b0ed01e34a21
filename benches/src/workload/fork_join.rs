//! `fork-join`: fib(N) by recursion with a join at every node and no cut-off.
//!
//! The job is nothing but joins, so its time is the price of a join.

use dagwood::{Cx, Database, Executor};

use super::divide::{chili_pool, dagwood_rayon_pool, forte_pool, rayon_pool};
use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

struct ForkJoin {
    n: u32,
}

/// Nothing to read: the input is the number.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let n = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(ForkJoin { n }))
}

impl Loaded for ForkJoin {
    fn size(&self) -> u64 {
        self.n.into()
    }

    /// A tree whose leaves are fib(0) and fib(1) has fib(n + 1) leaves, and one inner node, a join, less.
    fn ops(&self) -> u64 {
        by_loop(self.n + 1) - 1
    }

    fn known_checksum(&self) -> Option<String> {
        Some(by_loop(self.n).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let n = self.n;
        let answer = move |value| Number {
            label: format!("fib({n})"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| ours(executor, n).map(answer))
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                Ok(Job::other(move || answer(pool.install(|| rayon(n)))))
            }
            Engine::DagwoodRayonCore => {
                let pool = dagwood_rayon_pool(setup)?;
                Ok(Job::other(move || {
                    answer(pool.install(|| dagwood_rayon(n)))
                }))
            }
            Engine::Chili => {
                let pool = chili_pool(setup);
                Ok(Job::other(move || answer(chili(&mut pool.scope(), n))))
            }
            Engine::Forte => {
                let pool = forte_pool(setup);
                Ok(Job::other(move || {
                    answer(pool.with_worker(|worker| forte(worker, n)))
                }))
            }
            Engine::Calls => Ok(Job::other(move || answer(calls(n)))),
            other => Err(cannot_run(other)),
        }
    }
}

fn by_loop(n: u32) -> u64 {
    let (mut this, mut next) = (0, 1);
    for _ in 0..n {
        (this, next) = (next, this + next);
    }
    this
}

fn ours(executor: &Executor, n: u32) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| joins(cx, n))
}

fn joins(cx: &Cx<'_, ()>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = cx.join(|cx| joins(cx, n - 1), |cx| joins(cx, n - 2));
    a + b
}

fn rayon(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = rayon_core::join(|| rayon(n - 1), || rayon(n - 2));
    a + b
}

fn dagwood_rayon(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = dagwood_rayon_core::join(|| dagwood_rayon(n - 1), || dagwood_rayon(n - 2));
    a + b
}

fn chili(scope: &mut chili::Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = scope.join(|scope| chili(scope, n - 1), |scope| chili(scope, n - 2));
    a + b
}

fn forte(worker: &forte::Worker, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = worker.join(|worker| forte(worker, n - 1), |worker| forte(worker, n - 2));
    a + b
}

/// The baseline: two real calls at every node. The twin keeps the compiler from turning one of them into a loop, as it
/// does where a function calls itself.
#[inline(never)]
fn calls(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    calls_twin(n - 1) + calls_twin(n - 2)
}

#[inline(never)]
fn calls_twin(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    calls(n - 1) + calls(n - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_are_counted_rightly() {
        fn inner_nodes(n: u32) -> u64 {
            if n < 2 {
                0
            } else {
                1 + inner_nodes(n - 1) + inner_nodes(n - 2)
            }
        }
        for n in 2..20 {
            assert_eq!(ForkJoin { n }.ops(), inner_nodes(n));
        }
        assert_eq!(ForkJoin { n: 34 }.ops(), 9_227_464);
        assert_eq!(by_loop(34), 5_702_887);
    }
}
