//! `pipeline`: numbers go through three stages, each of which does next to nothing, by channels with room for a few.
//!
//! Each stage is a job that waits when its channel is empty or full. The peer is std's bounded channel between OS threads,
//! one for each stage.

use std::sync::mpsc::sync_channel;
use std::thread;

use dagwood::locks::channel;
use dagwood::{Cx, Database};

use super::job::cannot_run;
use super::{Job, Loaded, Number, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// How many values a channel has room for.
const ROOM: usize = 64;

struct Pipeline {
    items: u64,
}

/// Nothing to read: the input is the number of items.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Pipeline {
        items: request.size,
    }))
}

/// What the middle stage does.
fn mix(item: u64) -> u64 {
    (item ^ item >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn plain(items: u64) -> u64 {
    (0..items).map(mix).fold(0, u64::wrapping_add)
}

impl Loaded for Pipeline {
    fn size(&self) -> u64 {
        self.items
    }

    fn ops(&self) -> u64 {
        self.items
    }

    fn known_checksum(&self) -> Option<String> {
        Some(plain(self.items).to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let items = self.items;
        let answer = |value| Number {
            label: "sum".to_owned(),
            value,
        };
        match setup.engine {
            Engine::Fibers | Engine::MovingFibers | Engine::Threads => {
                Job::on_executor(setup, None, move |executor| {
                    let db = Database::new(());
                    executor.run(&db, |cx| ours(cx, items)).map(answer)
                })
            }
            Engine::StdChannel => Ok(Job::other(move || answer(by_threads(items)))),
            Engine::Plain => Ok(Job::other(move || answer(plain(items)))),
            other => Err(cannot_run(other)),
        }
    }
}

fn ours(cx: &Cx<'_, ()>, items: u64) -> u64 {
    let (first, second) = (channel(ROOM), channel(ROOM));
    let (from, to) = (first.1, second.0);
    let sender = first.0;
    cx.scope(|cx, scope| {
        scope.spawn(cx, move |cx| {
            for item in 0..items {
                sender.send(cx, item).expect("there is a receiver");
            }
        });
        scope.spawn(cx, move |cx| {
            while let Some(item) = from.recv(cx) {
                to.send(cx, mix(item)).expect("there is a receiver");
            }
        });
        std::iter::from_fn(|| second.1.recv(cx)).fold(0, u64::wrapping_add)
    })
}

fn by_threads(items: u64) -> u64 {
    let (first, second) = (sync_channel(ROOM), sync_channel(ROOM));
    let (from, to) = (first.1, second.0);
    let sender = first.0;
    thread::scope(|scope| {
        scope.spawn(move || {
            (0..items).for_each(|item| sender.send(item).expect("there is a receiver"))
        });
        scope.spawn(move || {
            from.iter()
                .for_each(|item| to.send(mix(item)).expect("there is a receiver"));
        });
        second.1.iter().fold(0, u64::wrapping_add)
    })
}
