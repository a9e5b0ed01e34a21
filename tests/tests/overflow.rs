//! F6: a stack that overflows ends the process by a signal, and what is said names the query.
//!
//! Each case runs in a child, which is this very program.
#![cfg(unix)]

use std::env;
use std::fmt;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;

use dagwood::{Backend, Builder, Cx, Database, Event, Executor, Guards, Query};
#[cfg(feature = "fibers")]
use dagwood_tests::run_scenario;
use dagwood_tests::{Bed, Gated, child_process, scenarios};

scenarios! {
    pools [1, 2]: f6_an_overflow_names_its_query;
    pools [1] unseeded "it ends by a clock": f6_a_key_whose_debug_hangs_is_cut_off;
    pools [1] unseeded "the others all wait by then": f6_one_of_many_stacks;
    pools [1] unseeded "as the first, on other stacks": f6_guards_that_split;
    pools [1]: f6_a_job_that_is_no_query;
    all [1, 2]: f6_on_a_further_segment_of_stack;
    pools [1] unseeded "as the first, without words": f6_no_words_if_not_wanted;
    pools [1] unseeded "a thread of no executor": f6_another_threads_overflow_keeps_its_message;
}

/// Names the case, the backend and the number of workers to the child.
const CHILD: &str = "DAGWOOD_TESTS_OVERFLOW";

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// What a stack holds at least, so that a frame of the recursion is surely less.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let block = black_box([depth; 64]);
    recurse(depth + 1) + black_box(block)[0]
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Deep {
    Recursion(u32),
    Asks(u32),
    Hanging,
}

impl fmt::Debug for Deep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deep::Recursion(number) => write!(f, "Deep {{ key {number} }}"),
            Deep::Asks(number) => write!(f, "Deep {{ asker {number} }}"),
            Deep::Hanging => loop {
                std::hint::spin_loop();
            },
        }
    }
}

impl Query<Event<()>> for Deep {
    type Value = u64;

    fn provide(self, cx: &Cx<'_, Event<()>>) -> u64 {
        match self {
            Deep::Asks(0) => *cx.get(Deep::Recursion(1234)),
            Deep::Asks(number) => *cx.get(Deep::Asks(number - 1)),
            Deep::Recursion(_) | Deep::Hanging => recurse(0),
        }
    }
}

fn builder(backend: Backend, workers: usize) -> Builder {
    Executor::builder()
        .backend(backend)
        .workers(workers)
        .stack_bytes(256 << 10)
}

/// What runs in a process of its own, which it ends; does nothing in any other.
#[test]
#[ignore = "ends its process; another test starts it"]
fn f6_child_process() {
    let Ok(order) = env::var(CHILD) else { return };
    let mut words = order.split(' ');
    let mut word = || words.next().expect("three words");
    let (case, backend, workers) = (word(), word(), word());
    let builder = builder(
        backend.parse().expect("a backend"),
        workers.parse().expect("a number"),
    );
    let builder = match case {
        "silent" => builder.report_overflows(false),
        "million" => builder.max_fibers(1_001_000).stack_bytes(64 << 10),
        "splitting" => builder.guards(Guards::Splitting),
        _ => builder,
    };
    let executor = builder.build().expect("an executor can be made");
    let db = Database::new(Event::new());
    eprintln!("about to overflow");
    let sum = match case {
        "thread" => std::thread::Builder::new()
            .name("a stranger".to_owned())
            .spawn(|| recurse(0))
            .expect("a thread can be started")
            .join()
            .ok(),
        _ => executor.run(&db, |cx| overflow(cx, case)).ok(),
    };
    eprintln!("survived with {sum:?}");
}

fn overflow(cx: &Cx<'_, Event<()>>, case: &str) -> u64 {
    match case {
        "hanging" => *cx.get(Deep::Hanging),
        "job" => recurse(0),
        "many" | "million" => cx.scope(|cx, scope| {
            let others = if case == "many" { 1000 } else { 1_000_000 };
            for number in 0..others {
                scope.spawn(cx, move |cx| {
                    cx.get(Gated(number));
                });
            }
            // Behind them: at one worker children start in the order of spawning.
            scope.spawn(cx, |cx| {
                let _ = *cx.get(Deep::Asks(2));
            });
            0
        }),
        "segment" => *cx.get(Deep::Asks(FAR)),
        _ => *cx.get(Deep::Asks(2)),
    }
}

