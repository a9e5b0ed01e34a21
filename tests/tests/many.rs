//! W3, D2 and F7: very many that wait at once, and what happens when no more can.

use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "fibers")]
use dagwood::{Backend, Guards};
use dagwood::{Cx, Database, Event, Executor, Jobserver, StackFaults};
use dagwood_tests::{Bed, Gated, open, scenarios};

scenarios! {
    pools [1, 2]: w3_at_the_cap_workers_wait_in_place;
    pools [1, 2]: w3_children_at_the_cap_end;
    pools [1, 2, 4]: w3_the_last_one_at_the_cap_is_refused;
    pools [1, 4]: f7_no_mapping_for_the_ten_thousandth_stack;
    pools [1, 4]: f7_no_guard_for_the_ten_thousandth_stack;
    pools [1, 2]: f7_no_stack_beside_the_first;
}

const STACK_BYTES: usize = 64 << 10;

/// Waits until `least` ask, and then until all `askers` do, or no more seem to come; gives how many do.
fn let_all_come(
    cx: &Cx<'_, Event<()>>,
    arrived: &AtomicUsize,
    least: usize,
    askers: usize,
) -> usize {
    // More yields than it takes the others to come, on any number of workers.
    let patience = 1 + 30 * (askers - least);
    let (mut last, mut vain) = (0, 0);
    while vain < patience {
        let now = arrived.load(Ordering::SeqCst);
        if now == askers {
            break;
        }
        vain = if now == last && now >= least {
            vain + 1
        } else {
            0
        };
        last = now;
        cx.yield_now();
    }
    arrived.load(Ordering::SeqCst)
}

/// Lets `askers` children ask for what opens once all wait or no more can, but `least` do; gives how many waited at
/// once.
fn gather(executor: &Executor, least: usize, askers: usize) -> usize {
    let arrived = AtomicUsize::new(0);
    let db = Database::new(Event::new());
    let sum = AtomicUsize::new(0);
    let at_once = executor.run(&db, |cx| {
        cx.scope(|cx, scope| {
            for item in 0..askers {
                let (arrived, sum) = (&arrived, &sum);
                scope.spawn(cx, move |cx| {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    sum.fetch_add(*cx.get(Gated(item)), Ordering::SeqCst);
                });
            }
            let at_once = let_all_come(cx, &arrived, least, askers);
            open(cx.data());
            at_once
        })
    });
    assert_eq!(
        sum.into_inner(),
        askers * (askers - 1) / 2,
        "nothing is lost"
    );
    at_once.expect("nobody was refused")
}

fn w3_at_the_cap_workers_wait_in_place(bed: &Bed) {
    let executor = bed.builder().max_fibers(40).build().expect("some fit");
    for _ in 0..bed.scaled(3) {
        let at_once = gather(&executor, 20, bed.at_most_seeded(60, 300));
        assert!((20..=40).contains(&at_once), "{at_once}");
        let stacks = executor.stacks();
        assert!(stacks.fibers <= 40 && stacks.fibers_max == 40, "{stacks:?}");
    }
}

/// Each child waits for a branch of its own that somebody else has.
fn w3_children_at_the_cap_end(bed: &Bed) {
    let executor = bed.builder().max_fibers(bed.workers() + 2).build();
    let executor = executor.expect("some fit");
    let items = bed.at_most_seeded(20, 200);
    let db = Database::new(Event::new());
    let ends = executor.run(&db, |cx| {
        let nested = |cx: &Cx<'_, Event<()>>, item: usize| {
            let (left, right) = cx.join(
                |cx| cx.par_map(0..4, |cx, part| cx.join(|_| part, |_| item).0),
                |cx| cx.yield_now(),
            );
            let () = right;
            left.len()
        };
        cx.par_map(0..items, nested).into_iter().sum::<usize>()
    });
    assert_eq!(ends.expect("waits for branches are not refused"), 4 * items);
}

fn w3_the_last_one_at_the_cap_is_refused(bed: &Bed) {
    let builder = bed.builder().max_fibers(30);
    // Who is woken there needs a permit first.
    let with_permits = |limit| builder.clone().jobserver(&Jobserver::with_limit(limit));
    for builder in [with_permits(1), with_permits(2), builder.clone()] {
        let executor = builder.build().expect("some fit");
        assert_refuses_and_goes_on(
            &executor,
            bed.at_most_seeded(60, 200),
            "all 30 fibers wait (`Builder::max_fibers`)",
        );
    }
}

