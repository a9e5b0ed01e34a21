//! Random programs give what they give in program order, on every backend, also under seeds.

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
    let oracle = oracle();
    let executor = bed.executor();
    for number in bed.numbers(PROGRAMS) {
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
