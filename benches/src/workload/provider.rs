//! `provider-1us`: queries that compute for about a microsecond each, asked for one after the other.
//!
//! What a query costs beside a provider that is short, but not trivial.

use dagwood::{Cx, Database, Query};

use super::job::cannot_run;
use super::memos::{Memo, Plain};
use super::shared::compute_for;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// About a microsecond.
const STEPS: u32 = 800;

struct Providers {
    queries: u64,
}

/// Computes for a microsecond.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Micro(u64);

impl Query<()> for Micro {
    type Value = u64;

    fn provide(self, _: &Cx<'_, ()>) -> u64 {
        compute_for(STEPS, self.0)
    }
}

/// Nothing to read: the input is the number of queries.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Providers {
        queries: request.size,
    }))
}

impl Providers {
    fn sum(&self, get: impl Fn(u64) -> u64) -> Number {
        Number {
            label: "sum of the results".to_owned(),
            value: (0..self.queries).map(get).fold(0, u64::wrapping_add),
        }
    }
}

impl Loaded for Providers {
    fn size(&self) -> u64 {
        self.queries
    }

    fn ops(&self) -> u64 {
        self.queries
    }

    fn known_checksum(&self) -> Option<String> {
        Some(
            self.sum(|number| compute_for(STEPS, number))
                .value
                .to_string(),
        )
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    executor.run(&db, |cx| self.sum(|number| *cx.get(Micro(number))))
                })
            }
            Engine::Plain => Ok(Job::other(move || {
                let memo = Plain::default();
                self.sum(|number| memo.ask(Micro(number), || compute_for(STEPS, number)))
            })),
            other => Err(cannot_run(other)),
        }
    }
}