/// So many asks do not fit on one stack.
const FAR: u32 = 5000;

/// What a child says, having died by `on_fibers` or `on_threads`.
fn last_words(case: &str, bed: &Bed, on_fibers: i32, on_threads: i32) -> String {
    let mut child = child_process(module_path!(), "f6_child_process");
    child.env(CHILD, format!("{case} {} {}", bed.backend(), bed.workers()));
    if let Some(schedule) = bed.schedule() {
        child.env("DAGWOOD_SCHEDULE", schedule.to_string());
    }
    let output = child.output().expect("this program can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("about to overflow"), "{said}");
    assert!(!said.contains("survived"), "{said}");
    let expected = match bed.backend() {
        Backend::Fibers => on_fibers,
        _ => on_threads,
    };
    assert_eq!(output.status.signal(), Some(expected), "{said}");
    said
}

/// Where words are said at all.
fn has_words() -> bool {
    cfg!(target_os = "linux")
}

fn assert_names_the_query(bed: &Bed, said: &str) {
    if !has_words() {
        return;
    }
    let name = std::any::type_name::<Deep>();
    let first =
        format!("dagwood: stack overflow in query {name}, with 3 more below it on its stack");
    assert!(said.contains(&first), "{said}");
    if bed.backend() == Backend::Fibers {
        assert!(said.contains("overflowed in Deep { key 1234 }"), "{said}");
        assert!(said.contains("asked by Deep { asker 2 }"), "{said}");
    } else {
        // A thread's guard is std's own, which says so and aborts.
        assert!(said.contains("has overflowed its stack"), "{said}");
    }
}

fn f6_an_overflow_names_its_query(bed: &Bed) {
    let said = last_words("query", bed, SIGSEGV, SIGABRT);
    assert_names_the_query(bed, &said);
}

fn f6_one_of_many_stacks(bed: &Bed) {
    let said = last_words("many", bed, SIGSEGV, SIGABRT);
    assert_names_the_query(bed, &said);
}

#[test]
#[cfg(feature = "fibers")]
#[ignore = "takes 6 GiB and long in debug"]
fn d2_an_overflow_beside_a_million_that_wait() {
    run_scenario("d2_overflow", Backend::Fibers, &[1], |bed| {
        let said = last_words("million", bed, SIGSEGV, SIGABRT);
        assert_names_the_query(bed, &said);
    });
}

fn f6_guards_that_split(bed: &Bed) {
    let said = last_words("splitting", bed, SIGSEGV, SIGABRT);
    assert_names_the_query(bed, &said);
}

fn f6_a_key_whose_debug_hangs_is_cut_off(bed: &Bed) {
    let said = last_words("hanging", bed, SIGSEGV, SIGABRT);
    let first = format!("stack overflow in query {}", std::any::type_name::<Deep>());
    assert!(!has_words() || said.contains(&first), "{said}");
}

fn f6_a_job_that_is_no_query(bed: &Bed) {
    let said = last_words("job", bed, SIGSEGV, SIGABRT);
    let first = "dagwood: stack overflow in a job that is no query";
    assert!(!has_words() || said.contains(first), "{said}");
}

fn f6_on_a_further_segment_of_stack(bed: &Bed) {
    let said = last_words("segment", bed, SIGSEGV, SIGSEGV);
    if !has_words() {
        return;
    }
    let (name, below) = (std::any::type_name::<Deep>(), FAR + 1);
    let first = format!(
        "stack overflow in query {name}, with {below} more below it on its stack (on a segment"
    );
    assert!(said.contains(&first), "{said}");
    let has_keys = said.contains("overflowed in Deep { key 1234 }");
    assert_eq!(has_keys, bed.backend() == Backend::Fibers, "{said}");
}

fn f6_no_words_if_not_wanted(bed: &Bed) {
    let said = last_words("silent", bed, SIGSEGV, SIGABRT);
    assert!(!said.contains("dagwood:"), "{said}");
}

fn f6_another_threads_overflow_keeps_its_message(bed: &Bed) {
    let said = last_words("thread", bed, SIGABRT, SIGABRT);
    assert!(!said.contains("dagwood:"), "{said}");
    assert!(
        said.contains("thread 'a stranger'") && said.contains("has overflowed its stack"),
        "{said}"
    );
}
