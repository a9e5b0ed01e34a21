//! F3 and W8: cancelled runs, parts of runs and tasks: what waits is unwound out of its wait, what runs at its next scheduling
//! point, what others want is finished first, and nothing of it is remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dagwood::{CancelToken, Cx, Database, Error, Event, Executor, Query};
use dagwood_tests::{Bed, Count, Meeting, at_once_from_tasks, open, scenarios};

scenarios! {
    pools [1, 2, 4]: f3_waiting_work_is_unwound_out_of_its_wait;
    pools [1, 2, 4]: f3_a_job_cancels_its_own_run;
    all [1, 2, 4]: f3_running_work_ends_at_a_scheduling_point;
    all [1, 2, 4]: f3_a_cancelled_token_begins_nothing;
    all [1, 2, 4]: f3_a_cancelled_job_spawns_nothing_that_never_ends;
    pools [1, 2, 4]: f3_what_others_want_is_finished_first;
    pools [2, 4]: f3_a_branch_of_what_others_want_is_finished_first;
    pools [1, 2, 4]: f3_a_slot_that_nobody_wants_is_given_up;
    all [1, 2, 4]: f3_what_a_provider_makes_of_it_is_not_remembered;
    all [1, 2, 4]: f3_a_part_of_a_run_ends_alone;
    pools [1, 2, 4]: f3_what_a_branch_makes_of_it_is_not_remembered;
    pools [1, 2, 4]: f3_a_part_in_a_branch_is_not_remembered;
    all [1, 2, 4]: f3_the_context_around_a_part_ends_with_it;
    all [1, 2, 4]: f3_a_loop_drops_what_it_has_made;
    pools [1, 2, 4]: f3_the_last_handle_of_a_task;
    pools [2] unseeded "a job keeps its thread": f3_a_worker_that_has_no_fiber_left_is_told;
    pools [1, 2, 4] unseeded "two executors": f3_a_run_inside_ends_with_the_one_around;
    pools [1, 2, 4]: f3_a_deadline_ends_waits;
    all [1, 2, 4]: f3_a_deadline_ends_running_work;
    pools [1, 2, 4]: f3_cancelled_again_and_again_leaks_nothing;
    pools [4, 1, 2]: w8_cancellation_at_the_moment_of_listing;
}

/// Counts when it is dropped.
struct Counted<'c>(&'c Count);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn check_cancelled<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

/// Runs `body` with a token, which another thread cancels once `meeting` is complete.
fn cancel_after<D: Send + Sync + 'static, T: Send>(
    executor: &Executor,
    db: &Database<D>,
    body: impl FnOnce(&Cx<'_, D>, &(dyn Fn() + Sync)) -> T + Send,
) -> Result<T, Error> {
    let token = CancelToken::new();
    let (begun, begin) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let token = &token;
        scope.spawn(move || {
            // Or the run has ended.
            let _ = begin.recv();
            token.cancel();
        });
        executor.run_cancellable(db, token, move |cx| {
            body(cx, &|| {
                // Only the first counts.
                let _ = begun.send(());
            })
        })
    })
}

fn f3_waiting_work_is_unwound_out_of_its_wait(bed: &Bed) {
    let executor = bed.executor();
    let jobs = bed.at_most_on_threads(40, 300);
    for _ in 0..bed.scaled(20) {
        let never = Event::<()>::new();
        let (asking, dropped) = (Meeting::new(jobs), Count::new());
        let db = Database::new(());
        let run = cancel_after(&executor, &db, |cx, begin| {
            cx.join(
                |cx| {
                    cx.par_map(0..jobs, |cx, _| {
                        let _counted = Counted(&dropped);
                        asking.come();
                        never.wait(cx);
                    })
                },
                |cx| {
                    asking.wait(cx);
                    begin();
                    let _counted = Counted(&dropped);
                    never.wait(cx);
                },
            );
        });
        check_cancelled(run);
        assert_eq!(dropped.get(), jobs + 1, "destructors");
    }
    assert_eq!(executor.run(&Database::new(()), |_| 3).expect("runs"), 3);
}

