//! F3: random programs while runs, parts of runs and tasks are cancelled: who is not cancelled gets what stands there in
//! program order, who is may get that it was, and whoever asks afterwards gets the values.

use std::ops::Range;

use dagwood::{Backend, Executor};
use dagwood_tests::{Bed, Storm, scaled, scenarios};

scenarios! {
    all [1, 2, 4]: f3_random_programs_while_much_is_cancelled;
}

const STORMS: usize = scaled(400);

/// How often a storm is tried to see whether it fails.
const TRIES: usize = 50;

fn sequential() -> Executor {
    let builder = Executor::builder().backend(Backend::Sequential);
    builder
        .build()
        .expect("the sequential backend is always there")
}

fn f3_random_programs_while_much_is_cancelled(bed: &Bed) {
    let executor = bed.executor();
    check_storms(&executor, bed.is_seeded(), bed.numbers(STORMS));
}

/// A storm that ends otherwise than it may is shown as small as it goes.
fn check_storms(executor: &Executor, is_seeded: bool, numbers: Range<u64>) {
    let oracle = sequential();
    for number in numbers {
        let mut storm = Storm::random(number);
        // Threads outside come when they come.
        storm.is_one_run |= is_seeded;
        // A run of each kind in the same database, too.
        let mut executors = vec![executor];
        if number % 4 == 0 && executor.backend() != Backend::Sequential {
            executors.push(&oracle);
        }
        let judge = |storm: &Storm| storm.judge(&executors, &storm.expected(&oracle));
        if let Err(error) = judge(&storm) {
            let small = storm.shrink(|storm| (0..TRIES).any(|_| judge(storm).is_err()));
            let again = (0..TRIES).find_map(|_| judge(&small).err());
            panic!("storm {number}: {error}\nmade smaller: {small:?}\n{again:?}");
        }
    }
}

/// A hundred thousand, on each pool (or those that `DAGWOOD_STORMS=FIRST..END` says). Nothing hangs, nothing is otherwise
/// than in program order, and after each nothing is left: no value, no provider, no fiber that waits.
#[test]
#[ignore = "takes long"]
#[cfg(any(feature = "fibers", feature = "threads"))]
fn f3_a_hundred_thousand_random_programs_while_much_is_cancelled() {
    use dagwood_tests::{Program, run_in_batches};

    /// A worker keeps 64 spare ones.
    const FIBERS_MAX: usize = 4 * 64 + 4;

    run_in_batches("storms", "DAGWOOD_STORMS", |bed, numbers| {
        let executor = bed.executor();
        for number in numbers {
            check_storms(&executor, false, number..number + 1);
            assert_eq!(Program::living(), 0, "storm {number}: values are left");
            let waiters = executor.waiters();
            assert!(waiters.is_empty(), "storm {number}: {waiters}");
        }
        let fibers = executor.stacks().fibers;
        assert!(fibers <= FIBERS_MAX, "{fibers} fibers are left");
    });
}
