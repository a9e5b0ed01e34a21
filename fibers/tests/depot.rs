//! Stacks that several pools share: exhaustion, and what lives how long.

mod common;

use std::io::ErrorKind;
use std::sync::Mutex;

use common::{SMALL_BYTES, STACK_BYTES, depots, end, expect_returned, waiting};
use dagwood_fibers::{Faults, Fiber, Guards, Mechanism, StackDepot, StackSettings};

fn each_kind_of_guards(test: impl Fn(Guards)) {
    for guards in [Guards::Best, Guards::Splitting] {
        println!("guards {guards:?}");
        test(guards);
    }
}

#[test]
fn stacks_of_one_pool_are_used_by_another() {
    each_kind_of_guards(|guards| {
        for depot in depots(StackSettings::new(STACK_BYTES).with_guards(guards)) {
            let mut first = depot.pool();
            let fibers = waiting(&mut first, 200);
            end(fibers, &mut first);
            assert!(first.cached() < 100, "batches go to the depot");
            let mut second = depot.pool();
            let made = depot.made();
            let fibers = waiting(&mut second, made - first.cached());
            assert_eq!(depot.made(), made);
            assert_eq!(second.created(), 0);
            end(fibers, &mut second);
            let _ = { first };
            // What a pool leaves is there for others, also what it never used.
            let made = depot.made();
            let fibers = waiting(&mut second, made);
            assert_eq!(depot.made(), made);
            end(fibers, &mut second);
        }
    });
}

#[test]
fn a_fiber_outlives_its_pool_and_depot() {
    each_kind_of_guards(|guards| {
        for depot in depots(StackSettings::new(STACK_BYTES).with_guards(guards)) {
            let mut pool = depot.pool();
            let mut fibers = waiting(&mut pool, 2);
            let _ = { (pool, depot) };
            fibers.iter_mut().for_each(expect_returned);
            drop(fibers);
        }
    });
}

#[test]
fn f7_a_mapping_that_fails_at_the_ten_thousandth_stack() {
    let faults = Faults {
        map_from: Some(10_000),
        guard_from: None,
    };
    fails_at_the_ten_thousandth(faults);
}

#[test]
fn f7_a_guard_that_fails_at_the_ten_thousandth_stack() {
    let faults = Faults {
        map_from: None,
        guard_from: Some(10_000),
    };
    fails_at_the_ten_thousandth(faults);
}

/// Many splitting guards at once come near to what a process may have.
static ALONE: Mutex<()> = Mutex::new(());

fn fails_at_the_ten_thousandth(faults: Faults) {
    let _alone = ALONE.lock();
    each_kind_of_guards(|guards| {
        let settings = StackSettings::new(SMALL_BYTES).with_guards(guards);
        for depot in depots(settings.with_faults(faults)) {
            let mut pool = depot.pool();
            let mut fibers = waiting(&mut pool, 9_999);
            for _ in 0..3 {
                let error = Fiber::new(&mut pool, |_| ()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            }
            // Nothing is lost: one ends, and its stack serves the next.
            end(vec![fibers.pop().unwrap()], &mut pool);
            let again = waiting(&mut pool, 1);
            assert_eq!(depot.made(), 9_999);
            end(again, &mut pool);
            end(fibers, &mut pool);
        }
    });
}

#[test]
fn light_guards_are_there_or_refused() {
    let settings = StackSettings::new(STACK_BYTES).with_guards(Guards::Light);
    for &mechanism in Mechanism::available() {
        match StackDepot::new(mechanism, settings) {
            Ok(depot) => assert_eq!(
                depot.splits_mappings(),
                mechanism == Mechanism::Thread || !cfg!(target_os = "linux")
            ),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
        }
    }
}
