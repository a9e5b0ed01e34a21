//! W3 and W10 for workers that go off duty and come back at run time: they start nothing, and what they have begun goes on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use dagwood::locks::Mutex;
use dagwood::{Cx, Database, Event, Executor};
use dagwood_tests::{Bed, Meeting, OsGate, Random, open, scenarios};

scenarios! {
    pools [4, 2]: w3_no_more_start_than_are_on_duty;
    pools [2, 4]: w3_who_comes_back_finds_what_is_held;
    pools [2, 4]: w3_who_polls_off_duty_begins_what_it_forked;
    pools [4, 2]: w3_fibers_of_those_off_duty_are_resumed;
    pools [2, 4]: w3_those_off_duty_help_who_can_make_no_fiber;
    all [4, 1, 2]: w3_a_broadcast_reaches_those_off_duty;
    pools [4, 2]: w10_duty_changes_while_jobs_run;
}

/// All workers have looked whether they are on duty since this was called.
fn let_all_look(executor: &Executor) {
    let run = executor.run(&Database::new(()), |cx| cx.broadcast(|_, _| ()).len());
    assert_eq!(run.expect("it ends"), executor.workers());
}

/// How many jobs ran at once at most: each lasts until others have had time to begin.
fn most_at_once(bed: &Bed, executor: &Executor) -> usize {
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = executor.run(&Database::new(()), |cx| {
        cx.par_for_each(0..bed.at_most_seeded(8, 24), |_, _| {
            let running = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(running, Ordering::SeqCst);
            (0..5).for_each(|_| thread::yield_now());
            now.fetch_sub(1, Ordering::SeqCst);
        });
    });
    run.expect("it ends");
    most.into_inner()
}

/// Those that were sent away come back: all must run for this to end, unless one at a time does.
fn all_come_back(bed: &Bed, executor: &Executor) {
    executor.set_workers(bed.workers()).expect("all of them");
    if bed.is_seeded() {
        return;
    }
    let run = executor.run(&Database::new(()), |cx| all_begin(bed, cx));
    run.expect("it ends");
}

/// All workers must run a part of it for this to end.
fn all_begin(bed: &Bed, cx: &Cx<'_, ()>) {
    let all = AtomicUsize::new(0);
    let gate = OsGate::new();
    cx.par_for_each(0..bed.workers(), |_, _| {
        if all.fetch_add(1, Ordering::SeqCst) + 1 == bed.workers() {
            gate.open();
        }
        gate.pass();
    });
}

fn w3_no_more_start_than_are_on_duty(bed: &Bed) {
    let executor = bed.executor();
    assert_eq!(executor.workers_on_duty(), bed.workers());
    for count in [1, bed.workers() - 1, 1] {
        executor.set_workers(count).expect("so many there are");
        let_all_look(&executor);
        assert_eq!(executor.workers_on_duty(), count);
        let most = most_at_once(bed, &executor);
        assert!((1..=count).contains(&most), "{most} of {count}");
    }
    all_come_back(bed, &executor);
    for count in [0, bed.workers() + 1] {
        executor
            .set_workers(count)
            .expect_err("so many there are not");
    }
}

fn w3_who_comes_back_finds_what_is_held(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(100) {
        executor.set_workers(1).expect("so many there are");
        let_all_look(&executor);
        // The one that is left has shown jobs and taken them back, for nobody, so often that it asks itself for no more.
        let run = executor.run(&Database::new(()), |cx| {
            for _ in 0..bed.at_most_seeded(1, 100) {
                cx.par_for_each(0..50, |_, item| {
                    std::hint::black_box(item);
                });
            }
            if !bed.is_seeded() {
                // It is in a leaf before those who come back can ask for anything.
                executor.set_workers(bed.workers()).expect("all of them");
                all_begin(bed, cx);
            }
        });
        run.expect("it ends");
        all_come_back(bed, &executor);
    }
}

