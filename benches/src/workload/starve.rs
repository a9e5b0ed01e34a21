//! `starve`: a fiber becomes ready while its worker is in a long leaf, with no scheduling point in it, and all other workers
//! are idle: how long it waits until it is resumed.
//!
//! That time is the figure `ready_to_resumed_us`, and what each run takes of the clock is the leaf and no news. The fiber
//! comes to wait while the other workers are busy, so that the leaf begins on the worker that owns it; then they become idle,
//! and a thread outside makes the fiber ready at the leaf's beginning.
//!
//! `starve-joining` has a job in the leaf's place that joins all the time, as long.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dagwood::{Cx, Database, Event, Executor};

use super::job::cannot_run;
use super::meeting::{Meeting, spin_until};
use super::{Answer, Figures, Job, Loaded, Request, Setup};
use crate::engine::Engine;
use crate::failure::Failure;

/// How long the other workers have to run out of work.
const CALM: Duration = Duration::from_millis(5);

struct Starve {
    leaf_ms: u64,
    busy: Busy,
}

/// Keeps the worker for so long.
type Busy = fn(&Cx<'_, ()>, Duration);

/// Nothing to read: the input is the leaf's length.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Starve {
        leaf_ms: request.size,
        busy: |_, leaf| spin(leaf),
    }))
}

/// The same with a job that joins.
pub(super) fn load_joining(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    Ok(Box::new(Starve {
        leaf_ms: request.size,
        busy: join_for,
    }))
}

impl Loaded for Starve {
    fn size(&self) -> u64 {
        self.leaf_ms
    }

    fn ops(&self) -> u64 {
        self.leaf_ms
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.leaf_ms.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        let (leaf, busy) = (Duration::from_millis(self.leaf_ms), self.busy);
        if !matches!(
            setup.engine,
            Engine::Fibers | Engine::MovingFibers | Engine::Threads
        ) {
            return Err(cannot_run(setup.engine));
        }
        let figures = Figures::default();
        let told = Figures::clone(&figures);
        let job = Job::on_executor(setup, None, move |executor| {
            let resumed = one_waits(executor, setup.workers, leaf, busy)?;
            let waited = u64::try_from(resumed.waited.as_micros()).unwrap_or(u64::MAX);
            told.borrow_mut()
                .insert("ready_to_resumed_us".to_owned(), waited);
            Ok(resumed)
        })?;
        Ok(job.with_figures(figures))
    }
}

/// What the waiter was told, and how long after that it was resumed.
struct Resumed {
    told_ms: u64,
    waited: Duration,
}

impl Answer for Resumed {
    fn checksum(&self) -> String {
        self.told_ms.to_string()
    }

    fn text(&self) -> String {
        format!(
            "leaf_ms = {}\nready_to_resumed_us = {}\n",
            self.told_ms,
            self.waited.as_micros()
        )
    }
}

/// What the jobs and the thread outside tell each other.
struct Scene {
    everywhere: Meeting,
    /// The waiter is about to wait.
    is_there: Event<()>,
    /// No other job keeps a worker any more.
    is_calm: AtomicBool,
    has_begun: AtomicBool,
    /// When it was set, and the leaf's length.
    ready: Event<(Instant, u64)>,
    resumed: OnceLock<Resumed>,
}

/// One run of it.
fn one_waits(
    executor: &Executor,
    workers: usize,
    leaf: Duration,
    busy: Busy,
) -> Result<Resumed, dagwood::Error> {
    let scene = Scene {
        everywhere: Meeting::new(workers),
        is_there: Event::named("the waiter is there"),
        is_calm: AtomicBool::new(false),
        has_begun: AtomicBool::new(false),
        ready: Event::named("the leaf has begun"),
        resumed: OnceLock::new(),
    };
    thread::scope(|threads| {
        threads.spawn(|| {
            spin_until(|| scene.has_begun.load(Ordering::Acquire));
            let now = (Instant::now(), leaf.as_millis() as u64);
            scene.ready.set(now).expect("set once");
        });
        let run = executor.run(&Database::new(()), |cx| {
            beside_idle(cx, workers, &scene, |cx| busy(cx, leaf));
        });
        // Also if it failed: the thread ends.
        scene.has_begun.store(true, Ordering::Release);
        run
    })?;
    Ok(scene.resumed.into_inner().expect("the scope has ended"))
}

/// The waiter and the leaf, while all other workers come to have nothing to do.
fn beside_idle(cx: &Cx<'_, ()>, workers: usize, scene: &Scene, busy: impl FnOnce(&Cx<'_, ()>)) {
    cx.scope(|cx, scope| {
        for _ in 1..workers {
            scope.spawn(cx, |_| {
                scene.everywhere.arrive();
                spin_until(|| scene.is_calm.load(Ordering::Relaxed));
            });
        }
        scene.everywhere.arrive_and(|| {
            cx.join(|_| (), |_| ());
        });
        scope.spawn(cx, |cx| {
            scene.is_there.set(()).expect("set once");
            let (set, told_ms) = *scene.ready.wait(cx);
            let waited = set.elapsed();
            let resumed = scene.resumed.set(Resumed { told_ms, waited });
            resumed.unwrap_or_else(|_| unreachable!("set once"));
        });
        // Now the waiter begins, on this worker, and this job is ready again when it waits.
        scene.is_there.wait(cx);
        scene.is_calm.store(true, Ordering::Relaxed);
        spin(CALM);
        scene.has_begun.store(true, Ordering::Release);
        busy(cx);
    });
}

/// Keeps its worker for so long, without a scheduling point.
fn spin(time: Duration) {
    let start = Instant::now();
    spin_until(|| start.elapsed() >= time);
}

/// Keeps its worker for so long with joins that do next to nothing.
fn join_for(cx: &Cx<'_, ()>, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        cx.join(|_| black_box(1), |_| black_box(2));
    }
}
