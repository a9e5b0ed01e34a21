//! `coarse`: few big queries at any moment, as in a compiler; for about four workers.
//!
//! A chain of phases. Each forks one long leaf and eight parts of unequal length, none of which has
//! a scheduling point, and begins with the leaf: while its worker is busy there, it holds the parts
//! for others to take. The leaf is a quarter of the phase, so four workers could do a phase in its
//! time. An engine that shares only by the clock, or only at scheduling points, begins with the
//! parts when the leaf is done.

use std::ops::Range;

use dagwood::{Cx, Database, Executor, Query};

use super::divide::{chili_pool, rayon_pool};
use super::job::cannot_run;
use super::shared::compute_for;
use super::{Job, Loaded, Number, Request, Setup};
use crate::blocking::{Asker, Blocking, Provide};
use crate::engine::Engine;
use crate::failure::Failure;

/// About 20 microseconds.
const UNIT_STEPS: u32 = 16_000;
/// The long leaf, about half a millisecond.
const LEAF_UNITS: u32 = 24;
/// Three times as much: three other workers can have 24 units each. The order changes with the
/// phase.
const PART_UNITS: [u32; 8] = [12, 4, 9, 3, 16, 6, 2, 20];
const PARTS: usize = PART_UNITS.len();

struct Coarse {
    phases: u32,
}

/// A phase; its value depends on those of the phase before and of all its parts.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Phase(u32);

/// The long leaf of a phase.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Leaf(u32);

/// One of the other parts.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Part(u32, usize);

/// What a leaf finds, given the value of the phase before.
fn leaf(before: u64) -> u64 {
    compute_for(LEAF_UNITS * UNIT_STEPS, before.wrapping_add(1))
}

/// What a part finds.
fn part(phase: u32, at: usize, before: u64) -> u64 {
    let units = PART_UNITS[(phase as usize + at) % PARTS];
    compute_for(units * UNIT_STEPS, before.wrapping_add(2 + at as u64))
}

fn both(a: u64, b: u64) -> u64 {
    a.rotate_left(1) ^ b
}

/// The halves of some parts, if there is more than one.
fn halves(parts: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let middle = parts.start.midpoint(parts.end);
    (parts.len() > 1).then_some((parts.start..middle, middle..parts.end))
}

impl Query<()> for Phase {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        let (leaf, parts) = cx.join(
            |cx| *cx.get(Leaf(self.0)),
            |cx| ours_parts(cx, self.0, 0..PARTS),
        );
        both(leaf, parts)
    }
}

impl Query<()> for Leaf {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        leaf(ours_before(cx, self.0))
    }
}

impl Query<()> for Part {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        part(self.0, self.1, ours_before(cx, self.0))
    }
}

fn ours_before(cx: &Cx<'_, ()>, phase: u32) -> u64 {
    phase
        .checked_sub(1)
        .map_or(0, |before| *cx.get(Phase(before)))
}

fn ours_parts(cx: &Cx<'_, ()>, phase: u32, parts: Range<usize>) -> u64 {
    let Some((a, b)) = halves(&parts) else {
        return *cx.get(Part(phase, parts.start));
    };
    let (a, b) = cx.join(|cx| ours_parts(cx, phase, a), |cx| ours_parts(cx, phase, b));
    both(a, b)
}

/// One after the other, so that asks do not nest with the phases.
fn ours(executor: &Executor, phases: u32) -> Result<u64, dagwood::Error> {
    let db = Database::new(());
    executor.run(&db, |cx| {
        (0..phases).fold(0, |_, phase| *cx.get(Phase(phase)))
    })
}

/// The same queries for `rayon-blocking`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Phase(Phase),
    Leaf(Leaf),
    Part(Part),
}

impl Provide for Node {
    type Value = u64;

    fn provide(self, asker: &Asker<'_, Self>) -> u64 {
        match self {
            Node::Phase(Phase(phase)) => {
                let (leaf, parts) = asker.join(
                    |asker| asker.get(Node::Leaf(Leaf(phase))),
                    |asker| blocking_parts(asker, phase, 0..PARTS),
                );
                both(leaf, parts)
            }
            Node::Leaf(Leaf(phase)) => leaf(blocking_before(asker, phase)),
            Node::Part(Part(phase, at)) => part(phase, at, blocking_before(asker, phase)),
        }
    }
}

