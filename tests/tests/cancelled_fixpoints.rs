//! F3, F4 and W8 where queries are iterated: an iteration is one with the fiber that runs it, who waits for it may go, and
//! nothing of what was cut off is remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dagwood::{CancelToken, Cx, Database, Error, Event, Executor, Fixpoint, Query};
use dagwood_tests::{Bed, open, scenarios};

scenarios! {
    pools [1, 2, 4]: f3_an_iteration_that_waits_is_unwound;
    all [1, 2, 4]: f3_an_iteration_without_end_ends;
    all [1, 2, 4]: f3_an_iteration_without_end_ends_by_a_deadline;
    all [1, 2, 4]: f3_a_member_that_runs_without_end_ends;
    pools [1, 2, 4]: f3_what_a_member_makes_of_it_is_not_remembered;
    pools [1, 2, 4]: f3_an_iteration_that_others_want_is_finished_first;
    pools [1, 2, 4]: f3_a_plain_query_around_an_iteration_is_finished_first;
    pools [1, 2, 4]: f3_who_waits_for_an_iteration_ends_alone;
    all [1, 2]: f3_a_part_inside_a_member_ends_alone;
    pools [1, 2, 4]: f4_a_shutdown_during_an_iteration;
    pools [1, 2] unseeded "three executors": f3_an_owner_elsewhere_is_told_that_a_wait_was_cut;
    pools [1, 2]: f4_a_member_that_refuses_to_end_gives_the_gate_back;
    pools [1, 2, 4]: w8_iterations_are_cancelled_at_any_moment;
}

/// What the providers step by.
struct Steps {
    gate: Event<()>,
    token: CancelToken,
    /// How often members that wait have begun.
    waits: AtomicUsize,
    /// How often members were evaluated.
    runs: AtomicUsize,
}

impl Steps {
    fn new() -> Self {
        Steps {
            gate: Event::named("the gate"),
            token: CancelToken::new(),
            waits: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
        }
    }
}

/// A ring of three, and what asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Member {
    /// The greatest number on the ring; the last waits for the gate.
    Ring(u32),
    /// The same, by a member that handles all errors.
    Handling(u32),
    /// One more in each round.
    Endless,
    /// Asks for plain queries without end.
    Asking,
    /// Forks without end.
    Forking,
    /// Has a part that is cancelled.
    Parted,
    /// Goes on whatever it is told, the first time.
    Refusing,
}

impl Member {
    fn evaluate(self, cx: &Cx<'_, Steps>) -> u32 {
        let steps = cx.data();
        steps.runs.fetch_add(1, Ordering::SeqCst);
        match self {
            Member::Ring(number) => {
                if number == 2 {
                    steps.waits.fetch_add(1, Ordering::SeqCst);
                    steps.gate.wait(cx);
                }
                number.max(*cx.get(Member::Ring((number + 1) % 3)))
            }
            Member::Handling(number) => {
                steps.waits.fetch_add(1, Ordering::SeqCst);
                if number == 2 && steps.gate.try_wait(cx).is_err() {
                    return 1_000;
                }
                let next = cx.try_get(Member::Handling((number + 1) % 3));
                next.map_or(2_000, |next| number.max(*next))
            }
            Member::Endless => *cx.get(Member::Endless) + 1,
            Member::Asking => {
                let mut number = 0;
                loop {
                    assert_eq!(*cx.get(Plain(number)), number);
                    number += 1;
                }
            }
            Member::Forking => loop {
                steps.runs.fetch_add(1, Ordering::SeqCst);
                cx.join(|_| (), |_| ());
            },
            Member::Parted => {
                let part = cx.cancellable(&steps.token, |cx| {
                    steps.token.cancel();
                    cx.join(|_| (), |_| ());
                });
                part.map_or(7, |()| 8).max(*cx.get(Member::Parted))
            }
            Member::Refusing => {
                if steps.waits.fetch_add(1, Ordering::SeqCst) == 0 {
                    loop {
                        let _ = catch_unwind(AssertUnwindSafe(|| steps.gate.wait(cx)));
                    }
                }
                3.max(*cx.get(Member::Refusing))
            }
        }
    }
}

impl Query<Steps> for Member {
    type Value = u32;
    const FIXPOINT: Option<Fixpoint<Self, u32>> = Some(Fixpoint::new(|_| 0).rounds_max(u32::MAX));