fn f3_a_job_cancels_its_own_run(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (never, token) = (Event::<()>::new(), CancelToken::new());
        let run = executor.run_cancellable(&Database::new(()), &token, |cx| {
            cx.scope(|cx, scope| {
                for child in 0..8 {
                    let (never, token) = (&never, &token);
                    scope.spawn(cx, move |cx| {
                        if child == 5 {
                            token.cancel();
                        }
                        never.wait(cx);
                    });
                }
            });
        });
        check_cancelled(run);
    }
}

/// Asks for the next one, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Endless(u64);

impl Query<()> for Endless {
    type Value = u64;

    fn provide(self, _: &Cx<'_, ()>) -> u64 {
        self.0
    }
}

/// Some work without end.
type Work = dyn Fn(&Cx<'_, ()>) + Sync;

fn ask_without_end(cx: &Cx<'_, ()>) {
    let mut number = 0;
    loop {
        assert_eq!(*cx.get(Endless(number)), number);
        number += 1;
    }
}

fn f3_running_work_ends_at_a_scheduling_point(bed: &Bed) {
    let executor = bed.executor();
    let forks = |cx: &Cx<'_, ()>| {
        loop {
            cx.join(|_| (), |_| ());
        }
    };
    let asks = |cx: &Cx<'_, ()>| ask_without_end(cx);
    let loops = |cx: &Cx<'_, ()>| {
        loop {
            cx.par_for_each(0..1_000_usize, |_, _| ());
        }
    };
    let scopes = |cx: &Cx<'_, ()>| {
        loop {
            cx.scope(|cx, scope| scope.spawn(cx, |_| ()));
        }
    };
    let yields = |cx: &Cx<'_, ()>| {
        loop {
            cx.yield_now();
        }
    };
    let looks = |cx: &Cx<'_, ()>| {
        while cx.check_cancelled().is_ok() {
            std::hint::spin_loop();
        }
        cx.join(|_| (), |_| ());
    };
    let works: [&Work; 6] = [&forks, &asks, &loops, &scopes, &yields, &looks];
    for work in works {
        let db = Database::new(());
        let run = cancel_after(&executor, &db, |cx, begin| {
            begin();
            work(cx);
        });
        check_cancelled(run);
    }
}

fn f3_a_cancelled_job_spawns_nothing_that_never_ends(bed: &Bed) {
    let executor = bed.executor();
    let token = CancelToken::new();
    let result = executor.run_cancellable(&Database::new(()), &token, |cx| {
        token.cancel();
        let task = cx.spawn(|_| 3);
        cx.join(|_| (), |_| ());
        *task.wait(cx)
    });
    check_cancelled(result);
}

fn f3_a_cancelled_token_begins_nothing(bed: &Bed) {
    let executor = bed.executor();
    let (db, begun) = (Database::new(()), Count::new());
    let token = CancelToken::new();
    token.cancel();
    check_cancelled(executor.run_cancellable(&db, &token, |_| begun.add()));
    let part = executor.run(&db, |cx| cx.cancellable(&token, |_| begun.add()));
    check_cancelled(part.expect("the rest goes on"));
    assert_eq!(begun.get(), 0);
}

/// What the providers below step by.
struct Wants {
    started: Meeting,
    gate: Event<()>,
    runs: [AtomicUsize; 4],
}

impl Wants {
    fn new() -> Self {
        Wants {
            started: Meeting::new(1),
            gate: Event::named("the gate"),
            runs: Default::default(),
        }
    }

    fn runs(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|place| self.runs[place].load(Ordering::SeqCst))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Want {
    /// Asks for the wanted, then for the rest.
    Outer,
    Wanted,
    Inner,
    Rest,
    /// As `Outer`, of a wanted one that forks.
    OuterOfForked,
    Forked,
}

impl Query<Wants> for Want {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Wants>) -> u32 {
        let count = |place: usize| cx.data().runs[place].fetch_add(1, Ordering::SeqCst);
        match self {
            Want::Outer => {
                count(0);
                *cx.get(Want::Wanted) + *cx.get(Want::Rest)
            }
            Want::OuterOfForked => {
                count(0);
                *cx.get(Want::Forked) + *cx.get(Want::Rest)
            }
            Want::Wanted => {
                count(1);
                cx.data().started.come();
                cx.data().gate.wait(cx);
                10 + *cx.get(Want::Inner)
            }
            Want::Forked => {
                count(1);
                let branch = |cx: &Cx<'_, Wants>| {
                    cx.data().started.come();
                    cx.data().gate.wait(cx);
                    cx.join(|_| (), |_| ());
                };
                cx.join(branch, branch);
                10 + *cx.get(Want::Inner)
            }
            Want::Inner => {
                count(2);
                1
            }
            Want::Rest => {
                count(3);
                100
            }
        }
    }
}

