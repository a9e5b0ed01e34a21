//! Schedules: the same seed gives the same run, to the letter; a log repeats it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use dagwood::{
    CancelToken, Cx, Database, Event, Executor, Exhaustive, Query, Schedule, ScheduleLog,
};
use dagwood_tests::{Bed, OsGate, scenarios};

scenarios! {
    all [1, 2, 4] unseeded "it chooses its schedules itself": the_same_seed_gives_the_same_run;
    all [2, 3] unseeded "it chooses its schedules itself": a_log_repeats_a_run_twice;
    all [2] unseeded "it chooses its schedules itself": a_log_of_another_program_is_an_error;
    pools [2] unseeded "it chooses its schedules itself": seeds_come_to_different_orders;
    pools [2, 3] unseeded "it chooses its schedules itself": each_kind_of_point_is_a_choice;
    all [2] unseeded "it chooses its schedules itself": all_schedules_of_a_small_program;
    all [2, 4] unseeded "it chooses its schedules itself": runs_one_after_another_and_events_from_outside;
    pools [1, 3] unseeded "it chooses its schedules itself": runs_of_another_executor_inside;
    pools [2, 3] unseeded "it chooses its schedules itself": cancelled_forks_beside_waits_of_another_executor;
}

/// Asks for what is below it, in all the ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sum(usize);

/// In which order providers began.
type Order = Mutex<Vec<usize>>;

impl Query<Order> for Sum {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, Order>) -> usize {
        cx.data().lock().expect("no panic under it").push(self.0);
        let n = self.0;
        if n < 2 {
            return 1;
        }
        match n % 4 {
            0 => {
                let (a, b) = cx.join(move |cx| *cx.get(Sum(n - 1)), move |cx| *cx.get(Sum(n - 2)));
                a + b
            }
            1 => cx
                .par_map(1..3usize, move |cx, i| *cx.get(Sum(n - i)))
                .into_iter()
                .sum(),
            2 => {
                let task = cx.spawn(move |cx| *cx.get(Sum(n - 2)));
                *cx.get(Sum(n - 1)) + task.wait(cx)
            }
            _ => {
                let ready = Event::new();
                let mut sum = 0;
                cx.scope(|cx, scope| {
                    scope.spawn(cx, |cx| {
                        sum = *ready.wait(cx);
                    });
                    scope.spawn(cx, |cx| {
                        cx.yield_now();
                        let both = cx.get(Sum(n - 1)) + cx.get(Sum(n - 2));
                        assert_eq!(ready.set(both), Ok(()));
                    });
                    if cx.data().is_poisoned() {
                        unreachable!("nobody panics");
                    }
                });
                sum
            }
        }
    }
}

const SIZE: usize = 18;

/// The order in which providers began, and the log.
fn run(executor: &Executor) -> (Vec<usize>, Option<ScheduleLog>) {
    let db = Database::new(Order::default());
    let body = |cx: &Cx<'_, Order>| {
        // On the sequential backend an event that is set later is an error: there, without scopes.
        if executor.backend() == dagwood::Backend::Sequential {
            return;
        }
        assert_eq!(*cx.get(Sum(SIZE)), 4181);
    };
    executor.run(&db, body).expect("no query fails");
    let log = executor.schedule_log();
    let order = std::mem::take(&mut *db.data().lock().expect("no panic under it"));
    (order, log)
}

fn executor(bed: &Bed, schedule: &Schedule) -> Executor {
    let builder = bed.builder().schedule(schedule.clone());
    builder.build().expect("an executor can be made")
}

fn schedules() -> Vec<Schedule> {
    let mut schedules: Vec<_> = (0..10).map(Schedule::Seeded).collect();
    schedules.extend((0..5).map(|seed| Schedule::Pct {
        seed,
        preemptions: 3,
        steps: 500,
    }));
    schedules.push(Schedule::RoundRobin);
    schedules
}

fn the_same_seed_gives_the_same_run(bed: &Bed) {
    for schedule in schedules() {
        let first = run(&executor(bed, &schedule));
        assert_eq!(run(&executor(bed, &schedule)), first, "{schedule}");
    }
}

fn a_log_repeats_a_run_twice(bed: &Bed) {
    for schedule in schedules() {
        let (order, log) = run(&executor(bed, &schedule));
        let Some(log) = log else {
            return;
        };
        for _ in 0..2 {
            let text = log.to_string().parse().expect("a log reads what it shows");
            let again = run(&executor(bed, &Schedule::Replay(text)));
            assert_eq!(again, (order.clone(), Some(log.clone())), "{schedule}");
        }
    }
}

fn a_log_of_another_program_is_an_error(bed: &Bed) {
    let (_, log) = run(&executor(bed, &Schedule::Seeded(1)));
    let Some(log) = log else {
        return;
    };
    let again = executor(bed, &Schedule::Replay(log.clone()));
    let db = Database::new(());
    let run = again.run(&db, |cx| cx.par_map(0..100, |_, index| index));
    let error = run.expect_err("the log is of another program");
    assert!(
        error.to_string().contains("not the one of the log"),
        "{error}"
    );
    let other_workers = bed.builder().workers(bed.workers() + 1);
    let refused = other_workers.schedule(Schedule::Replay(log)).build();
    assert!(refused.is_err_and(|error| error.to_string().contains("workers")));
}

fn seeds_come_to_different_orders(bed: &Bed) {
    let mut orders: Vec<_> = (0..20)
        .map(|seed| run(&executor(bed, &Schedule::Seeded(seed))).0)
        .collect();
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 3, "only {} orders in 20 seeds", orders.len());
}

/// Misses and forks, waits before and after they are listed, what is shown and who is woken for it, what is taken back or
/// stolen and from whom, looks, sleep (twice), yields, and how many jobs are shown.
const KINDS: &str = "abwpqtsvlzryh";

