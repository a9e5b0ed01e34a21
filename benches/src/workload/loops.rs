//! `loop-cheap` and `loop-uneven`: one parallel loop over many items, with next to no work in each, or with most of it in few.
//! `loop-rested`: a short one of the first kind, each time after a pause.

use std::thread;
use std::time::Duration;

use dagwood::{Database, Enumerate};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::divide::rayon_pool;
use super::job::cannot_run;
use super::slots::{Fill, Slots};
use super::{Job, Loaded, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// Between two short loops: longer than workers and processors wait before they rest.
const PAUSE: Duration = Duration::from_millis(2);

struct Loop<F> {
    items: u32,
    body: F,
    is_rested: bool,
}

/// A loop whose items all cost the same, a few instructions.
pub(super) fn load_cheap(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load(request, mix, false)
}

/// A loop in which every other item costs twice as much as half of the rest, and so on.
pub(super) fn load_uneven(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load(request, uneven, false)
}

/// Cheap items, after a pause.
pub(super) fn load_rested(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    load(request, mix, true)
}

fn load<F: Fn(u32) -> u32 + Copy + Sync + 'static>(
    request: &Request,
    body: F,
    is_rested: bool,
) -> Result<Box<dyn Loaded>, Failure> {
    let items = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Loop {
        items,
        body,
        is_rested,
    }))
}

#[inline]
fn mix(x: u32) -> u32 {
    let x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
    (x ^ x >> 13).wrapping_mul(0xc2b2_ae35)
}

/// A heavy tail: one item in 2^k takes 2^k steps, up to 2^16. One function for all engines: the loops around it are compared, and
/// not how the compiler puts it into each.
#[inline(never)]
fn uneven(item: u32) -> u32 {
    let steps = 1 << (mix(item) >> 16).trailing_zeros().min(16);
    (0..steps).fold(item, |x, _: u32| mix(x))
}

impl<F: Fn(u32) -> u32 + Copy + Sync> Loaded for Loop<F> {
    fn size(&self) -> u64 {
        self.items.into()
    }

    fn ops(&self) -> u64 {
        self.items.into()
    }

    fn known_checksum(&self) -> Option<String> {
        let results = (0..self.items).map(|item| u64::from((self.body)(item)));
        Some(results.sum::<u64>().to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let body = self.body;
        let mut slots = Slots::new(self.items as usize);
        let job = match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    let fill = slots.next_run();
                    executor.run(&db, |cx| {
                        cx.par_for_each(Enumerate(fill.slots), move |_, (at, slot)| {
                            fill.write(slot, body(at as u32));
                        });
                    })?;
                    Ok(slots.filled())
                })
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                Ok(Job::other(move || {
                    let fill = slots.next_run();
                    pool.install(|| {
                        let slots = fill.slots.par_iter().enumerate();
                        slots.for_each(|(at, slot)| fill.write(slot, body(at as u32)));
                    });
                    slots.filled()
                }))
            }
            Engine::Plain => Ok(Job::other(move || {
                plain(slots.next_run(), body);
                slots.filled()
            })),
            other => Err(cannot_run(other)),
        }?;
        Ok(if self.is_rested {
            job.prepared_by(|| thread::sleep(PAUSE))
        } else {
            job
        })
    }
}

fn plain(fill: Fill<'_>, body: impl Fn(u32) -> u32) {
    for (at, slot) in fill.slots.iter().enumerate() {
        fill.write(slot, body(at as u32));
    }
}
