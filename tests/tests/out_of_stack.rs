//! F7: the system gives no memory for more stack. In a child process whose address space is limited, by the shell.
#![cfg(unix)]

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use dagwood::{Backend, Cx, Database, Executor};
use dagwood_tests::limited_child_process;

/// Says in the child which test is meant, and that it is the child.
const CHILD: &str = "DAGWOOD_TEST_OUT_OF_STACK";

/// The child's address space, in KiB.
const ADDRESS_SPACE_KIB: u32 = 512 << 10;

/// What each level takes up: then it is a few thousand that fill the memory, and that a failure unwinds.
type Room = MaybeUninit<[u8; 64 << 10]>;

fn comb(cx: &Cx<'_, ()>, levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let room = Room::uninit();
    let (below, one) = cx.join(|cx| comb(cx, levels - 1), |_| 1);
    black_box(&room);
    below + one
}

/// Deeper than the address space can be, then not.
fn go_too_deep(backend: Backend) {
    let executor = Executor::builder()
        .backend(backend)
        .workers(2)
        .stack_bytes(2 << 20)
        .build()
        .expect("a few stacks fit");
    for _ in 0..2 {
        let db = Database::new(());
        let error = executor
            .run(&db, |cx| comb(cx, usize::MAX))
            .expect_err("there is not so much memory");
        assert!(error.is_exhausted(), "{error}");
        assert!(error.to_string().contains("cannot go deeper"), "{error}");
        let sum = executor.run(&db, |cx| comb(cx, 100));
        assert_eq!(sum.expect("that fits"), 100);
    }
}

/// Runs on another executor when it is dropped, save in a closure that runs.
struct RunsAtEnd<'e> {
    other: &'e Executor,
    is_on: bool,
}

impl Drop for RunsAtEnd<'_> {
    fn drop(&mut self) {
        if self.is_on {
            // There may be no memory for this either.
            let _ = self.other.run(&Database::new(()), |_| ());
        }
    }
}

/// A comb whose closures have something to do at their end.
fn busy_comb(cx: &Cx<'_, ()>, other: &Executor, taken: &AtomicUsize, made: &AtomicUsize) {
    let end = RunsAtEnd { other, is_on: true };
    made.fetch_add(1, Ordering::Relaxed);
    let once = Box::new(1);
    let room = Room::uninit();
    cx.join(
        move |cx| {
            let mut end = end;
            end.is_on = false;
            busy_comb(cx, other, taken, made);
        },
        move |_| taken.fetch_add(*once, Ordering::Relaxed),
    );
    black_box(&room);
}

/// The first half's destructor waits, when there is no memory for the join to go deeper: nobody gets the second half.
fn drop_what_waits(backend: Backend) {
    let build = |workers, bytes| {
        let builder = Executor::builder().backend(backend).workers(workers);
        builder.stack_bytes(bytes).build().expect("it fits")
    };
    let (executor, other) = (build(2, 2 << 20), build(1, 256 << 10));
    let (taken, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ran = executor.run(&Database::new(()), |cx| {
        busy_comb(cx, &other, &taken, &made)
    });
    let error = ran.expect_err("there is not so much memory");
    assert!(error.is_exhausted(), "{error}");
    assert_eq!(
        taken.into_inner() + 1,
        made.into_inner(),
        "all but the last"
    );
}

/// Runs the test `name` again with a limit, and itself if this is that run.
fn in_limited_child(name: &str, backend: Backend, body: fn(Backend)) {
    if !Executor::backends().contains(&backend) {
        return;
    }
    if std::env::var(CHILD).as_deref() == Ok(name) {
        body(backend);
        println!("the limited child is through");
        return;
    }
    let output = limited_child_process(module_path!(), name, ADDRESS_SPACE_KIB)
        .env(CHILD, name)
        // GNU's allocator would reserve 64 MiB for each thread.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_through = said.contains("the limited child is through");
    assert!(output.status.success() && is_through, "{said}\n{errors}");
}

#[test]
fn f7_no_memory_for_more_stack_on_fibers() {
    let name = "f7_no_memory_for_more_stack_on_fibers";
    in_limited_child(name, Backend::Fibers, go_too_deep);
}

#[test]
fn f7_no_memory_for_more_stack_on_threads() {
    let name = "f7_no_memory_for_more_stack_on_threads";
    in_limited_child(name, Backend::Threads, go_too_deep);
}

#[test]
fn f7_no_memory_for_more_stack_sequentially() {
    let name = "f7_no_memory_for_more_stack_sequentially";
    in_limited_child(name, Backend::Sequential, go_too_deep);
}

#[test]
fn f7_no_memory_for_a_join_whose_destructor_waits() {
    let name = "f7_no_memory_for_a_join_whose_destructor_waits";
    in_limited_child(name, Backend::Fibers, drop_what_waits);
}