fn blocking_before(asker: &Asker<'_, Node>, phase: u32) -> u64 {
    let before = phase
        .checked_sub(1)
        .map(|before| Node::Phase(Phase(before)));
    before.map_or(0, |before| asker.get(before))
}

fn blocking_parts(asker: &Asker<'_, Node>, phase: u32, parts: Range<usize>) -> u64 {
    let Some((a, b)) = halves(&parts) else {
        return asker.get(Node::Part(Part(phase, parts.start)));
    };
    let (a, b) = asker.join(
        |asker| blocking_parts(asker, phase, a),
        |asker| blocking_parts(asker, phase, b),
    );
    both(a, b)
}

/// The same joins without a memo.
fn rayon(phase: u32, before: u64) -> u64 {
    let (leaf, parts) = rayon_core::join(|| leaf(before), || rayon_parts(phase, before, 0..PARTS));
    both(leaf, parts)
}

fn rayon_parts(phase: u32, before: u64, parts: Range<usize>) -> u64 {
    let Some((a, b)) = halves(&parts) else {
        return part(phase, parts.start, before);
    };
    let (a, b) = rayon_core::join(
        || rayon_parts(phase, before, a),
        || rayon_parts(phase, before, b),
    );
    both(a, b)
}

/// chili begins with the second branch, and so the leaf is there.
fn chili(scope: &mut chili::Scope<'_>, phase: u32, before: u64) -> u64 {
    let (parts, leaf) = scope.join(
        |scope| chili_parts(scope, phase, before, 0..PARTS),
        |_| leaf(before),
    );
    both(leaf, parts)
}

fn chili_parts(scope: &mut chili::Scope<'_>, phase: u32, before: u64, parts: Range<usize>) -> u64 {
    let Some((a, b)) = halves(&parts) else {
        return part(phase, parts.start, before);
    };
    let (b, a) = scope.join(
        |scope| chili_parts(scope, phase, before, b),
        |scope| chili_parts(scope, phase, before, a),
    );
    both(a, b)
}

fn plain(phase: u32, before: u64) -> u64 {
    both(leaf(before), plain_parts(phase, before, 0..PARTS))
}

fn plain_parts(phase: u32, before: u64, parts: Range<usize>) -> u64 {
    match halves(&parts) {
        None => part(phase, parts.start, before),
        Some((a, b)) => both(plain_parts(phase, before, a), plain_parts(phase, before, b)),
    }
}

/// All phases, without a memo.
fn chain(phases: u32, mut one: impl FnMut(u32, u64) -> u64) -> u64 {
    (0..phases).fold(0, |before, phase| one(phase, before))
}

/// Nothing to read: the input is the number of phases.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let phases = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Coarse { phases }))
}

impl Loaded for Coarse {
    fn size(&self) -> u64 {
        self.phases.into()
    }

    fn ops(&self) -> u64 {
        self.phases.into()
    }

    fn known_checksum(&self) -> Option<String> {
        Some(chain(self.phases, plain).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let phases = self.phases;
        let answer = move |value| Number {
            label: format!("value of phase {phases}"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    ours(executor, phases).map(answer)
                })
            }
            Engine::RayonBlocking => {
                let engine = Blocking::new(setup.workers, BLOCKING_STACK_BYTES)?;
                let root = move |asker: &Asker<'_, Node>| {
                    (0..phases).fold(0, |_, phase| asker.get(Node::Phase(Phase(phase))))
                };
                Ok(Job::fallible(move || engine.run(root).map(answer)))
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                Ok(Job::other(move || {
                    answer(pool.install(|| chain(phases, rayon)))
                }))
            }
            Engine::Chili => {
                let pool = chili_pool(setup);
                Ok(Job::other(move || {
                    let mut scope = pool.scope();
                    answer(chain(phases, |phase, before| {
                        chili(&mut scope, phase, before)
                    }))
                }))
            }
            Engine::Plain => Ok(Job::other(move || answer(chain(phases, plain)))),
            other => Err(cannot_run(other)),
        }
    }
}

/// More than the parts of a phase can pile up.
const BLOCKING_STACK_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_other_workers_can_be_done_with_the_leaf() {
        let parts: u32 = PART_UNITS.iter().sum();
        assert_eq!(parts, 3 * LEAF_UNITS);
        assert!(PART_UNITS.iter().all(|&units| units <= LEAF_UNITS));
    }
}
