//! W3 and W8 at the cap: past it a wait is an error of the moment, and nothing is lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Cx, Database, Event, Query};
use dagwood_tests::{Bed, Gated, Meeting, open, scenarios};

scenarios! {
    pools [1, 4]: w3_past_the_cap_is_an_error_and_nothing_is_lost;
    pools [4, 1, 2]: w8_abandonment_at_the_moment_of_listing;
}

fn w3_past_the_cap_is_an_error_and_nothing_is_lost(bed: &Bed) {
    let executor = bed
        .builder()
        .max_fibers(bed.workers() + 8)
        .build()
        .expect("the workers have a fiber each");
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Event::new());
        let refused = Event::new();
        let refusals = executor.run(&db, |cx| {
            let ask = |cx: &Cx<'_, Event<()>>, item| match cx.try_get(Gated(item)) {
                Ok(value) => {
                    assert_eq!(*value, item);
                    0
                }
                Err(error) => {
                    assert!(error.is_exhausted(), "{error}");
                    assert!(error.to_string().contains("max_fibers"), "{error}");
                    // Only the first sets it.
                    let _ = refused.set(());
                    1
                }
            };
            let open_after_a_refusal = |cx: &Cx<'_, Event<()>>| {
                // This wait may be the one that is refused.
                let is_refused = refused.try_wait(cx).is_err();
                open(cx.data());
                usize::from(is_refused)
            };
            let asked = |cx: &Cx<'_, _>| cx.par_map(0..64_usize, ask);
            let (own, others) = cx.join(open_after_a_refusal, asked);
            own + others.into_iter().sum::<usize>()
        });
        assert!(refusals.expect("errors are held back") > 0);
        let again = executor.run(&db, |cx| cx.par_map(0..64_usize, |cx, i| *cx.get(Gated(i))));
        assert_eq!(again.expect("now nobody waits"), Vec::from_iter(0..64));
    }
    let event = Event::new();
    let woken = executor.run(&Database::new(()), |cx| {
        cx.join(|cx| *event.wait(cx), |_| event.set(3)).0
    });
    assert_eq!(woken.expect("there is room for one"), 3);
}

/// How many have asked, and how often the provider ran.
struct Scarce {
    asking: Meeting,
    runs: AtomicUsize,
}

/// Needs a fiber to wait, of which there are too few: some of its computations are abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Needy;

impl Query<Scarce> for Needy {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Scarce>) -> u32 {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        // Not from here: its own wait may be refused.
        cx.join(|cx| cx.data().asking.wait(cx), |_| ());
        12
    }
}

fn w8_abandonment_at_the_moment_of_listing(bed: &Bed) {
    let executor = bed
        .builder()
        .max_fibers(bed.workers() + 6)
        .build()
        .expect("the workers have a fiber each");
    for round in bed.numbers(100) {
        let db = Database::new(Scarce {
            asking: Meeting::new(1 + round as usize % 30),
            runs: AtomicUsize::new(0),
        });
        let asked = executor.run(&db, |cx| {
            cx.par_map(0..40_usize, |cx, _| {
                cx.data().asking.come();
                cx.try_get(Needy).copied()
            })
        });
        for result in asked.expect("errors are held back") {
            match result {
                Ok(value) => assert_eq!(value, 12),
                Err(error) => assert!(error.is_exhausted(), "{error}"),
            }
        }
        let again = executor.run(&db, |cx| *cx.get(Needy));
        assert_eq!(again.expect("there is room for one"), 12);
    }
}
