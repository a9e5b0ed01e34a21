//! W5: random jobs that take locks, get into limits, ask and fork. In an order of all these there is no deadlock, and none
//! may be told; in any order there are many, and each must be told: else it comes to no end.
//!
//! Who keeps the order visits limits besides, at any time: gets in, waits for nothing, gets out. One place of each
//! is left to those, so waits go in circles then, and there is no deadlock all the same.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::locks::{Limit, Mutex, RwLock};
use dagwood::{Cx, Database, Query};
use dagwood_tests::{Bed, Random, scenarios};

scenarios! {
    all [4, 1, 2]: w5_random_jobs_that_keep_an_order_meet_no_deadlock;
    all [4, 1, 2]: w5_random_jobs_that_keep_none_come_to_an_end;
}

/// How many things there are: a mutex, a limit, a query, a lock of readers and writers, and so on.
const THINGS: usize = 12;

/// What random jobs share.
struct Things {
    number: u64,
    is_ordered: bool,
    mutexes: Vec<Mutex<u32>>,
    shared: Vec<RwLock<u32>>,
    limits: Vec<Limit>,
    /// Who stays in a limit gets in here before: all places but one.
    stays: Vec<Limit>,
    inside: Vec<AtomicUsize>,
}

impl Things {
    fn new(number: u64, is_ordered: bool) -> Self {
        Things {
            number,
            is_ordered,
            mutexes: (0..THINGS).map(|_| Mutex::new(0)).collect(),
            shared: (0..THINGS).map(|_| RwLock::new(0)).collect(),
            limits: (0..THINGS)
                .map(|thing| Limit::new(thing, places(thing)))
                .collect(),
            stays: (0..THINGS)
                .map(|thing| Limit::new(thing, places(thing).max(2) - 1))
                .collect(),
            inside: (0..THINGS).map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

fn places(thing: usize) -> usize {
    1 + thing / 4
}

/// Is inside a limit for the time of `body`.
fn within(cx: &Cx<'_, Things>, thing: usize, body: impl FnOnce(&Cx<'_, Things>)) {
    let things = cx.data();
    things.limits[thing].within(cx, |cx| {
        let before = things.inside[thing].fetch_add(1, Ordering::SeqCst);
        assert!(before < places(thing), "there is no room");
        let _left = Left(&things.inside[thing]);
        cx.yield_now();
        body(cx);
    });
}

/// A job of its own, or a thing that is a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Job(usize),
    Thing(usize),
}

impl Query<Things> for Work {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Things>) {
        let (from, salt) = match self {
            Work::Job(job) => (0, job + THINGS),
            Work::Thing(thing) => (thing + 1, thing),
        };
        let random = Random::new(cx.data().number * 100 + salt as u64);
        Steps { from, least: from }.go(cx, random, 4);
    }
}

/// What a job may take.
#[derive(Copy, Clone)]
struct Steps {
    /// The least thing.
    from: usize,
    /// The least query: so that these are in an order in any case.
    least: usize,
}

impl Steps {
    fn go(self, cx: &Cx<'_, Things>, mut random: Random, depth: usize) {
        for _ in 0..=random.below(2) {
            let (left, right) = (random.next_u64(), random.next_u64());
            let is_visit = cx.data().is_ordered && random.once_in(3);
            if is_visit {
                within(cx, if left % 2 == 0 { 5 } else { 9 }, |cx| cx.yield_now());
            } else if depth == 0 {
                cx.yield_now();
            } else if random.once_in(3) {
                cx.join(
                    |cx| self.go(cx, Random::new(left), depth - 1),
                    |cx| self.go(cx, Random::new(right), depth - 1),
                );
            } else {
                let least = if cx.data().is_ordered { self.from } else { 0 };
                if least < THINGS {
                    let thing = least + random.below(THINGS - least);
                    self.take(cx, thing, Random::new(left), depth - 1);
                }
            }
        }
    }

    fn take(self, cx: &Cx<'_, Things>, thing: usize, mut random: Random, depth: usize) {
        let things = cx.data();
        let next = Steps {
            from: thing + 1,
            ..self
        };
        match thing % 4 {
            0 => {
                let mut held = things.mutexes[thing].lock(cx);
                cx.yield_now();
                next.go(cx, random, depth);
                *held += 1;
            }
            1 if things.is_ordered => things.stays[thing].within(cx, |cx| {
                within(cx, thing, |cx| next.go(cx, random, depth));
            }),
            1 => within(cx, thing, |cx| next.go(cx, random, depth)),
            3 if random.once_in(2) => {
                let mut held = things.shared[thing].write(cx);
                cx.yield_now();
                next.go(cx, random, depth);
                *held += 1;
            }
            3 => {
                let held = things.shared[thing].read(cx);
                cx.yield_now();
                next.go(cx, random, depth);
                drop(held);
            }
            _ if thing >= self.least => *cx.get(Work::Thing(thing)),
            _ => cx.yield_now(),
        }
    }
}

/// One is inside no more, once this is dropped.
struct Left<'i>(&'i AtomicUsize);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs the jobs of so many numbers; gives how many came to no result since there was a deadlock.
fn deadlocks(bed: &Bed, is_ordered: bool) -> usize {
    let executor = bed.executor();
    let mut deadlocks = 0;
    for number in bed.numbers(bed.at_most_on_threads(8, 30)) {
        let db = Database::new(Things::new(number, is_ordered));
        let run = executor.run(&db, |cx| {
            cx.par_map(0..6_usize, |cx, job| cx.try_get(Work::Job(job)).copied())
        });
        for result in run.expect("jobs keep their errors") {
            deadlocks += result.map_or_else(
                |error| {
                    assert!(error.is_deadlock(), "number {number}: {error}");
                    1
                },
                |()| 0,
            );
        }
        let things = db.data();
        assert!(
            things
                .mutexes
                .iter()
                .all(|mutex| mutex.try_lock().is_some())
        );
        assert!(things.shared.iter().all(|lock| lock.try_write().is_some()));
        for (thing, limit) in things.limits.iter().enumerate() {
            let left = (limit.free_places(), limit.waiting());
            assert_eq!(left, (places(thing), 0), "number {number}");
        }
    }
    deadlocks
}

fn w5_random_jobs_that_keep_an_order_meet_no_deadlock(bed: &Bed) {
    assert_eq!(deadlocks(bed, true), 0);
}

fn w5_random_jobs_that_keep_none_come_to_an_end(bed: &Bed) {
    // Some take a thing twice: that is one on any schedule.
    assert!(deadlocks(bed, false) > 0);
}
