//! `spawn`: a great many tasks in one scope, none of which does more than leave its mark.

use dagwood::{Cx, Database};

use super::divide::{forte_pool, rayon_pool};
use super::job::cannot_run;
use super::slots::{Fill, Slots};
use super::{Job, Loaded, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

struct Spawn {
    tasks: u32,
}

/// Nothing to read: the input is the number of tasks.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let tasks = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    Ok(Box::new(Spawn { tasks }))
}

impl Loaded for Spawn {
    fn size(&self) -> u64 {
        self.tasks.into()
    }

    fn ops(&self) -> u64 {
        self.tasks.into()
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.tasks.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let mut slots = Slots::new(self.tasks as usize);
        match setup.engine {
            Engine::Fibers | Engine::Threads | Engine::Sequential => {
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    let fill = slots.next_run();
                    executor.run(&db, |cx| ours(cx, fill))?;
                    Ok(slots.filled())
                })
            }
            Engine::Rayon => {
                let pool = rayon_pool(setup)?;
                Ok(Job::other(move || {
                    let fill = slots.next_run();
                    pool.install(|| rayon(fill));
                    slots.filled()
                }))
            }
            Engine::Forte => {
                let pool = forte_pool(setup);
                Ok(Job::other(move || {
                    forte(pool, slots.next_run());
                    slots.filled()
                }))
            }
            Engine::Plain => Ok(Job::other(move || {
                plain(slots.next_run());
                slots.filled()
            })),
            other => Err(cannot_run(other)),
        }
    }
}

fn ours(cx: &Cx<'_, ()>, fill: Fill<'_>) {
    cx.scope(|cx, scope| {
        for place in fill.places() {
            scope.spawn(cx, move |_| place.write(1));
        }
    });
}

fn rayon(fill: Fill<'_>) {
    rayon_core::scope(|scope| {
        for place in fill.places() {
            scope.spawn(move |_| place.write(1));
        }
    });
}

fn forte(pool: &'static forte::ThreadPool, fill: Fill<'_>) {
    pool.scope(|scope| {
        for place in fill.places() {
            scope.spawn(move |_| place.write(1));
        }
    });
}

/// The baseline: the same closures in boxes, called in turn.
fn plain(fill: Fill<'_>) {
    let tasks: Vec<Box<dyn FnOnce() + Send + '_>> = fill
        .places()
        .map(|place| Box::new(move || place.write(1)) as _)
        .collect();
    for task in tasks {
        task();
    }
}
