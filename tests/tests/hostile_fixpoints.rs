//! C1, C7, F1 and F3 where an iteration is put to it: by what another run wants of it meanwhile, and by needs that are found
//! one after another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dagwood::{CancelToken, Cx, Database, Event, Executor, Fixpoint, Query, Task};
use dagwood_tests::{Bed, at_once_from_tasks, fail_quietly, open, panic_text, scenarios};

scenarios! {
    pools [1, 2, 4]: f1_a_task_that_fails_for_another_run;
    pools [1, 2, 4]: f3_what_a_cancelled_run_has_wanted;
    pools [1, 2, 4]: f3_what_a_run_wants_until_it_is_cancelled;
    pools [1, 2, 4]: c7_a_task_of_another_run_is_awaited_for_others;
    all [1, 4]: c1_needs_that_are_found_one_after_another;
    all [1, 4]: c1_needs_that_come_and_go;
    all [1, 4]: c1_what_a_first_value_has_led_to_is_no_need;
}

/// What the providers step by.
#[derive(Default)]
struct Steps {
    ring_waits: Event<()>,
    ring_goes_on: Event<()>,
    ring_is_done: Event<()>,
    runs: AtomicUsize,
    task: OnceLock<Task<'static, u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    /// The greatest number of a ring of three, of which one waits.
    Ring(u32),
    /// Spawns a task that fails, and looks not at it.
    Careless,
    /// One more in each round.
    Endless,
    /// Asks for plain queries without end.
    Asking,
    /// Waits for a task that another run has spawned.
    Awaiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plain(u32);

impl Query<Steps> for Plain {
    type Value = u32;

    fn provide(self, _: &Cx<'_, Steps>) -> u32 {
        self.0
    }
}

impl Query<Steps> for Node {
    type Value = u32;
    const FIXPOINT: Option<Fixpoint<Self, u32>> = Some(Fixpoint::new(|_| 0).rounds_max(u32::MAX));

    fn provide(self, cx: &Cx<'_, Steps>) -> u32 {
        let steps = cx.data();
        match self {
            Node::Ring(number) => {
                if number == 1 && steps.ring_waits.get().is_none() {
                    open(&steps.ring_waits);
                    steps.ring_goes_on.wait(cx);
                }
                number.max(*cx.get(Node::Ring((number + 1) % 3)))
            }
            Node::Careless => {
                drop(cx.spawn(|_| fail_quietly("a task of the other run")));
                7
            }
            Node::Endless => {
                steps.runs.fetch_add(1, Ordering::SeqCst);
                cx.get(Node::Endless).wrapping_add(1)
            }
            Node::Asking => {
                let mut number = 0;
                loop {
                    steps.runs.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(*cx.get(Plain(number)), number);
                    number += 1;
                }
            }
            Node::Awaiting => *steps.task.get().expect("it is spawned first").wait(cx),
        }
    }
}

/// Waits until somebody waits for what is called so.
fn until_awaited(executor: &Executor, awaited: &str) {
    let is_it = |waiter: &dagwood::Waiter| waiter.awaited().ends_with(awaited);
    while !executor.waiters().iter().any(is_it) {
        thread::yield_now();
    }
}

/// What a run gives, in words.
fn in_words(run: impl FnOnce() -> Result<u32, dagwood::Error>) -> String {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(given) => given.map_or_else(|error| error.to_string(), |value| value.to_string()),
        Err(payload) => panic_text(payload),
    }
}

/// A run asks for the ring. When its iteration waits, another one, which `meanwhile` may cancel, wants `other`. What that
/// gives; the first one has the value of the ring.
fn want(bed: &Bed, other: Node, meanwhile: impl Fn(&Steps, &CancelToken)) -> String {
    let (executor, db) = (bed.executor(), Database::new(Steps::default()));
    let token = CancelToken::new();
    thread::scope(|scope| {
        let ring = scope.spawn(|| in_words(|| executor.run(&db, |cx| *cx.get(Node::Ring(0)))));
        let waits = executor.run(&db, |cx| cx.data().ring_waits.wait(cx));
        waits.expect("it does");
        let run = || executor.run_cancellable(&db, &token, |cx| *cx.get(other));
        let other_run = scope.spawn(move || in_words(run));
        until_awaited(&executor, &format!("{other:?}"));
        meanwhile(db.data(), &token);
        assert_eq!(ring.join().expect("no panic"), "2");
        other_run.join().expect("no panic")
    })
}

fn f1_a_task_that_fails_for_another_run(bed: &Bed) {
    for _ in 0..bed.scaled(50) {
        let given = want(bed, Node::Careless, |steps, _| open(&steps.ring_goes_on));
        assert!(
            given.starts_with("panicked: a task of the other run"),
            "{given}"
        );
    }
}

fn f3_what_a_cancelled_run_has_wanted(bed: &Bed) {
    for other in [Node::Endless, Node::Asking] {
        for _ in 0..bed.scaled(20) {
            let given = want(bed, other, |steps, token| {
                token.cancel();
                open(&steps.ring_goes_on);
            });
            assert_eq!(given, "cancelled");
        }
    }
}

