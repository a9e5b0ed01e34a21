//! `grid-hashed` and `grid-dense`: a grid of cells, each a query that asks the cell above and the cell to the left, under a
//! pair of numbers or under one.
//!
//! The demand comes from the last cell, so that every cell costs one miss and one hit and nothing else. It is one chain of
//! asks: more workers have nothing to do, and their rows show what idle workers cost. The asks nest to twice the side,
//! hence the big stacks.

use std::cell::RefCell;
use std::hash::Hash;
use std::marker::PhantomData;

use dagwood::{Cx, Database, Executor, Query, Storage};

use super::job::cannot_run;
use super::memos::{Memo, Plain, Shards};
use super::{Job, Loaded, Number, Request, Setup, salsa_grid};
use crate::blocking::{Asker, Blocking, Provide};
use crate::engine::Engine;
use crate::failure::Failure;

struct Grid<C> {
    side: u32,
    cells: PhantomData<C>,
}

/// The key of a cell.
trait Place: Query<Side, Value = u64> + Copy + Eq + Hash + Send + Sync {
    fn new(i: u32, j: u32, side: u32) -> Self;
    fn at(self, side: u32) -> (u32, u32);
}

/// The data of the queries: the side of the grid, which tells cells by number apart.
#[derive(Copy, Clone)]
struct Side(u32);

/// A cell by row and column.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Cell(u32, u32);

/// A cell by number, row after row.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Numbered(u32);

/// The value of a cell: the number of ways to it, modulo 2^64.
#[inline]
pub(super) fn ways_to(i: u32, j: u32, mut get: impl FnMut(u32, u32) -> u64) -> u64 {
    if (i, j) == (0, 0) {
        return 1;
    }
    let above = if i > 0 { get(i - 1, j) } else { 0 };
    let left = if j > 0 { get(i, j - 1) } else { 0 };
    above.wrapping_add(left)
}

impl Place for Cell {
    #[inline]
    fn new(i: u32, j: u32, _: u32) -> Self {
        Cell(i, j)
    }

    #[inline]
    fn at(self, _: u32) -> (u32, u32) {
        (self.0, self.1)
    }
}

impl Place for Numbered {
    #[inline]
    fn new(i: u32, j: u32, side: u32) -> Self {
        Numbered(i * side + j)
    }

    #[inline]
    fn at(self, side: u32) -> (u32, u32) {
        (self.0 / side, self.0 % side)
    }
}

impl Query<Side> for Cell {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Side>) -> u64 {
        ways_to(self.0, self.1, |i, j| *cx.get(Cell(i, j)))
    }
}

impl Query<Side> for Numbered {
    type Value = u64;

    const STORAGE: Storage<Self> = Storage::Dense {
        index: |cell| cell.0 as usize,
        key: |index| Numbered(index as u32),
    };

    fn provide(self, cx: &Cx<'_, Side>) -> u64 {
        let side = cx.data().0;
        let (i, j) = self.at(side);
        ways_to(i, j, |i, j| *cx.get(Numbered::new(i, j, side)))
    }
}

impl Provide for Cell {
    type Value = u64;

    fn provide(self, asker: &Asker<'_, Self>) -> u64 {
        ways_to(self.0, self.1, |i, j| asker.get(Cell(i, j)))
    }
}

/// Nothing to read: the input is the side.
fn load<C: Place>(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let side = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Grid::<C> {
        side,
        cells: PhantomData,
    }))
}

pub(super) fn load_hashed(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Cell>(request)
}

pub(super) fn load_dense(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load::<Numbered>(request)
}

impl<C: Place> Loaded for Grid<C> {
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
        let side = self.side;
        let answer = move |value| Number {
            label: format!("ways to the last cell of {side} x {side}"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                let stack = Some(asks_stack_bytes(2 * side as usize));
                Job::on_executor(setup, stack, move |executor| {
                    ours::<C>(executor, side).map(answer)
                })
            }
            Engine::RayonBlocking => {
                let stack = asks_stack_bytes(2 * side as usize);
                let engine = Blocking::new(setup.workers, stack)?;
                let last = Cell(side - 1, side - 1);
                Ok(Job::fallible(move || {
                    engine.run(|asker| asker.get(last)).map(answer)
                }))
            }
            Engine::Plain => Ok(Job::other(move || {
                answer(ask(
                    &Plain::default(),
                    C::new(side - 1, side - 1, side),
                    side,
                ))
            })),
            Engine::Shards => Ok(Job::other(move || {
                answer(ask(
                    &Shards::default(),
                    C::new(side - 1, side - 1, side),
                    side,
                ))
            })),
            Engine::Salsa => {
                let db = RefCell::new(None);
                let db = std::rc::Rc::new(db);
                let fresh = std::rc::Rc::clone(&db);
                let job = Job::other(move || {
                    let db = db.take();
                    answer(db.map_or(0, |db| salsa_grid::by_id(db, side)))
                });
                // Only the ids: they are ready-made.
                Ok(job.prepared_by(move || {
                    *fresh.borrow_mut() = Some(salsa_grid::Db::with_ids(side))
                }))
            }
            Engine::SalsaTuple => Ok(Job::other(move || answer(salsa_grid::by_pair(side)))),
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

fn ours<C: Place>(executor: &Executor, side: u32) -> Result<u64, dagwood::Error> {
    let db = Database::new(Side(side));
    executor.run(&db, |cx| *cx.get(C::new(side - 1, side - 1, side)))
}

/// The same recursion over a map.
fn ask<C: Place>(memo: &impl Memo<C>, cell: C, side: u32) -> u64 {
    let (i, j) = cell.at(side);
    memo.ask(cell, || {
        ways_to(i, j, |i, j| ask(memo, C::new(i, j, side), side))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_is_the_binomial() {
        // 4 x 4 cells: 6 choose 3 ways.
        assert_eq!(ways(4), 20);
        assert_eq!(ways(1), 1);
    }
}