/// Lets `wanted` be wanted by another run when the run that computes it, for `outer`, is cancelled.
fn want(bed: &Bed, outer: Want, wanted: Want) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Wants::new());
        let token = CancelToken::new();
        thread::scope(|scope| {
            let cancelled =
                scope.spawn(|| executor.run_cancellable(&db, &token, |cx| *cx.get(outer)));
            let other = scope.spawn(|| {
                executor.run(&db, |cx| {
                    cx.data().started.wait(cx);
                    *cx.get(wanted)
                })
            });
            while waiters_for(&executor, wanted) == 0 {
                thread::yield_now();
            }
            token.cancel();
            open(&db.data().gate);
            assert_eq!(other.join().expect("no panic").expect("not cancelled"), 11);
            check_cancelled(cancelled.join().expect("no panic"));
        });
        assert_eq!(db.data().runs(), [1, 1, 1, 0], "runs");
        let again = executor.run(&db, |cx| *cx.get(outer));
        assert_eq!(again.expect("not cancelled"), 111);
        assert_eq!(db.data().runs(), [2, 1, 1, 1], "runs");
    }
}

/// How many wait for this query.
fn waiters_for(executor: &Executor, query: Want) -> usize {
    let waiters = executor.waiters();
    let name = format!("{query:?}");
    let is_it = |waiter: &&dagwood::Waiter| waiter.awaited().ends_with(&name);
    waiters.iter().filter(is_it).count()
}

fn f3_what_others_want_is_finished_first(bed: &Bed) {
    want(bed, Want::Outer, Want::Wanted);
}

fn f3_a_branch_of_what_others_want_is_finished_first(bed: &Bed) {
    want(bed, Want::OuterOfForked, Want::Forked);
}

fn f3_a_slot_that_nobody_wants_is_given_up(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let db = Database::new(Wants::new());
        let run = cancel_after(&executor, &db, |cx, begin| {
            cx.join(
                |cx| *cx.get(Want::Outer),
                |cx| {
                    cx.data().started.wait(cx);
                    begin();
                },
            )
        });
        check_cancelled(run);
        assert_eq!(db.data().runs(), [1, 1, 0, 0], "runs");
        open(&db.data().gate);
        let again = executor.run(&db, |cx| *cx.get(Want::Outer));
        assert_eq!(again.expect("not cancelled"), 111);
        assert_eq!(db.data().runs(), [2, 2, 1, 1], "runs");
    }
}

/// Makes a value of whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stubborn {
    Catches,
    Handles,
}

impl Query<CancelToken> for Stubborn {
    type Value = &'static str;

    fn provide(self, cx: &Cx<'_, CancelToken>) -> &'static str {
        let asked = match self {
            Stubborn::Catches => {
                cx.data().cancel();
                catch_unwind(AssertUnwindSafe(|| *cx.get(Innocent))).is_ok()
            }
            Stubborn::Handles => {
                cx.data().cancel();
                cx.try_get(Innocent).is_ok()
            }
        };
        if asked { "asked" } else { "was cancelled" }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Innocent;

impl Query<CancelToken> for Innocent {
    type Value = ();

    fn provide(self, _: &Cx<'_, CancelToken>) {}
}

fn f3_what_a_provider_makes_of_it_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    for query in [Stubborn::Catches, Stubborn::Handles] {
        let db = Database::new(CancelToken::new());
        let token = db.data().clone();
        let asked = executor.run_cancellable(&db, &token, |cx| cx.try_get(query).copied());
        check_cancelled(asked.expect("errors are held back"));
        let again = executor.run(&db, |cx| *cx.get(query));
        assert_eq!(again.expect("not cancelled"), "asked");
    }
}

fn f3_a_part_of_a_run_ends_alone(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let (token, ended) = (CancelToken::new(), Count::new());
        let sums = executor.run(&Database::new(()), |cx| {
            let endless = |cx: &Cx<'_, ()>| {
                loop {
                    cx.join(|_| (), |_| ());
                }
            };
            let task = cx.cancellable(&token, |cx| {
                let task = cx.spawn(|_| 3);
                *task.wait(cx)
            });
            let part = cx.cancellable(&token, |cx| {
                let _counted = Counted(&ended);
                cx.scope(|cx, scope| {
                    scope.spawn(cx, |_| token.cancel());
                    // One worker is left to the first child, which may be given away.
                    for _ in 1..bed.workers().max(2) {
                        scope.spawn(cx, endless);
                    }
                });
            });
            check_cancelled(part);
            let sum = cx.join(|cx| *cx.get(Endless(1)), |cx| *cx.get(Endless(2)));
            (sum, task.expect("not cancelled yet"))
        });
        assert_eq!(sums.expect("the rest goes on"), ((1, 2), 3));
        assert_eq!(ended.get(), 1);
    }
}

/// A branch on another fiber cancels, is told, and makes something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Made {
    Inner(u32),
    OfJoin,
    OfLoop,
    OfScope,
    OfTask,
    OfPart,
}

