//! F3 with many fibers that wait for each other: whether anybody wants them is not asked anew from each to the end of the
//! chain.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{CancelToken, Cx, Database, Event, Query};
use dagwood_tests::{Bed, open, scenarios};

scenarios! {
    pools [2]: f3_a_long_chain_is_unwound_while_others_wait;
}

/// A chain of queries, which wait for each other once all have begun, the last for what nobody sets; and one beside it.
struct Chain {
    len: usize,
    begun: AtomicUsize,
    asking: AtomicUsize,
    go: Event<()>,
    never: Event<()>,
    beside: Event<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Link(usize);

impl Query<Chain> for Link {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Chain>) {
        let chain = cx.data();
        chain.begun.fetch_add(1, Ordering::SeqCst);
        chain.go.wait(cx);
        chain.asking.fetch_add(1, Ordering::SeqCst);
        if self.0 + 1 < chain.len {
            *cx.get(Link(self.0 + 1))
        } else {
            *chain.never.wait(cx)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Beside;

impl Query<Chain> for Beside {
    type Value = ();

    fn provide(self, cx: &Cx<'_, Chain>) {
        *cx.data().beside.wait(cx)
    }
}

/// From each fiber of the chain to its end there would be 128,000,000 steps.
fn f3_a_long_chain_is_unwound_while_others_wait(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Chain {
        len: bed.at_most_on_threads(100, bed.scaled(16_000)),
        begun: AtomicUsize::new(0),
        asking: AtomicUsize::new(0),
        go: Event::named("the start"),
        never: Event::named("what nobody sets"),
        beside: Event::named("the end"),
    });
    let (chain, token) = (db.data(), CancelToken::new());
    let wait_for_all = |count: &AtomicUsize| {
        while count.load(Ordering::SeqCst) < chain.len {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        // One run waits for what another computes: so whether anybody wants a fiber is worth a look.
        for _ in 0..2 {
            scope.spawn(|| {
                executor
                    .run(&db, |cx| *cx.get(Beside))
                    .expect("not cancelled")
            });
        }
        while !executor
            .waiters()
            .iter()
            .any(|waiter| waiter.awaited() == "Beside")
        {
            thread::yield_now();
        }
        let run = scope.spawn(|| {
            executor.run_cancellable(&db, &token, |cx| {
                let ask = |link| cx.spawn(move |cx| *cx.get(Link(link)));
                // The last first, so that each has a fiber.
                (0..cx.data().len).rev().map(ask).for_each(drop);
            })
        });
        wait_for_all(&chain.begun);
        open(&chain.go);
        wait_for_all(&chain.asking);
        token.cancel();
        let error = run.join().expect("no panic").expect_err("it was cancelled");
        assert!(error.is_cancelled(), "{error}");
        open(&chain.beside);
    });
    assert!(executor.waiters().is_empty());
}
