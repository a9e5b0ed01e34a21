//! X1, X3 and F5 for the hooks around a suspension: an embedder's thread-locals are those of the fiber.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as OsMutex};

use dagwood::locks::{Mutex, Semaphore};
use dagwood::{Backend, Builder, CancelToken, Cx, Database, Event, Executor};
use dagwood_tests::{Bed, Meeting, Random, child_process, open, scenarios};

scenarios! {
    pools [4, 1]: x1_ten_thousand_tasks_keep_their_thread_locals;
    pools [1, 2]: x3_a_scoped_thread_local_is_right_with_hooks;
    pools [1]: x3_without_hooks_it_is_the_threads;
    pools [2, 1]: x3_a_job_on_another_executor_keeps_its_own;
    pools [2, 1]: x3_who_is_cancelled_unwinds_with_its_own;
    pools [1, 2]: x3_hooks_are_called_in_pairs_and_in_order;
    all [2, 1]: x3_no_hook_is_called_where_nothing_suspends;
    pools [2, 1]: x3_a_wait_in_a_hook_is_refused;
    pools [1]: f5_a_hook_that_panics_ends_the_process_with_a_message;
}

thread_local! {
    /// What is bound here, for the time of a call: as `scoped_tls` does.
    static BOUND: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Binds a value for the time of `body`.
fn bound<R>(value: usize, body: impl FnOnce() -> R) -> R {
    struct Reset(Option<usize>);
    impl Drop for Reset {
        fn drop(&mut self) {
            BOUND.set(self.0);
        }
    }
    let _reset = Reset(BOUND.replace(Some(value)));
    body()
}

/// The hooks that [`BOUND`] wants.
fn swapping(builder: Builder) -> Executor {
    let builder = builder.suspend_hooks(|| BOUND.take(), |bound| BOUND.set(bound));
    builder.build().expect("an executor can be made")
}

/// Suspends at least once if another fiber is needed to set the event.
fn wait_for_a_fork<D: Send + Sync + 'static>(cx: &Cx<'_, D>) {
    let event = Event::new();
    cx.join(|cx| event.wait(cx), |_| open(&event));
}

fn x1_ten_thousand_tasks_keep_their_thread_locals(bed: &Bed) {
    let tasks = bed.at_most_on_threads(bed.at_most_seeded(40, 300), 10_000);
    let executor = swapping(bed.builder());
    let db = Database::new(Meeting::new(tasks));
    let live = |cx: &Cx<'_, Meeting>, id: usize| {
        let mut random = Random::new(id as u64);
        let check = || assert_eq!(BOUND.get(), Some(id));
        // All of them wait at once.
        cx.data().meet(cx);
        check();
        for _ in 0..random.below(5) {
            wait_for_a_fork(cx);
            check();
            bound(id + 1, || {
                cx.yield_now();
                wait_for_a_fork(cx);
                assert_eq!(BOUND.get(), Some(id + 1));
            });
            check();
        }
    };
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..tasks, |cx, id| {
            assert_eq!(BOUND.get(), None);
            bound(id, || live(cx, id));
            assert_eq!(BOUND.get(), None);
        });
    });
    run.expect("nobody lost its local");
}

/// Two jobs that bind a value and wait; the one that began first ends first. Gives what each saw after its wait, and after
/// its end.
fn out_of_order(executor: &Executor) -> [(Option<usize>, Option<usize>); 2] {
    let db = Database::new(());
    let (first_waits, second_waits, first_ended) = (Event::new(), Event::new(), Event::new());
    let job = |value: usize, body: &dyn Fn()| {
        let seen = bound(value, || {
            body();
            BOUND.get()
        });
        // The thread is left as others expect it.
        (seen, BOUND.take())
    };
    let run = executor.run(&db, |cx| {
        let first = |cx: &Cx<'_, ()>| {
            let seen = job(1, &|| {
                open(&first_waits);
                second_waits.wait(cx);
            });
            open(&first_ended);
            seen
        };
        let second = |cx: &Cx<'_, ()>| {
            first_waits.wait(cx);
            job(2, &|| {
                open(&second_waits);
                first_ended.wait(cx);
            })
        };
        let (first, second) = cx.join(first, second);
        [first, second]
    });
    run.expect("both end")
}