#[derive(Default)]
struct Maker {
    token: CancelToken,
    is_begun: Event<()>,
    may_go_on: Event<()>,
    /// It was cancelled before: now it is not.
    is_again: AtomicBool,
}

impl Maker {
    /// Ends once the branch has begun elsewhere. It is not cancelled before, and its fiber is not told.
    fn wait(&self, cx: &Cx<'_, Maker>) {
        self.is_begun.wait(cx);
        let _ = self.may_go_on.set(());
    }

    fn make(
        &self,
        cx: &Cx<'_, Maker>,
        body: impl FnOnce(&Cx<'_, Maker>) -> Option<u32>,
    ) -> Option<u32> {
        let _ = self.is_begun.set(());
        self.may_go_on.wait(cx);
        self.token.cancel();
        body(cx)
    }
}

/// Asks until it is told. (As long as the giver has not come to wait for its branch, that counts as wanted if somebody waits for
/// another region's work anywhere, as another test may: cancel.md X4.)
fn ask_inner(cx: &Cx<'_, Maker>) -> Option<u32> {
    let mut made = (0..).map(|key| cx.try_get(Made::Inner(key)).ok().copied().flatten());
    if cx.data().is_again.load(Ordering::Relaxed) {
        return made.next()?;
    }
    made.find(Option::is_none)?
}

impl Query<Maker> for Made {
    type Value = Option<u32>;

    fn provide(self, cx: &Cx<'_, Maker>) -> Option<u32> {
        let maker = cx.data();
        match self {
            Made::Inner(_) => Some(5),
            Made::OfJoin => {
                cx.join(|cx| maker.wait(cx), |cx| maker.make(cx, ask_inner))
                    .1
            }
            Made::OfLoop => cx.par_map(0..2, |cx, item| match item {
                0 => {
                    maker.wait(cx);
                    None
                }
                _ => maker.make(cx, ask_inner),
            })[1],
            Made::OfScope => {
                let mut made = None;
                cx.scope(|cx, scope| {
                    let made = &mut made;
                    scope.spawn(cx, |cx| *made = maker.make(cx, ask_inner));
                    maker.wait(cx);
                });
                made
            }
            Made::OfTask => {
                let task = cx.spawn(|cx| cx.data().make(cx, ask_inner));
                maker.wait(cx);
                task.try_wait(cx).ok().copied().flatten()
            }
            Made::OfPart => {
                let part = |cx: &Cx<'_, Maker>| {
                    let part = cx.cancellable(&maker.token, |cx| {
                        cx.join(|_| (), |_| ());
                        5
                    });
                    part.ok()
                };
                cx.join(|cx| maker.wait(cx), |cx| maker.make(cx, part)).1
            }
        }
    }
}

fn f3_what_a_branch_makes_of_it_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    for made in [Made::OfJoin, Made::OfLoop, Made::OfScope, Made::OfTask] {
        for _ in 0..bed.scaled(20) {
            let db = Database::new(Maker::default());
            let token = db.data().token.clone();
            let run = executor.run_cancellable(&db, &token, |cx| *cx.get(made));
            check_cancelled(run);
            db.data().is_again.store(true, Ordering::Relaxed);
            let value = executor.run(&db, |cx| *cx.get(made));
            assert_eq!(value.expect("not cancelled"), Some(5), "{made:?}");
        }
    }
}

