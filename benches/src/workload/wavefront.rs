//! `wavefront` and `wavefront-asked`: N x N blocks of 32 x 32 cells, each block after its upper and
//! its left neighbour.
//!
//! A cell holds the number of ways to it. `wavefront` goes from one anti-diagonal to the next, with
//! a parallel loop over each; `wavefront-asked` asks for the last block and leaves the order to the
//! queries.

use std::sync::Arc;

use dagwood::{Cx, Database, Executor, Query};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::divide::rayon_pool;
use super::grid::{asks_stack_bytes, ways};
use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::blocking::{Asker, Blocking, Provide};
use crate::engine::Engine;
use crate::failure::Failure;

/// The cells along one side of a block.
const SIDE: usize = 32;

struct Wavefront {
    blocks: u32,
    is_asked: bool,
}

/// By diagonals. Nothing to read: the input is the side.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    wavefront(request, false)
}

/// By queries.
pub(super) fn load_asked(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    wavefront(request, true)
}

fn wavefront(request: &Request, is_asked: bool) -> Result<Box<dyn Loaded>, Failure> {
    let blocks = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Wavefront { blocks, is_asked }))
}

impl Loaded for Wavefront {
    fn size(&self) -> u64 {
        self.blocks.into()
    }

    fn ops(&self) -> u64 {
        u64::from(self.blocks) * u64::from(self.blocks)
    }

    fn known_checksum(&self) -> Option<String> {
        Some(ways(self.blocks as usize * SIDE).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let blocks = self.blocks;
        let answer = move |value| Number {
            label: format!("ways to the last cell of {blocks} x {blocks} blocks"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential if self.is_asked => {
                let stack = Some(asks_stack_bytes(2 * blocks as usize));
                Job::on_executor(setup, stack, move |executor| {
                    asked(executor, blocks).map(answer)
                })
            }
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    looped(executor, blocks).map(answer)
                })
            }
            Engine::RayonBlocking => {
                let engine = Blocking::new(setup.workers, piled_stack_bytes(blocks))?;
                let last = Block(blocks - 1, blocks - 1);
                Ok(Job::fallible(move || {
                    let edges = engine.run(|asker| asker.get(last))?;
                    Ok(answer(edges.last()))
                }))
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                let next = |rows: std::ops::Range<u32>, block: &(dyn Fn(u32) -> Edges + Sync)| {
                    rows.into_par_iter().map(block).collect()
                };
                Ok(Job::other(move || {
                    answer(pool.install(|| by_diagonals(blocks, next)))
                }))
            }
            Engine::Plain => Ok(Job::other(move || {
                answer(by_diagonals(blocks, |rows, block| {
                    rows.map(block).collect()
                }))
            })),
            other => Err(cannot_run(other)),
        }
    }
}

/// What the neighbours of a block need of it.
struct Edges {
    bottom: [u64; SIDE],
    right: [u64; SIDE],
}

impl Edges {
    fn last(&self) -> u64 {
        self.bottom[SIDE - 1]
    }
}

/// The block below `above` and to the right of `left`.
fn block(above: Option<&Edges>, left: Option<&Edges>) -> Edges {
    let mut bottom = above.map_or([0; SIDE], |edges| edges.bottom);
    let mut right = left.map_or([0; SIDE], |edges| edges.right);
    if above.is_none() && left.is_none() {
        // One way to the first cell, as if from above.
        bottom[0] = 1;
    }
    for end in &mut right {
        for cell in &mut bottom {
            *cell = cell.wrapping_add(*end);
            *end = *cell;
        }
    }
    Edges { bottom, right }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Block(u32, u32);

impl Query<()> for Block {
    type Value = Edges;

    fn provide(self, cx: &Cx<'_, ()>) -> Edges {
        let Block(i, j) = self;
        let (above, left) = match (i.checked_sub(1), j.checked_sub(1)) {
            (Some(up), Some(back)) => {
                let (above, left) = cx.join(|cx| cx.get(Block(up, j)), |cx| cx.get(Block(i, back)));
                (Some(above), Some(left))
            }
            (up, back) => (
                up.map(|up| cx.get(Block(up, j))),
                back.map(|back| cx.get(Block(i, back))),
            ),
        };
        block(above, left)
    }
}

impl Provide for Block {
    type Value = Arc<Edges>;

    fn provide(self, asker: &Asker<'_, Self>) -> Arc<Edges> {
        let Block(i, j) = self;
        let (above, left) = match (i.checked_sub(1), j.checked_sub(1)) {
            (Some(up), Some(back)) => {
                let (above, left) = asker.join(
                    |asker| asker.get(Block(up, j)),
                    |asker| asker.get(Block(i, back)),
                );
                (Some(above), Some(left))
            }
            (up, back) => (
                up.map(|up| asker.get(Block(up, j))),
                back.map(|back| asker.get(Block(i, back))),
            ),
        };
        Arc::new(block(above.as_deref(), left.as_deref()))
    }
}

/// Stacks for rayon's threads, on which stolen jobs pile up: all blocks may nest, up to a limit.
fn piled_stack_bytes(blocks: u32) -> usize {
    const MOST: usize = 1 << 30;
    let blocks = blocks as usize;
    asks_stack_bytes(2 * blocks + blocks * blocks).min(MOST)
}

fn looped(executor: &Executor, blocks: u32) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| {
        by_diagonals(blocks, |rows, block| cx.par_map(rows, |_, row| block(row)))
    })
}

fn asked(executor: &Executor, blocks: u32) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| cx.get(Block(blocks - 1, blocks - 1)).last())
}

/// `next` makes the blocks of one diagonal, given their rows.
fn by_diagonals(
    blocks: u32,
    next: impl Fn(std::ops::Range<u32>, &(dyn Fn(u32) -> Edges + Sync)) -> Vec<Edges>,
) -> u64 {
    let mut before: Vec<Edges> = Vec::new();
    let mut before_first = 0;
    for diagonal in 0..2 * blocks - 1 {
        let first = (diagonal + 1).saturating_sub(blocks);
        let rows = first..diagonal.min(blocks - 1) + 1;
        let of_row = |row: u32| before.get(row.checked_sub(before_first)? as usize);
        let made = next(rows, &|row| {
            let above = row.checked_sub(1).and_then(of_row);
            let left = if row < diagonal { of_row(row) } else { None };
            block(above, left)
        });
        (before, before_first) = (made, first);
    }
    before[0].last()
}