    fn provide(self, cx: &Cx<'_, Steps>) -> u32 {
        self.evaluate(cx)
    }
}

/// Asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plain(u32);

impl Query<Steps> for Plain {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Steps>) -> u32 {
        cx.data().runs.fetch_add(1, Ordering::SeqCst);
        self.0
    }
}

/// Asks for a member, and for another after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Around {
    Asks,
    /// Makes a value of whatever it gets.
    Handles,
    AsksOn,
}

impl Query<Steps> for Around {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Steps>) -> u32 {
        match self {
            Around::Asks => 10 + *cx.get(Member::Ring(0)),
            Around::Handles => cx
                .try_get(Member::Handling(0))
                .map_or(3_000, |value| *value),
            Around::AsksOn => 100 + *cx.get(Around::Asks),
        }
    }
}

fn check_cancelled<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

/// Waits until so many wait for something that is called so.
fn until_awaited(executor: &Executor, count: usize, awaited: &str) {
    let waiting = || {
        let waiters = executor.waiters();
        let is_it = |waiter: &&dagwood::Waiter| waiter.awaited().ends_with(awaited);
        waiters.iter().filter(is_it).count()
    };
    while waiting() < count {
        thread::yield_now();
    }
}

/// The ring is as ever, in another run.
fn check_ring(executor: &Executor, db: &Database<Steps>) {
    // It may be open.
    let _ = db.data().gate.set(());
    let values = executor.run(db, |cx| {
        [0, 1, 2].map(|number| *cx.get(Member::Ring(number)))
    });
    assert_eq!(values.expect("not cancelled"), [2, 2, 2]);
}

fn f3_an_iteration_that_waits_is_unwound(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (db, token) = (Database::new(Steps::new()), CancelToken::new());
        let run = thread::scope(|scope| {
            let run =
                scope.spawn(|| executor.run_cancellable(&db, &token, |cx| *cx.get(Around::AsksOn)));
            until_awaited(&executor, 1, "the gate");
            token.cancel();
            run.join().expect("no panic")
        });
        check_cancelled(run);
        assert_eq!(db.data().waits.load(Ordering::SeqCst), 1, "waits");
        check_ring(&executor, &db);
        let around = executor.run(&db, |cx| *cx.get(Around::AsksOn));
        assert_eq!(around.expect("not cancelled"), 112);
    }
}

fn f3_an_iteration_without_end_ends(bed: &Bed) {
    ends(bed, Member::Endless);
}

fn f3_a_member_that_runs_without_end_ends(bed: &Bed) {
    ends(bed, Member::Asking);
    ends(bed, Member::Forking);
}

/// A run that computes this is cancelled after a while.
fn ends(bed: &Bed, member: Member) {
    let executor = bed.executor();
    let (db, token) = (Database::new(Steps::new()), CancelToken::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            while db.data().runs.load(Ordering::SeqCst) < 1_000 {
                thread::yield_now();
            }
            token.cancel();
        });
        check_cancelled(executor.run_cancellable(&db, &token, |cx| *cx.get(member)));
    });
    check_ring(&executor, &db);
}

fn f3_an_iteration_without_end_ends_by_a_deadline(bed: &Bed) {
    let (executor, db) = (bed.executor(), Database::new(Steps::new()));
    let soon = Duration::from_millis(2);
    let run = executor.run_with_deadline(&db, soon, |cx| *cx.get(Member::Endless));
    check_cancelled(run);
    check_ring(&executor, &db);
}

fn f3_what_a_member_makes_of_it_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (db, token) = (Database::new(Steps::new()), CancelToken::new());
        let run = thread::scope(|scope| {
            let run = scope
                .spawn(|| executor.run_cancellable(&db, &token, |cx| *cx.get(Around::Handles)));
            until_awaited(&executor, 1, "the gate");
            token.cancel();
            run.join().expect("no panic")
        });
        check_cancelled(run);
        open(&db.data().gate);
        let again = executor.run(&db, |cx| {
            (*cx.get(Around::Handles), *cx.get(Member::Handling(1)))
        });
        assert_eq!(again.expect("not cancelled"), (2, 2));
    }
}

