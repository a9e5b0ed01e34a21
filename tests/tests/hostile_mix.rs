//! W5, W10, F1, F3 and X1 all at once: random jobs of two executors and threads outside, which take locks of all
//! kinds in one order, fork, wait, run on the other executor, fail, and are cancelled, while workers come and go.
//! All come to an end, nobody is told of a deadlock, nothing stays taken, and each job finds its own thread-local.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dagwood::locks::{Limit, Mutex, OnceCell, RwLock, Semaphore, channel};
use dagwood::{CancelToken, Cx, Database, Error, Event, Executor};
use dagwood_tests::{Bed, Random, fail_quietly, open, panic_text, scenarios};

scenarios! {
    pools [3, 1, 2]: w5_all_kinds_of_waits_at_once_come_to_an_end;
}

/// How many things there are, each kind in turn.
const THINGS: usize = 15;

/// What a job that fails says.
const FAILS: &str = "one of the mix fails";

thread_local! {
    /// What is bound here, for the time of a call.
    static BOUND: Cell<usize> = const { Cell::new(0) };
}

struct Things {
    mutexes: Vec<Mutex<u64>>,
    shared: Vec<RwLock<u64>>,
    limits: Vec<Limit>,
    permits: Vec<Semaphore>,
    cells: Vec<OnceCell<usize>>,
    executors: [Executor; 2],
}

impl Things {
    fn new(bed: &Bed) -> Self {
        let pinned = bed
            .builder()
            .suspend_hooks(|| BOUND.take(), |bound| BOUND.set(bound));
        Things {
            mutexes: (0..THINGS).map(|_| Mutex::new(0)).collect(),
            shared: (0..THINGS).map(|_| RwLock::new(0)).collect(),
            limits: (0..THINGS)
                .map(|thing| Limit::new(thing, 1 + thing % 2))
                .collect(),
            permits: (0..THINGS).map(|_| Semaphore::new(2)).collect(),
            cells: (0..THINGS).map(|_| OnceCell::new()).collect(),
            executors: [
                pinned.build().expect("an executor can be made"),
                bed.moving_executor(),
            ],
        }
    }

    fn check_all_free(&self, number: u64) {
        for thing in 0..THINGS {
            assert!(self.mutexes[thing].try_lock().is_some(), "number {number}");
            assert!(self.shared[thing].try_write().is_some(), "number {number}");
            assert_eq!(
                self.limits[thing].free_places(),
                1 + thing % 2,
                "number {number}"
            );
            assert_eq!(self.permits[thing].available(), 2, "number {number}");
        }
    }
}

/// What may come of a part: an end, its own failure, or that it was cancelled.
fn check(number: u64, error: &Error) {
    let text = error.to_string();
    assert!(
        error.is_cancelled() || text.contains(FAILS),
        "number {number}: {text}"
    );
}

/// One job, or a part of one.
#[derive(Copy, Clone)]
struct Part<'t> {
    things: &'t Things,
    number: u64,
    /// On which executor.
    here: usize,
    /// The least thing that it may take.
    from: usize,
    depth: usize,
    /// Whether the executor that it runs on has hooks, and what is bound.
    bound: Option<usize>,
}

impl<'t> Part<'t> {
    fn go(self, cx: &Cx<'_, ()>, mut random: Random) {
        for _ in 0..=random.below(2) {
            if let Some(bound) = self.bound {
                assert_eq!(BOUND.get(), bound, "number {}", self.number);
            }
            let seed = random.next_u64();
            if self.depth == 0 {
                cx.yield_now();
            } else if random.once_in(2) && self.from < THINGS {
                let thing = self.from + random.below(THINGS - self.from);
                let next = Part {
                    from: thing + 1,
                    depth: self.depth - 1,
                    ..self
                };
                next.hold(cx, thing, Random::new(seed));
            } else {
                let next = Part {
                    depth: self.depth - 1,
                    ..self
                };
                next.fork(cx, Random::new(seed));
            }
        }
    }

    /// Goes on while it has a thing.
    fn hold(self, cx: &Cx<'_, ()>, thing: usize, mut random: Random) {
        let things = self.things;
        let writes = random.once_in(2);
        match thing % 5 {
            0 => {
                let mut held = things.mutexes[thing].lock(cx);
                self.go(cx, random);
                *held += 1;
            }
            1 if writes => {
                let mut held = things.shared[thing].write(cx);
                self.go(cx, random);
                *held += 1;
            }
            1 => {
                let held = things.shared[thing].read(cx);
                let before = *held;
                self.go(cx, random);
                assert_eq!(before, *held, "nobody writes");
            }
            2 => things.limits[thing].within(cx, |cx| self.go(cx, random)),
            3 => {
                let held = things.permits[thing].acquire(cx);
                self.go(cx, random);
                drop(held);
            }
            _ => {
                let value = things.cells[thing].get_or_init(cx, |cx| {
                    self.go(cx, random);
                    thing
                });
                assert_eq!(*value, thing);
            }
        }
    }

