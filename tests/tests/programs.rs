//! Random programs give what they give in program order, on every backend, also under seeds.

use std::ops::Range;

use dagwood::{Backend, Executor};
use dagwood_tests::{Bed, Program, scaled, scenarios};

scenarios! {
    all [1, 2, 4]: s1_random_programs;
}

const PROGRAMS: usize = scaled(600);

fn oracle() -> Executor {
    let builder = Executor::builder().backend(Backend::Sequential);
    builder
        .build()
        .expect("the sequential backend is always there")
}

/// A program that gives something else than in program order is shown as small as it goes.
fn s1_random_programs(bed: &Bed) {
    check_programs(bed, bed.numbers(PROGRAMS));
}

/// Gives how many fibers there are at the end.
fn check_programs(bed: &Bed, numbers: Range<u64>) -> usize {
    let oracle = oracle();
    let executor = bed.executor();
    for number in numbers {
        let program = Program::random(number);
        let differs = |program: &Program| program.run(&executor) != program.run(&oracle);
        if differs(&program) {
            let small = program.shrink(differs);
            panic!(
                "program {number}, made smaller: {small:#?}\ngives {:?}\nin program order {:?}",
                small.run(&executor),
                small.run(&oracle)
            );
        }
    }
    executor.stacks().fibers
}

/// A hundred thousand, on each pool (or those that `DAGWOOD_PROGRAMS=FIRST..END` says): nothing hangs, nothing differs, and
/// nothing is left: neither values, nor providers, nor fibers that have not ended. Some minutes in release.
#[test]
#[ignore = "takes long"]
#[cfg(any(feature = "fibers", feature = "threads"))]
fn s1_a_hundred_thousand_random_programs() {
    dagwood_tests::run_in_batches("random programs", "DAGWOOD_PROGRAMS", |bed, numbers| {
        let fibers = check_programs(bed, numbers);
        // Nothing waits any more: those that are kept are spare ones.
        assert!(fibers < 1_000, "{fibers} fibers are left");
        assert_eq!(Program::living(), 0, "values and providers are left");
    });
}

/// A schedule is a function of program and seed, whatever the program.
#[test]
#[cfg(any(feature = "fibers", feature = "threads"))]
fn random_programs_run_the_same_way_twice() {
    use dagwood::Schedule;

    for number in 0..40 {
        let program = Program::random(number);
        let run = |schedule| {
            let builder = Executor::builder().workers(3).schedule(schedule);
            let executor = builder.build().expect("an executor can be made");
            (program.run(&executor), executor.schedule_log())
        };
        let first = run(Schedule::Seeded(number));
        assert_eq!(run(Schedule::Seeded(number)), first, "program {number}");
        let log = first.1.clone().expect("it is logged");
        assert_eq!(run(Schedule::Replay(log)), first, "program {number}");
    }
}
