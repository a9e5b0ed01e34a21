//! Inside a provider: joins run on the executor's own workers, find the context that was lent, and are recorded.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use dagwood::{Backend, Cx, Database, Executor, Query, with_current};
use rayon_core::{current_num_threads, join, scope};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Leaf(usize);

impl Query<()> for Leaf {
    type Value = usize;

    fn provide(self, _: &Cx<'_, ()>) -> usize {
        self.0
    }
}

/// Asks for all leaves: by joins with contexts, or by rayon's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sum {
    WithContexts,
    Lent,
}

const LEAVES: usize = 64;

impl Query<()> for Sum {
    type Value = usize;

    fn provide(self, cx: &Cx<'_, ()>) -> usize {
        match self {
            Sum::WithContexts => with_contexts(cx, 0, LEAVES),
            Sum::Lent => cx.lend(|| lent(0, LEAVES)),
        }
    }
}

fn with_contexts(cx: &Cx<'_, ()>, from: usize, to: usize) -> usize {
    if to - from == 1 {
        return *cx.get(Leaf(from));
    }
    let middle = from.midpoint(to);
    let (a, b) = cx.join(
        |cx| with_contexts(cx, from, middle),
        |cx| with_contexts(cx, middle, to),
    );
    a + b
}

fn lent(from: usize, to: usize) -> usize {
    if to - from == 1 {
        return with_current::<(), _>(|cx| *cx.get(Leaf(from)));
    }
    let middle = from.midpoint(to);
    let (a, b) = join(|| lent(from, middle), || lent(middle, to));
    a + b
}

fn executors() -> Vec<Executor> {
    let mut executors = Vec::new();
    for &backend in Executor::backends() {
        for workers in [1, 2, 4] {
            let builder = Executor::builder().backend(backend).workers(workers);
            executors.push(builder.build().expect("an executor can be made"));
        }
    }
    executors
}

#[test]
fn s1_what_branches_of_rayon_ask_is_recorded_in_program_order() {
    for executor in executors() {
        for _ in 0..20 {
            let db = Database::new(()).record_all();
            let sums = executor.run(&db, |cx| (*cx.get(Sum::WithContexts), *cx.get(Sum::Lent)));
            assert_eq!(sums.unwrap(), (2016, 2016));
            let record = |sum| format!("{:?}", db.record(&sum).expect("it is ready"));
            assert_eq!(record(Sum::Lent), record(Sum::WithContexts));
        }
    }
}

#[test]
fn s1_a_provider_joins_on_the_workers_that_run_it() {
    for executor in executors() {
        let db = Database::new(());
        let names = Mutex::new(HashSet::new());
        let note = || {
            let name = std::thread::current().name().map(str::to_owned);
            names.lock().unwrap().insert(name);
            current_num_threads()
        };
        let counts = executor.run(&db, |_| join(note, note)).unwrap();
        assert_eq!(counts, (executor.workers(), executor.workers()));
        if executor.backend() != Backend::Sequential {
            let names = names.into_inner().unwrap();
            let is_ours = |name: &Option<String>| {
                name.as_ref()
                    .is_some_and(|name| name.starts_with("dagwood "))
            };
            assert!(names.iter().all(is_ours), "{names:?}");
        }
    }
}

/// What is not lent is not found.
#[test]
fn s1_no_context_leaves_what_it_was_lent_to() {
    let find = || with_current::<(), _>(|cx| *cx.get(Leaf(7)));
    let is_found = || catch_unwind(AssertUnwindSafe(find)).is_ok();
    assert!(!is_found());
    for executor in executors() {
        let db = Database::new(());
        executor
            .run(&db, |cx| {
                assert!(!is_found());
                cx.lend(|| {
                    assert!(is_found());
                    // Of another type of data.
                    let other = || with_current::<u32, _>(|cx| *cx.data());
                    assert!(catch_unwind(AssertUnwindSafe(other)).is_err());
                    // While it is used it is not lent.
                    assert!(!with_current::<(), _>(|_| is_found()));
                    // Spawned closures are not part of the branches.
                    if executor.workers() == 1 && executor.backend() != Backend::Sequential {
                        scope(|scope| scope.spawn(|_| assert!(!is_found())));
                    }
                    assert_eq!(join(is_found, is_found), (true, true));
                });
                assert!(!is_found());
            })
            .unwrap();
    }
}

/// Looks for a context that it was not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Nosy;

impl Query<()> for Nosy {
    type Value = bool;

    fn provide(self, _: &Cx<'_, ()>) -> bool {
        let look = || with_current::<(), _>(|cx| *cx.get(Leaf(5)));
        catch_unwind(AssertUnwindSafe(look)).is_ok()
    }
}

#[test]
fn s1_a_provider_does_not_find_what_was_lent_around_it() {
    for executor in executors() {
        let db = Database::new(());
        let found = executor.run(&db, |cx| {
            cx.lend(|| with_current::<(), _>(|cx| cx.lend(|| *cx.get(Nosy))))
        });
        assert!(!found.unwrap());
        let found = executor.run(&db, |cx| cx.lend(|| *cx.get(Nosy)));
        assert!(!found.unwrap(), "whoever computes it");
    }
}