    fn fork(self, cx: &Cx<'_, ()>, mut random: Random) {
        let [left, right] = [random.next_u64(), random.next_u64()];
        let go = |cx: &Cx<'_, ()>, seed| self.unbound().go(cx, Random::new(seed));
        match random.below(11) {
            0 | 1 => drop(cx.join(|cx| go(cx, left), |cx| go(cx, right))),
            2 => cx.par_for_each(0..3_u32, |cx, item| go(cx, left ^ u64::from(item))),
            3 => cx.scope(|cx, scope| {
                for child in 0..3 {
                    scope.spawn(cx, move |cx| go(cx, left ^ child));
                }
                go(cx, right);
            }),
            4 => {
                let event = Event::new();
                cx.join(|cx| event.wait(cx), |_| open(&event));
            }
            5 => self.bind(|part| part.go(cx, Random::new(left))),
            6 => {
                let (sender, receiver) = channel(1);
                let sends = move |cx: &Cx<'_, ()>| {
                    (0..4).for_each(|item| sender.send(cx, item).expect("there is a receiver"));
                };
                let receives = |cx: &Cx<'_, ()>| std::iter::from_fn(|| receiver.recv(cx)).count();
                assert_eq!(cx.join(sends, receives).1, 4);
            }
            7 => self.elsewhere(left),
            8 => self.cancelled(cx, left, right),
            9 if left % 4 == 0 => fail_quietly(FAILS),
            9 => {
                let caught = catch_unwind(AssertUnwindSafe(|| self.go(cx, Random::new(left))));
                if let Err(payload) = caught {
                    std::panic::resume_unwind(payload);
                }
            }
            _ => (0..left % 3000).for_each(|_| assert_eq!(cx.join(|_| 1, |_| 2), (1, 2))),
        }
    }

    /// Another job finds what its own thread has.
    fn unbound(self) -> Self {
        Part {
            bound: None,
            ..self
        }
    }

    fn bind(self, body: impl FnOnce(Self)) {
        struct Reset(usize);
        impl Drop for Reset {
            fn drop(&mut self) {
                BOUND.set(self.0);
            }
        }
        if self.here != 0 {
            return body(self);
        }
        let bound = self.from * 10 + self.depth + 1;
        let _reset = Reset(BOUND.replace(bound));
        body(Part {
            bound: Some(bound),
            ..self
        });
    }

    /// On the other executor, unless this is inside a job of that.
    fn elsewhere(self, seed: u64) {
        let there = Part {
            here: 1 - self.here,
            ..self.unbound()
        };
        let db = Database::new(());
        let run = there.things.executors[there.here].run(&db, |cx| there.go(cx, Random::new(seed)));
        if let Err(error) = run
            && !error.is_refused()
        {
            check(self.number, &error);
        }
    }

    /// A part that is cancelled while it goes on, or before, or not in time.
    fn cancelled(self, cx: &Cx<'_, ()>, left: u64, right: u64) {
        let token = CancelToken::new();
        let goes = |cx: &Cx<'_, ()>| {
            let part = cx.cancellable(&token, |cx| self.unbound().go(cx, Random::new(left)));
            if let Err(error) = part {
                check(self.number, &error);
            }
        };
        let cancels = |cx: &Cx<'_, ()>| {
            (0..right % 5).for_each(|_| cx.yield_now());
            token.cancel();
        };
        cx.join(goes, cancels);
    }
}

/// What threads outside do meanwhile.
fn from_outside(things: &Things, number: u64, is_over: &AtomicBool) {
    let mut random = Random::new(number);
    while !is_over.load(Ordering::SeqCst) {
        let thing = random.below(THINGS - 1);
        let executor = &things.executors[random.below(2)];
        match random.below(6) {
            0 => *things.mutexes[thing].lock_blocking().expect("no deadlock") += 1,
            1 => {
                let read = things.shared[thing].read_blocking().expect("no deadlock");
                let mut next = things.shared[thing + 1]
                    .write_blocking()
                    .expect("no deadlock");
                *next = next.wrapping_add(*read);
            }
            2 => {
                let next = || things.limits[thing + 1].within_blocking(|| ());
                let inside = things.limits[thing].within_blocking(next);
                inside.expect("no deadlock").expect("no deadlock");
            }
            3 => drop(
                things.permits[thing]
                    .acquire_many_blocking(1)
                    .expect("no deadlock"),
            ),
            4 => {
                let some = 1 + random.below(executor.workers());
                executor.set_workers(some).expect("so many there are");
            }
            _ => thread::yield_now(),
        }
    }
}

fn w5_all_kinds_of_waits_at_once_come_to_an_end(bed: &Bed) {
    let things = Things::new(bed);
    let outside = if bed.is_seeded() { 0 } else { 2 };
    for number in bed.numbers(bed.at_most_on_threads(12, 60)) {
        let is_over = AtomicBool::new(false);
        thread::scope(|threads| {
            for salt in 0..outside {
                let (things, is_over) = (&things, &is_over);
                threads.spawn(move || from_outside(things, number * 2 + salt, is_over));
            }
            let things = &things;
            let both = [0, 1].map(|here| {
                let part = Part {
                    things,
                    number,
                    here,
                    from: 0,
                    depth: 5,
                    bound: None,
                };
                let run = move || {
                    let db = Database::new(());
                    let jobs = |cx: &Cx<'_, ()>| {
                        cx.par_for_each(0..4_u32, |cx, job| {
                            let salt = u64::from(job) * 2 + here as u64;
                            part.go(cx, Random::new(number * 8 + salt));
                        });
                    };
                    let run = || things.executors[here].run(&db, jobs);
                    match catch_unwind(AssertUnwindSafe(run)) {
                        Ok(run) => run.unwrap_or_else(|error| check(number, &error)),
                        Err(payload) => assert_eq!(panic_text(payload), FAILS),
                    }
                };
                if bed.is_seeded() {
                    // One after the other: the two would meet in no order that a seed says.
                    run();
                    return None;
                }
                Some(threads.spawn(run))
            });
            for run in both.into_iter().flatten() {
                run.join().expect("it has checked what came of it");
            }
            is_over.store(true, Ordering::SeqCst);
        });
        things.executors.iter().for_each(|executor| {
            executor.set_workers(executor.workers()).expect("all");
        });
        things.check_all_free(number);
    }
}