fn f3_a_part_in_a_branch_is_not_remembered(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(20) {
        let db = Database::new(Maker::default());
        let asked = executor.run(&db, |cx| cx.try_get(Made::OfPart).copied());
        check_cancelled(asked.expect("only a part was cancelled"));
    }
}

fn f3_the_context_around_a_part_ends_with_it(bed: &Bed) {
    let executor = bed.executor();
    let ended = executor.run(&Database::new(()), |cx| {
        let token = CancelToken::new();
        let part: Result<(), Error> = cx.cancellable(&token, |_| {
            token.cancel();
            loop {
                cx.yield_now();
            }
        });
        part.expect_err("it was cancelled").is_cancelled()
    });
    assert!(ended.expect("only a part was cancelled"));
}

fn f3_a_loop_drops_what_it_has_made(bed: &Bed) {
    let executor = bed.executor();
    for last in [0, 1, 500, 999] {
        let token = CancelToken::new();
        let (made, dropped) = (Count::new(), Count::new());
        let run = executor.run_cancellable(&Database::new(()), &token, |cx| {
            let made = cx.par_map(0..1_000, |cx, item| {
                if item == last {
                    token.cancel();
                    cx.join(|_| (), |_| ());
                }
                made.add();
                Box::new(Counted(&dropped))
            });
            made.len()
        });
        check_cancelled(run);
        assert!(made.get() < 1_000);
        assert_eq!(dropped.get(), made.get(), "destructors");
    }
}

fn f3_the_last_handle_of_a_task(bed: &Bed) {
    let executor = bed.executor();
    for _ in 0..bed.scaled(50) {
        let dropped = std::sync::Arc::new(Count::new());
        let run = executor.run(&Database::new(Event::<()>::new()), |cx| {
            let counts = std::sync::Arc::clone(&dropped);
            let task = cx.spawn_cancellable(move |cx| {
                let _counted = Counted(&counts);
                cx.data().wait(cx);
            });
            let other = task.clone();
            drop(task);
            assert!(!other.is_done());
            drop(other);
            let kept = cx.spawn_cancellable(|_| 4);
            *kept.clone().wait(cx)
        });
        assert_eq!(run.expect("its own failure only"), 4);
        assert!(dropped.get() <= 1, "it may not have begun");
    }
}

fn f3_a_worker_that_has_no_fiber_left_is_told(bed: &Bed) {
    let builder = bed.builder().max_fibers(bed.workers());
    let executor = builder.build().expect("the workers have a fiber each");
    let (token, never) = (CancelToken::new(), Event::<()>::new());
    let (is_kept, is_ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let until = |flag: &AtomicBool| {
        while !flag.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let keeper = scope.spawn(|| {
            executor.run(&Database::new(()), |_| {
                is_kept.store(true, Ordering::SeqCst);
                until(&is_ended);
            })
        });
        until(&is_kept);
        let (asking, asked) = std::sync::mpsc::channel();
        let run = scope.spawn(|| {
            executor.run_cancellable(&Database::new(()), &token, move |cx: &Cx<'_, ()>| {
                asking.send(()).expect("the test waits");
                never.wait(cx);
            })
        });
        asked.recv().expect("it is asked for");
        token.cancel();
        check_cancelled(run.join().expect("no panic"));
        is_ended.store(true, Ordering::SeqCst);
        keeper.join().expect("no panic").expect("not cancelled");
    });
}

/// What a query that runs something on another executor needs.
struct Around {
    inner: Executor,
    asking: AtomicBool,
    gate: Event<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RunsInside;

impl Query<Around> for RunsInside {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Around>) -> u32 {
        let around = cx.data();
        let inside = around.inner.run(&Database::new(()), |cx: &Cx<'_, ()>| {
            around.asking.store(true, Ordering::SeqCst);
            *around.gate.wait(cx)
        });
        // It must not be remembered that it was cancelled.
        inside.unwrap_or(0)
    }
}

