//! The model against graphs whose outcome is known: no deadlock, a cycle, and the deadlocks of a
//! thread that waits in a join and picks up a job that waits for what lies below it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use super::*;

const STACK_BYTES: usize = 1 << 20;
/// A run that takes longer has hung unnoticed. Its threads stay; the test fails.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What the queries of one test meet at.
struct Stage {
    /// Both halves of a test stand here once.
    both: Barrier,
    /// The second half of `Stolen` runs.
    begun: Signal,
    /// It may end.
    released: Signal,
}

/// Something that is said once.
struct Signal(Sender<()>, Mutex<Receiver<()>>);

impl Signal {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Signal(sender, Mutex::new(receiver))
    }

    fn send(&self) {
        self.0.send(()).expect("the receiver is here");
    }

    fn await_one(&self) {
        let receiver = self.1.lock().expect("nobody panics");
        receiver.recv().expect("the sender is here");
    }
}

#[derive(Clone)]
struct Node {
    kind: Kind,
    stage: Arc<Stage>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// The sum of two smaller ones, down to 1: many ask for the same.
    Ways(u32, u32),
    /// A query that asks for itself.
    Itself,
    /// `Ring(0)` and `Ring(1)` ask for each other once both have begun.
    Ring(u32),
    /// Forks; the first half leaves a job behind that asks for this very query.
    Alone,
    /// The same on two threads at once, and each one's job asks for the other query.
    Crossed(u32),
    /// The second half is stolen, and ends only when the job left behind is on this one's stack.
    Stolen,
    /// Its provider panics.
    Broken,
}

impl Stage {
    fn new() -> Arc<Self> {
        Arc::new(Stage {
            both: Barrier::new(2),
            begun: Signal::new(),
            released: Signal::new(),
        })
    }

    fn node(self: &Arc<Self>, kind: Kind) -> Node {
        Node {
            kind,
            stage: Arc::clone(self),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl Provide for Node {
    type Value = u64;

    fn provide(self, asker: &Asker<'_, Self>) -> u64 {
        let stage = &self.stage;
        match self.kind {
            Kind::Ways(0, _) | Kind::Ways(_, 0) => return 1,
            Kind::Ways(i, j) => {
                let (a, b) = asker.join(
                    |asker| asker.get(stage.node(Kind::Ways(i - 1, j))),
                    |asker| asker.get(stage.node(Kind::Ways(i, j - 1))),
                );
                return a + b;
            }
            Kind::Itself => return asker.get(self),
            Kind::Ring(n) => {
                stage.both.wait();
                return asker.get(stage.node(Kind::Ring(1 - n)));
            }
            Kind::Alone => asker.join(|asker| leave(asker, || (), self.clone()), |_| ()),
            Kind::Crossed(n) => {
                let first = |asker: &Asker<'_, Self>| {
                    stage.both.wait();
                    leave(asker, || (), stage.node(Kind::Crossed(1 - n)));
                };
                asker.join(first, |_| ())
            }
            Kind::Stolen => {
                let first = |asker: &Asker<'_, Self>| {
                    stage.begun.await_one();
                    let stage = Arc::clone(stage);
                    leave(asker, move || stage.released.send(), self.clone());
                };
                let second = |_: &Asker<'_, Self>| {
                    stage.begun.send();
                    stage.released.await_one();
                };
                asker.join(first, second)
            }
            Kind::Broken => std::panic::resume_unwind(Box::new("broken")),
        };
        1
    }
}

/// A job that nobody waits for: on top of the thread's deque, as in an outer scope.
fn leave(asker: &Asker<'_, Node>, first: impl FnOnce() + Send + 'static, query: Node) {
    let memo = Arc::clone(asker.memo);
    rayon_core::spawn(move || {
        memo.census.note();
        first();
        let asker = Asker {
            memo: &memo,
            query: None,
        };
        // Given up with the run, most of the time.
        let _ = catch_unwind(AssertUnwindSafe(|| asker.get(query)));
    });
}

fn engine(threads: usize) -> Arc<Blocking<Node>> {
    Arc::new(Blocking::new(threads, STACK_BYTES).expect("threads start"))
}

