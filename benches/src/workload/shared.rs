//! `shared`: diamonds whose shared node is asked by a second parent while the first one's ask is in progress.
//!
//! A gate in the shared node's provider makes sure of it: the provider waits until both parents have announced their asks.
//! One worker is enough for that, since the wait suspends the fiber (or hands the worker's place on) and the other parent
//! gets its turn. In program order the second parent cannot come before the first is done, so the sequential backend has no
//! gate. Nor has `rayon-blocking`: there the gate would block the very thread whose deque holds the
//! other parent, and no run would end. Its second asks find the node in progress by chance, or done.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use dagwood::{Backend, Cx, Database, Event, Executor, Query};

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::blocking::{Asker, Blocking, Provide};
use crate::engine::Engine;
use crate::failure::Failure;

struct Shared {
    diamonds: usize,
}

/// The gates, one for each diamond; none where nothing runs out of program order.
struct Gates(Option<Vec<Gate>>);

#[derive(Default)]
struct Gate {
    announced: AtomicU32,
    both: Event<()>,
}

/// The node at the top of a diamond: it asks both sides at once.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Top(usize);

/// A parent of the shared node; `right` tells the two apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Side {
    diamond: usize,
    right: bool,
}

/// The node that both sides ask.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Bottom(usize);

impl Query<Gates> for Top {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Gates>) -> u64 {
        let diamond = self.0;
        let side = |right| Side { diamond, right };
        let (left, right) = cx.join(|cx| *cx.get(side(false)), |cx| *cx.get(side(true)));
        top(left, right)
    }
}

impl Query<Gates> for Side {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Gates>) -> u64 {
        cx.data().announce(self.diamond);
        side(*cx.get(Bottom(self.diamond)), self.right)
    }
}

impl Query<Gates> for Bottom {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Gates>) -> u64 {
        cx.data().wait_for_both(cx, self.0);
        bottom(self.0)
    }
}

/// The same nodes for `rayon-blocking`, whose queries are of one type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Top(Top),
    Side(Side),
    Bottom(Bottom),
}

impl Provide for Node {
    type Value = u64;

    fn provide(self, asker: &Asker<'_, Self>) -> u64 {
        match self {
            Node::Top(Top(diamond)) => {
                let side = |right| Node::Side(Side { diamond, right });
                let (left, right) = asker.join(
                    |asker| asker.get(side(false)),
                    |asker| asker.get(side(true)),
                );
                top(left, right)
            }
            Node::Side(Side { diamond, right }) => {
                side(asker.get(Node::Bottom(Bottom(diamond))), right)
            }
            Node::Bottom(Bottom(diamond)) => bottom(diamond),
        }
    }
}

impl Gates {
    fn for_executor(executor: &Executor, diamonds: usize) -> Self {
        let out_of_order = executor.backend() != Backend::Sequential;
        Gates(out_of_order.then(|| (0..diamonds).map(|_| Gate::default()).collect()))
    }

    /// A parent is about to ask.
    fn announce(&self, diamond: usize) {
        let Some(gates) = &self.0 else { return };
        let gate = &gates[diamond];
        // Relaxed: only the count matters, and each announcement sees another one; the event orders the rest.
        if gate.announced.fetch_add(1, Ordering::Relaxed) == 1 {
            // Nobody else sets it: one announcement alone is the second one.
            let _ = gate.both.set(());
        }
    }

    fn wait_for_both(&self, cx: &Cx<'_, Gates>, diamond: usize) {
        if let Some(gates) = &self.0 {
            gates[diamond].both.wait(cx);
        }
    }
}

/// Some real computing, about 20 microseconds for 16,000 steps.
pub(super) fn compute_for(steps: u32, seed: u64) -> u64 {
    let mut x = seed | 1;
    for _ in 0..steps {
        x ^= x >> 29;
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    x
}

/// As long as the second ask needs to arrive on another worker.
fn compute(seed: u64) -> u64 {
    compute_for(16_000, seed)
}

fn bottom(diamond: usize) -> u64 {
    compute(diamond as u64)
}

fn side(bottom: u64, right: bool) -> u64 {
    compute(bottom.wrapping_add(1 + u64::from(right)))
}

fn top(left: u64, right: u64) -> u64 {
    compute(left.rotate_left(1) ^ right)
}

fn sum(tops: impl Iterator<Item = u64>) -> u64 {
    tops.fold(0, u64::wrapping_add)
}

/// Nothing to read: the input is the number of diamonds.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let diamonds = usize::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Shared { diamonds }))
}

impl Loaded for Shared {
    fn size(&self) -> u64 {
        self.diamonds as u64
    }

    fn ops(&self) -> u64 {
        4 * self.diamonds as u64
    }

    fn known_checksum(&self) -> Option<String> {
        let tops = (0..self.diamonds).map(|diamond| {
            let bottom = bottom(diamond);
            top(side(bottom, false), side(bottom, true))
        });
        Some(sum(tops).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let diamonds = self.diamonds;
        let answer = move |value| Number {
            label: format!("sum over {diamonds} diamonds"),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::MovingFibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    ours(executor, diamonds).map(answer)
                })
            }
            Engine::RayonBlocking => {
                let engine = Blocking::new(setup.workers, BLOCKING_STACK_BYTES)?;
                Ok(Job::fallible(move || {
                    engine.run(|asker| tops(asker, 0..diamonds)).map(answer)
                }))
            }
            other => Err(cannot_run(other)),
        }
    }
}

fn ours(executor: &Executor, diamonds: usize) -> Result<u64, dagwood::Error> {
    let db = Database::new(Gates::for_executor(executor, diamonds));
    executor.run(&db, |cx| {
        sum(cx
            .par_map(0..diamonds, |cx, diamond| *cx.get(Top(diamond)))
            .into_iter())
    })
}

/// A thread of rayon that waits piles stolen diamonds on its stack, though never many.
const BLOCKING_STACK_BYTES: usize = 64 << 20;

/// The sum over these diamonds, divided in halves as `par_map` does it.
fn tops(asker: &Asker<'_, Node>, diamonds: Range<usize>) -> u64 {
    if diamonds.len() == 1 {
        return asker.get(Node::Top(Top(diamonds.start)));
    }
    let middle = diamonds.start.midpoint(diamonds.end);
    let (left, right) = asker.join(
        |asker| tops(asker, diamonds.start..middle),
        |asker| tops(asker, middle..diamonds.end),
    );
    left.wrapping_add(right)
}
