//! Gates: what makes scenarios step by events, and many ask at once.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;

use dagwood::{Cx, Database, Error, Event, Executor, Query};

/// Opens a gate that a scenario opens once.
pub fn open(gate: &Event<()>) {
    gate.set(()).expect("a gate is opened once");
}

/// Opens the gate when it is dropped, that is, also when a provider is unwound.
#[derive(Debug)]
pub struct OpenOnDrop<'e>(pub &'e Event<()>);

impl Drop for OpenOnDrop<'_> {
    fn drop(&mut self) {
        open(self.0);
    }
}

/// Panics with `message`, without the note on standard error: for scenarios that do so thousands of times.
pub fn fail_quietly(message: &str) -> ! {
    resume_unwind(Box::new(message.to_owned()))
}

/// The text of a panic's payload.
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    payload
        .downcast::<String>()
        .map_or_else(|_| "no text".to_owned(), |text| *text)
}

/// A gate that blocks OS threads.
#[derive(Debug, Default)]
pub struct OsGate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl OsGate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all pass, now and later.
    pub fn open(&self) {
        *self.is_open.lock().expect("no user code under the lock") = true;
        self.opened.notify_all();
    }

    /// Blocks the calling thread until the gate is open.
    pub fn pass(&self) {
        let is_open = self.is_open.lock().expect("no user code under the lock");
        drop(
            self.opened
                .wait_while(is_open, |is_open| !*is_open)
                .expect("no user code under the lock"),
        );
    }
}

/// An event that is set when so many have come.
#[derive(Debug)]
pub struct Meeting {
    missing: AtomicUsize,
    complete: Event<()>,
}

impl Meeting {
    /// A meeting of `count` jobs; of none, it is complete.
    pub fn new(count: usize) -> Self {
        let meeting = Meeting {
            missing: AtomicUsize::new(count),
            complete: Event::named("a meeting"),
        };
        if count == 0 {
            open(&meeting.complete);
        }
        meeting
    }

    /// Comes, and does not wait. Those who come late are not missed.
    pub fn come(&self) {
        let come = |missing: usize| missing.checked_sub(1);
        if self
            .missing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, come)
            == Ok(1)
        {
            open(&self.complete);
        }
    }

    /// Waits until so many have come.
    pub fn wait<D>(&self, cx: &Cx<'_, D>) {
        self.complete.wait(cx);
    }

    /// Comes and waits for the others.
    pub fn meet<D>(&self, cx: &Cx<'_, D>) {
        self.come();
        self.wait(cx);
    }
}

/// Runs `body` in so many jobs of one `run` that have all started before the first goes on. (On the sequential
/// backend, one after another.)
pub fn at_once_from_tasks<'db, D, R>(
    executor: &Executor,
    db: &'db Database<D>,
    count: usize,
    body: impl Fn(&Cx<'db, D>, usize) -> R + Sync + Send,
) -> Vec<R>
where
    D: Send + Sync + 'static,
    R: Send,
{
    let is_sequential = executor.backend() == dagwood::Backend::Sequential;
    let meeting = Meeting::new(count);
    let run = executor.run(db, |cx| {
        cx.par_map(0..count, |cx, index| {
            if !is_sequential {
                meeting.meet(cx);
            }
            body(cx, index)
        })
    });
    run.expect("the bodies hold their errors back")
}

/// Runs `body` in so many `run`s, each from an OS thread of its own, that are called at once.
pub fn at_once_from_threads<'db, D, R>(
    executor: &Executor,
    db: &'db Database<D>,
    count: usize,
    body: impl Fn(&Cx<'db, D>, usize) -> R + Sync,
) -> Vec<Result<R, Error>>
where
    D: Send + Sync + 'static,
    R: Send,
{
    let barrier = Barrier::new(count);
    let run = |index| {
        barrier.wait();
        executor.run(db, |cx| body(cx, index))
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..count)
            .map(|index| scope.spawn(move || run(index)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|payload| resume_unwind(payload))
            })
            .collect()
    })
}

/// Waits until the event of the database is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gated(pub usize);

impl Query<Event<()>> for Gated {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Event<()>>) -> usize {
        cx.data().wait(cx);
        self.0
    }
}