/// Two queries at once.
fn run(engine: &Arc<Blocking<Node>>, kinds: [Kind; 2]) -> Result<(u64, u64), Trouble> {
    let engine = Arc::clone(engine);
    let (sender, outcome) = mpsc::channel();
    thread::spawn(move || {
        let stage = Stage::new();
        let [a, b] = kinds.map(|kind| stage.node(kind));
        let root =
            move |asker: &Asker<'_, Node>| asker.join(|asker| asker.get(a), |asker| asker.get(b));
        // Fails only after the watchdog has bitten.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(|| engine.run(root))));
    });
    let outcome = outcome.recv_timeout(WATCHDOG);
    outcome
        .expect("a run ends or is given up")
        .unwrap_or_else(|payload| resume_unwind(payload))
}

#[test]
fn shared_queries_give_the_right_value_again_and_again() {
    for threads in [1, 2, 3] {
        let engine = engine(threads);
        for _ in 0..20 {
            // 12 over 6 and 12 over 5 ways; three threads may deadlock, and then say so.
            match run(&engine, [Kind::Ways(6, 6), Kind::Ways(5, 7)]) {
                Ok(values) => assert_eq!(values, (924, 792)),
                Err(Trouble::Hung(_)) if threads > 2 => {}
                Err(trouble) => panic!("{threads} threads: {trouble}"),
            }
        }
    }
}

#[test]
fn a_query_that_asks_for_itself_is_a_cycle() {
    let Err(Trouble::Failed(text)) = run(&engine(1), [Kind::Itself; 2]) else {
        panic!("no cycle")
    };
    assert_eq!(text, "a cycle of queries: Itself asks Itself");
}

/// Only when both threads are blocked is there anything to be seen.
#[test]
fn a_cycle_over_two_threads_is_found_and_named() {
    let Err(Trouble::Failed(text)) = run(&engine(2), [Kind::Ring(0), Kind::Ring(1)]) else {
        panic!("no cycle")
    };
    let both = [
        "Ring(0) asks Ring(1) asks Ring(0)",
        "Ring(1) asks Ring(0) asks Ring(1)",
    ];
    assert!(both.iter().any(|cycle| text.ends_with(cycle)), "{text}");
}

#[test]
fn a_job_above_the_query_it_asks_for_is_a_deadlock_by_count() {
    let Err(Trouble::Hung(text)) = run(&engine(1), [Kind::Alone, Kind::Ways(1, 1)]) else {
        panic!("no deadlock")
    };
    let expected = "all 1 threads are blocked, and there is no cycle of queries: \
        the root waits for Alone";
    assert_eq!(text, expected);
}

#[test]
fn crossed_stacks_are_a_deadlock_by_count() {
    let engine = engine(2);
    for _ in 0..20 {
        let outcome = run(&engine, [Kind::Crossed(0), Kind::Crossed(1)]);
        let Err(Trouble::Hung(text)) = outcome else {
            panic!("no deadlock")
        };
        assert!(text.starts_with("all 2 threads are blocked"), "{text}");
        for n in 0..2 {
            assert!(text.contains(&format!("waits for Crossed({n})")), "{text}");
        }
        // Nothing is left of it in the next run.
        assert_eq!(run(&engine, [Kind::Ways(1, 1); 2]), Ok((2, 2)));
    }
}

/// One thread is blocked and the other idle: rustc's pool counts both, here the monitor finds it.
#[test]
fn a_deadlock_beside_an_idle_thread_is_found() {
    let Err(Trouble::Hung(text)) = run(&engine(2), [Kind::Stolen, Kind::Ways(1, 1)]) else {
        panic!("no deadlock")
    };
    assert!(
        text.starts_with("blocked threads: 1, and the other 1 have nothing to do"),
        "{text}"
    );
}

#[test]
fn a_panic_reaches_all_who_ask() {
    for threads in [1, 2] {
        let outcome = catch_unwind(|| run(&engine(threads), [Kind::Broken; 2]));
        let payload = outcome.expect_err("a panic");
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let text = text.expect("a text");
        assert!(text.contains("broken") || text.contains("Broken"), "{text}");
    }
}