fn f3_a_run_inside_ends_with_the_one_around(bed: &Bed) {
    let executor = bed.executor();
    let db = Database::new(Around {
        inner: bed.executor(),
        asking: AtomicBool::new(false),
        gate: Event::new(),
    });
    let token = CancelToken::new();
    thread::scope(|scope| {
        let run = scope.spawn(|| executor.run_cancellable(&db, &token, |cx| *cx.get(RunsInside)));
        while !db.data().asking.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        token.cancel();
        check_cancelled(run.join().expect("no panic"));
    });
    let stopped = bed.executor();
    db.data().asking.store(false, Ordering::SeqCst);
    thread::scope(|scope| {
        let run = scope.spawn(|| stopped.run(&db, |cx| *cx.get(RunsInside)));
        while !db.data().asking.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert_eq!(stopped.shutdown(), 0);
        check_cancelled(run.join().expect("no panic"));
    });
    db.data().gate.set(7).expect("set once");
    let value = executor.run(&db, |cx| *cx.get(RunsInside));
    assert_eq!(value.expect("not cancelled"), 7);
}

fn f3_a_deadline_ends_waits(bed: &Bed) {
    let executor = bed.executor();
    let never = Event::<()>::new();
    for _ in 0..3 {
        let run = executor.run_with_deadline(&Database::new(()), Duration::from_millis(5), |cx| {
            cx.join(|cx| *never.wait(cx), |cx| *never.wait(cx))
        });
        check_cancelled(run);
    }
    let day = Duration::from_secs(24 * 60 * 60);
    let run = executor.run_with_deadline(&Database::new(()), day, |_| 5);
    assert_eq!(run.expect("in time"), 5);
}

fn f3_a_deadline_ends_running_work(bed: &Bed) {
    let executor = bed.executor();
    let run = executor.run_with_deadline(&Database::new(()), Duration::from_millis(5), |cx| {
        ask_without_end(cx);
    });
    check_cancelled(run);
}

fn f3_cancelled_again_and_again_leaks_nothing(bed: &Bed) {
    let executor = bed.executor();
    let jobs = 2 * bed.workers() + 2;
    let round = || {
        let (asking, dropped) = (Meeting::new(jobs), Count::new());
        let (db, token) = (Database::new(Wants::new()), CancelToken::new());
        let run = executor.run_cancellable(&db, &token, |cx| {
            cx.join(
                |cx| {
                    cx.par_map(0..jobs, |cx, _| {
                        let _counted = Counted(&dropped);
                        asking.come();
                        *cx.get(Want::Wanted)
                    })
                },
                |cx| {
                    asking.wait(cx);
                    token.cancel();
                },
            )
        });
        check_cancelled(run);
        assert_eq!(dropped.get(), jobs);
    };
    (0..20).for_each(|_| round());
    let made = executor.stacks().made;
    (0..bed.scaled(1_000)).for_each(|_| round());
    assert!(
        executor.stacks().made <= made + 64 * bed.workers(),
        "stacks: {made}, then {}",
        executor.stacks().made
    );
}

/// Ends when enough have asked, if it was not cancelled.
struct Start {
    asking: Meeting,
    token: CancelToken,
    runs: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Race;

impl Query<Start> for Race {
    type Value = u32;

    fn provide(self, cx: &Cx<'_, Start>) -> u32 {
        let is_first = cx.data().runs.fetch_add(1, Ordering::SeqCst) == 0;
        cx.data().asking.wait(cx);
        if is_first {
            // At the moment when others list themselves.
            cx.data().token.cancel();
        }
        cx.join(|_| (), |_| ());
        11
    }
}

fn w8_cancellation_at_the_moment_of_listing(bed: &Bed) {
    let rounds = bed.at_most_on_threads(50, 200);
    let executor = bed.executor();
    for round in 0..rounds {
        let db = Database::new(Start {
            asking: Meeting::new((round * 37) % 100),
            token: CancelToken::new(),
            runs: AtomicUsize::new(0),
        });
        let values = at_once_from_tasks(&executor, &db, 100, |cx, index| {
            if index == round % 100 {
                let part = cx.cancellable(&cx.data().token, |cx| *cx.get(Race));
                return part.map_err(|error| error.is_cancelled());
            }
            cx.data().asking.come();
            Ok(*cx.get(Race))
        });
        for (index, value) in values.into_iter().enumerate() {
            let is_cancelled = index == round % 100 && value == Err(true);
            assert!(is_cancelled || value == Ok(11), "{index}: {value:?}");
        }
        assert!(db.data().runs.load(Ordering::SeqCst) <= 2, "runs");
    }
}