/// Each of those off duty polls for what it has forked, and the one on duty for them: nobody else begins anything.
fn w3_who_polls_off_duty_begins_what_it_forked(bed: &Bed) {
    if bed.is_seeded() {
        // All must have begun, each on its worker.
        return;
    }
    let executor = bed.executor();
    let others = bed.workers() - 1;
    for _ in 0..bed.scaled(20) {
        let (here, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let poll = |cx: &Cx<'_, ()>, index: usize| {
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) <= others {
                thread::yield_now();
            }
            if index == 0 {
                executor.set_workers(1).expect("so many there are");
                while done.load(Ordering::SeqCst) < others {
                    cx.yield_now();
                }
                return;
            }
            while executor.workers_on_duty() > 1 {
                thread::yield_now();
            }
            let is_set = AtomicBool::new(false);
            let until_set = |cx: &Cx<'_, ()>| {
                while !is_set.load(Ordering::SeqCst) {
                    cx.yield_now();
                }
            };
            cx.join(until_set, |_| is_set.store(true, Ordering::SeqCst));
            done.fetch_add(1, Ordering::SeqCst);
        };
        let run = executor.run(&Database::new(()), |cx| cx.broadcast(poll).len());
        run.expect("it ends");
        executor.set_workers(bed.workers()).expect("all of them");
    }
}

fn w3_fibers_of_those_off_duty_are_resumed(bed: &Bed) {
    let executor = bed.executor();
    let jobs = bed.at_most_on_threads(16, 100);
    for _ in 0..bed.scaled(20) {
        let (go, again) = (Event::new(), Event::new());
        let (wait, wait_again) = (Meeting::new(jobs), Meeting::new(jobs));
        let ended = AtomicUsize::new(0);
        let run = executor.run(&Database::new(()), |cx| {
            let others = |cx: &Cx<'_, ()>| {
                cx.par_for_each(0..jobs, |cx, _| {
                    wait.come();
                    go.wait(cx);
                    // What it forks now is for those on duty.
                    cx.join(|cx| cx.yield_now(), |_| ());
                    wait_again.come();
                    again.wait(cx);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            };
            let changes = |cx: &Cx<'_, ()>| {
                wait.wait(cx);
                executor.set_workers(1).expect("so many there are");
                open(&go);
                wait_again.wait(cx);
                executor.set_workers(bed.workers()).expect("all of them");
                open(&again);
            };
            cx.join(changes, others);
        });
        run.expect("it ends");
        assert_eq!(ended.into_inner(), jobs);
    }
}

fn w3_those_off_duty_help_who_can_make_no_fiber(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        // One for each.
        let builder = bed.builder().max_fibers(bed.workers());
        let executor = builder.build().expect("an executor can be made");
        executor.set_workers(1).expect("so many there are");
        let event = Event::new();
        let run = executor.run(&Database::new(()), |cx| {
            cx.join(|cx| event.wait(cx), |_| open(&event));
        });
        run.expect("another worker sets it");
    }
}

fn w3_a_broadcast_reaches_those_off_duty(bed: &Bed) {
    let executor = bed.executor();
    for count in [1, bed.workers().div_ceil(2), bed.workers()] {
        executor
            .set_workers(count.min(executor.workers()))
            .expect("so many there are");
        let run = executor.run(&Database::new(()), |cx| cx.broadcast(|_, context| context));
        assert_eq!(run.expect("it ends").len(), executor.workers());
    }
}

fn w10_duty_changes_while_jobs_run(bed: &Bed) {
    let executor = bed.executor();
    let changes = bed.scaled(300);
    let items = bed.at_most_on_threads(40, 1_000);
    let sum = Mutex::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(changes as u64);
            for _ in 0..changes {
                let count = 1 + random.below(bed.workers());
                executor.set_workers(count).expect("so many there are");
                thread::yield_now();
            }
        });
        for _ in 0..3 {
            let run = executor.run(&Database::new(()), |cx| {
                cx.par_for_each(0..items, |cx, item| {
                    let event = Event::new();
                    cx.join(|cx| event.wait(cx), |_| open(&event));
                    let mut sum = sum.lock(cx);
                    cx.yield_now();
                    *sum += item;
                });
            });
            run.expect("it ends");
        }
    });
    assert_eq!(sum.into_inner(), 3 * items * (items - 1) / 2);
}