/// More ask than can wait, and who opens waits, too: for the first refusal.
fn assert_refuses_and_goes_on(executor: &Executor, askers: usize, message: &str) {
    for _ in 0..2 {
        let db = Database::new(Event::new());
        let refused = Event::new();
        let refusals = executor.run(&db, |cx| {
            let opens = |cx: &Cx<'_, Event<()>>| {
                let is_refused = refused.try_wait(cx).is_err();
                open(cx.data());
                usize::from(is_refused)
            };
            let asks = |cx: &Cx<'_, Event<()>>, item| match cx.try_get(Gated(item)) {
                Ok(value) => {
                    assert_eq!(*value, item);
                    0
                }
                Err(error) => {
                    assert!(error.is_exhausted(), "{error}");
                    assert!(error.to_string().contains(message), "{error}");
                    // Only the first sets it.
                    let _ = refused.set(());
                    1
                }
            };
            let asked = |cx: &Cx<'_, _>| cx.par_map(0..askers, asks);
            let (own, others) = cx.join(opens, asked);
            own + others.into_iter().sum::<usize>()
        });
        let refusals = refusals.expect("errors are held back");
        assert!((1..askers).contains(&refusals), "{refusals}");
        let again = executor.run(&db, |cx| cx.par_map(0..askers, |cx, i| *cx.get(Gated(i))));
        assert_eq!(again.expect("now nobody waits"), Vec::from_iter(0..askers));
    }
}

/// Stacks are made by the system elsewhere.
fn has_own_stacks(bed: &Bed) -> bool {
    cfg!(target_os = "linux") && bed.backend() == dagwood::Backend::Fibers
}

fn f7_no_mapping_for_the_ten_thousandth_stack(bed: &Bed) {
    let faults = StackFaults {
        map_from: Some(bed.at_most_seeded(FEW, MANY)),
        guard_from: None,
    };
    fails_there(bed, faults);
}

fn f7_no_guard_for_the_ten_thousandth_stack(bed: &Bed) {
    let faults = StackFaults {
        map_from: None,
        guard_from: Some(bed.at_most_seeded(FEW, MANY)),
    };
    fails_there(bed, faults);
}

/// The ten thousandth; under seeds an earlier one, of which more than batches of workers are left.
const MANY: usize = 10_000;
const FEW: usize = 800;

fn fails_there(bed: &Bed, faults: StackFaults) {
    if !has_own_stacks(bed) {
        return;
    }
    let there = bed.at_most_seeded(FEW, MANY);
    let builder = bed.builder().stack_bytes(STACK_BYTES).max_fibers(2 * there);
    let executor = builder.stack_faults(faults).build();
    let executor = executor.expect("the first ones can be made");
    assert_refuses_and_goes_on(&executor, there / 5 * 6, "no stack for another fiber");
    // Each worker counts a batch of guards as made when it uses them.
    let most = there + 32 * bed.workers();
    assert!(executor.stacks().made < most, "{:?}", executor.stacks());
    let at_once = gather(&executor, there / 2, there / 10 * 11);
    assert!((there / 2..most).contains(&at_once), "{at_once}");
}

/// Each worker has the one that it began with.
fn f7_no_stack_beside_the_first(bed: &Bed) {
    if !has_own_stacks(bed) {
        return;
    }
    let faults = StackFaults {
        map_from: None,
        guard_from: Some(bed.workers() + 1),
    };
    let executor = bed.builder().stack_faults(faults).build();
    let executor = executor.expect("the first ones can be made");
    assert_refuses_and_goes_on(&executor, 50, "no stack for another fiber");
}

/// That many wait at once, and all resume: where stacks take no mappings.
#[cfg(feature = "fibers")]
fn all_resume(waiters: usize, workers: usize) {
    let builder = Executor::builder()
        .workers(workers)
        .stack_bytes(STACK_BYTES);
    let Ok(executor) = builder
        .guards(Guards::Light)
        .max_fibers(waiters + 1000)
        .build()
    else {
        println!("not tried: this system has no light guards");
        return;
    };
    if executor.stacks().fibers_max < waiters {
        println!("not tried: no stacks of our own here");
        return;
    }
    assert_eq!(gather(&executor, waiters, waiters), waiters);
}

#[test]
#[cfg(feature = "fibers")]
#[ignore = "takes long in debug"]
fn w3_a_hundred_thousand_waiters() {
    for workers in [1, 4] {
        all_resume(100_000, workers);
    }
}

#[test]
#[cfg(feature = "fibers")]
#[ignore = "takes 6 GiB and long in debug"]
fn d2_a_million_suspended_fibers() {
    all_resume(1_000_000, 2);
}

#[test]
#[cfg(feature = "fibers")]
fn w3_guards_that_split_keep_below_the_mappings() {
    // Threads have guards of their own, whose number this does not limit.
    if !Executor::backends().contains(&Backend::Fibers) {
        return;
    }
    let builder = Executor::builder().guards(Guards::Splitting);
    let executor = builder.max_fibers(usize::MAX).build();
    let most = executor
        .expect("an executor can be made")
        .stacks()
        .fibers_max;
    assert!(most < 1_000_000_000, "{most}");
}