fn f3_what_a_run_wants_until_it_is_cancelled(bed: &Bed) {
    for other in [Node::Endless, Node::Asking] {
        for _ in 0..bed.scaled(20) {
            let given = want(bed, other, |steps, token| {
                open(&steps.ring_goes_on);
                while steps.runs.load(Ordering::SeqCst) < 500 {
                    thread::yield_now();
                }
                token.cancel();
            });
            assert_eq!(given, "cancelled");
        }
    }
}

/// The task waits for what comes after the run whose iteration is asked for `Awaiting`, too.
fn c7_a_task_of_another_run_is_awaited_for_others(bed: &Bed) {
    for _ in 0..bed.scaled(20) {
        // A task can be kept where the database is for ever.
        let db: &'static Database<Steps> = Box::leak(Box::new(Database::new(Steps::default())));
        let executor: &'static Executor = Box::leak(Box::new(bed.executor()));
        let ring = thread::spawn(|| {
            executor.run(db, |cx| {
                let ring = *cx.get(Node::Ring(0));
                open(&cx.data().ring_is_done);
                ring
            })
        });
        let waits = executor.run(db, |cx| *cx.data().ring_waits.wait(cx));
        waits.expect("it does");
        let other = thread::spawn(|| {
            executor.run(db, |cx| {
                let task = cx.spawn(|cx| {
                    cx.data().ring_is_done.wait(cx);
                    5
                });
                assert!(cx.data().task.set(task).is_ok(), "set once");
                *cx.get(Node::Awaiting)
            })
        });
        until_awaited(executor, "Awaiting");
        open(&db.data().ring_goes_on);
        assert_eq!(ring.join().expect("no panic").expect("a value"), 2);
        assert_eq!(other.join().expect("no panic").expect("a value"), 5);
        executor.shutdown();
    }
}

/// Each link asks for more once the answer of the one before is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Chain {
    Link(usize),
    More(usize),
    Last(usize),
}

impl Query<AtomicUsize> for Chain {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, AtomicUsize>) -> usize {
        cx.data().fetch_add(1, Ordering::Relaxed);
        match self {
            Chain::Link(0) => 1,
            Chain::Link(link) => match *cx.get(Chain::Link(link - 1)) {
                0 => 0,
                before => before + *cx.get(Chain::More(link)),
            },
            Chain::More(link) => 1 + *cx.get(Chain::Last(link)),
            Chain::Last(_) => 0,
        }
    }
}

/// The order of needs is not computed anew for all at each of them: then this would take many minutes.
fn c1_needs_that_are_found_one_after_another(bed: &Bed) {
    let len = bed.scaled(20_000);
    let db = Database::new(AtomicUsize::new(0));
    let length = bed.executor().run(&db, |cx| *cx.get(Chain::Link(len)));
    assert_eq!(length.expect("no cycle"), len + 1);
    // A link against a first value, against the final one, and against what it asks for then.
    let runs = db.data().load(Ordering::Relaxed);
    assert!(runs <= 6 * len + 1, "{runs} runs");
}

/// One counts, and the other asks for it in every other round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Counts,
    Looks,
}

impl Query<usize> for Turn {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0));

    fn provide(self, cx: &Cx<'_, usize>) -> usize {
        let own = *cx.get(self);
        match self {
            Turn::Counts => {
                cx.get(Turn::Looks);
            }
            Turn::Looks if own.is_multiple_of(2) => {
                cx.get(Turn::Counts);
            }
            Turn::Looks => (),
        }
        (own + 1).min(*cx.data())
    }
}

/// Who comes and goes is not noted as a reader again each time.
fn c1_needs_that_come_and_go(bed: &Bed) {
    let rounds = bed.scaled(90_000);
    let db = Database::new(rounds);
    let count = bed.executor().run(&db, |cx| *cx.get(Turn::Counts));
    assert_eq!(count.expect("it ends"), rounds);
}

/// The counter comes to no end by itself. In its second round it asks for what is not known yet, and for `After` only as
/// long as that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Need {
    Counter,
    Step,
    After,
}

impl Query<()> for Need {
    type Value = usize;
    const FIXPOINT: Option<Fixpoint<Self, usize>> = Some(Fixpoint::new(|_| 0).rounds_max(20));

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        match self {
            Need::Counter => match *cx.get(Need::Counter) {
                0 => 1,
                own => match *cx.get(Need::Step) {
                    0 => *cx.get(Need::After),
                    step => own + step,
                },
            },
            Need::Step => 3,
            Need::After => *cx.get(Need::Counter),
        }
    }
}

fn c1_what_a_first_value_has_led_to_is_no_need(bed: &Bed) {
    let executor = bed.executor();
    let all = [Need::Counter, Need::Step, Need::After];
    for first in 0..bed.scaled(30) {
        let db = Database::new(());
        let given = at_once_from_tasks(&executor, &db, 3, |cx, index| {
            let need = all[(first + index) % 3];
            let given = cx.try_get(need).copied();
            (need, given.map_err(|error| error.to_string()))
        });
        for (need, given) in given {
            let endless = "no fixpoint after 20 rounds: Need Counter";
            match need {
                Need::Counter => assert_eq!(given, Err(endless.to_owned())),
                Need::Step => assert_eq!(given, Ok(3)),
                Need::After => assert_eq!(given, Err(format!("{endless} (in Need After)"))),
            }
        }
    }
}
