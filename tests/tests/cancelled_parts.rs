//! F2 and F3: parts of runs inside queries, which fail and are cancelled.

use std::sync::OnceLock;

use dagwood::{CancelToken, Cx, Database, Query};
use dagwood_tests::{Bed, fail_quietly, scenarios};

scenarios! {
    all [1, 2, 4]: f3_what_a_part_makes_of_it_is_not_remembered;
    all [1, 2, 4]: f2_a_failed_task_of_a_part_fails_the_run_alone;
}

/// A part of it is cancelled, handles that, and comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Partly {
    /// By an ask that fails.
    Asks,
    /// By a look.
    Looks,
    /// By an ask in a branch.
    Forks,
    /// By a task of its own.
    Spawns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Innocent(usize);

impl Query<CancelToken> for Innocent {
    type Value = ();

    fn provide(self, _: &Cx<'_, CancelToken>) {}
}

impl Query<CancelToken> for Partly {
    type Value = bool;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> bool {
        let asks = |cx: &Cx<'_, CancelToken>| {
            cx.data().cancel();
            // A branch may be told later, while who forked it runs, if some ask of the process waits for another run.
            !(0..).any(|n| cx.try_get(Innocent(n)).is_err())
        };
        let part = cx.cancellable(cx.data(), |cx| match self {
            Partly::Asks => asks(cx),
            Partly::Looks => {
                cx.data().cancel();
                cx.check_cancelled().is_ok()
            }
            Partly::Forks => cx.join(|_| (), asks).1,
            Partly::Spawns => cx.spawn(asks).try_wait(cx).copied().unwrap_or(false),
        });
        part.unwrap_or(false)
    }
}

fn f3_what_a_part_makes_of_it_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    for query in [Partly::Asks, Partly::Looks, Partly::Forks, Partly::Spawns] {
        for _ in 0..bed.scaled(20) {
            let db = Database::new(CancelToken::new());
            let asked = executor.run(&db, |cx| cx.try_get(query).copied());
            let error = asked.expect("only a part was cancelled");
            let error = error.expect_err("what it gives does not count");
            assert!(error.is_cancelled(), "{query:?}: {error}");
        }
    }
}

/// Spawns a task that fails, and that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Careless;

impl Query<CancelToken> for Careless {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> u32 {
        cx.spawn(|_| fail_quietly("careless"));
        3
    }
}

/// Asks for it in a part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AroundPart;

impl Query<CancelToken> for AroundPart {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> u32 {
        let part = cx.cancellable(cx.data(), |cx| *cx.get(Careless));
        part.expect("it is not cancelled")
    }
}

/// Whether the part computes what it asks for, or somebody else has: else a query would depend on that.
fn f2_a_failed_task_of_a_part_fails_the_run_alone(bed: &Bed) {
    let executor = bed.executor();
    for is_known in [false, true] {
        let db = Database::new(CancelToken::new());
        let value = OnceLock::new();
        let error = executor.run(&db, |cx| {
            if is_known {
                cx.get(Careless);
            }
            let _ = value.set(cx.try_get(AroundPart).map_err(|error| error.to_string()));
        });
        let text = error.expect_err("a task failed").to_string();
        assert!(
            text.starts_with("panicked: careless (in task at "),
            "{text}"
        );
        assert_eq!(value.into_inner(), Some(Ok(&3)));
        let again = executor.run(&db, |cx| *cx.get(AroundPart));
        assert_eq!(again.expect("remembered"), 3);
    }
}
