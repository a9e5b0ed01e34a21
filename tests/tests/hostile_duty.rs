//! W3 for workers that go off duty, at a place where a review found it wrong.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, WorkerLocal};
use dagwood_tests::{Bed, OsGate, scenarios};

scenarios! {
    pools [2] unseeded "a worker blocks": w3_who_yields_off_duty_starts_nothing;
}

/// The only worker on duty is busy, the other one lets others go on time and again: nobody starts what it has forked.
fn w3_who_yields_off_duty_starts_nothing(bed: &Bed) {
    let executor = bed.executor();
    let indices = WorkerLocal::new(&executor, |index| index);
    let (looked, started) = (OsGate::new(), AtomicUsize::new(0));
    let yields = |cx: &Cx<'_, ()>| {
        executor.set_workers(1).expect("so many there are");
        cx.scope(|cx, scope| {
            for _ in 0..4 {
                scope.spawn(cx, |cx| {
                    let is_off_duty = indices.with(cx, |index| *index == 1);
                    started.fetch_add(usize::from(is_off_duty), Ordering::SeqCst);
                });
            }
            (0..1000).for_each(|_| cx.yield_now());
            let started = started.load(Ordering::SeqCst);
            looked.open();
            started
        })
    };
    let run = executor.run(&Database::new(()), |cx| {
        cx.broadcast(|cx, index| match index {
            0 => {
                looked.pass();
                0
            }
            _ => yields(cx),
        })
    });
    assert_eq!(run.expect("it ends"), [0, 0]);
}