fn x3_a_scoped_thread_local_is_right_with_hooks(bed: &Bed) {
    let executor = swapping(bed.builder());
    for _ in 0..bed.scaled(50) {
        let right = [(Some(1), None), (Some(2), None)];
        assert_eq!(out_of_order(&executor), right);
    }
}

/// The limit that the documentation tells of; on threads there is none.
fn x3_without_hooks_it_is_the_threads(bed: &Bed) {
    let seen = out_of_order(&bed.executor());
    if bed.backend() == Backend::Threads {
        assert_eq!(seen, [(Some(1), None), (Some(2), None)]);
    } else {
        // The first sees what the second has bound; that one finds that the first has reset it.
        assert_eq!(seen, [(Some(2), None), (None, Some(1))]);
    }
}

fn x3_a_job_on_another_executor_keeps_its_own(bed: &Bed) {
    let (executor, other) = (swapping(bed.builder()), bed.executor());
    let sequential = Executor::builder().backend(Backend::Sequential);
    let sequential = sequential.build().expect("an executor can be made");
    let db = Database::new(());
    for there in [&other, &sequential] {
        let permits = Semaphore::new(0);
        let run = executor.run(&db, |cx| {
            let waits = |_: &Cx<'_, ()>| {
                bound(1, || {
                    let run = there.run(&db, |cx| drop(permits.acquire(cx)));
                    run.expect("it ends");
                    BOUND.get()
                })
            };
            let gives = |cx: &Cx<'_, ()>| {
                bound(2, || cx.yield_now());
                permits.add_permits(1);
                BOUND.get()
            };
            cx.join(waits, gives)
        });
        assert_eq!(run.expect("both end"), (Some(1), None));
    }
}

fn x3_who_is_cancelled_unwinds_with_its_own(bed: &Bed) {
    /// Notes what is bound when it is dropped.
    struct Notes<'n>(&'n OsMutex<Option<usize>>);
    impl Drop for Notes<'_> {
        fn drop(&mut self) {
            *self.0.lock().expect("no user code under the lock") = BOUND.get();
        }
    }
    let executor = swapping(bed.builder());
    let db = Database::new(());
    let (never, waits, token) = (Event::<()>::new(), Event::new(), CancelToken::new());
    let seen = OsMutex::new(None);
    let run = executor.run(&db, |cx| {
        let cancelled = |cx: &Cx<'_, ()>| {
            cx.cancellable(&token, |cx| {
                bound(1, || {
                    let _notes = Notes(&seen);
                    open(&waits);
                    never.wait(cx);
                });
            })
        };
        let cancels = |cx: &Cx<'_, ()>| {
            waits.wait(cx);
            bound(2, || {
                cx.yield_now();
                token.cancel();
                cx.yield_now();
            });
        };
        cx.join(cancelled, cancels).0
    });
    let error = run.expect("the run goes on").expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(seen.into_inner().expect("not poisoned"), Some(1));
}

fn x3_hooks_are_called_in_pairs_and_in_order(bed: &Bed) {
    thread_local! {
        static CALLS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }
    fn note(call: &'static str) {
        CALLS.with_borrow_mut(|calls| calls.push(call));
    }
    let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let count = |index: usize| {
        let counts = Arc::clone(&counts);
        move || counts[index].fetch_add(1, Ordering::SeqCst)
    };
    let (leaves, comes_back) = (count(0), count(1));
    let builder = bed.builder().suspend_hooks(
        move || {
            note("first leaves");
            leaves()
        },
        move |_| {
            note("first is back");
            comes_back();
        },
    );
    let builder = builder.suspend_hooks(|| note("second leaves"), |()| note("second is back"));
    let executor = builder.build().expect("an executor can be made");
    let db = Database::new(());
    let run = executor.run(&db, |cx| {
        cx.par_for_each(0..20_usize, |cx, item| match item % 2 {
            0 => wait_for_a_fork(cx),
            _ => cx.yield_now(),
        });
        CALLS.take()
    });
    // Only those of this thread since it was last taken: in pairs in any case.
    let calls = run.expect("it ends");
    let leaving = ["first leaves", "second leaves"];
    let back = ["second is back", "first is back"];
    assert!(calls.len().is_multiple_of(2));
    assert!(
        calls.chunks(2).all(|pair| pair == leaving || pair == back),
        "{calls:?}"
    );
    let [left, came_back] = &*counts;
    assert_eq!(
        left.load(Ordering::SeqCst),
        came_back.load(Ordering::SeqCst)
    );
    assert!(bed.workers() > 1 || left.load(Ordering::SeqCst) > 0);
}

