//! `depth`: a chain of queries, each asking the next: what one level costs where the stack must grow.
//!
//! It is one chain of asks: more workers have nothing to do. The baseline is plain recursion over a map, on a thread whose
//! stack was made large enough beforehand.

use std::cell::RefCell;
use std::thread;

use dagwood::{Cx, Database, Executor, Query};
use rustc_hash::FxHashMap;

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

struct Chain {
    links: u64,
}

/// The sum of the numbers up to this one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Link(u64);

impl Query<()> for Link {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        match self.0 {
            0 => 0,
            number => number + *cx.get(Link(number - 1)),
        }
    }
}

/// Nothing to read: the input is the length of the chain.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Chain {
        links: request.size,
    }))
}

impl Loaded for Chain {
    fn size(&self) -> u64 {
        self.links
    }

    /// The last link, number 0, is a query too.
    fn ops(&self) -> u64 {
        self.links + 1
    }

    fn known_checksum(&self) -> Option<String> {
        Some((self.links * (self.links + 1) / 2).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let first = Link(self.links);
        let answer = move |value| Number {
            label: format!("the sum of the numbers up to {}", first.0),
            value,
        };
        match setup.engine {
            // At the default stack size: that is the point.
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    ours(executor, first).map(answer)
                })
            }
            Engine::Plain => Ok(Job::fallible(move || Ok(answer(on_large_stack(first.0)?)))),
            other => Err(cannot_run(other)),
        }
    }
}

fn ours(executor: &Executor, first: Link) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| *cx.get(first))
}

/// The baseline, on a thread of its own: starting it costs as much as some hundred levels.
fn on_large_stack(number: u64) -> Result<u64, String> {
    /// Room for a level, also in an unoptimised build.
    const PER_LEVEL: usize = 1 << 10;
    let levels = usize::try_from(number).map_err(|error| error.to_string())?;
    let recursion = thread::Builder::new()
        .stack_size((1 << 20) + levels * PER_LEVEL)
        .spawn(move || plain(&RefCell::default(), number))
        .map_err(|error| error.to_string())?;
    recursion.join().map_err(|_| "it panicked".to_owned())
}

fn plain(memo: &RefCell<FxHashMap<u64, u64>>, number: u64) -> u64 {
    if let Some(&value) = memo.borrow().get(&number) {
        return value;
    }
    let value = match number {
        0 => 0,
        number => number + plain(memo, number - 1),
    };
    memo.borrow_mut().insert(number, value);
    value
}