/// A run that computes `first` is cancelled while another waits for `second`.
fn is_wanted<A, B>(bed: &Bed, first: A, second: B, expected: u32)
where
    A: Query<Steps, Value = u32> + Copy,
    B: Query<Steps, Value = u32> + Copy,
{
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (db, token) = (Database::new(Steps::new()), CancelToken::new());
        let ask = |cx: &Cx<'_, Steps>| {
            let value = *cx.get(first);
            // Here it is told.
            cx.join(|_| (), |_| ());
            value
        };
        thread::scope(|scope| {
            let run = scope.spawn(|| executor.run_cancellable(&db, &token, ask));
            until_awaited(&executor, 1, "the gate");
            let other = scope.spawn(|| executor.run(&db, |cx| *cx.get(second)));
            until_awaited(&executor, 1, &format!("{second:?}"));
            token.cancel();
            open(&db.data().gate);
            let other = other.join().expect("no panic");
            assert_eq!(other.expect("not cancelled"), expected);
            check_cancelled(run.join().expect("no panic"));
        });
        // Not begun anew: each round has gone on from what was there.
        let runs = db.data().runs.load(Ordering::SeqCst);
        let alone = Database::new(Steps::new());
        open(&alone.data().gate);
        executor
            .run(&alone, |cx| *cx.get(second))
            .expect("not cancelled");
        assert_eq!(runs, alone.data().runs.load(Ordering::SeqCst), "runs");
    }
}

fn f3_an_iteration_that_others_want_is_finished_first(bed: &Bed) {
    is_wanted(bed, Member::Ring(0), Member::Ring(0), 2);
}

fn f3_a_plain_query_around_an_iteration_is_finished_first(bed: &Bed) {
    is_wanted(bed, Around::AsksOn, Around::Asks, 12);
}

fn f3_who_waits_for_an_iteration_ends_alone(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (db, token) = (Database::new(Steps::new()), CancelToken::new());
        thread::scope(|scope| {
            let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Member::Ring(0))));
            until_awaited(&executor, 1, "the gate");
            let other = scope
                .spawn(|| executor.run_cancellable(&db, &token, |cx| *cx.get(Member::Ring(1))));
            until_awaited(&executor, 1, "Ring(1)");
            token.cancel();
            check_cancelled(other.join().expect("no panic"));
            open(&db.data().gate);
            let run = run.join().expect("no panic");
            assert_eq!(run.expect("not cancelled"), 2);
        });
    }
}

fn f3_a_part_inside_a_member_ends_alone(bed: &Bed) {
    let (executor, db) = (bed.executor(), Database::new(Steps::new()));
    // What the queries around the part make of its end is not remembered.
    check_cancelled(
        executor
            .run(&db, |cx| cx.try_get(Member::Parted).copied())
            .expect("runs"),
    );
    assert!(db.data().token.is_cancelled());
    check_ring(&executor, &db);
}

fn f4_a_shutdown_during_an_iteration(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        let (executor, db) = (bed.executor(), Database::new(Steps::new()));
        thread::scope(|scope| {
            let ask = || executor.run(&db, |cx| *cx.get(Around::AsksOn));
            let run = scope.spawn(ask);
            until_awaited(&executor, 1, "the gate");
            let other = scope.spawn(|| executor.run(&db, |cx| *cx.get(Member::Ring(1))));
            until_awaited(&executor, 1, "Ring(1)");
            assert_eq!(executor.shutdown(), 0);
            check_cancelled(run.join().expect("no panic"));
            check_cancelled(other.join().expect("no panic"));
        });
        check_ring(&bed.executor(), &db);
    }
    let (executor, db) = (bed.executor(), Database::new(Steps::new()));
    thread::scope(|scope| {
        let run = scope.spawn(|| executor.run(&db, |cx| *cx.get(Member::Endless)));
        while db.data().runs.load(Ordering::SeqCst) < 1_000 {
            thread::yield_now();
        }
        assert_eq!(executor.shutdown(), 0);
        check_cancelled(run.join().expect("no panic"));
    });
}

