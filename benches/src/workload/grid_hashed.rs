//! `grid-hashed`: a grid of cells, each a query under a hashed key that asks the cell above and the cell to the left.
//!
//! The demand comes from the last cell, so that every cell costs one miss and one hit and nothing else. It is one chain of
//! asks: more workers have nothing to do, and their rows show what idle workers cost. The asks nest to twice the side,
//! hence the big stacks.

use std::cell::RefCell;

use dagwood::{Cx, Database, Executor, Query};
use rustc_hash::FxHashMap;

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::blocking::{Asker, Blocking, Provide};
use crate::engine::Engine;
use crate::failure::Failure;

struct Grid {
    side: u32,
}

/// The value of a cell: the number of ways to it, modulo 2^64.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Cell(u32, u32);

impl Query<()> for Cell {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        let Cell(i, j) = self;
        if (i, j) == (0, 0) {
            return 1;
        }
        let above = if i > 0 { *cx.get(Cell(i - 1, j)) } else { 0 };
        let left = if j > 0 { *cx.get(Cell(i, j - 1)) } else { 0 };
        above.wrapping_add(left)
    }
}

impl Provide for Cell {
    type Value = u64;

    fn provide(self, asker: &Asker<'_, Self>) -> u64 {
        let Cell(i, j) = self;
        if (i, j) == (0, 0) {
            return 1;
        }
        let above = if i > 0 { asker.get(Cell(i - 1, j)) } else { 0 };
        let left = if j > 0 { asker.get(Cell(i, j - 1)) } else { 0 };
        above.wrapping_add(left)
    }
}

/// Nothing to read: the input is the side.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let side = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Grid { side }))
}

impl Loaded for Grid {
    fn size(&self) -> u64 {
        self.side.into()
    }

    fn ops(&self) -> u64 {
        u64::from(self.side) * u64::from(self.side)
    }

    fn known_checksum(&self) -> Option<String> {
        Some(ways(self.side as usize).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let last = Cell(self.side - 1, self.side - 1);
        let answer = move |value| Number {
            label: format!("ways to the last cell of {0} x {0}", last.0 + 1),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                let stack = Some(asks_stack_bytes(2 * self.side as usize));
                Job::on_executor(setup, stack, move |executor| {
                    ours(executor, last).map(answer)
                })
            }
            Engine::RayonBlocking => {
                let stack = asks_stack_bytes(2 * self.side as usize);
                let engine = Blocking::new(setup.workers, stack)?;
                Ok(Job::fallible(move || {
                    engine.run(|asker| asker.get(last)).map(answer)
                }))
            }
            Engine::Plain => Ok(Job::other(move || {
                answer(plain(&RefCell::default(), (last.0, last.1)))
            })),
            other => Err(cannot_run(other)),
        }
    }
}

/// The number of ways to the last cell of a grid, modulo 2^64, row after row.
pub(super) fn ways(side: usize) -> u64 {
    let mut row = vec![1_u64; side];
    for _ in 1..side {
        for j in 1..side {
            row[j] = row[j].wrapping_add(row[j - 1]);
        }
    }
    row[side - 1]
}

/// Room for so many nested asks, with frames as large as those of an unoptimised build.
pub(super) fn asks_stack_bytes(asks: usize) -> usize {
    const PER_ASK: usize = if cfg!(debug_assertions) {
        16 << 10
    } else {
        4 << 10
    };
    (1 << 20) + asks * PER_ASK
}

fn ours(executor: &Executor, last: Cell) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| *cx.get(last))
}

/// The baseline: the same recursion over a map that one thread owns.
fn plain(memo: &RefCell<FxHashMap<(u32, u32), u64>>, key: (u32, u32)) -> u64 {
    if let Some(&value) = memo.borrow().get(&key) {
        return value;
    }
    let (i, j) = key;
    let value = if key == (0, 0) {
        1
    } else {
        let above = if i > 0 { plain(memo, (i - 1, j)) } else { 0 };
        let left = if j > 0 { plain(memo, (i, j - 1)) } else { 0 };
        above.wrapping_add(left)
    };
    memo.borrow_mut().insert(key, value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_is_the_binomial() {
        // 4 x 4 cells: 6 choose 3 ways.
        assert_eq!(Grid { side: 4 }.known_checksum().unwrap(), "20");
        assert_eq!(Grid { side: 1 }.known_checksum().unwrap(), "1");
    }
}