fn each_kind_of_point_is_a_choice(bed: &Bed) {
    let mut missing: BTreeSet<char> = KINDS.chars().collect();
    for seed in 0..30 {
        let (_, log) = run(&executor(bed, &Schedule::Seeded(seed)));
        let log = log.expect("it is logged").to_string();
        let choices = log.split_whitespace().skip(1);
        for kind in choices.filter_map(|choice| choice.chars().next()) {
            missing.remove(&kind);
        }
    }
    assert!(missing.is_empty(), "no choice at {missing:?}");
}

fn all_schedules_of_a_small_program(bed: &Bed) {
    let mut exploration = Exhaustive::new(2);
    let mut orders = Vec::new();
    let mut schedules = 0;
    while let Some(schedule) = exploration.next_schedule() {
        let executor = executor(bed, &schedule);
        let order = Mutex::new(Vec::new());
        let db = Database::new(());
        let note = |name| order.lock().expect("no panic under it").push(name);
        let run = executor.run(&db, |cx| cx.join(|_| note("a"), |_| note("b")));
        run.expect("no query fails");
        exploration.learn(executor.schedule_log().as_ref());
        orders.push(order.into_inner().expect("no panic under it"));
        schedules += 1;
    }
    orders.sort();
    orders.dedup();
    let expected = if bed.is_sequential() { 1 } else { 2 };
    assert_eq!(orders.len(), expected, "of {schedules} schedules");
}

/// An event is set from outside once both wait for it: the log is asked for when nobody can go on.
fn runs_one_after_another_and_events_from_outside(bed: &Bed) {
    let log = || {
        let executor = executor(bed, &Schedule::Seeded(3));
        for round in 0..20 {
            let db = Database::new(());
            let (event, begun) = (Event::new(), OsGate::new());
            if bed.is_sequential() {
                assert_eq!(event.set(round), Ok(()));
                let run = executor.run(&db, |cx| *event.wait(cx));
                assert_eq!(run.expect("nothing fails"), round);
                continue;
            }
            let wait = |cx: &Cx<'_, ()>| {
                begun.open();
                *event.wait(cx)
            };
            let run = std::thread::scope(|scope| {
                let run = scope.spawn(|| executor.run(&db, |cx| cx.join(wait, wait)));
                begun.pass();
                executor.schedule_log();
                assert_eq!(event.set(round), Ok(()));
                run.join().expect("nothing panics")
            });
            assert_eq!(run.expect("nothing fails"), (round, round));
        }
        executor.schedule_log()
    };
    let first = log();
    assert_eq!(first.is_some(), !bed.is_sequential());
    for _ in 0..5 {
        assert_eq!(log(), first);
    }
}

/// However soon the other executor is done. It has one worker, so that its runs end in the order in which they began.
fn runs_of_another_executor_inside(bed: &Bed) {
    let free = Executor::builder().backend(bed.backend()).workers(1);
    let inner = free.schedule(Schedule::Free).build();
    let inner = inner.expect("an executor can be made");
    for seed in 0..10 {
        let log = || {
            let outer = executor(bed, &Schedule::Seeded(seed));
            let run = outer.run(&Database::new(()), |cx| {
                cx.par_map(0..10_u32, |cx, item| {
                    // Some are done at once, some take a while.
                    let work = |cx: &Cx<'_, ()>| cx.par_map(0..item * 50, |_, i| i).len();
                    let run = inner.run(&Database::new(()), work).expect("nothing fails");
                    cx.join(|_| run, |_| ()).0
                })
            });
            let expected = Vec::from_iter((0..10).map(|item| item * 50));
            assert_eq!(run.expect("nothing fails"), expected);
            outer.schedule_log()
        };
        let first = log();
        for _ in 0..3 {
            assert_eq!(log(), first, "seed {seed}");
        }
    }
}

/// Waits for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held;

impl Query<Event<()>> for Held {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Event<()>>) {
        cx.data().wait(cx);
    }
}

/// A part of it is cancelled, and its branches look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Partly;

impl Query<CancelToken> for Partly {
    type Value = bool;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> bool {
        let looks = |cx: &Cx<'_, CancelToken>| {
            cx.data().cancel();
            cx.check_cancelled().is_ok()
        };
        let part = cx.cancellable(cx.data(), |cx| cx.join(|_| (), looks).1);
        part.unwrap_or(false)
    }
}

/// Who is wanted is asked only if some ask of the process waits for what another run computes.
fn cancelled_forks_beside_waits_of_another_executor(bed: &Bed) {
    let runs = || {
        let seeds = (0..30).map(|seed| {
            let executor = executor(bed, &Schedule::Seeded(seed));
            let db = Database::new(CancelToken::new());
            let run = executor.run(&db, |cx| cx.try_get(Partly).is_ok());
            (
                run.expect("only a part was cancelled"),
                executor.schedule_log(),
            )
        });
        Vec::from_iter(seeds)
    };
    let alone = runs();
    let other = executor(bed, &Schedule::Seeded(0));
    let db = Database::new(Event::new());
    let asks = [OsGate::new(), OsGate::new()];
    std::thread::scope(|scope| {
        for begun in &asks {
            let (other, db) = (&other, &db);
            let ask = |cx: &Cx<'_, Event<()>>| {
                begun.open();
                cx.get(Held);
            };
            scope.spawn(move || other.run(db, ask).expect("nothing fails"));
        }
        asks.iter().for_each(OsGate::pass);
        // One has the event to wait for, the other that one: nobody can go on.
        other.schedule_log();
        let beside = runs();
        assert_eq!(db.data().set(()), Ok(()));
        assert_eq!(beside, alone);
    });
}