fn f4_a_member_that_refuses_to_end_gives_the_gate_back(bed: &Bed) {
    // Its run never returns, so nothing that it has borrowed may go.
    let executor: &Executor = Box::leak(Box::new(bed.executor()));
    let db: &Database<Steps> = Box::leak(Box::new(Database::new(Steps::new())));
    thread::spawn(move || executor.run(db, |cx| *cx.get(Member::Refusing)));
    until_awaited(executor, 1, "the gate");
    assert_eq!(executor.shutdown(), 1, "runs that never return");
    // What it was computing is given up: others get it.
    let value = bed.executor().run(db, |cx| *cx.get(Member::Refusing));
    assert_eq!(value.expect("not cancelled"), 3);
}

fn w8_iterations_are_cancelled_at_any_moment(bed: &Bed) {
    let executor = bed.executor();
    for round in bed.numbers(200) {
        let db = Database::new(Steps::new());
        let tokens = [CancelToken::new(), CancelToken::new()];
        let results = thread::scope(|scope| {
            let runs = [0, 1, 2, 3].map(|run| {
                let (executor, db, tokens) = (&executor, &db, &tokens);
                scope.spawn(move || {
                    let ask = |cx: &Cx<'_, Steps>| match (run + round) % 3 {
                        0 => *cx.get(Around::AsksOn) % 10,
                        1 => *cx.get(Member::Ring(run as u32 % 3)),
                        _ => *cx.get(Around::Asks) % 10,
                    };
                    executor.run_cancellable(db, &tokens[run as usize % 2], ask)
                })
            });
            for _ in 0..round % 50 {
                thread::yield_now();
            }
            tokens[0].cancel();
            open(&db.data().gate);
            runs.map(|run| run.join().expect("no panic"))
        });
        for (run, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, 2),
                Err(error) => assert!(error.is_cancelled() && run % 2 == 0, "{run}: {error}"),
            }
        }
        check_ring(&executor, &db);
    }
}

/// What a ring through three executors steps by.
#[derive(Default)]
struct Ways {
    /// Each plain one goes on when its own is set.
    go: [Event<()>; 2],
    begun: [Event<()>; 2],
    /// The run that has begun the first plain one has returned.
    has_returned: Event<()>,
}

/// The member asks for the first plain query, that for the second one, and that for the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Far;

impl Query<Ways> for Far {
    type Value = u32;
    const FIXPOINT: Option<Fixpoint<Self, u32>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, Ways>) -> u32 {
        let value = *cx.get(Way(0));
        cx.data().has_returned.wait(cx);
        value.min(3)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Way(usize);

impl Query<Ways> for Way {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Ways>) -> u32 {
        // The iteration computes it once more.
        let _ = cx.data().begun[self.0].set(());
        cx.data().go[self.0].wait(cx);
        1 + match self.0 {
            0 => *cx.get(Way(1)),
            _ => *cx.get(Far),
        }
    }
}

/// The first plain query is computed by a cancelled run that only the iteration wants. When the iteration's wait for it is
/// cut, by somebody else, nobody wants it any more: the run ends, though all that it waits for goes on.
fn f3_an_owner_elsewhere_is_told_that_a_wait_was_cut(bed: &Bed) {
    let [cancelled, other, iterating] = [(); 3].map(|()| bed.executor());
    let (db, token) = (Database::new(Ways::default()), CancelToken::new());
    let wait_until_waits = |executor: &Executor, text: &str| {
        while !executor
            .waiters()
            .iter()
            .any(|waiter| waiter.awaited() == text)
        {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| cancelled.run_cancellable(&db, &token, |cx| *cx.get(Way(0))));
        let second = scope.spawn(|| other.run(&db, |cx| *cx.get(Way(1))));
        let begun = |cx: &Cx<'_, Ways>| cx.data().begun.iter().for_each(|begun| *begun.wait(cx));
        iterating.run(&db, begun).expect("nothing fails");
        let member = scope.spawn(|| iterating.run(&db, |cx| *cx.get(Far)));
        wait_until_waits(&iterating, "Way(0)");
        token.cancel();
        open(&db.data().go[0]);
        wait_until_waits(&cancelled, "Way(1)");
        open(&db.data().go[1]);
        let first = first.join().expect("it does not panic");
        let error = first.expect_err("it was cancelled");
        assert!(error.is_cancelled(), "{error}");
        open(&db.data().has_returned);
        assert_eq!(member.join().expect("no panic").expect("no failure"), 3);
        assert_eq!(second.join().expect("no panic").expect("no failure"), 4);
    });
}