fn x3_no_hook_is_called_where_nothing_suspends(bed: &Bed) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let builder = bed.builder().suspend_hooks(
        move || counted.fetch_add(1, Ordering::SeqCst),
        |before| assert_eq!(before, 0),
    );
    let executor = builder.build().expect("an executor can be made");
    let (db, mutex, event) = (Database::new(()), Mutex::new(0), Event::new());
    open(&event);
    let run = executor.run(&db, |cx| {
        cx.no_suspend(|cx| {
            cx.join(|_| 1, |_| 2);
            *mutex.lock(cx) += 1;
            event.wait(cx);
        });
    });
    run.expect("it ends");
    mutex.lock_blocking().map(drop).expect("it is free");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

fn x3_a_wait_in_a_hook_is_refused(bed: &Bed) {
    let mutex = Arc::new(Mutex::new(0));
    let free = Arc::new(Mutex::new(0));
    let other = bed.executor();
    let refused = Arc::new(OsMutex::new(Vec::new()));
    let (taken, counted, noted) = (mutex.clone(), free.clone(), refused.clone());
    let builder = bed.builder().suspend_hooks(
        move || {
            let waits = taken.lock_blocking().map(|value| *value);
            let runs = other.run(&Database::new(()), |_| 7);
            *counted.lock_blocking().expect("it is free") += 1;
            let mut noted = noted.lock().expect("no user code under the lock");
            noted.extend([waits, runs]);
        },
        |()| (),
    );
    let executor = builder.build().expect("an executor can be made");
    let run = executor.run(&Database::new(()), |cx| {
        let event = Event::new();
        let held = mutex.lock(cx);
        cx.join(|cx| event.wait(cx), |_| open(&event));
        cx.yield_now();
        drop(held);
    });
    run.expect("it ends");
    let refused = refused.lock().expect("not poisoned");
    for result in refused.iter() {
        let error = result.as_ref().expect_err("a hook does not wait");
        assert!(error.is_refused(), "{error}");
        assert!(error.to_string().contains("hooks.rs"), "{error}");
    }
    let calls = refused.len() / 2;
    assert_eq!(*free.lock_blocking().expect("it is free"), calls);
}

const CHILD_BACKEND: &str = "DAGWOOD_HOOKS_CHILD_BACKEND";

fn f5_a_hook_that_panics_ends_the_process_with_a_message(bed: &Bed) {
    if bed.is_seeded() {
        return;
    }
    let child = child_process(module_path!(), "f5_child_process")
        .env(CHILD_BACKEND, bed.backend().to_string())
        .output()
        .expect("this program can be started");
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(text.contains("a hook that fails"), "{text}");
    assert!(text.contains("a suspend hook, given at "), "{text}");
    assert!(text.contains("panicked; aborting"), "{text}");
    assert!(!child.status.success());
}

#[test]
#[ignore = "ends its process"]
fn f5_child_process() {
    let Ok(backend) = std::env::var(CHILD_BACKEND) else {
        return;
    };
    let builder = Executor::builder().workers(1);
    let builder = builder.backend(backend.parse().expect("a backend"));
    let builder = builder.suspend_hooks(|| panic!("a hook that fails"), |()| ());
    let executor = builder.build().expect("an executor can be made");
    let _ = executor.run(&Database::new(()), |cx| wait_for_a_fork(cx));
}
