//! F3: parts of runs that are cancelled inside queries.

use dagwood::{CancelToken, Cx, Database, Query};
use dagwood_tests::{Bed, scenarios};

scenarios! {
    all [1, 2, 4]: f3_what_a_part_makes_of_it_is_not_remembered;
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
struct Innocent;

impl Query<CancelToken> for Innocent {
    type Value = ();

    fn provide(self, _: &Cx<'_, CancelToken>) {}
}

impl Query<CancelToken> for Partly {
    type Value = bool;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> bool {
        let asks = |cx: &Cx<'_, CancelToken>| {
            cx.data().cancel();
            cx.try_get(Innocent).is_ok()
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
