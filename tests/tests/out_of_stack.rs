//! F7: the system gives no memory for more stack. In a child process whose address space is limited, by the shell.
#![cfg(unix)]

use std::process::Command;

use dagwood::{Backend, Cx, Database, Executor};

/// Says in the child which test is meant, and that it is the child.
const CHILD: &str = "DAGWOOD_TEST_OUT_OF_STACK";

/// The child's address space, in KiB.
const ADDRESS_SPACE_KIB: u32 = 768 << 10;

fn comb(cx: &Cx<'_, ()>, levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let (below, one) = cx.join(|cx| comb(cx, levels - 1), |_| 1);
    below + one
}

/// Deeper than the address space can be, then not.
fn go_too_deep(backend: Backend) {
    let executor = Executor::builder()
        .backend(backend)
        .workers(2)
        .stack_bytes(16 << 20)
        .build()
        .expect("a few stacks fit");
    for _ in 0..2 {
        let db = Database::new(());
        let error = executor
            .run(&db, |cx| comb(cx, usize::MAX))
            .expect_err("there is not so much memory");
        assert!(error.is_exhausted(), "{error}");
        assert!(error.to_string().contains("cannot go deeper"), "{error}");
        let sum = executor.run(&db, |cx| comb(cx, 10_000));
        assert_eq!(sum.expect("that fits"), 10_000);
    }
}

/// Runs the test `name` again with a limit, and itself if this is that run.
fn in_limited_child(name: &str, backend: Backend) {
    if !Executor::backends().contains(&backend) {
        return;
    }
    if std::env::var(CHILD).as_deref() == Ok(name) {
        go_too_deep(backend);
        println!("the limited child is through");
        return;
    }
    let program = std::env::current_exe().expect("a test has a program");
    let script = format!("ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" --exact {name} --nocapture");
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(program)
        .env(CHILD, name)
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_through = said.contains("the limited child is through");
    assert!(output.status.success() && is_through, "{said}\n{errors}");
}

#[test]
fn f7_no_memory_for_more_stack_on_fibers() {
    in_limited_child("f7_no_memory_for_more_stack_on_fibers", Backend::Fibers);
}

#[test]
fn f7_no_memory_for_more_stack_on_threads() {
    in_limited_child("f7_no_memory_for_more_stack_on_threads", Backend::Threads);
}

#[test]
fn f7_no_memory_for_more_stack_sequentially() {
    in_limited_child(
        "f7_no_memory_for_more_stack_sequentially",
        Backend::Sequential,
    );
}
